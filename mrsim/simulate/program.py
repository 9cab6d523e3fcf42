"""A timeline as a program of repetitions, for the engine's reuse through the slice.

Between two RF pulses the in-plane gradients only add a phase that is the same for all spins at one place
in the plane, so they matter to the spin state only through that phase at the next pulse. If all in-plane
moments between pulses are integer multiples of one common moment q, the state depends on the place only
through phi = 2 pi q.r; it is a trigonometric polynomial in phi and a few values of phi give it everywhere.
Phase encoding that is rewound before the next pulse drops out. `program` finds q, or says why there is none.
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
SPOILED = 100.0
"""Turns over the slab from which transverse magnetisation does not come back."""

INTERVAL, PULSE, SAMPLE = 0, 1, 2
"""Kinds of operation."""


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
    same_as_before: tuple[bool, ...]
    """Per repetition: True if it plays exactly what the one before it played."""

    @property
    def heard(self) -> NDArray[np.int64]:
        """The rows of the readouts that are sampled."""
        return np.concatenate(self.readouts).astype(np.int64)

    @property
    def played(self) -> list[int]:
        """The pulses that are played."""
        return sorted({int(i) for ops in self.operations for i in ops[ops[:, 0] == PULSE, 1]})

    def period(self) -> tuple[NDArray[np.int64], NDArray[np.float64]] | str:
        """Return the operations and phases that every repetition with readouts plays, or say why there are none.

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
        return self.operations[model], self.phases[model]


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
    for pulse in timeline.pulses:
        if np.any(pulse.gradient[:, :2] != 0):
            return "an in-plane gradient plays during an RF pulse"
    moment = timeline.readouts.moment[..., 2]
    if moment.size and np.any(np.abs(moment) > 0):
        return "a slice gradient plays during a readout"
    return None


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
    reason = why_not(timeline)
    if reason:
        return reason
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
    return Program(
        operations=tuple(operations),
        phases=tuple(phases),
        same_as_before=(False, *(_alike(r, operations, phases) for r in range(1, len(operations)))),
        readouts=tuple(np.array(r, dtype=np.int64) for r in reader.readouts),
        intervals=np.array(reader.intervals.values).reshape(-1, 2),
        spoiled=np.array([spoiled for *_, spoiled in reader.intervals.keys], dtype=bool),
        samples=np.array(reader.samples.values).reshape(-1, 2),
        plane_moment=reader.plane_moment,
        base=base,
    )


def _alike(repetition: int, *tables: list[NDArray[np.int64]] | list[NDArray[np.float64]]) -> bool:
    """Return True if a repetition plays exactly what the one before it played."""
    return all(np.array_equal(of[repetition], of[repetition - 1]) for of in tables)


class _Reader:
    """Reads segments one repetition after another, carrying time and moment since the last pulse along."""

    def __init__(self, timeline: Timeline, slab_reach: float, silent: NDArray[np.bool_]) -> None:
        self.timeline, self.silent, self.slab_reach = timeline, silent, slab_reach
        self.interrupted = False
        self.intervals, self.samples = _Rows(slab_reach, {}, []), _Rows(slab_reach, {}, [])
        self.operations: list[list[tuple[int, int, int]]] = []
        self.phases: list[list[float]] = []
        self.readouts: list[list[int]] = []
        self.totals: list[NDArray[np.float64]] = []
        self.plane_moment = np.zeros((len(timeline.readouts.dwell), 2))
        self.elapsed = 0
        self.moment = np.zeros(3)

    def read(self, first: int, last: int) -> None:
        """Read the segments of one repetition."""
        self.operations.append([])
        self.phases.append([])
        self.readouts.append([])
        for s in range(first, last):
            if self.timeline.kind[s] == RF:
                self._pulse(s)
                continue
            self.interrupted |= bool(self.silent[s])
            if self.timeline.kind[s] == READOUT:
                self._sample(int(self.timeline.event[s]))
            self.elapsed += int(self.timeline.duration[s])
            self.moment = self.moment + self.timeline.moment[s]

    def _pulse(self, segment: int) -> None:
        spoiled = self.interrupted and abs(self.moment[2]) * self.slab_reach > SPOILED
        interval = self.intervals.row(self.elapsed, self.moment[2], spoiled)
        self.operations[-1] += [(INTERVAL, interval, len(self.totals)), (PULSE, int(self.timeline.event[segment]), 0)]
        self.phases[-1] += [0.0, float(self.timeline.phase[segment])]
        self.totals.append(self.moment[:2])
        self.elapsed, self.moment, self.interrupted = 0, np.zeros(3), False

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
