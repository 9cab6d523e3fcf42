"""A timeline as a program of repetitions, for the engine's reuse through the slice.

Between two RF pulses the in-plane gradients only add a phase that is the same for all spins at one place
in the plane, so they matter to the spin state only through that phase at the next pulse. If all in-plane
moments between pulses are integer multiples of one common moment q, the state depends on the place only
through phi = 2 pi q.r; it is a trigonometric polynomial in phi and a few values of phi give it everywhere.
Phase encoding that is rewound before the next pulse drops out. `program` finds q, or says why there is none.

A pulse may select along one direction of the plane. What its own gradient winds up there is shared by the intervals on
both sides, and what is left depends on the place along that direction, smoothly (`rows`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import READOUT, RF, Timeline

MAX_ORDER = 1024
"""Largest in-plane multiple of q between two pulses that still counts as commensurable."""
SAME = 1e-6
"""Moments that differ by less than this many cycles over the object are the same."""
TOGETHER = 4096
"""Most operations of several repetitions that are walked in one go: an interrupt is heard between."""
PARALLEL = 1e-9
"""Part of the strongest gradient under a pulse that may point across the others."""
SPOILED = 100.0
"""Turns over the slab from which transverse magnetisation does not come back."""

INTERVAL, PULSE, SAMPLE = 0, 1, 2
"""Kinds of operation."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stretch:
    """Repetitions that are walked in one go, as the kernel wants them."""

    operations: NDArray[np.int64]
    """(op, 3): kind, index, and the row of the multiple of q."""
    turn: NDArray[np.float64]
    """(op, 2) cosine and sine of the RF phase."""
    readouts: NDArray[np.int64]
    """Rows of the timeline's readout table, in order."""
    same_as_before: bool
    """True for one repetition that plays exactly what the one before it played."""
    again: bool
    """True for one repetition that the next one plays again."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Program:
    """Operations of every repetition, with the tables they point into."""

    operations: tuple[NDArray[np.int64], ...]
    """Per repetition (op, 3): kind, index of interval, pulse or sample, multiple of q."""
    phases: tuple[NDArray[np.float64], ...]
    """Per repetition (op,): RF phase, rad."""
    readouts: tuple[NDArray[np.int64], ...]
    """Per repetition: rows of the timeline's readout table, in order."""
    intervals: NDArray[np.float64]
    """(interval, 2): duration s, through-slice moment 1/m."""
    samples: NDArray[np.float64]
    """(sample, 2): time since the last pulse s, through-slice moment since then 1/m."""
    spoiled: NDArray[np.bool_]
    """(interval,): True where what is transverse is wound up beyond return."""
    plane_moment: NDArray[np.float64]
    """(readout, 2): in-plane moment from the last pulse to the window's start, 1/m."""
    base: NDArray[np.float64]
    """(2,): q, 1/m; zero if the plane does not matter between pulses."""
    along: NDArray[np.float64]
    """(2,): unit vector along which pulses select in the plane; zero if none does."""
    played: tuple[int, ...]
    """The pulses that are played."""
    multiples: NDArray[np.int64]
    """The distinct multiples of q."""
    stretches: tuple[Stretch, ...]
    """All repetitions; those that neither repeat one nor are repeated together, up to `TOGETHER` operations."""

    @property
    def heard(self) -> NDArray[np.int64]:
        """The rows of the readouts that are sampled."""
        return np.concatenate(self.readouts).astype(np.int64)

    def period(self) -> Stretch | str:
        """Return what every repetition with readouts plays, or say why there is none.

        The first repetition may differ in what comes before its first pulse; readouts of dummies are missing.
        """
        sampled = [r for r in range(len(self.operations)) if len(self.readouts[r])]
        model = sampled[-1]
        steps = _without_samples(self.operations[model], self.phases[model])
        for r in range(len(self.operations)):
            other = _without_samples(self.operations[r], self.phases[r])
            same = len(other) == len(steps) and np.array_equal(other[1 if r == 0 else 0 :], steps[1 if r == 0 else 0 :])
            if not same or (r in sampled and len(self.readouts[r]) != len(self.readouts[model])):
                return f"repetition {r} plays something else than repetition {model}"
        one = slice(model, model + 1)
        tables = list(self.operations[one]), list(self.phases[one]), self.readouts[one]
        return _stretches(*tables, self.multiples)[0]


