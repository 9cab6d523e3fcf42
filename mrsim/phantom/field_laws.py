"""How a relaxation time changes with the field strength.

A law of a tissue's file starts from the value at a reference field and holds in a stated range. Between tabulated
fields without a law, ln T is a line in ln B (`between`). Beyond everything that is known nothing is said unless the
caller asks for it (`beyond`): then T1 goes on as the power of the field that its two nearest values show, R2 goes on as
a line in the field above the highest and stays as it is below the lowest, and R2' is proportional to the field.
Rates: R1 = 1/T1, R2 = 1/T2, R2' = 1/T2* - 1/T2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator

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


def _several(table: Any) -> Any:
    """One law may stand as a table of its own."""
    return (table,) if isinstance(table, dict) else table


FieldLaws = Annotated[tuple[FieldLaw, ...], BeforeValidator(_several)]
"""Laws for several ranges of the field: ``[t1.law]``, or ``[[t1.law]]`` for each."""
COMPUTED = "computed from a law for the field strength"
"""Provenance of values that no table holds, within the range of a law."""
INTERPOLATED = "interpolated between tabulated field strengths"
"""Provenance of values between two tabulated ones."""
EXTRAPOLATED = "extrapolated beyond the known field strengths"
"""Provenance of values that only those get who ask for them."""


def law_at(laws: Sequence[FieldLaw], field: float) -> FieldLaw | None:
    """Return the law whose range holds a field, T."""
    return next((law for law in laws if law.valid[0] <= field <= law.valid[1]), None)


def nearest_law(laws: Sequence[FieldLaw], fields: Sequence[float], field: float) -> FieldLaw | None:
    """Return the law whose range ends nearest to a field, T; None where a tabulated field is nearer still."""

    def far(ends: Sequence[float]) -> float:
        return min(abs(math.log(field / b)) for b in ends)

    found = min(laws, key=lambda law: far(law.valid), default=None)
    return found if found is not None and far(found.valid) <= far(fields) else None


def between(fields: Sequence[float], values: Sequence[float], field: float) -> float:
    """Return a value at a field between, or beyond, tabulated ones: ln value is a line in ln B between neighbours.

    Values that are not all positive are themselves a line in ln B.
    """
    order = sorted(range(len(fields)), key=lambda i: fields[i])
    upper = next((k for k in range(1, len(order)) if field <= fields[order[k]]), len(order) - 1)
    i, j = order[upper - 1], order[upper]
    share = math.log(field / fields[i]) / math.log(fields[j] / fields[i])
    if min(values) > 0:
        return float(values[i] * (values[j] / values[i]) ** share)
    return values[i] + share * (values[j] - values[i])


def beyond(name: str, fields: Sequence[float], values: Sequence[float], field: float) -> float | None:
    """Return T1 or T2, s, or a fraction, outside the tabulated fields; None where one value alone says nothing."""
    low, high = min(fields), max(fields)
    if name.endswith(("pd", "fraction")) or (name.endswith("t2") and field < low):
        return values[fields.index(low if field < low else high)]
    if len(fields) < 2:
        return None
    if name.endswith("t1"):
        return between(fields, values, field)
    (b, before), (a, last) = sorted(zip(fields, values, strict=True))[-2:]
    return 1.0 / (1.0 / last + (1.0 / last - 1.0 / before) * (field - a) / (a - b))
