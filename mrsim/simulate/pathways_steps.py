"""A timeline as the steps of a phase graph: from pulse to pulse, with the readouts on the way.

A pulse acts at its effective centre; what the slice gradient and the resonance offset do before and after it
belongs to the intervals. Moments and times are whole numbers of a unit far below what matters, so that
pathways that meet in the same state are recognised.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import READOUT, RF, Pulse, Timeline

Half = tuple[float, NDArray[np.float64]]
"""Time, s, and gradient moment (3,), 1/m, of a pulse before or after its centre."""
UNITS = np.array([1e-9, 1e-9, 1e-9, 1e-15])
"""Of the moments, 1/m, and of the dephasing time, s: so small that rounding hardly ever parts what belongs together."""
NEAR = np.array([100_000, 100_000, 100_000, 10_000_000])
"""Moments and times that differ by less, in `UNITS`, are the same."""
POWERS = 1 / (np.arange(3)[:, None] + np.arange(3) + 1)
"""Integrals of s^(i + j) from 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Glance:
    """A readout as seen from the last pulse."""

    row: int
    """Of the timeline's readout table."""
    path: Path
    """From the pulse's centre to the window's start."""


@dataclass(slots=True, eq=False)
class Path:
    """What free evolution does: gradient moment q(t), relaxation, diffusion weight."""

    relaxing: float = 0.0
    """s; what the pulses' own relaxation does not cover."""
    time: float = 0.0
    """s; between the centres."""
    moment: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """q at the end, 1/m."""
    first: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """Integral of q, s/m."""
    second: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 3)))
    """Integral of q q^T, s/m^2."""

    def extend(
        self, time: float, moment: NDArray[np.float64], relaxing: bool = True, bend: NDArray[np.float64] | None = None
    ) -> None:
        """Go on for `time`, s, under a gradient that changes linearly and adds `moment`, 1/m.

        bend : (3,) half of its change times `time`, 1/m; 0 for a constant gradient. Then q = q0 + (moment - bend) s
        + bend s^2 for 0 <= s <= 1, and all integrals are exact.
        """
        bent = np.zeros(3) if bend is None else bend
        terms = np.stack([self.moment, moment - bent, bent])
        self.second = self.second + time * (terms.T @ POWERS @ terms)
        self.first = self.first + time * (POWERS[0] @ terms)
        self.moment = self.moment + moment
        self.time += time
        self.relaxing += time if relaxing else 0.0

    def copy(self) -> Path:
        """Return the path so far."""
        return Path(self.relaxing, self.time, self.moment, self.first, self.second)

    def key(self) -> NDArray[np.int64]:
        """Return the (4,) moment and time in whole units."""
        units = np.append(self.moment, self.time) / UNITS
        return np.asarray(np.rint(units), dtype=np.int64)


@dataclass(slots=True, eq=False)
class Step:
    """One pulse with the way to it and the readouts that follow it."""

    path: Path
    pulse: int
    phase: float
    """rad."""
    glances: list[Glance] = field(default_factory=list)

    def plays_like(self, other: Step, diffusing: bool) -> bool:
        """Return True if the state after both steps is the same, if it was before.

        Rewound phase encoding between the pulses matters only to what diffuses.
        """
        a, b = self.path, other.path
        alike = (
            (self.pulse, self.phase) == (other.pulse, other.phase)
            and abs(a.relaxing - b.relaxing) < 1e-11
            and bool(np.all(np.abs(a.key() - b.key()) <= NEAR // 100))
        )
        one, two = (np.append(path.first, path.second.ravel()) for path in (a, b))
        return alike and (not diffusing or bool(np.allclose(one, two, rtol=1e-9, atol=1e-12)))


class Repetitions:
    """The steps of every repetition of a scan, and which repetitions play the same."""

    def __init__(self, timeline: Timeline) -> None:
        self.steps = steps_of(timeline)
        self._same: dict[bool, list[bool]] = {}

    def same(self, diffusing: bool) -> list[bool]:
        """Return, for every repetition but the first, whether it plays the same as the one before it."""
        if diffusing not in self._same:
            pairs = zip(self.steps[1:], self.steps[:-1], strict=True)
            self._same[diffusing] = [alike(a, b, diffusing) for a, b in pairs]
        return self._same[diffusing]

    def glances(self) -> list[Glance]:
        """Return all readouts."""
        return [glance for repetition in self.steps for step in repetition for glance in step.glances]


def alike(a: list[Step], b: list[Step], diffusing: bool, looking: bool = True) -> bool:
    """Return True if two repetitions play the same and, if `looking`, have as many readouts."""
    return len(a) == len(b) and all(
        x.plays_like(y, diffusing) and (not looking or len(x.glances) == len(y.glances))
        for x, y in zip(a, b, strict=True)
    )


def halves(pulse: Pulse, gamma_bar: float) -> tuple[Half, Half]:
    """Return the parts of a pulse before and after its centre."""
    edges = np.concatenate([[0.0], np.cumsum(pulse.dt)])
    share = np.clip((pulse.centre - edges[:-1]) / pulse.dt, 0, 1) * pulse.dt
    before, after = gamma_bar * (share @ pulse.gradient), gamma_bar * ((pulse.dt - share) @ pulse.gradient)
    return (float(share.sum()), before), (float((pulse.dt - share).sum()), after)


def steps_of(timeline: Timeline) -> list[list[Step]]:
    """Return the steps of every repetition."""
    around = [halves(pulse, timeline.gamma_bar) for pulse in timeline.pulses]
    repetitions: list[list[Step]] = []
    path, last = Path(), None
    starts = set(timeline.tr_start.tolist())
    for s in range(len(timeline.kind)):
        if s in starts or not repetitions:
            repetitions.append([])
        if timeline.kind[s] == RF:
            event = int(timeline.event[s])
            before, after = around[event]
            path.extend(*before, relaxing=False)
            last = Step(path, event, float(timeline.phase[s]))
            repetitions[-1].append(last)
            path = Path()
            path.extend(*after, relaxing=False)
            continue
        if timeline.kind[s] == READOUT and last is not None:
            last.glances.append(Glance(row=int(timeline.event[s]), path=path.copy()))
        _free(timeline, s, path)
    return repetitions


def _free(timeline: Timeline, segment: int, path: Path) -> None:
    """Extend a path by a segment, piece by piece between the corners of its gradients."""
    start, length = int(timeline.start[segment]), int(timeline.duration[segment])
    total = timeline.moment[segment]
    if not timeline.knots:
        path.extend(length * 1e-9, total)
        return
    corners = [k[np.searchsorted(k, start, "right") : np.searchsorted(k, start + length)] for k, _ in timeline.knots]
    times = np.unique(np.concatenate([[start], *corners, [start + length]]))
    played = np.stack([np.interp(times, k, g) if len(k) else np.zeros(len(times)) for k, g in timeline.knots], axis=1)
    dt = np.diff(times) * 1e-9
    moments = timeline.gamma_bar * (played[1:] + played[:-1]) / 2 * dt[:, None]
    moments += (total - moments.sum(axis=0)) * (dt / dt.sum())[:, None]
    bends = timeline.gamma_bar * np.diff(played, axis=0) / 2 * dt[:, None]
    for time, moment, bend in zip(dt, moments, bends, strict=True):
        path.extend(float(time), moment, bend=bend)
