"""Pulses and times as the Bloch kernels want them: half rotation angles per step, decay per distinct time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..sequence.timeline import Pulse, Timeline
from .sampling import SLIGHT_BEND

Wave = Callable[[NDArray[np.float64]], NDArray[np.float64]]
MAX_HALF_ANGLE = 0.5
"""Largest half rotation angle per step, rad, of the long series."""
SHORT_HALF_ANGLE = 0.1
"""The same of the short series."""


def rotation_series(dtype: RealType) -> NDArray[np.floating]:
    """Return (5, 7): terms of sqrt2 cos h and sqrt2 sin h / h in h^2, those of the short series likewise, and 1.

    Seven terms, in single precision four, serve up to MAX_HALF_ANGLE; four, or three, up to SHORT_HALF_ANGLE: errors
    of 2e-15 and 1e-9.
    """
    return _rotation_series(dtype is np.float64).astype(dtype)


@lru_cache(maxsize=2)
def _rotation_series(double: bool) -> NDArray[np.float64]:
    series = np.zeros((5, 7))
    long, short = (7, 4) if double else (4, 3)
    waves: tuple[Wave, ...] = (np.cos, lambda h: np.sinc(h / np.pi))
    for row, wave in enumerate(waves):
        series[row, :long] = math.sqrt(2) * _interpolated(wave, MAX_HALF_ANGLE, long)
        series[row + 2, :short] = math.sqrt(2) * _interpolated(wave, SHORT_HALF_ANGLE, short)
    series[4, 0] = 1
    return series


def turn_series(dtype: RealType) -> NDArray[np.floating]:
    """Return (7, 8), terms in p^2: sqrt2 cos(pi p), sqrt2 sin(pi p)/p, |p| <= 1/2; those of 2 pi p; short series.

    The first two are interpolated at Chebyshev nodes, as short as the precision allows: errors of 2e-15 in double
    and 5e-8 in single. Five Taylor terms each follow. The fifth row is the second with one term less in single
    precision: its error of 8e-7 is harmless where it is not multiplied from sample to sample. The last two are again
    of 2 pi p, for |p| as small as `sampling.SLIGHT_BEND`.
    """
    return _turn_series(dtype is np.float64).astype(dtype)


@lru_cache(maxsize=2)
def _turn_series(double: bool) -> NDArray[np.float64]:
    """Return the series in double precision: runs ask for them at every readout."""
    series = np.zeros((7, 8))
    halves = (lambda p: math.sqrt(2) * np.cos(np.pi * p), lambda p: math.sqrt(2) * np.pi * np.sinc(p))
    wholes = (lambda p: np.cos(2 * np.pi * p), lambda p: 2 * np.pi * np.sinc(2 * p))
    slight = SLIGHT_BEND[np.float64 if double else np.float32]
    for row, (wave, largest, terms) in {
        0: (halves[0], 0.5, 8 if double else 5), 1: (halves[1], 0.5, 8 if double else 5),
        4: (halves[1], 0.5, 8 if double else 4),
        5: (wholes[0], slight, 4 if double else 2), 6: (wholes[1], slight, 4 if double else 2),
    }.items():  # fmt: skip
        series[row, :terms] = _interpolated(wave, largest, terms)
    for k in range(5):
        series[2, k] = (-1) ** k * (2 * math.pi) ** (2 * k) / math.factorial(2 * k)
        series[3, k] = (-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1)
    return series


def _interpolated(wave: Wave, largest: float, terms: int) -> NDArray[np.float64]:
    """Return the terms in p^2 of an even function of |p| <= `largest`, interpolated at Chebyshev nodes."""
    from numpy.polynomial import Chebyshev, Polynomial

    fit = Chebyshev.interpolate(lambda u: wave(np.sqrt(u)), terms - 1, domain=[0.0, largest**2])
    return np.asarray(fit.convert(kind=Polynomial).coef, dtype=np.float64)


@dataclass(slots=True, eq=False)
class TimeTable:
    """Distinct times, s, so that exponentials are computed once per time and class."""

    rows: dict[float, int] = field(default_factory=dict)

    def row(self, seconds: float) -> int:
        """Return the row of a time, adding it if it is new."""
        return self.rows.setdefault(float(seconds), len(self.rows))

    def decay(self, rate: NDArray[np.float64], dtype: RealType) -> NDArray[np.floating]:
        """Return (row, class) exp(-time * rate) for the (class,) rates, 1/s."""
        return np.asarray(np.exp(-np.outer(list(self.rows), rate)), dtype=dtype)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PulseTable:
    """All pulses of a timeline, end to end."""

    pulse_run: NDArray[np.int64]
    """(pulse + 1,) first run of each pulse."""
    runs: NDArray[np.float64]
    """(run, 7): first step, one past the last, time rows of half a step and of a step, -pi dt, 1 where the gradient
    changes during steps or spins move, and 1 where no half angle exceeds SHORT_HALF_ANGLE."""
    b1: NDArray[np.floating]
    """(2, step): -pi gamma_bar dt * B1, half rotation angle per unit of relative B1."""
    gradient: NDArray[np.floating]
    """(2 component, step): -pi gamma_bar dt * G, half rotation angle per metre: the mean of each step, then its
    change over the step; three components for spins at rest."""
    steps: int
    """Number of steps."""


def divided(timeline: Timeline, parts: int) -> Timeline:
    """Return the timeline with every RF step divided into equal parts."""
    if parts == 1:
        return timeline
    pulses = []
    for pulse in timeline.pulses:
        mean, change = cut_gradient(pulse, np.full(len(pulse.dt), parts))
        dt, b1 = np.repeat(pulse.dt / parts, parts), np.repeat(pulse.b1, parts)
        pulses.append(replace(pulse, dt=dt, b1=b1, gradient=mean, change=change if np.any(change) else None))
    return replace(timeline, pulses=tuple(pulses))


Cut = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""(step,) of a pulse: into how many parts each step is cut, and whether no half angle of a part exceeds
SHORT_HALF_ANGLE."""


