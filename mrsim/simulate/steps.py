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
from .sampling import LARGEST_BEND, SLIGHT_BEND, SLIGHT_SHIFT, sine_of_shift

Wave = Callable[[NDArray[np.float64]], NDArray[np.float64]]
MAX_HALF_ANGLE = 0.5
"""Largest half rotation angle per step, rad, of the long series."""
MAX_PARTS = 32
"""Most parts that one step is divided into."""
SHORT_HALF_ANGLE = 0.1
"""The same of the short series."""


def rotation_series(dtype: RealType) -> NDArray[np.floating]:
    """Return (7, 7): terms in h^2 of sqrt2 cos h, of sqrt2 sin h / h, of (2 - 2 cos h) / h^2 and 2 sin h / h
    for short steps, 1 and 1/2, and the latter two for all.

    Seven terms, in single precision four, serve up to MAX_HALF_ANGLE; four, or three, up to SHORT_HALF_ANGLE. Those of
    (2 - 2 cos h) / h^2, which is multiplied by h^2, are one fewer. Errors of what comes out, with the rounding of the
    terms: 1e-15 in double, of 2 - 2 cos h of short steps 2e-14; 3e-8 in single.
    """
    return _rotation_series(dtype is np.float64).astype(dtype)


@lru_cache(maxsize=2)
def _rotation_series(double: bool) -> NDArray[np.float64]:
    series = np.zeros((7, 7))
    long, short = (7, 4) if double else (4, 3)
    sinc: Wave = lambda h: np.sinc(h / np.pi)  # noqa: E731
    rise: Wave = lambda h: np.sinc(h / (2 * np.pi)) ** 2  # noqa: E731  # (2 - 2 cos h) / h^2
    for row, scale, wave, largest, terms in (
        (0, math.sqrt(2), np.cos, MAX_HALF_ANGLE, long), (1, math.sqrt(2), sinc, MAX_HALF_ANGLE, long),
        (2, 1, rise, SHORT_HALF_ANGLE, short - 1), (3, 2, sinc, SHORT_HALF_ANGLE, short),
        (5, 1, rise, MAX_HALF_ANGLE, long - 1), (6, 2, sinc, MAX_HALF_ANGLE, long),
    ):  # fmt: skip
        series[row, :terms] = scale * _interpolated(wave, largest, terms)
    series[4, :2] = 1, 0.5
    return series


def turn_series(dtype: RealType) -> NDArray[np.floating]:
    """Return (9, 8), terms in p^2: sqrt2 cos(pi p), sqrt2 sin(pi p)/p, |p| <= 1/2; those of 2 pi p; short series.

    The first two are interpolated at Chebyshev nodes, as short as the precision allows. Five terms each follow, in
    single precision three, for |p| up to `sampling.LARGEST_BEND`; the first is 1. The fifth row is the second with one
    term less in single precision, which is harmless where it is not multiplied from sample to sample. The last two
    pairs are tan(pi p) / p and sin(2 pi p) / p, for |p| as small as `sampling.SLIGHT_BEND` and `sampling.SLIGHT_SHIFT`;
    the last pair in units of `sine_of_shift`. Errors with the rounding of the terms, of the first five rows over the
    largest value: 3e-15 in double, in single 1e-7, of the fifth row 1e-6; of tan(pi p) and sin(2 pi p) themselves:
    1e-15 in double, in single 4e-9, of the last pair 1e-6.
    """
    return _turn_series(dtype is np.float64).astype(dtype)


@lru_cache(maxsize=2)
def _turn_series(double: bool) -> NDArray[np.float64]:
    """Return the series in double precision: runs ask for them at every readout."""
    series = np.zeros((9, 8))
    halves = (lambda p: math.sqrt(2) * np.cos(np.pi * p), lambda p: math.sqrt(2) * np.pi * np.sinc(p))
    wholes = (lambda p: np.cos(2 * np.pi * p), lambda p: 2 * np.pi * np.sinc(2 * p))
    tangent: Wave = lambda p: np.tan(np.pi * p) / p  # noqa: E731
    real: RealType = np.float64 if double else np.float32
    bend, shift = SLIGHT_BEND[real], SLIGHT_SHIFT[real]
    for row, (wave, largest, terms) in {
        0: (halves[0], 0.5, 8 if double else 5), 1: (halves[1], 0.5, 8 if double else 5),
        4: (halves[1], 0.5, 8 if double else 4),
        2: (wholes[0], LARGEST_BEND, 5 if double else 3), 3: (wholes[1], LARGEST_BEND, 5 if double else 3),
        5: (tangent, bend, 4 if double else 2), 6: (wholes[1], bend, 4 if double else 2),
        7: (tangent, shift, 4 if double else 1), 8: (wholes[1], shift, 4 if double else 1),
    }.items():  # fmt: skip
        series[row, :terms] = _interpolated(wave, largest, terms)
    scale = sine_of_shift(real)
    series[7:] /= scale ** (2 * np.arange(8) + 1)
    series[2, 0] = 1
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
    """(7, step): -pi gamma_bar dt * B1, half rotation angle per unit of relative B1, real and imaginary; then the same
    as in `_in_own_frames`."""
    gradient: NDArray[np.floating]
    """(2 component, step): -pi gamma_bar dt * G, half rotation angle per metre: the mean of each step, then its
    change over the step; three components for spins at rest."""
    steps: int
    """Number of steps."""


