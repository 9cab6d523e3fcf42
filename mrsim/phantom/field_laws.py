"""How a relaxation time changes with the field strength, for tissues whose file states a law.

A law starts from the value at a reference field and holds in a stated range. Outside it, or without a law,
only tabulated field strengths exist. Rates: R1 = 1/T1, R2 = 1/T2, R2' = 1/T2* - 1/T2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator

from ..core.nuclei import PROTON
from ..core.units import ChemicalShift, FieldStrength, Fraction, Quantity, Rate

FieldRange = Annotated[tuple[float, ...], Quantity("magnetic field")]
STRICT = ConfigDict(extra="forbid")
"""Unknown keys in a TOML table are errors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerLaw:
    """T(B) = T(B_ref) (B / B_ref)^b."""

    __pydantic_config__ = STRICT
    kind: Literal["power"]
    reference: FieldStrength
    valid: FieldRange
    """Lowest and highest field, T."""
    exponent: Fraction
    source: str

    def at(self, field: float, value: float, t2: Callable[[float], float]) -> float:
        """Return the time, s, at `field`, T, from its `value`, s, at the reference field."""
        return float(value * (field / self.reference) ** self.exponent)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearRate:
    """1/T(B) = 1/T(B_ref) + k (B - B_ref)."""

    __pydantic_config__ = STRICT
    kind: Literal["linear rate"]
    reference: FieldStrength
    valid: FieldRange
    rate_per_tesla: Rate
    """k, 1/s per T."""
    source: str

    def at(self, field: float, value: float, t2: Callable[[float], float]) -> float:
        """Return the time, s, at `field`, T, from its `value`, s, at the reference field."""
        return 1.0 / (1.0 / value + self.rate_per_tesla * (field - self.reference))


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeRate:
    """Fast-to-intermediate exchange with a small pool: R2 grows by p k dw^2 / (dw^2 + k^2), plus k2 (B - B_ref)."""

    __pydantic_config__ = STRICT
    kind: Literal["exchange"]
    reference: FieldStrength
    valid: FieldRange
    population: Fraction
    """p, protons of the small pool over those of water."""
    exchange_rate: Rate
    """k, 1/s."""
    shift: ChemicalShift
    """Of the small pool relative to water; dw = 2 pi gamma_bar B shift."""
    rate_per_tesla: Rate
    """k2, 1/s per T."""
    source: str

    def at(self, field: float, value: float, t2: Callable[[float], float]) -> float:
        """Return the time, s, at `field`, T, from its `value`, s, at the reference field."""
        exchange = self._rate(field) - self._rate(self.reference)
        return 1.0 / (1.0 / value + exchange + self.rate_per_tesla * (field - self.reference))

    def _rate(self, field: float) -> float:
        dw = 2 * math.pi * PROTON.gamma_bar * field * self.shift
        return self.population * self.exchange_rate * dw**2 / (dw**2 + self.exchange_rate**2)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProportionalDephasing:
    """R2*(B) = R2(B) + R2'(B_ref) B / B_ref: susceptibility dephasing grows with the field."""

    __pydantic_config__ = STRICT
    kind: Literal["proportional dephasing"]
    reference: FieldStrength
    valid: FieldRange
    source: str

    def at(self, field: float, value: float, t2: Callable[[float], float]) -> float:
        """Return T2*, s, at `field`, T, from its `value`, s, at the reference field."""
        dephasing = 1.0 / value - 1.0 / t2(self.reference)
        return 1.0 / (1.0 / t2(field) + dephasing * field / self.reference)


FieldLaw = Annotated[PowerLaw | LinearRate | ExchangeRate | ProportionalDephasing, Discriminator("kind")]