def pulse_table(
    pulses: Sequence[Pulse],
    gamma_bar: float,
    reach: NDArray[np.float64],
    max_offset: float,
    max_b1: float,
    times: TimeTable,
    dtype: RealType,
) -> PulseTable:
    """Turn pulses into step tables, splitting steps whose rotation is too large for the series.

    Parameters
    ----------
    pulses : sequence of Pulse
        The distinct pulses.
    gamma_bar : float
        Hz/T.
    reach : (component,) array
        Largest |x|, |y|, |z| of any spin, m, and behind them the largest displacements of spins that move.
    max_offset, max_b1 : float
        Largest |offset|, Hz, and relative B1 of any spin.
    times : TimeTable
        Receives the steps' times.
    dtype : type
        Of the tables.
    """
    cuts = [cut_steps(pulse, gamma_bar, reach, max_offset, max_b1) for pulse in pulses]
    return tabulated(pulses, gamma_bar, cuts, times, dtype)


def cut_steps(pulse: Pulse, gamma_bar: float, reach: NDArray[np.float64], max_offset: float, max_b1: float) -> Cut:
    """Return how the steps of a pulse are cut for the series to hold for spins within these bounds (`pulse_table`)."""
    field_hz = gamma_bar * (np.abs(pulse.gradient) @ reach + max_b1 * np.abs(pulse.b1)) + max_offset
    angle = np.pi * field_hz * pulse.dt
    cut = np.maximum(1, np.ceil(angle / MAX_HALF_ANGLE)).astype(np.int64)
    return cut, angle / cut <= SHORT_HALF_ANGLE


def tabulated(
    pulses: Sequence[Pulse], gamma_bar: float, cuts: Sequence[Cut], times: TimeTable, dtype: RealType, parts: int = 1
) -> PulseTable:
    """Turn pulses, cut as said, into step tables.

    parts : that every step, cut or not, is divided into on top: twice as many halve every step.
    """
    runs: list[tuple[float, ...]] = []
    b1, gradient, starts, count = [], [], [0], 0
    for pulse, (cut, is_short) in zip(pulses, cuts, strict=True):
        split = parts * cut
        short = np.repeat(is_short, split)
        dt = np.repeat(pulse.dt / split, split)
        factor = -np.pi * gamma_bar * dt
        steps = np.repeat(pulse.b1, split) * factor
        b1.append(np.stack([steps.real, steps.imag]))
        mean, change = cut_gradient(pulse, split)
        gradient.append((np.concatenate([mean, change], axis=1) * factor[:, None]).T)
        moving = mean.shape[1] > 3
        edges = [0, *(np.flatnonzero(np.abs(np.diff(dt)) > 1e-15) + 1), len(dt)]
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            step = float(dt[first])
            runs.append(
                (
                    count + first,
                    count + last,
                    times.row(step / 2),
                    times.row(step),
                    -np.pi * step,
                    float(moving or np.any(change[first:last])),
                    float(np.all(short[first:last])),
                )
            )
        count += len(dt)
        starts.append(len(runs))
    return PulseTable(
        pulse_run=np.array(starts, dtype=np.int64),
        runs=np.array(runs, dtype=np.float64).reshape(-1, 7),
        b1=np.concatenate(b1, axis=1).astype(dtype) if b1 else np.zeros((2, 0), dtype),
        gradient=np.ascontiguousarray(
            np.concatenate(gradient, axis=1).astype(dtype) if b1 else np.zeros((6, 0), dtype)
        ),
        steps=count,
    )


def cut_gradient(pulse: Pulse, split: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (step, component) mean and change of the gradient after cutting each step of a pulse into `split`."""
    if pulse.change is None:
        mean = np.repeat(pulse.gradient, split, axis=0)
        return mean, np.zeros_like(mean)
    within = np.arange(split.sum()) - np.repeat(np.cumsum(split) - split, split)
    share = (within + 0.5) / np.repeat(split, split) - 0.5
    change = np.repeat(pulse.change, split, axis=0)
    mean = np.repeat(pulse.gradient, split, axis=0) + share[:, None] * change
    return mean, change / np.repeat(split, split)[:, None]
