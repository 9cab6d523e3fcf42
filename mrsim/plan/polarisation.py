"""How strongly nuclei are polarised at rest, and what hyperpolarisation gains.

At temperature T a nucleus of spin 1/2 has the polarisation tanh(gamma hbar B0 / 2 k T). Signal per spin at equilibrium
goes with |gamma|^3 I (I + 1) (receptivity); with a polarisation that somebody else made it goes with |gamma| P alone,
so that a gas, a thousand times thinner than water, comes out near water in each voxel.
"""

from __future__ import annotations

import math

from ..core.nuclei import BOLTZMANN, PLANCK, PROTON, WATER_MOLECULES, Nucleus

BODY = 310.0
"""K."""
GAS_CONSTANT = 8.31446261815324
"""CODATA 2018, J/mol/K."""
ATMOSPHERE = 101325.0
"""Pa."""


def thermal_polarisation(nucleus: Nucleus, b0: float, temperature: float = BODY) -> float:
    """Return the polarisation at rest of a nucleus of spin 1/2, at a field, T, and a temperature, K."""
    return math.tanh(PLANCK * abs(nucleus.gamma_bar) * b0 / (2 * BOLTZMANN * temperature))


def enhancement(nucleus: Nucleus, polarisation: float, b0: float, temperature: float = BODY) -> float:
    """Return a polarisation over that at rest of the same nucleus."""
    return polarisation / thermal_polarisation(nucleus, b0, temperature)


def receptivity(nucleus: Nucleus) -> float:
    """Return the signal per spin at equilibrium over that of the proton: |gamma|^3 I (I + 1)."""

    def strength(one: Nucleus) -> float:
        return abs(one.gamma_bar) ** 3 * one.spin * (one.spin + 1)

    return strength(nucleus) / strength(PROTON)


def gas_over_water(
    nucleus: Nucleus, polarisation: float, b0: float, share: float = 0.5, temperature: float = BODY
) -> float:
    """Return the magnetisation of a polarised gas over that of resting water, voxel by voxel.

    Parameters
    ----------
    nucleus : Nucleus
        Of the gas, spin 1/2, one a molecule, every one of this isotope.
    polarisation : float
    b0 : float
        T.
    share : float
        Of the gas in a mixture at one atmosphere.
    temperature : float
        K.
    """
    gas = share * ATMOSPHERE / (GAS_CONSTANT * temperature) * abs(nucleus.gamma_bar) * polarisation
    water = 2 * WATER_MOLECULES * PROTON.gamma_bar * thermal_polarisation(PROTON, b0, temperature)
    return gas / water
