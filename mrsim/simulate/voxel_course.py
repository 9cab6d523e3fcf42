"""The longitudinal magnetisation of a voxel's scan from one repetition to the next, as a sum of products.

A repetition maps it affinely: kept * Mz + new, where `kept` and `new` are sums of products of one function per axis
(`voxel_pathways`). So is Mz itself, then, and what a window sees of it. It is held at the points, not on cells: a slice
leaves edges in Mz, and the next repetition's pulses wind phases up across them.
What crushers wound and a pulse stored is part of it: the next repetition's crushers meet it again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .voxel_content import Content
from .voxel_pathways import Boxes
from .voxel_terms import Factors, Functions, Moment, Term, added

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Names = tuple[int, ...]
"""Identities of a term's factors."""
BEFORE = Term(before=True, value=1.0 + 0j, factors=(None, None, None))
M0 = Term(before=False, value=1.0 + 0j, factors=(None, None, None))
TINY = 0.1
"""Share of what is left out of sums that bounds alone decide on; it is added up as well."""
PERIODS = 4
"""Repetitions after which a scan may repeat itself, e.g. an edited pair after two."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stretch:
    """What a stretch makes of the longitudinal magnetisation before it (`Term.before`), and of M0."""

    along: list[Term]
    """What it leaves."""
    seen: list[list[Term]]
    """Per window: what is transverse."""
    left_out: float
    """Sum of the sizes of what was too small."""
    duration: float
    """s."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Repetition:
    """The stretches of a repetition in one."""

    kept: list[Term]
    new: list[Term]
    seen: list[list[Term]]
    """Per window: what multiplies the magnetisation before the repetition."""
    own: Complex
    """(window, coil) what comes of M0."""
    left: float
    """Largest share of a change of the longitudinal magnetisation that is left at its end: exp(-duration / T1)."""


