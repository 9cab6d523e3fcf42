"""Rectangular pulse: one sample; it turns every spin of its narrow band by the same angle and selects nothing."""

from __future__ import annotations

import numpy as np

from ..events import NS, RfPulse
from ..scanner import Scanner
from .samples import pulse_length, scaled_pulse


def hard(scanner: Scanner, flip: float, duration: float, *, use: str = "excitation", phase: float = 0.0) -> RfPulse:
    """Return a rectangular pulse of one sample.

    Parameters
    ----------
    scanner : Scanner
    flip : float
        Flip angle, rad.
    duration : float
        Length, s.
    use : str
        excitation, refocusing, inversion, saturation or preparation.
    phase : float
        Phase offset, rad.
    """
    length = pulse_length(scanner, duration)
    shape = np.ones(1, dtype=np.complex128)
    # 1.2067 / T is the full width at half maximum of sin(pi f T) / (pi f T).
    return scaled_pulse(scanner, shape, length, flip, 1.2067 / (length / NS), use, phase)
