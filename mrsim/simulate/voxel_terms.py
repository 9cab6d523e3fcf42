"""One way through the pulses of a voxel's scan: a number, a function along each axis, the moment that wound it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Factors = tuple[Complex | None, Complex | None, Complex | None]
Moment = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Term:
    """A pathway: what it carries of the magnetisation before the stretch, or of M0."""

    before: bool
    """True if it multiplies the longitudinal magnetisation before the stretch, False if M0."""
    value: complex
    factors: Factors
    """Per axis: (point,), or None for 1."""
    moment: Moment = (0.0, 0.0, 0.0)
    """What gradients have wound it by, 1/m: exp(-i 2 pi moment . place), pulses taken to act at their centres."""

    def times(self, factor: complex) -> Term:
        """Return the pathway times a number."""
        return Term(before=self.before, value=self.value * factor, factors=self.factors, moment=self.moment)

    def wound(self, moment: Moment) -> Term:
        """Return the pathway with more of a moment, the functions as they are."""
        return Term(before=self.before, value=self.value, factors=self.factors, moment=added(self.moment, moment))


@dataclass(slots=True, eq=False)
class Functions:
    """Products and conjugates of functions along an axis: the same object for the same two."""

    products: dict[tuple[int, int], tuple[Complex, Complex, Complex]] = field(default_factory=dict)
    conjugates: dict[int, tuple[Complex, Complex]] = field(default_factory=dict)

    def product(self, a: Complex | None, b: Complex | None) -> Complex | None:
        """Return the product of two functions; None is 1."""
        if a is None or b is None:
            return b if a is None else a
        key = (id(a), id(b))
        if key not in self.products:
            self.products[key] = a, b, a * b
        return self.products[key][2]

    def times(self, term: Term, factor: complex, axis: int, along: Complex) -> Term:
        """Return a pathway times a number and a function along one axis."""
        x, y, z = (self.product(f, along) if i == axis else f for i, f in enumerate(term.factors))
        return Term(before=term.before, value=term.value * factor, factors=(x, y, z), moment=term.moment)

    def conjugate(self, term: Term) -> Term:
        """Return the conjugate pathway."""
        x, y, z = (None if f is None else self._conjugate(f) for f in term.factors)
        a, b, c = term.moment
        return Term(before=term.before, value=term.value.conjugate(), factors=(x, y, z), moment=(-a, -b, -c))

    def _conjugate(self, values: Complex) -> Complex:
        if id(values) not in self.conjugates:
            other = values.conj()
            self.conjugates[id(values)] = values, other
            self.conjugates[id(other)] = other, values
        return self.conjugates[id(values)][1]


def added(one: Moment, other: Moment) -> Moment:
    """Return the sum of two moments."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
