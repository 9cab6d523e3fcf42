"""What gradients do to the coil that makes them: heat and mechanical resonance.

Heat follows the mean square of the current, here of the gradient of each physical axis over the worst 10 s. Resonance
is judged by short-time spectra (Hann windows of 51.2 ms that overlap by half): the amplitude of the sinusoid that would
give the same line, the largest inside each forbidden band, the axes added as the root of the sum of squares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .safety import Band
from .waveforms import Waveform

Array = NDArray[np.float64]
HEATING = 10.0
"""Averaging window of the heating, s."""
STEP = 40e-6
"""Sampling of the spectra, s: bands up to some kHz."""
POINTS = 1280
"""Samples of a window: 51.2 ms."""
PADDED = 4 * POINTS
"""Length of the transform: lines 4.9 Hz apart, between which a Hann window loses less than 1 %."""
BATCH = 128
"""Windows transformed at a time."""


def largest_rms(wave: Waveform) -> tuple[Array, Array]:
    """Return the (3,) largest rms gradient of each axis over any 10 s, T/m, and the (3,) start of that window, s."""
    times, g = wave.times, wave.amplitudes
    dt = np.diff(times)[:, None]
    # integral of the square of a straight line from a to b: (a^2 + a b + b^2) / 3
    pieces = dt * (g[:-1] ** 2 + g[:-1] * g[1:] + g[1:] ** 2) / 3
    summed = np.concatenate([np.zeros((1, 3)), np.cumsum(pieces, axis=0)])
    window = min(HEATING, wave.duration)
    starts = np.unique(np.clip(times, 0.0, wave.duration - window))
    energy = np.stack(
        [np.interp(starts + window, times, column) - np.interp(starts, times, column) for column in summed.T], axis=1
    )
    worst = np.argmax(energy, axis=0)
    return np.sqrt(energy[worst, np.arange(3)] / window), starts[worst]


def amplitude_spectrum(wave: Waveform) -> tuple[Array, Array]:
    """Return the frequencies (n,), Hz, and the (n, 3) largest amplitude that any window has there, T/m."""
    largest = np.zeros((PADDED // 2 + 1, 3))
    for _, lines in _windows(wave):
        np.maximum(largest, lines.max(axis=0).T, out=largest)
    return np.asarray(np.fft.rfftfreq(PADDED, STEP)), largest


def largest_lines(wave: Waveform, bands: tuple[Band, ...]) -> list[tuple[float, float, float]]:
    """Return per band the largest sinusoid-equivalent amplitude, T/m, its frequency, Hz, and its time, s."""
    frequency = np.fft.rfftfreq(PADDED, STEP)
    inside = [np.flatnonzero(np.abs(frequency - band.centre) <= (band.width + frequency[1]) / 2) for band in bands]
    best = [(0.0, band.centre, 0.0) for band in bands]
    for middles, lines in _windows(wave):
        together = np.sqrt((lines**2).sum(axis=1))
        for index, chosen in enumerate(inside):
            row, column = np.unravel_index(int(np.argmax(together[:, chosen])), (len(middles), len(chosen)))
            value = float(together[row, chosen[column]])
            if value > best[index][0]:
                best[index] = (value, float(frequency[chosen[column]]), float(middles[row]))
    return best


def _windows(wave: Waveform) -> Iterator[tuple[Array, Array]]:
    """Yield the middles (window,), s, and the spectra (window, axis, frequency), T/m, of successive windows."""
    window = np.hanning(POINTS + 1)[:-1]
    hop = POINTS // 2
    count = max(math.ceil(wave.duration / STEP / hop), 1) + 1
    for first in range(0, count, BATCH):
        number = min(BATCH, count - first)
        begin = (first - 1) * hop * STEP
        samples = wave.sampled(begin, STEP, (number + 1) * hop)
        cut = np.lib.stride_tricks.sliding_window_view(samples, POINTS, axis=0)[::hop]
        lines = np.abs(np.fft.rfft(cut * window, PADDED, axis=-1)) * (2 / window.sum())
        yield np.clip(begin + (np.arange(number) + 1) * hop * STEP, 0.0, wave.duration), lines