def _without_samples(ops: NDArray[np.int64], phases: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = ops[:, 0] != SAMPLE
    return np.column_stack([ops[kept], phases[kept]])


@dataclass(slots=True, eq=False)
class _Rows:
    """Distinct (time, moment) pairs, compared at the resolution that matters."""

    reach: float
    keys: dict[tuple[int, int, bool], int]
    values: list[tuple[float, float]]

    def row(self, nanoseconds: int, moment: float, spoiled: bool = False) -> int:
        key = (nanoseconds, round(moment * self.reach / SAME), spoiled)
        if key not in self.keys:
            self.keys[key] = len(self.values)
            self.values.append((nanoseconds * 1e-9, moment))
        return self.keys[key]


def why_not(timeline: Timeline) -> str | None:
    """Return why the slice cannot be reused for this timeline, or None if it can."""
    if selected_along(timeline) is None:
        return "pulses select along several directions of the plane"
    moment = timeline.readouts.moment[..., 2]
    if moment.size and np.any(np.abs(moment) > 0):
        return "a slice gradient plays during a readout"
    return None


def selected_along(timeline: Timeline) -> NDArray[np.float64] | None:
    """Return the (2,) unit vector along which pulses select in the plane; zero if none does, None if they differ."""
    played = np.concatenate([np.zeros((1, 2)), *(pulse.gradient[:, :2] for pulse in timeline.pulses)])
    largest = played[np.argmax(np.hypot(played[:, 0], played[:, 1]))]
    size = float(np.hypot(*largest))
    if size == 0.0:
        return np.zeros(2)
    along = largest / size
    across = np.abs(played @ [-along[1], along[0]]).max()
    return along if across <= PARALLEL * size else None


def program(timeline: Timeline, reach: tuple[float, float], silent: NDArray[np.bool_] | None = None) -> Program | str:
    """Break a timeline into repetitions, or say why it cannot be done.

    Parameters
    ----------
    timeline : Timeline
        The scan.
    reach : (float, float)
        Extent of the object in the plane and of the slab, m: sets when two moments are the same.
    silent : (segment,) array, optional
        Where pulses were left out because they act elsewhere. What is transverse meanwhile is taken to be spoiled if
        the interval winds it by `SPOILED` turns over the slab.
    """
    reason, along = why_not(timeline), selected_along(timeline)
    if reason or along is None:
        return reason or ""
    plane_reach, slab_reach = reach
    reader = _Reader(timeline, slab_reach, np.zeros(len(timeline.kind), dtype=bool) if silent is None else silent)
    starts = [*timeline.tr_start.tolist(), len(timeline.kind)]
    for first, last in itertools.pairwise(starts):
        reader.read(first, last)
    base, multiples = _common_moment(np.array(reader.totals).reshape(-1, 2), plane_reach)
    if multiples is None:
        return "in-plane gradient moments between RF pulses have no common divisor"
    operations = [
        np.array([(k, i, multiples[n] if k == INTERVAL else 0) for k, i, n in ops], dtype=np.int64).reshape(-1, 3)
        for ops in reader.operations
    ]
    phases = [np.array(p) for p in reader.phases]
    readouts = tuple(np.array(r, dtype=np.int64) for r in reader.readouts)
    every = np.concatenate(operations)
    distinct = np.unique(every[:, 2])
    return Program(
        operations=tuple(operations),
        phases=tuple(phases),
        readouts=readouts,
        played=tuple(np.unique(every[every[:, 0] == PULSE, 1]).tolist()),
        multiples=distinct,
        stretches=_stretches(operations, phases, readouts, distinct),
        intervals=np.array(reader.intervals.values).reshape(-1, 2),
        spoiled=np.array([spoiled for *_, spoiled in reader.intervals.keys], dtype=bool),
        samples=np.array(reader.samples.values).reshape(-1, 2),
        plane_moment=reader.plane_moment,
        base=base,
        along=along,
    )


def _stretches(
    operations: list[NDArray[np.int64]],
    phases: list[NDArray[np.float64]],
    readouts: tuple[NDArray[np.int64], ...],
    multiples: NDArray[np.int64],
) -> tuple[Stretch, ...]:
    """Join repetitions that no other is compared with."""
    played = [(ops.tobytes(), (phase + 0.0).tobytes()) for ops, phase in zip(operations, phases, strict=True)]
    same = [False, *(one == other for one, other in itertools.pairwise(played)), False]
    groups: list[list[int]] = []
    count = 0
    for r, ops in enumerate(operations):
        alone = same[r] or same[r + 1]
        if not groups or alone or same[groups[-1][-1]] or count + len(ops) > TOGETHER:
            groups, count = [*groups, []], 0
        groups[-1].append(r)
        count += len(ops)
    found = []
    for group in groups:
        table = np.concatenate([operations[r] for r in group])
        table[:, 2] = np.searchsorted(multiples, table[:, 2])
        phase = np.concatenate([phases[r] for r in group])
        found.append(
            Stretch(
                operations=table,
                turn=np.stack([np.cos(phase), np.sin(phase)], axis=1),
                readouts=np.concatenate([readouts[r] for r in group]),
                same_as_before=same[group[0]],
                again=same[group[-1] + 1],
            )
        )
    return tuple(found)


class _Reader:
    """Reads segments one repetition after another, carrying time and moment since the last pulse along."""

    def __init__(self, timeline: Timeline, slab_reach: float, silent: NDArray[np.bool_]) -> None:
        self.slab_reach = slab_reach
        self.interrupted = False
        self.intervals, self.samples = _Rows(slab_reach, {}, []), _Rows(slab_reach, {}, [])
        self.operations: list[list[tuple[int, int, int]]] = []
        self.phases: list[list[float]] = []
        self.readouts: list[list[int]] = []
        self.totals: list[tuple[float, float]] = []
        self.plane_moment = np.zeros((len(timeline.readouts.dwell), 2))
        self.elapsed = 0
        self.moment = (0.0, 0.0, 0.0)
        self.halves = [(pulse.plane_moment(timeline.gamma_bar) / 2).tolist() for pulse in timeline.pulses]
        tables = timeline.kind, timeline.event, timeline.duration, timeline.moment, timeline.phase, silent
        self.segments = list(zip(*(table.tolist() for table in tables), strict=True))

    def read(self, first: int, last: int) -> None:
        """Read the segments of one repetition."""
        self.operations.append([])
        self.phases.append([])
        self.readouts.append([])
        for kind, event, duration, moment, phase, silent in self.segments[first:last]:
            if kind == RF:
                self._pulse(event, phase)
                continue
            self.interrupted |= silent
            if kind == READOUT:
                self._sample(event)
            self.elapsed += duration
            x, y, z = self.moment
            self.moment = x + moment[0], y + moment[1], z + moment[2]

    def _pulse(self, pulse: int, phase: float) -> None:
        x, y = self.halves[pulse]
        spoiled = self.interrupted and abs(self.moment[2]) * self.slab_reach > SPOILED
        interval = self.intervals.row(self.elapsed, self.moment[2], spoiled)
        self.operations[-1] += [(INTERVAL, interval, len(self.totals)), (PULSE, pulse, 0)]
        self.phases[-1] += [0.0, phase]
        self.totals.append((self.moment[0] + x, self.moment[1] + y))
        self.elapsed, self.moment, self.interrupted = 0, (x, y, 0.0), False

    def _sample(self, row: int) -> None:
        self.plane_moment[row] = self.moment[:2]
        self.operations[-1].append((SAMPLE, self.samples.row(self.elapsed, self.moment[2]), 0))
        self.phases[-1].append(0.0)
        self.readouts[-1].append(row)


def _common_moment(totals: NDArray[np.float64], reach: float) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    """Return q and the integer multiple of q of each in-plane moment (interval, 2), or None if there is none."""
    length = np.hypot(totals[:, 0], totals[:, 1])
    tolerance = SAME / max(reach, 1e-9)
    moving = length > tolerance
    if not np.any(moving):
        return np.zeros(2), np.zeros(len(totals), dtype=np.int64)
    shortest = np.where(np.abs(totals) > tolerance, totals, 0.0)[moving][np.argmin(length[moving])]
    for divisor in range(1, 13):
        base = shortest / divisor
        along = totals @ base / (base @ base)
        multiple = np.rint(along)
        off = np.abs(totals - multiple[:, None] * base).max()
        if off <= tolerance and np.abs(multiple).max() <= MAX_ORDER:
            return base, multiple.astype(np.int64)
    return np.zeros(2), None
