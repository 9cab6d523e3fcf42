"""BIR-4: a plane rotation by any angle that does not depend on B1 (Staewen 1990, doi:10.1097/00004424-199005000-00015).

Four adiabatic half passages with tanh amplitude and tan frequency; a phase jump of pi + flip / 2 in the two middle
ones sets the angle. It acts on every orientation of the magnetisation, so it tips down, refocuses and tips back:
T2 preparation and spin lock use it. It selects no slice.
"""

from __future__ import annotations

import math

import numpy as np

from ..events import NS, RfPulse
from ..scanner import Scanner
from .response import spinors
from .samples import allowed_peak, pulse_length, sample_dwell

TANH = 10.0
"""Steepness of the amplitude."""
TAN = math.atan(20.0)
"""Steepness of the frequency, rad."""


def bir4(
    scanner: Scanner,
    flip: float,
    duration: float,
    *,
    peak: float | None = None,
    sweep: float | None = None,
    use: str = "excitation",
    phase: float = 0.0,
) -> RfPulse:
    """Return a BIR-4 pulse.

    Parameters
    ----------
    scanner : Scanner
    flip : float
        Rotation, rad.
    duration : float
        Length, s.
    peak : float, optional
        Peak B1, T; 0.9 of the scanner's if not given.
    sweep : float, optional
        Largest frequency offset, Hz; 48 / duration if not given.
    use, phase
        As in `hard`.
    """
    length = pulse_length(scanner, duration)
    n = length // sample_dwell(scanner, length, 600)
    seconds = length / NS
    reach = sweep or 48.0 / seconds
    u = 4 * (np.arange(n) + 0.5) / n
    amplitude = np.tanh(TANH * np.abs(u - np.array([1.0, 3.0])[(u > 2).astype(int)]))
    middle = np.abs(u - 2) < 1
    # The phase is -2 pi times the integral of f = sweep tan(TAN w) / tan(TAN), with w = u, u - 2 or u - 4.
    w = u - np.select([u < 1, u < 3], [0.0, 2.0], 4.0)
    swept = 2 * math.pi * reach * seconds / (4 * TAN * math.tan(TAN)) * np.log(np.cos(TAN * w))
    shape = amplitude * np.exp(1j * (swept - np.where(middle, math.pi + flip / 2, 0.0)))
    limit = allowed_peak(scanner, peak, 0.9)
    raw = RfPulse(signal=limit * shape, dwell=length // n, delay=0, phase=0.0, flip=flip, use=use,
                  centre=length // 2, bandwidth=0.0)  # fmt: skip
    # Turned so that a spin on resonance goes from +z to +y, as with a pulse along +x.
    turn = spinors(raw, scanner.gamma_bar, np.zeros(1))
    axis = float(np.angle(turn.b[0] / 1j))
    signal = raw.signal * np.exp(-1j * axis)
    return RfPulse(signal=signal, dwell=raw.dwell, delay=0, phase=phase, flip=flip, use=use,
                   centre=length // 2, bandwidth=0.0)  # fmt: skip
