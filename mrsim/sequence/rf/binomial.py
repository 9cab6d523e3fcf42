"""Binomial water excitation: hard pulses 1-1, 1-2-1, 1-3-3-1, spaced so that fat turns half a turn in between.

On resonance the angles add up to the flip; at an offset of 1 / (2 spacing) they alternate and cancel. Profile in the
small-flip picture: cos(pi f spacing)^order.
"""

from __future__ import annotations

import math

import numpy as np

from ...core.errors import InfeasibleError, InputError
from ..events import RfPulse
from ..scanner import Scanner, to_ns
from .samples import scaled_pulse


def binomial(
    scanner: Scanner,
    flip: float,
    offset: float,
    *,
    order: int = 2,
    sub_duration: float = 100e-6,
    use: str = "excitation",
    phase: float = 0.0,
) -> RfPulse:
    """Return a train of hard pulses that leaves spins at one offset alone.

    Parameters
    ----------
    scanner : Scanner
    flip : float
        Flip angle on resonance, rad.
    offset : float
        Offset to leave alone, Hz: fat at 3 T is near -434 Hz.
    order : int
        Number of pulses less one, 1 to 4.
    sub_duration : float
        Length of each hard pulse, s.
    use, phase
        As in `hard`.
    """
    if order not in (1, 2, 3, 4):
        raise InputError(f"is {order}; use 1, 2, 3 or 4", key="order")
    # Twice the timing raster: the centre of the train lies on the gradient raster for every order.
    step = 2 * scanner.timing_raster
    spacing = max(1, round(0.5 / abs(offset) * 1e9 / step)) * step
    played = round(to_ns(sub_duration) / step) * step
    if not 0 < played <= spacing:
        raise InfeasibleError(
            f"hard pulses of {sub_duration * 1e6:g} us do not fit {spacing / 1e3:g} us apart; make them between "
            f"{step / 1e3:g} and {spacing / 1e3:g} us long"
        )
    length = order * spacing + played
    dwell = math.gcd(spacing, played, length)
    shape = np.zeros(length // dwell, dtype=np.complex128)
    for pulse in range(order + 1):
        begin = pulse * spacing // dwell
        shape[begin : begin + played // dwell] = math.comb(order, pulse)
    return scaled_pulse(scanner, shape, length, flip, 1e9 / spacing, use, phase)
