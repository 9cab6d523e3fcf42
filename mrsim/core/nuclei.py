"""Nuclei and physical constants: the only home of gyromagnetic ratios.

Gyromagnetic ratios are gamma / 2 pi in Hz/T. The proton is CODATA 2018's free proton; the others are
IUPAC 2001 (Harris et al.), with the gas-phase value for xenon.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InputError, did_you_mean

BOLTZMANN = 1.380649e-23
"""Boltzmann constant, J/K."""
PLANCK = 6.62607015e-34
"""Planck constant, J s."""
WATER_PPM = 4.65
"""Chemical shift of water at 37 degrees C, ppm."""
WATER_MOLECULES = 55.14e3
"""Concentration of pure water at 37 degrees C, mM: 993.3 g/L over 18.015 g/mol."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nucleus:
    """A nuclear species."""

    name: str
    """Mass number and symbol, e.g. ``"1H"``."""
    gamma_bar: float
    """Gyromagnetic ratio over 2 pi, Hz/T; signed."""
    spin: float
    """Spin quantum number I."""


NUCLEI = {
    n.name: n
    for n in (
        Nucleus(name="1H", gamma_bar=42.577478518e6, spin=0.5),
        Nucleus(name="2H", gamma_bar=6.5359e6, spin=1.0),
        Nucleus(name="3He", gamma_bar=-32.436e6, spin=0.5),
        Nucleus(name="13C", gamma_bar=10.7084e6, spin=0.5),
        Nucleus(name="14N", gamma_bar=3.0777e6, spin=1.0),
        Nucleus(name="17O", gamma_bar=-5.7743e6, spin=2.5),
        Nucleus(name="19F", gamma_bar=40.0776e6, spin=0.5),
        Nucleus(name="23Na", gamma_bar=11.2695e6, spin=1.5),
        Nucleus(name="31P", gamma_bar=17.2514e6, spin=0.5),
        Nucleus(name="129Xe", gamma_bar=-11.777e6, spin=0.5),
    )
}
PROTON = NUCLEI["1H"]


def nucleus(name: str) -> Nucleus:
    """Return the nucleus called `name`, e.g. ``"1H"``."""
    try:
        return NUCLEI[name]
    except KeyError:
        raise InputError(f"unknown nucleus '{name}'{did_you_mean(name, list(NUCLEI))}") from None
