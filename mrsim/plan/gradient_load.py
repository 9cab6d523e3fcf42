"""What gradients do to the coil that makes them: heat and mechanical resonance.

Heat follows the mean square of the current, here of the gradient of each physical axis over the worst 10 s. Resonance
is judged by short-time spectra (Hann windows of 51.2 ms): the amplitude of the sinusoid that would give the same line,
the largest inside each forbidden band, the axes added as the root of the sum of squares.
"""

from __future__ import annotations

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
HOP = 1 / 8
"""Of a window from one to the next: what plays in the middle between two loses less than 4 %."""
MANY = 2000
"""Windows in which all play differently, as in a scan of thousands of lines, are so many that half overlaps do."""
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
    for _, lines in _spectra(wave, np.arange(len(largest))):
        np.maximum(largest, lines.max(axis=0).T, out=largest)
    return np.asarray(np.fft.rfftfreq(PADDED, STEP)), largest


def largest_lines(wave: Waveform, bands: tuple[Band, ...]) -> list[tuple[float, float, float]]:
    """Return per band the largest sinusoid-equivalent amplitude, T/m, its frequency, Hz, and its time, s."""
    frequency = np.fft.rfftfreq(PADDED, STEP)
    inside = [np.flatnonzero(np.abs(frequency - band.centre) <= (band.width + frequency[1]) / 2) for band in bands]
    wanted = np.unique(np.concatenate(inside)) if inside else np.zeros(0, dtype=np.int64)
    best = [(0.0, band.centre, 0.0) for band in bands]
    for middles, lines in _spectra(wave, wanted):
        together = np.sqrt((lines**2).sum(axis=1))
        for index, mine in enumerate(inside):
            chosen = np.searchsorted(wanted, mine)
            row, column = np.unravel_index(int(np.argmax(together[:, chosen])), (len(middles), len(chosen)))
            value = float(together[row, chosen[column]])
            if value > best[index][0]:
                best[index] = (value, float(frequency[mine[column]]), float(middles[row]))
    return best


def _spectra(wave: Waveform, wanted: NDArray[np.int64]) -> Iterator[tuple[Array, Array]]:
    """Yield the middles (window,), s, and the wanted lines of the spectra (window, axis, line), T/m, of windows."""
    window = np.hanning(POINTS + 1)[:-1]
    begins = _distinct(wave)
    for first in range(0, len(begins), BATCH):
        part = begins[first : first + BATCH]
        samples = np.stack([wave.sampled(begin, STEP, POINTS) for begin in part])
        lines = np.fft.rfft(samples * window[:, None], PADDED, axis=1)[:, wanted]
        amplitude = np.abs(lines.transpose(0, 2, 1)) * (2 / window.sum())
        yield np.clip(part + POINTS / 2 * STEP, 0.0, wave.duration), amplitude


def _distinct(wave: Waveform) -> Array:
    """Return when windows begin, s: of those in which the same is played the first."""
    length = POINTS * STEP
    begins = np.array(wave.cut(-length / 2, wave.duration, HOP * length)[:-1])
    known = dict(zip(reversed(wave.contents(begins, length)), begins[::-1].tolist(), strict=True))
    known.pop(b"", None)
    return np.sort(np.array(list(known.values())))[:: 1 if len(known) <= MANY else round(0.5 / HOP)]