def divided(timeline: Timeline, parts: int) -> Timeline:
    """Return the timeline with every RF step divided into equal parts."""
    return replace(timeline, pulses=tuple(cut_pulse(pulse, parts) for pulse in timeline.pulses))


def cut_pulse(pulse: Pulse, parts: int) -> Pulse:
    """Return a pulse with every step divided into equal parts."""
    if parts == 1:
        return pulse
    mean, change = cut_gradient(pulse, np.full(len(pulse.dt), parts))
    steps = replace(pulse, dt=np.repeat(pulse.dt / parts, parts), b1=np.repeat(pulse.b1, parts))
    return replace(steps, gradient=mean, change=change if np.any(change) else None, parts=parts * pulse.parts)


def chosen_parts(
    timeline: Timeline, longest: float | None, change: Callable[[int], float], wanted: float, dtype: RealType
) -> tuple[int, float]:
    """Return into how many parts every RF step is divided, and the error that this leaves.

    The error falls with the square of the step, so it is 4/3 of what changes when steps are halved. Where an error
    below the root of the round-off does not fall any more, round-off is what is seen, which more steps only add to.

    Parameters
    ----------
    timeline : Timeline
    longest : float or None
        Step, s, that is asked for; None divides by two until the error is no larger than `wanted`.
    change : callable
        Largest change of the result when steps in so many parts are halved.
    wanted : float
        The error.
    dtype : type
        Of the computation.
    """
    if longest is not None:
        dt = max((float(pulse.dt.max()) for pulse in timeline.pulses), default=0.0)
        parts = max(1, math.ceil(dt / longest * (1 - 1e-9)))
        return parts, 4 / 3 * change(parts)
    parts, before = 1, math.inf
    while True:
        error = 4 / 3 * change(parts)
        if error > before / 2 and error < math.sqrt(np.finfo(dtype).eps):
            return parts // 2, max(error, before)
        if error <= wanted or parts >= MAX_PARTS:
            return parts, error
        parts, before = 2 * parts, error


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
    """Return how the steps of a pulse are cut for the series to hold for spins within these bounds (`pulse_table`).

    Parts of a step are cut as the whole would be: if only parts that are too long were cut, dividing would change
    nothing where the whole is cut already, and could not tell the error.
    """
    field_hz = gamma_bar * (np.abs(pulse.gradient) @ reach + max_b1 * np.abs(pulse.b1)) + max_offset
    angle = np.pi * field_hz * pulse.dt
    cut = np.maximum(1, np.ceil(pulse.parts * angle / MAX_HALF_ANGLE)).astype(np.int64)
    return cut, angle / cut <= SHORT_HALF_ANGLE


def tabulated(
    pulses: Sequence[Pulse], gamma_bar: float, cuts: Sequence[Cut], times: TimeTable, dtype: RealType
) -> PulseTable:
    """Turn pulses, cut as said, into step tables."""
    runs: list[tuple[float, ...]] = []
    b1, gradient, starts, count = [], [], [0], 0
    for pulse, (split, is_short) in zip(pulses, cuts, strict=True):
        short = np.repeat(is_short, split)
        dt = np.repeat(pulse.dt / split, split)
        factor = -np.pi * gamma_bar * dt
        steps = np.repeat(pulse.b1, split) * factor
        b1.append(np.concatenate([[steps.real, steps.imag], _in_own_frames(steps)]))
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
        b1=np.concatenate(b1, axis=1).astype(dtype) if b1 else np.zeros((7, 0), dtype),
        gradient=np.ascontiguousarray(
            np.concatenate(gradient, axis=1).astype(dtype) if b1 else np.zeros((6, 0), dtype)
        ),
        steps=count,
    )


def _in_own_frames(b1: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return (5, step): B1 along an axis that turns with it by less than a right angle and keeps still where B1 is 0.

    The signed amplitude, cosine and sine of the axis' angle from x, and tan(d / 2) and sin(d) of its turn d since the
    step before. A pulse that only changes sign has one axis.
    """
    size = np.abs(b1)
    played = np.flatnonzero(size > 0)
    if not len(played):
        return np.stack([size, np.ones_like(size), size, size, size])
    axis = b1[played] / size[played]
    between = axis[1:] * np.conj(axis[:-1])
    flips = np.concatenate([[1.0], np.cumprod(np.where(between.real < 0, -1.0, 1.0))])
    held = np.maximum(np.cumsum(size > 0) - 1, 0)  # axis of the last step that had one, or of the first
    along = (axis * flips)[held]
    turn = np.ones_like(along)
    turn[1:] = along[1:] * np.conj(along[:-1])
    turn.imag[np.abs(turn.imag) < 1e-15] = 0.0
    return np.stack([(b1 * np.conj(along)).real, along.real, along.imag, turn.imag / (1 + turn.real), turn.imag])


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
