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
UNITS = np.array([1e-6, 1e-6, 1e-6, 1e-11])
"""Of the moments, 1/m, and of the dephasing time, s."""


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
    second: float = 0.0
    """Integral of |q|^2, s/m^2."""

    def extend(self, time: float, moment: NDArray[np.float64], relaxing: bool = True) -> None:
        """Go on for `time`, s, under a constant gradient that adds `moment`, 1/m."""
        self.second += float(self.moment @ self.moment + self.moment @ moment + moment @ moment / 3) * time
        self.first = self.first + (self.moment + moment / 2) * time
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

    def plays_like(self, other: Step) -> bool:
        """Return True if the state after both steps is the same, if it was before."""
        a, b = self.path, other.path
        return (
            self.pulse == other.pulse
            and self.phase == other.phase
            and bool(np.all(a.key() == b.key()))
            and abs(a.relaxing - b.relaxing) < 1e-11
            and np.allclose(np.append(a.first, a.second), np.append(b.first, b.second), rtol=1e-9, atol=1e-12)
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
    if not timeline.knots or not np.any(total):
        path.extend(length * 1e-9, total)
        return
    corners = [k[np.searchsorted(k, start, "right") : np.searchsorted(k, start + length)] for k, _ in timeline.knots]
    times = np.unique(np.concatenate([[start], *corners, [start + length]]))
    # every piece is cut into four, so that a ramp's diffusion weight is right to one part in a hundred of its own
    fine = np.unique(np.concatenate([np.linspace(a, b, 5) for a, b in zip(times[:-1], times[1:], strict=True)]))
    played = np.stack([np.interp(fine, k, g) if len(k) else np.zeros(len(fine)) for k, g in timeline.knots], axis=1)
    dt = np.diff(fine) * 1e-9
    moments = timeline.gamma_bar * (played[1:] + played[:-1]) / 2 * dt[:, None]
    moments += (total - moments.sum(axis=0)) * (dt / dt.sum())[:, None]
    for time, moment in zip(dt, moments, strict=True):
        path.extend(float(time), moment)
