"""The linear-combination fit as a run names it: what it is called, and what it may be given as text.

Lipids are the trouble of a small voxel: their methylene lies under lactate, and their amount is not known. What is
known are the ratios of marrow fat's lines (`fat_spectra`), and, of a voxel that saturation bands surround, that there
is little of it. Both are soft expectations here: `fat_ratios` ties the lipids to their methylene, `fat` says by how
much that may lie around zero. Bounds and errors know them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import Description, Option


def _number(name: str, default: float, unit: str, symbol: str, description: str, upper: float = 1e9) -> Option:
    return Option(name=name, default=default, unit=unit, symbol=symbol, description=description, lower=0.0, upper=upper)


OPTIONS = (
    _number("low", 0.4e-6, "ppm", r"\delta_1", "lowest chemical shift that is compared", 20e-6),
    _number("high", 4.2e-6, "ppm", r"\delta_2", "highest chemical shift that is compared", 20e-6),
    _number("baseline", 2.0, "", "e", "effective degrees of freedom of the baseline per ppm; 0: none", 50.0),
    _number(
        "water_band",
        0.0,
        "ppm",
        "d",
        "half width of the band around water whose lines are taken out before the fit (HSVD); 0: they stay",
        20e-6,
    ),
    _number(
        "water_content",
        0.8,
        "",
        "w",
        "share of the tissue that is water, by volume; a run takes the tissue table's",
        1.0,
    ),
    _number("water_t1", 1.3, "s", "T_{1w}", "T1 of the tissue's water; a run takes the tissue table's"),
    _number("water_t2", 0.1, "s", "T_{2w}", "T2 of the tissue's water; a run takes the tissue table's"),
    _number("foreign", 0.0, "", "c", "share of the water reference from parts without metabolites", 0.99),
    _number("metabolite_t1", 0.0, "s", "T_1", "T1 of the metabolites; 0: that of brain metabolites at the field"),
    _number("metabolite_t2", 0.0, "s", "T_2", "T2 of the metabolites; 0: that of brain metabolites at the field"),
    _number("fat", 0.0, "mM", "f", "standard deviation of the lipids' methylene about zero, mM; 0: not known"),
    _number("fat_ratios", 0.2, "", "r", "relative standard deviation of marrow fat's ratios; 0: lipids are free"),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Quantification(Description):
    """A fit of spectra by a basis."""


LINEAR_COMBINATION = Quantification(
    name="linear-combination",
    title="spectra as a linear combination of a basis: amounts of metabolites in mM by the water reference",
    reference="Provencher 1993, doi:10.1002/mrm.1910300604; Golub & Pereyra 1973, doi:10.1137/0710036",
    parameters=(),
    contrast=(),
    options=OPTIONS,
    data="complex",
)
QUANTIFICATIONS = (LINEAR_COMBINATION,)
"""Every fit of spectra that can be asked for by name."""
