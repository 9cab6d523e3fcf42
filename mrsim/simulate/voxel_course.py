"""The longitudinal magnetisation of a voxel's scan from one repetition to the next, as a sum of products.

A repetition maps it affinely: kept * Mz + new, where `kept` and `new` are sums of products of one function per axis
(`voxel_pathways`). So is Mz itself, then, and what a window sees of it. It is held at the points, not on cells: a slice
leaves edges in Mz, and the next repetition's pulses wind phases up across them.
What crushers wound and a pulse stored is part of it: the next repetition's crushers meet it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .voxel_pathways import Boxes, Factors, Term

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Names = tuple[int, ...]
"""Identities of a term's factors."""
BEFORE = Term(before=True, value=1.0 + 0j, factors=(None, None, None))
TOGETHER = 64
"""Functions along x with which the object is summed at once."""
M0 = Term(before=False, value=1.0 + 0j, factors=(None, None, None))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stretch:
    """What a stretch makes of the longitudinal magnetisation before it (`Term.before`), and of M0."""

    along: list[Term]
    """What it leaves."""
    seen: list[list[Term]]
    """Per window: what is transverse."""
    left_out: float
    """Sum of the sizes of what was too small."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Repetition:
    """The stretches of a repetition in one."""

    kept: list[Term]
    new: list[Term]
    seen: list[list[Term]]
    """Per window: what multiplies the magnetisation before the repetition."""
    own: Complex
    """(window, coil) what comes of M0."""
    most: float
    """Largest share of a change of the magnetisation that is left at its end."""


@dataclass(slots=True, eq=False)
class Course:
    """One class at one offset, from repetition to repetition."""

    boxes: Boxes
    volume: Complex
    """(coil, z, y, x) m^3 times what each coil hears."""
    stretches: list[Stretch]
    least: float
    """Size, over the M0 of the voxel, below which what a window sees is left out."""
    small: float
    """The same of what a repetition leaves to the next ones, a thousand times as many pathways: what most of them leave
    is wound up and cancels, so `left_out` does not know of them. How much they matter is measured (`by_voxel`)."""
    state: list[Term] = field(default_factory=lambda: [M0])
    left_out: float = 0.0
    products: dict[tuple[int, int], tuple[Complex, Complex, Complex]] = field(default_factory=dict)
    means: dict[tuple[int, int, int], tuple[Complex | None, Complex | None, Complex, float]] = field(
        default_factory=dict
    )
    sights: dict[tuple[tuple[int, ...], Names], Complex] = field(default_factory=dict)
    known: dict[tuple[int, ...], _Repetition] = field(default_factory=dict)

    def signals(self, repetitions: tuple[tuple[int, ...], ...], steady: float) -> list[Complex]:
        """Return per repetition (window, coil) what is seen; one that changes less than `steady` is seen once."""
        found: list[Complex] = []
        before, change = None, 2.0
        for played in repetitions:
            if played not in self.known:
                self.known[played] = self._composed(played)
            now = self.known[played]
            if played != before:
                change = 2.0
            elif change <= steady:
                found.append(found[-1])
                continue
            found.append(now.own + self._sight(played, now.seen))
            self.state = self._kept([*(self._times(k, t) for k in now.kept for t in self.state), *now.new])
            before, change = played, change * now.most
        return found

    def _composed(self, played: tuple[int, ...]) -> _Repetition:
        along, windows = [BEFORE], list[list[Term]]()
        for number in played:
            part = self.stretches[number]
            self.left_out += part.left_out
            for seen in part.seen:
                windows.append(self._after(seen, along))
            along = self._merged(self._kept(self._after(part.along, along)))
        most = [abs(t.value) * float(np.prod([_peak(f) for f in t.factors])) for t in along if t.before]
        own = self._totals([[(t, M0) for t in seen if not t.before] for seen in windows])
        return _Repetition(
            kept=[term for term in along if term.before],
            new=[term for term in along if not term.before],
            seen=[[term for term in seen if term.before] for seen in windows],
            own=own,
            most=sum(most),
        )

    def _after(self, terms: list[Term], along: list[Term]) -> list[Term]:
        """Return what a stretch makes of what came before it."""
        own = [term for term in terms if not term.before]
        return [*(self._times(term, each) for term in terms if term.before for each in along), *own]

    def _times(self, term: Term, other: Term) -> Term:
        x, y, z = (self._product(a, b) for a, b in zip(term.factors, other.factors, strict=True))
        return Term(before=other.before, value=term.value * other.value, factors=(x, y, z))

    def _product(self, a: Complex | None, b: Complex | None) -> Complex | None:
        """Return the product of two functions along an axis: the same object for the same two."""
        if a is None or b is None:
            return b if a is None else a
        key = (id(a), id(b))
        if key not in self.products:
            self.products[key] = a, b, a * b
        return self.products[key][2]

    def _kept(self, terms: list[Term]) -> list[Term]:
        return self.boxes.large(terms, self.small)[0]

    def _merged(self, terms: list[Term]) -> list[Term]:
        """Return the terms with those that differ along one axis alone added up."""
        for axis in range(3):
            groups: dict[tuple[bool | int, ...], list[Term]] = {}
            for term in terms:
                alike = (id(f) for a, f in enumerate(term.factors) if a != axis)
                groups.setdefault((term.before, *alike), []).append(term)
            terms = [_sum(group, axis) for group in groups.values()]
        return terms

    def _sight(self, played: tuple[int, ...], windows: list[list[Term]]) -> Complex:
        """Return (window, coil) what the windows of a repetition see of the state."""
        total = np.zeros((len(windows), len(self.volume)), dtype=np.complex128)
        if not windows:
            return total
        keys = [(played, tuple(id(f) for f in term.factors)) for term in self.state]
        fresh = {key: term for key, term in zip(keys, self.state, strict=True) if key not in self.sights}
        units = [Term(before=False, value=1.0 + 0j, factors=term.factors) for term in fresh.values()]
        sums = self._totals([[(t, unit) for t in window] for unit in units for window in windows])
        for key, seen in zip(fresh, sums.reshape(len(units), *total.shape), strict=True):
            self.sights[key] = seen
        for key, term in zip(keys, self.state, strict=True):
            total += term.value * self.sights[key]
        return total

    def _totals(self, sums: list[list[tuple[Term, Term]]]) -> Complex:
        """Return the (sum, coil) sums over the object of products of two terms."""
        total = np.zeros((len(sums), len(self.volume)), dtype=np.complex128)
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
        every = list(slabs.values())
        for begin in range(0, len(every), TOGETHER):
            some = every[begin : begin + TOGETHER]
            planes = self.volume @ np.stack([members[0][2] for members in some], axis=-1)  # (coil, z, y, slab)
            for number, members in enumerate(some):
                plane = np.ascontiguousarray(planes[..., number])
                for index, value, _, y, z in members:
                    total[index] += value * ((plane @ y) @ z)
        return total

    def _mean(self, axis: int, a: Complex | None, b: Complex | None) -> tuple[Complex, float]:
        """Return the (cell,) means along an axis of the product of two functions, and their size over the voxel."""
        key = (axis, id(a), id(b))
        if key not in self.means:
            values = b if a is None else a if b is None else a * b
            means = self.boxes.means(axis, values)
            share = np.add.reduceat(self.boxes.share[axis], self.boxes.first[axis])
            self.means[key] = a, b, means, float(np.abs(means) @ share)
        return self.means[key][2:]


def _peak(values: Complex | None) -> float:
    return 1.0 if values is None else float(np.abs(values).max())


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
    return Term(before=terms[0].before, value=value, factors=kept)
