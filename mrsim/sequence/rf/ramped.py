"""Ramped excitation for time of flight (TONE): the flip grows along the slab, so that inflowing blood lasts longer.

In the Fourier picture of small flips, the transform of a box times 1 + 2 s x, |x| <= 1/2:
b(t) = sinc(u) + i (s / pi) d sinc / du, u = bandwidth t, times a Hamming window.
"""

from __future__ import annotations

import numpy as np

from ...core.errors import InputError
from ..events import NS, RfPulse
from ..scanner import Scanner
from .samples import positive_time_bandwidth, pulse_length, sample_dwell, scaled_pulse
from .windowed_sinc import WINDOWS


def ramped(
    scanner: Scanner,
    flip: float,
    duration: float,
    time_bandwidth: float,
    ratio: float,
    *,
    window: str = "hamming",
    phase: float = 0.0,
) -> RfPulse:
    """Return a pulse whose flip grows linearly across the slab.

    Parameters
    ----------
    scanner : Scanner
    flip : float
        Flip angle in the middle of the slab, rad.
    duration : float
        Length, s.
    time_bandwidth : float
        Duration times bandwidth.
    ratio : float
        Flip at the slab's far end (positive offset) over that at its near end; below 1 it falls.
    window, phase
        As in `sinc`.
    """
    if not 0.1 <= ratio <= 10.0:
        raise InputError(f"is {ratio:g}; it must lie between 0.1 and 10", key="ratio")
    if window not in WINDOWS:
        raise InputError(f"unknown window '{window}'; known: {', '.join(WINDOWS)}", key="window")
    length = pulse_length(scanner, duration)
    n = length // sample_dwell(scanner, length)
    x = (np.arange(n) + 0.5) / n - 0.5
    u = positive_time_bandwidth(time_bandwidth) * x
    slope = (ratio - 1) / (ratio + 1)
    # n is even, so u is never zero.
    shape = np.sinc(u) + 1j * slope / np.pi * (np.cos(np.pi * u) - np.sinc(u)) / u
    a, b = WINDOWS[window]
    shape = shape * (a + b * np.cos(2 * np.pi * x))
    return scaled_pulse(scanner, shape, length, flip, time_bandwidth / (length / NS), "excitation", phase)
