"""Peripheral nerve stimulation by the switching of gradients.

SAFE model (Hebrank and Gebhardt, ISMRM 2000, abstract 2007; open implementation by Szczepankiewicz and Witzel): per
physical axis three first-order low passes of the slew rate s, each y[i] = a s[i] + (1 - a) y[i-1], a = dt/(tau + dt),
stimulation = scale/limit (w1 |y1| + w2 y2(|s|) + w3 |y3|), and the root of the sum of squares over the axes.
IEC 60601-2-33: a monotone ramp of peak dB/dt and effective duration t = (change of B) / (peak dB/dt) stimulates the
average patient at rb (1 + c/t); normal operation stays below 0.8 of it, the first level below 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .safety import NerveAxis, Nerves
from .waveforms import Waveform

Array = NDArray[np.float64]
NORMAL = 0.8
"""Share of the stimulation threshold that the normal operating mode may reach."""
BRIDGED = 5e-3
"""Pauses shorter than this are filtered sample by sample, s; across longer ones the filters decay in closed form."""
STRETCH = 0.1
"""Filtered at a time, s; a stretch that has been filtered before, from the same state, is not filtered again."""
SAME = 1e-8
"""Difference of two states that are the same, over the limit of the axis."""


def safe_peak(wave: Waveform, nerves: Nerves, raster: float) -> tuple[float, float]:
    """Return the largest stimulation of the SAFE model over its limit, and when it occurs, s.

    Parameters
    ----------
    wave : Waveform
    nerves : Nerves
    raster : float
        Gradient raster, s: the sampling of the filters.
    """
    axes = (nerves.x, nerves.y, nerves.z)
    fine = SAME * np.array([[axis.limit] for axis in axes])
    known: dict[tuple[bytes, bytes, int], tuple[float, int, Array]] = {}
    state = np.zeros((3, 3))
    last, peak, when = 0, 0.0, 0.0
    for begin, end in _stretches(wave, raster):
        state = state * _decay(axes, raster) ** max(begin - last, 0)
        (played,) = wave.contents(np.array([begin * raster]), (end - begin) * raster)
        same = (played, np.round(state / fine).tobytes(), end - begin)
        if same not in known:
            # one sample more at the front: the slew is the difference of neighbouring samples
            samples = wave.sampled((begin - 1) * raster, raster, end - begin + 1)
            level, after = stimulation(np.diff(samples, axis=0) / raster, raster, nerves, state)
            norm = np.sqrt((level**2).sum(axis=1))
            known[same] = float(norm.max()), int(np.argmax(norm)), after
        highest, at, state = known[same]
        if highest > peak:
            peak, when = highest, (begin + at) * raster
        last = end
    return peak, when


def _stretches(wave: Waveform, raster: float) -> Iterator[tuple[int, int]]:
    """Yield the first sample of each stretch and the one behind its last."""
    for begin, end in wave.busy(BRIDGED):
        edges = [round(edge / raster) for edge in wave.cut(begin, end, STRETCH)]
        edges[0], edges[-1] = max(edges[0] - 1, 0), edges[-1] + 1
        yield from pairwise(edges)


def stimulation(slew: Array, dt: float, nerves: Nerves, state: Array | None = None) -> tuple[Array, Array]:
    """Return the (n, 3) stimulation of the axes over their limits, and the (3, 3) state of the filters at the end.

    Parameters
    ----------
    slew : (n, 3) array
        Slew rate of the physical axes, T/m/s.
    dt : float
        Time between samples, s.
    nerves : Nerves
    state : (3, 3) array, optional
        Last output of each filter (axis, filter), T/m/s; zero at the start of a scan.
    """
    from ._kernels.low_pass import stimulate

    axes = (nerves.x, nerves.y, nerves.z)
    share = np.array([[dt / (tau + dt) for tau in axis.time_constants] for axis in axes])
    weight = np.array([[w * axis.scale / axis.limit for w in axis.weights] for axis in axes])
    level, after = np.empty(slew.shape), np.zeros((3, 3)) if state is None else state.copy()
    stimulate(np.ascontiguousarray(slew, dtype=np.float64), share, weight, after, level)
    return level, after


def _decay(axes: tuple[NerveAxis, ...], dt: float) -> Array:
    """Return what is left of each filter's output after one sample without slew, (axis, filter)."""
    return np.array([[tau / (tau + dt) for tau in axis.time_constants] for axis in axes])


def threshold(duration: Array | float, nerves: Nerves) -> Array:
    """Return dB/dt that stimulates the average patient, T/s, for effective stimulus durations, s."""
    return np.asarray(nerves.rheobase * (1 + nerves.chronaxie / np.asarray(duration)))


def iec_peak(wave: Waveform, nerves: Nerves) -> tuple[float, float]:
    """Return the largest stimulation of the IEC hyperbola over the threshold, and when it occurs, s.

    The axes are added as the root of the sum of squares of the ramps that play at the same time.
    """
    ramps = [_ramps(wave.times, wave.amplitudes[:, axis], nerves) for axis in range(3)]
    starts = np.unique(np.concatenate([begin for begin, _, _ in ramps]))
    if len(starts) == 0:
        return 0.0, 0.0
    total = np.zeros(len(starts))
    for begin, end, level in ramps:
        if len(begin):
            at = np.searchsorted(begin, starts, side="right") - 1
            playing = (at >= 0) & (starts < end[at])
            total += np.where(playing, level[at], 0.0) ** 2
    worst = int(np.argmax(total))
    return float(np.sqrt(total[worst])), float(starts[worst])


def _ramps(times: Array, amplitude: Array, nerves: Nerves) -> tuple[Array, Array, Array]:
    """Return begin and end, s, of each monotone ramp of one axis, and its dB/dt over the threshold."""
    dt, change = np.diff(times), np.diff(amplitude)
    keep = dt > 0
    begin, end, change, dt = times[:-1][keep], times[1:][keep], change[keep], dt[keep]
    sign = np.sign(change)
    first = np.flatnonzero(np.concatenate([[True], sign[1:] != sign[:-1]])) if len(sign) else np.zeros(0, dtype=int)
    if len(first) == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    swing = np.abs(np.add.reduceat(change, first))
    steepest = np.maximum.reduceat(np.abs(change) / dt, first)
    rising = swing > 0
    last = np.concatenate([first[1:], [len(sign)]]) - 1
    duration = swing[rising] / steepest[rising]
    level = nerves.radius * steepest[rising] / threshold(duration, nerves)
    return begin[first][rising], end[last][rising], level
