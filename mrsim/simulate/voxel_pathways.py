"""Pathways through pulses that select along one axis each: every pathway is a product of one function per axis.

With F = Mx + i My, a pulse is F' = A F + B F* + C Mz + D and Mz' = E F + E* F* + G Mz + H, its elements functions of
the place along the pulse's axis; an interval multiplies F by a phasor along each axis. So what came one way through
all pulses is value * X(x) Y(y) Z(z), crushers and the pulses' own gradients included, and its mean over a box is the
product of three means. Nothing is approximated but for pathways that are too small to matter, whose sizes are added up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..sequence.timeline import Timeline
from .pulse_maps import Relaxation
from .steps import TimeTable, cut_pulse, cut_steps, rotation_series, tabulated
from .voxel_program import FREE, PULSE, SAMPLE, Operation, Stretch, VoxelProgram
from .voxel_terms import Functions, Moment, Term

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
PER_TURN = 6.0
"""Points along an axis per turn of the fastest phase there; the mean over a box is off by (pi / 6)^2 / 6 of it."""
LEAST_POINTS = 3
"""Points in every cell along each axis."""
Norms = tuple[float, float, float]
"""Of a function along an axis: mean size, root of the mean square, both over the voxel's length, and largest size."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Elements:
    """What a pulse does to F and Mz, along its axis (point,) or everywhere alike (1,)."""

    axis: int | None
    a: Complex
    b: Complex
    c: Complex
    d: Complex
    e: Complex
    g: Complex
    h: Complex
    lead: Moment
    """Moment of the pulse's own gradient up to its centre, 1/m."""
    tail: Moment
    """From there on."""

    @classmethod
    def of(cls, maps: NDArray[np.floating], axis: int | None, lead: Moment, tail: Moment) -> Elements:
        """Return the elements of (3, 4, point) real maps; lead, tail : moments before and behind the centre, 1/m."""
        m = maps.astype(np.float64)
        return cls(
            axis=axis,
            lead=lead,
            tail=tail,
            a=(m[0, 0] + m[1, 1] + 1j * (m[1, 0] - m[0, 1])) / 2,
            b=(m[0, 0] - m[1, 1] + 1j * (m[1, 0] + m[0, 1])) / 2,
            c=m[0, 2] + 1j * m[1, 2],
            d=m[0, 3] + 1j * m[1, 3],
            e=(m[2, 0] - 1j * m[2, 1]) / 2,
            g=m[2, 2] + 0j,
            h=m[2, 3] + 0j,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Boxes:
    """Cells along the three axes, and the points in them at which a stretch is followed."""

    points: tuple[Array, Array, Array]
    """Per axis: (point,) m."""
    first: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """Per axis: (cell,) first point of each cell."""
    count: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """Per axis: (cell,) points of each cell."""
    share: tuple[Array, Array, Array]
    """Per axis: (point,) width that each point stands for over the voxel's."""
    sizes: dict[tuple[int, int], tuple[Complex | None, Norms]] = field(default_factory=dict)

    @classmethod
    def of(cls, edges: tuple[Array, Array, Array], voxel: Array, fastest: Array) -> Boxes:
        """Return the points for cells of (cell + 1,) edges, m, and the fastest phases, 1/m, along each axis."""
        points, first, counts, share = [], [], [], []
        for edge, length, turns in zip(edges, voxel, fastest, strict=True):
            width = np.diff(edge)
            count = np.maximum(LEAST_POINTS, np.ceil(PER_TURN * turns * width)).astype(np.int64)
            start = np.cumsum(count) - count
            within = np.arange(count.sum()) - np.repeat(start, count)
            points.append(np.repeat(edge[:-1], count) + (within + 0.5) * np.repeat(width / count, count))
            first.append(start)
            counts.append(count)
            share.append(np.repeat(width / count, count) / length)
        return cls(
            points=(points[0], points[1], points[2]),
            first=(first[0], first[1], first[2]),
            count=(counts[0], counts[1], counts[2]),
            share=(share[0], share[1], share[2]),
        )

    def means(self, axis: int, values: Complex | None) -> Complex:
        """Return the (cell,) means of (point,) values."""
        if values is None:
            return np.ones(len(self.first[axis]), dtype=np.complex128)
        return np.asarray(np.add.reduceat(values, self.first[axis]) / self.count[axis])

    def norms(self, axis: int, values: Complex | None) -> Norms:
        """Return how large (point,) values along an axis are."""
        if (axis, id(values)) not in self.sizes:
            share = self.share[axis]
            size = np.ones(len(share)) if values is None else np.abs(values)
            found = float(size @ share), math.sqrt(float(size**2 @ share)), float(size.max())
            self.sizes[axis, id(values)] = values, found
        return self.sizes[axis, id(values)][1]

    def bounds(self, terms: list[Term], others: list[Term]) -> Array:
        """Return the (term, other) sizes over the voxel's M0 that products of two terms cannot exceed (Hoelder)."""
        mine, theirs = (
            np.array([[self.norms(axis, f) for axis, f in enumerate(term.factors)] for term in each]).reshape(-1, 3, 3)
            for each in (terms, others)
        )
        pairs = mine[:, None] * theirs[None, :, :, [2, 1, 0]]  # mean times largest, roots, largest times mean
        values = [np.abs([term.value for term in each]) for each in (terms, others)]
        return np.asarray(np.outer(*values) * pairs.min(axis=-1).prod(axis=-1))

    def large(self, terms: list[Term], least: float) -> tuple[list[Term], float]:
        """Return the terms whose size over the voxel's M0 is at least that, and the sum of the others' sizes."""
        found, lost = [], 0.0
        for term in terms:
            size = abs(term.value)
            for axis, values in enumerate(term.factors):
                size *= self.norms(axis, values)[0]
            if size >= least:
                found.append(term)
            else:
                lost += size
        return found, lost


def fastest_phases(stretch: Stretch, timeline: Timeline) -> Array:
    """Return the (3,) fastest phases that a stretch winds up along the axes between its pulses and windows, 1/m."""
    looked = [i for i, op in enumerate(stretch) if op[0] != FREE]
    total = np.zeros(3)
    for op in stretch[: looked[-1] + 1]:
        if op[0] == FREE:
            total += np.abs(op[2:])
        elif op[0] == PULSE:
            pulse = timeline.pulses[int(op[1])]
            total += timeline.gamma_bar * (pulse.dt @ np.abs(pulse.gradient))
    return total


def elements_of(
    timeline: Timeline, program: VoxelProgram, stretch: Stretch, boxes: Boxes, spin: Relaxation, split: int = 1
) -> dict[int, Elements]:
    """Return the elements of the pulses of a stretch at its points; split : that every RF step is divided into."""
    from ._kernels import bloch as kernels

    dtype: RealType = np.float64
    found = {}
    for event in {int(op[1]) for op in stretch if op[0] == PULSE}:
        axis = program.axes[event]
        along = np.zeros(1) if axis is None else boxes.points[axis]
        position = np.zeros((3, len(along)))
        position[axis or 0] = along
        times = TimeTable()
        reach, pulse = np.abs(position).max(axis=1), cut_pulse(timeline.pulses[event], split)
        cut = cut_steps(pulse, timeline.gamma_bar, reach, abs(spin.offset), abs(spin.b1))
        table = tabulated((pulse,), timeline.gamma_bar, (cut,), times, dtype)
        e1, e2 = times.decay(np.array([spin.r1]), dtype), times.decay(np.array([spin.r2]), dtype)
        maps = np.zeros((3, 4, len(along)))
        fields = (table.b1, table.gradient, rotation_series(dtype))
        kernels.propagators(position, dtype(spin.offset), dtype(spin.b1), e1, e2, table.runs, *fields, maps)
        found[event] = Elements.of(maps, axis, *halves_of(timeline, event))
    return found


def halves_of(timeline: Timeline, event: int) -> tuple[Moment, Moment]:
    """Return the moments of a pulse's own gradient before and behind its centre, 1/m."""
    pulse = timeline.pulses[event]
    ends = np.cumsum(pulse.dt)
    early = np.clip((pulse.centre - (ends - pulse.dt)) / pulse.dt, 0.0, 1.0)
    lead, tail = (timeline.gamma_bar * ((pulse.dt * part) @ pulse.gradient) for part in (early, 1 - early))
    return (float(lead[0]), float(lead[1]), float(lead[2])), (float(tail[0]), float(tail[1]), float(tail[2]))


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Functions that stretches at the same points have in common."""

    phasors: dict[tuple[int, float], Complex] = field(default_factory=dict)
    functions: Functions = field(default_factory=Functions)


@dataclass(slots=True, eq=False)
class Pathways:
    """All pathways of one stretch."""

    boxes: Boxes
    spin: Relaxation
    least: float
    """Size, over the M0 of the voxel, below which a pathway is left out."""
    transverse: list[Term] = field(default_factory=list)
    along: list[Term] = field(default_factory=list)
    left_out: float = 0.0
    """Sum of the sizes of what was left out."""
    shared: Shared = field(default_factory=Shared)

    def play(self, stretch: Stretch, elements: dict[int, Elements]) -> list[list[Term]]:
        """Follow a stretch; return what is transverse at the start of every window. `along` is what it leaves."""
        self.along = [Term(before=True, value=1.0 + 0j, factors=(None, None, None))]
        last = max(i for i, op in enumerate(stretch) if op[0] != FREE)
        seen: list[list[Term]] = []
        for index, op in enumerate(stretch):
            if op[0] == SAMPLE:
                seen.append(list(self.transverse))
            elif op[0] == FREE:
                self._wait(op, index < last)
            else:
                self._turn(elements[int(op[1])], float(op[2]), index < last)
        return seen

    def _wait(self, op: Operation, watched: bool) -> None:
        seconds = float(op[1])
        kept = math.exp(-self.spin.r1 * seconds)
        self.along = [term.times(kept) for term in self.along]
        self.along.append(Term(before=False, value=complex(-math.expm1(-self.spin.r1 * seconds)), factors=(None,) * 3))
        if not watched:
            self.transverse = []
            return
        turn = complex(np.exp(-self.spin.r2 * seconds - 2j * np.pi * self.spin.offset * seconds))
        self.transverse = [term.times(turn) for term in self.transverse]
        for axis, moment in enumerate(op[2:]):
            if moment:
                phasor = self._phasor(axis, float(moment))
                self.transverse = [self.shared.functions.times(term, 1, axis, phasor) for term in self.transverse]
        more = float(op[2]), float(op[3]), float(op[4])
        self.transverse = [term.wound(more) for term in self.transverse]

    def _phasor(self, axis: int, moment: float) -> Complex:
        if (axis, moment) not in self.shared.phasors:
            self.shared.phasors[axis, moment] = np.exp(-2j * np.pi * moment * self.boxes.points[axis])
        return self.shared.phasors[axis, moment]

    def _turn(self, pulse: Elements, phase: float, watched: bool) -> None:
        turn = complex(np.cos(phase), np.sin(phase))
        back = turn.conjugate()
        rest = Term(before=False, value=1.0 + 0j, factors=(None, None, None))
        centred = [term.wound(pulse.lead) for term in self.transverse]
        flipped = [self._on(pulse, pulse.e, term, turn) for term in centred]
        along = [self._on(pulse, pulse.g, term, 1) for term in self.along] + [self._on(pulse, pulse.h, rest, 1)]
        if watched:
            transverse = [self._on(pulse, pulse.a, term, 1) for term in centred]
            transverse += [
                self._on(pulse, pulse.b, self.shared.functions.conjugate(term), back * back) for term in centred
            ]
            transverse += [self._on(pulse, pulse.c, term, back) for term in self.along]
            transverse += [self._on(pulse, pulse.d, rest, back)]
            self.transverse = self.kept([term.wound(pulse.tail) for term in transverse])
        else:
            self.transverse = []
        self.along = self.kept([*along, *flipped, *(self.shared.functions.conjugate(term) for term in flipped)])

    def _on(self, pulse: Elements, element: Complex, term: Term, turn: complex) -> Term:
        """Return a pathway times one of a pulse's elements."""
        if pulse.axis is None:
            return term.times(complex(element[0]) * turn)
        return self.shared.functions.times(term, turn, pulse.axis, element)

    def kept(self, terms: list[Term]) -> list[Term]:
        """Return the pathways that are large enough, and add up the others."""
        found, lost = self.boxes.large(terms, self.least)
        self.left_out += lost
        return found
