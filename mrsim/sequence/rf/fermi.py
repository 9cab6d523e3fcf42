"""Fermi pulse: a plateau with smooth edges, 1 / (1 + exp((|t| - t0) / a)), for irradiation beside the resonance.

Far off resonance it turns magnetisation by next to nothing, but shifts its frequency while it lasts (Bloch-Siegert).
"""

from __future__ import annotations

import numpy as np

from ...core.errors import InputError
from ..events import RfPulse
from ..scanner import Scanner
from .samples import allowed_peak, offset_dwell, pulse_length, within_limit

PLATEAU, EDGE = 0.4, 0.02
"""Half width t0 of the plateau and width a of the edges, over the length of the pulse."""


def fermi(scanner: Scanner, duration: float, frequency: float, peak: float) -> RfPulse:
    """Return a Fermi pulse.

    Parameters
    ----------
    scanner : Scanner
    duration : float
        Length, s.
    frequency : float
        Offset from the Larmor frequency, Hz, at least ten over the duration.
    peak : float
        Largest B1, T.
    """
    if abs(frequency) * duration < 10:
        raise InputError(
            f"is {frequency:g} Hz, which excites in {1e3 * duration:g} ms; use at least {10 / duration:g} Hz",
            key="offset",
        )
    length, b1 = pulse_length(scanner, duration), allowed_peak(scanner, peak, 1.0)
    n = length // offset_dwell(scanner, length, frequency)
    t = np.abs((np.arange(n) + 0.5) / n - 0.5)
    shape = 1 / (1 + np.exp((t - PLATEAU) / EDGE))
    signal = (b1 * shape / shape.max()).astype(np.complex128)
    pulse = RfPulse(signal=signal, dwell=length // n, delay=0, frequency=frequency, flip=0.0, use="preparation",
                    centre=length // 2, bandwidth=1e9 / length)  # fmt: skip
    return within_limit(scanner, pulse)