@dataclass(slots=True, eq=False)
class Course:
    """One class at one offset, from repetition to repetition."""

    boxes: Boxes
    content: Content
    """m^3 times what each coil hears."""
    stretches: list[Stretch]
    rate: float
    """1 / T1, 1/s."""
    voxel: Moment
    """Sizes of the voxel, m."""
    turns: float
    """Turns over the voxel from which what a repetition leaves wound up is followed only if the next one unwinds it."""
    least: float
    """Size, over the M0 of the voxel, below which what a window sees is left out."""
    small: float
    """The same of what a repetition leaves to the next ones, a thousand times as many pathways: what most of them leave
    is wound up and cancels, so `left_out` does not know of them. How much they matter is measured (`by_voxel`)."""
    left_out: float = 0.0
    functions: Functions = field(default_factory=Functions)
    means: dict[tuple[int, int, int], tuple[Complex | None, Complex | None, Complex, float]] = field(
        default_factory=dict
    )
    sights: dict[tuple[tuple[int, ...], Names], Complex] = field(default_factory=dict)
    known: dict[tuple[int, ...], _Repetition] = field(default_factory=dict)

    @property
    def coils(self) -> int:
        """Number of coils."""
        return len(self.content.core)

    def signals(self, repetitions: tuple[tuple[int, ...], ...], steady: float) -> list[Complex]:
        """Return per repetition (window, coil) what is seen; states closer than `steady` are seen once."""
        found, states = list[Complex](), [[M0]]
        apart = [2.0] * PERIODS  # bound on the distance of the state from that so many repetitions earlier
        for index, played in enumerate(repetitions):
            if played not in self.known:
                self.known[played] = self._composed(played)
            now = self.known[played]
            alike = [p for p in range(1, PERIODS + 1) if p <= index and repetitions[index - p] == played]
            again = next((p for p in alike if apart[p - 1] <= steady), None)
            if again is None:
                found.append(now.own + self._sight(played, states[-1], now.seen))
                states = [*states[-PERIODS:], self._after_one(states[-1], now)]
            else:
                found.append(found[-again])
                states = [*states[-PERIODS:], states[-again]]
            apart = [apart[p - 1] * now.left if p in alike else 2.0 for p in range(1, PERIODS + 1)]
        return found

    def _after_one(self, state: list[Term], now: _Repetition) -> list[Term]:
        """Return what a repetition makes of a state: what is wound up little, or unwound before a window."""
        if not now.kept:
            return self._kept(now.new)
        mine, theirs = (np.array([term.moment for term in terms]) for terms in (now.kept, state))
        moments, near = mine[:, None] + theirs, np.zeros((len(mine), len(theirs)), dtype=np.bool_)
        for back in {(0.0, 0.0, 0.0), *(term.moment for window in now.seen for term in window)}:
            near |= (np.abs(moments + back) * self.voxel).max(axis=-1) < self.turns
        near &= self.boxes.bounds(now.kept, state) >= self.small
        return self._kept([*(self._times(now.kept[i], state[k]) for i, k in np.argwhere(near)), *now.new])

    def _composed(self, played: tuple[int, ...]) -> _Repetition:
        along, windows = [BEFORE], list[list[Term]]()
        for number in played:
            part = self.stretches[number]
            self.left_out += part.left_out
            for seen in part.seen:
                windows.append(self._after(seen, along))
            along = self._merged(self._kept(self._after(part.along, along)))
        duration = sum(self.stretches[number].duration for number in played)
        own = self._totals([[(t, M0) for t in seen if not t.before] for seen in windows])
        return _Repetition(
            kept=[term for term in along if term.before],
            new=[term for term in along if not term.before],
            seen=[[term for term in seen if term.before] for seen in windows],
            own=own,
            left=math.exp(-self.rate * duration),
        )

    def _after(self, terms: list[Term], along: list[Term]) -> list[Term]:
        """Return what a stretch makes of what came before it."""
        own = [term for term in terms if not term.before]
        return [*(self._times(term, each) for term in terms if term.before for each in along), *own]

    def _followed(self, window: list[Term], state: list[Term]) -> list[list[tuple[Term, Term]]]:
        """Return per term of a state of value 1 its products with what a window sees that may be large enough."""
        bounds = self.boxes.bounds(state, window)
        large = bounds >= TINY * self.least
        self.left_out += float(bounds[~large].sum())
        return [[(window[k], term) for k in np.flatnonzero(row)] for term, row in zip(state, large, strict=True)]

    def _times(self, term: Term, other: Term) -> Term:
        x, y, z = (self.functions.product(a, b) for a, b in zip(term.factors, other.factors, strict=True))
        moment = added(term.moment, other.moment)
        return Term(before=other.before, value=term.value * other.value, factors=(x, y, z), moment=moment)

    def _kept(self, terms: list[Term]) -> list[Term]:
        return self.boxes.large(terms, self.small)[0]

    def _merged(self, terms: list[Term]) -> list[Term]:
        """Return the terms with those that differ along one axis alone added up."""
        for axis in range(3):
            groups: dict[tuple[Any, ...], list[Term]] = {}
            for term in terms:
                alike = (id(f) for a, f in enumerate(term.factors) if a != axis)
                groups.setdefault((term.before, _rounded(term.moment), *alike), []).append(term)
            terms = [_sum(group, axis) for group in groups.values()]
        return terms

    def _sight(self, played: tuple[int, ...], state: list[Term], windows: list[list[Term]]) -> Complex:
        """Return (window, coil) what the windows of a repetition see of the state."""
        total = np.zeros((len(windows), self.coils), dtype=np.complex128)
        if not windows:
            return total
        keys = [(played, tuple(id(f) for f in term.factors)) for term in state]
        fresh = {key: term for key, term in zip(keys, state, strict=True) if key not in self.sights}
        units = [Term(before=False, value=1.0 + 0j, factors=term.factors) for term in fresh.values()]
        sums = self._totals([pairs for window in windows for pairs in self._followed(window, units)])
        seen = sums.reshape(len(windows), len(units), self.coils)
        self.sights |= {key: seen[:, number] for number, key in enumerate(fresh)}
        for key, term in zip(keys, state, strict=True):
            total += term.value * self.sights[key]
        return total

    def _totals(self, sums: list[list[tuple[Term, Term]]]) -> Complex:
        """Return the (sum, coil) sums over the object of products of two terms."""
        total = np.zeros((len(sums), self.coils), dtype=np.complex128)
        slabs: dict[int, list[tuple[int, complex, Complex, Complex, Complex]]] = {}
        for index, pairs in enumerate(sums):
            for term, other in pairs:
                found = [self._mean(axis, term.factors[axis], other.factors[axis]) for axis in range(3)]
                (x, wide), (y, high), (z, deep) = found
                value = term.value * other.value
                size = abs(value) * wide * high * deep
                if size >= self.least:
                    slabs.setdefault(id(x), []).append((index, value, x, y, z))
                else:
                    self.left_out += size
        for members in slabs.values():
            rows, values, xs, ys, zs = zip(*members, strict=True)
            heard = self.content.sums(xs[0], np.array(ys), np.array(zs)) * np.array(values)
            np.add.at(total, list(rows), heard.T)
        return total

    def _mean(self, axis: int, a: Complex | None, b: Complex | None) -> tuple[Complex, float]:
        """Return what the content sees of the product of two functions along an axis, and its size over the voxel."""
        key = (axis, id(a), id(b))
        if key not in self.means:
            values = b if a is None else a if b is None else a * b
            means = self.boxes.means(axis, values)
            share = np.add.reduceat(self.boxes.share[axis], self.boxes.first[axis])
            self.means[key] = a, b, self.content.seen(axis, means), float(np.abs(means) @ share)
        return self.means[key][2:]


def _rounded(moment: Moment) -> tuple[int, int, int]:
    x, y, z = (round(m) for m in moment)
    return x, y, z


def _sum(terms: list[Term], axis: int) -> Term:
    """Return the sum of terms that are alike but along one axis."""
    if len(terms) == 1:
        return terms[0]
    factors = list[Complex | None](terms[0].factors)
    if all(term.factors[axis] is None for term in terms):
        value = sum((term.value for term in terms), start=0j)
    else:
        value = 1.0 + 0j
        parts = [(term.value, term.factors[axis]) for term in terms]
        constant = sum((value for value, own in parts if own is None), start=0j)
        total = constant + sum((value * own for value, own in parts if own is not None), start=np.zeros(1, complex))
        factors[axis] = np.asarray(total)
    x, y, z = factors
    kept: Factors = (x, y, z)
    return Term(before=terms[0].before, value=value, factors=kept, moment=terms[0].moment)
