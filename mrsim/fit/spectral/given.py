"""From a run's options to the settings of a fit: window, baseline, what is known of fat, the scale in mM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...core.basis import Basis
from ...core.errors import InputError, did_you_mean
from ...core.maps import Maps
from ...core.metabolites import Relaxation, relaxation_at
from ...core.nuclei import nucleus
from ...core.residual_water import without_water
from ...core.spectra import Spectra
from ..fat_spectra import SOURCE_WATER, find_spectrum
from ..model import Description
from ..quantification import OPTIONS, Quantification
from .combination import fit_spectra
from .result import SpectralFit
from .settings import Combination, Expected, WaterScale

LIPIDS = {
    "Lip09": (0.5, 1.1), "Lip13": (1.1, 1.8), "Lip20": (1.8, 2.45), "Lip28": (2.45, 3.2), "Lip42": (3.6, 4.6),
    "Lip53": (4.8, 5.8),
}  # fmt: skip
"""Lipid of a basis -> the chemical shifts of marrow fat's lines that it stands for, ppm."""
METHYLENE = "Lip13"
UNSCALED = (
    "the spectra have no water reference: amounts have no scale in mM, and no truth stands beside them; acquire one "
    "(water_averages)"
)
WATER = ("water_content", "water_t1", "water_t2")
"""Options that a basis may hold among its conditions, from tissue tables."""


def quantify(spectra: Spectra, basis: Basis, given: Mapping[str, float], *, threads: int | None = None) -> SpectralFit:
    """Return the fit of spectra with a run's options, in mM where there is a water reference.

    Parameters
    ----------
    spectra : Spectra
        The first of the series is fitted.
    basis : Basis
    given : mapping
        Options, SI; see `mrsim.fit.quantification.OPTIONS`.
    threads : int, optional
        All available cores by default.
    """
    known = [option.name for option in OPTIONS]
    for name in given:
        if name not in known:
            raise InputError(f"is no option of 'linear-combination'{did_you_mean(name, known)}", key=name)
    scale = water_scale_of(spectra, basis, given)
    found = fit_spectra(
        _without_water(spectra, given), basis, combination_of(basis, given), water=scale, threads=threads
    )
    if scale is None:
        found = replace(found, notes=(*found.notes, UNSCALED))
    history = found.maps.history | ({"warnings": found.notes} if found.notes else {})
    return replace(found, maps=replace(found.maps, history=history))


def _without_water(spectra: Spectra, given: Mapping[str, float]) -> Spectra:
    """Return the spectra without the lines in the band around water that the options name."""
    band = 1e6 * given.get("water_band", 0.0)
    if band == 0:
        return spectra
    low, high = (1e6 * given.get(name, next(o.default for o in OPTIONS if o.name == name)) for name in ("low", "high"))
    water = spectra.reference_ppm
    room = max(low - water, water - high)
    if band > room:
        raise InputError(
            f"is {band:g} ppm around water at {water:g} ppm and reaches into the window of the fit, {low:g} to "
            f"{high:g} ppm, whose lines it would take out; at most {max(room, 0.0):.3g} ppm, or a narrower window",
            key="water_band",
        )
    return without_water(spectra, band)


def amounts(data: Any, model: Description, plain: bool, threads: int | None, options: dict[str, Any]) -> Maps:
    """Return the maps of the verb `fit`: spectra by a basis, which is one of the options; refuse what does not fit.

    Parameters
    ----------
    data : Spectra
    model : Quantification
    plain : bool
        Whether nothing else was asked of the verb.
    threads : int or None
    options : dict
        ``basis``, and options as numbers.
    """
    if not isinstance(data, Spectra) or not isinstance(model, Quantification):
        raise InputError(f"'{model.name}' and the data do not fit: spectra need 'linear-combination'", key="model")
    if not plain:
        raise InputError(f"'{model.name}' takes the spectra's own noise: no sigma, select, likelihood", key="sigma")
    basis = options.pop("basis", None)
    if basis is None:
        raise InputError(f"'{model.name}' needs basis=, the signals of the metabolites: mrsim.basis(...)", key="basis")
    return quantify(data, basis, options, threads=threads).maps


def combination_of(basis: Basis, given: Mapping[str, float]) -> Combination:
    """Return the settings of the fit that a run's options ask for.

    Parameters
    ----------
    basis : Basis
        Whose lipids are expected together.
    given : mapping
        Options in SI units; defaults for those that are left out.
    """
    option = _filled(given, basis)
    expected: dict[str, Expected] = {}
    if METHYLENE in basis.names:
        ratios = fat_ratios() if option["fat_ratios"] > 0 else {}
        for name, ratio in ratios.items():
            if name in basis.names:
                spread = option["fat_ratios"] * ratio
                expected[name] = Expected(mean=ratio, sd=spread, ratio_to=METHYLENE)
        if option["fat"] > 0:
            expected[METHYLENE] = Expected(mean=0.0, sd=option["fat"])
    window = (1e6 * option["low"], 1e6 * option["high"])
    return Combination(window=window, baseline=option["baseline"], expected=expected)


def water_scale_of(spectra: Spectra, basis: Basis, given: Mapping[str, float]) -> WaterScale | None:
    """Return how the water reference becomes mM; None where there is none.

    Parameters
    ----------
    spectra : Spectra
    basis : Basis
        All of whose members relax alike.
    given : mapping
        Options, SI.
    """
    if spectra.water is None:
        return None
    option = _filled(given, basis)
    t1, t2 = option["metabolite_t1"], option["metabolite_t2"]
    if t1 == 0 or t2 == 0:
        known: Relaxation = relaxation_at(spectra.frequency / abs(nucleus(spectra.nucleus).gamma_bar))
        t1, t2 = t1 or known.t1, t2 or known.t2
    return WaterScale(
        content=option["water_content"],
        t1=option["water_t1"],
        t2=option["water_t2"],
        foreign=option["foreign"],
        relaxation=dict.fromkeys(basis.names, (t1, t2)),
    )


def fat_ratios() -> dict[str, float]:
    """Return the protons of marrow fat's lines over those of its methylene, by the lipid that stands for them."""
    fat = find_spectrum("marrow-9")
    shifts = [SOURCE_WATER + shift for shift in fat.shift]
    sums = {
        name: sum(size for ppm, size in zip(shifts, fat.amplitude, strict=True) if low <= ppm < high)
        for name, (low, high) in LIPIDS.items()
    }
    return {name: size / sums[METHYLENE] for name, size in sums.items() if name != METHYLENE}


def _filled(given: Mapping[str, float], basis: Basis) -> dict[str, float]:
    """Return every option: as given, else as the basis knows its voxel's water, else by default."""
    known = {name: float(basis.conditions[name]) for name in WATER if name in basis.conditions}
    return {option.name: float(given.get(option.name, known.get(option.name, option.default))) for option in OPTIONS}
