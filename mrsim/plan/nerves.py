"""Peripheral nerve stimulation by the switching of gradients.

SAFE model (Hebrank and Gebhardt, ISMRM 2000, abstract 2007; open implementation by Szczepankiewicz and Witzel): per
physical axis three first-order low passes of the slew rate s, each y[i] = a s[i] + (1 - a) y[i-1], a = dt/(tau + dt),
stimulation = scale/limit (w1 |y1| + w2 y2(|s|) + w3 |y3|), and the root of the sum of squares over the axes.
IEC 60601-2-33: a monotone ramp of peak dB/dt and effective duration t = (change of B) / (peak dB/dt) stimulates the
average patient at rb (1 + c/t); normal operation stays below 0.8 of it, the first level below 1.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .safety import NerveAxis, Nerves
from .waveforms import Waveform

Array = NDArray[np.float64]
NORMAL = 0.8
"""Share of the stimulation threshold that the normal operating mode may reach."""
BRIDGED = 5e-3
"""Pauses shorter than this are filtered sample by sample, s; across longer ones the filters decay in closed form."""
STRETCH = 1_000_000
"""Samples filtered at a time."""


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
    state = np.zeros((3, 3))
    last, peak, when = 0.0, 0.0, 0.0
    for begin, end in wave.busy(BRIDGED):
        first = max(round(begin / raster) - 1, 0)
        total = round(end / raster) + 1 - first
        state *= _decay(axes, raster) ** max(first - last, 0)
        for offset in range(0, total, STRETCH):
            count = min(STRETCH, total - offset)
            # one sample more at the front: the slew is the difference of neighbouring samples
            samples = wave.sampled((first + offset - 1) * raster, raster, count + 1)
            slew = np.diff(samples, axis=0) / raster
            level, state = stimulation(slew, raster, nerves, state)
            norm = np.sqrt((level**2).sum(axis=1))
            at = int(np.argmax(norm))
            if norm[at] > peak:
                peak, when = float(norm[at]), (first + offset + at) * raster
        last = first + total
    return peak, when


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
    from scipy.signal import lfilter

    before = np.zeros((3, 3)) if state is None else state
    level, after = np.zeros(slew.shape), np.zeros((3, 3))
    for axis, model in enumerate((nerves.x, nerves.y, nerves.z)):
        for number, (tau, weight) in enumerate(zip(model.time_constants, model.weights, strict=True)):
            share = dt / (tau + dt)
            source = np.abs(slew[:, axis]) if number == 1 else slew[:, axis]
            filtered: Any = lfilter([share], [1.0, share - 1.0], source, zi=[(1 - share) * before[axis, number]])[0]
            after[axis, number] = filtered[-1]
            level[:, axis] += weight * np.abs(filtered)
        level[:, axis] *= model.scale / model.limit
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
