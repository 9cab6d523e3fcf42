"""Pools that exchange magnetisation with water: labile protons (CEST) and the semisolid matrix (MT).

Every pool exchanges with water alone. With M0 the equilibrium magnetisation of a pool, k its rate to water and f its
M0 over that of water, detailed balance fixes the rate from water to the pool as f k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.errors import InputError

LINES = ("liquid", "super-lorentzian", "gaussian", "lorentzian")
"""What a pool does under RF: a liquid pool turns with its own transverse magnetisation; a semisolid one, whose
transverse magnetisation decays within microseconds, is only saturated, at a rate that follows its absorption line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangePool:
    """One pool beside water."""

    name: str
    fraction: float
    """Equilibrium magnetisation over that of the water pool."""
    rate: float
    """From this pool to water, 1/s."""
    t1: float
    """s."""
    t2: float
    """s."""
    shift: float = 0.0
    """Resonance relative to the water pool, a pure fraction (3.5 ppm is 3.5e-6)."""
    line: str = "liquid"
    """One of `LINES`."""

    def __post_init__(self) -> None:
        """Refuse what no pool can be."""
        if self.line not in LINES:
            raise InputError(f"'{self.line}' is none of {', '.join(LINES)}", key=f"{self.name}.line")
        for key in ("fraction", "rate", "t1", "t2"):
            value = getattr(self, key)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"{value:g} (SI) is not positive; give a value above 0", key=f"{self.name}.{key}")
        if self.t2 > 2 * self.t1:
            raise InputError(
                f"{self.t2:g} s exceeds 2 x t1 = {2 * self.t1:g} s, which physics forbids; lower it",
                key=f"{self.name}.t2",
            )
