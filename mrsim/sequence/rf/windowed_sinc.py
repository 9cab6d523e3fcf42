"""Windowed sinc: in the Fourier picture of small flips its slice is a box smoothed by the window.

The flip angle is the signal area, 2 pi gamma_bar |integral of b dt|, exact on resonance at every flip.
"""

from __future__ import annotations

import numpy as np

from ...core.errors import InputError
from ..events import NS, RfPulse
from ..scanner import Scanner
from .samples import positive_time_bandwidth, pulse_length, sample_dwell, scaled_pulse

WINDOWS = {"hamming": (0.54, 0.46), "hann": (0.5, 0.5)}
"""a, b of the window a + b cos(2 pi t / duration)."""


def sinc(
    scanner: Scanner,
    flip: float,
    duration: float,
    time_bandwidth: float,
    *,
    window: str = "hamming",
    use: str = "excitation",
    phase: float = 0.0,
) -> RfPulse:
    """Return a windowed sinc; its bandwidth is time_bandwidth / duration.

    Parameters
    ----------
    scanner : Scanner
    flip : float
        Flip angle, rad.
    duration : float
        Length, s.
    time_bandwidth : float
        Number of zero crossings, the two ends included.
    window : str
        ``"hamming"`` or ``"hann"``.
    use, phase
        As in `hard`.
    """
    if window not in WINDOWS:
        raise InputError(f"unknown window '{window}'; known: {', '.join(WINDOWS)}", key="window")
    length = pulse_length(scanner, duration)
    n = length // sample_dwell(scanner, length)
    x = (np.arange(n) + 0.5) / n - 0.5
    a, b = WINDOWS[window]
    shape = np.sinc(positive_time_bandwidth(time_bandwidth) * x) * (a + b * np.cos(2 * np.pi * x))
    return scaled_pulse(scanner, shape.astype(np.complex128), length, flip, time_bandwidth / (length / NS), use, phase)
