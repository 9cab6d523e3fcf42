"""Shinnar-Le Roux pulses: the profile itself is designed, at any flip (Pauly 1991, doi:10.1109/42.75611).

The beta polynomial is a digital filter from sigpy (linear, minimum and maximum phase) or, for quadratic phase, a
least-squares fit; sigpy's inverse transform turns it into the pulse. sigpy is imported on first use. A quadratic
phase spreads the energy in time: the peak of a saturation or inversion falls at equal bandwidth (Le Roux 1998,
doi:10.1002/jmri.1880080521).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..events import NS, RfPulse
from ..scanner import Scanner
from .response import spinors
from .samples import positive_time_bandwidth, pulse_length, sample_dwell, within_limit

SLR_FILTERS = {
    "ls": "least squares",
    "pm": "equal ripple",
    "ms": "sinc",
    "min": "minimum",
    "max": "maximum",
    "quad": "quadratic",
}
"""Filters of `slr`: linear phase (ls, pm, ms), minimum, maximum and quadratic phase."""
QUADRATIC_TRANSITION = 1.5
"""Transition bands of quadratic-phase filters over those of linear-phase ones: their edges see less of the pulse."""
TRANSITION_WEIGHT = 0.03
"""Weight of the transition bands of quadratic-phase filters over that of the pass band."""
SLR_TYPES = ("st", "ex", "se", "inv", "sat")
"""Kinds of `slr` pulse: small tip, excitation, spin echo, inversion, saturation."""


def slr(
    scanner: Scanner,
    flip: float,
    duration: float,
    time_bandwidth: float,
    *,
    kind: str = "ex",
    filter_type: str = "ls",
    ripple: float = 0.01,
    use: str = "excitation",
    phase: float = 0.0,
) -> RfPulse:
    """Return a Shinnar-Le Roux pulse designed by sigpy; beta is scaled to sin(flip / 2).

    Parameters
    ----------
    scanner, flip, duration, time_bandwidth, use, phase
        As in `sinc`.
    kind : str
        What the ripples refer to: ``"st"``, ``"ex"``, ``"se"`` or ``"inv"``.
    filter_type : str
        A key of `SLR_FILTERS`.
    ripple : float
        Pass and stop band ripple of the magnetisation.
    """
    if kind not in SLR_TYPES:
        raise InputError(f"unknown SLR pulse type '{kind}'; known: {', '.join(SLR_TYPES)}", key="kind")
    if not 0.0 < flip <= math.pi:
        raise InputError(f"an SLR flip angle lies between 0 and 180 deg, got {math.degrees(flip):g} deg", key="flip")
    length = pulse_length(scanner, duration)
    dwell = sample_dwell(scanner, length)
    angles = _rotations(length // dwell, flip, positive_time_bandwidth(time_bandwidth), kind, filter_type, ripple)
    # sigpy writes shapes for exp(+i ...): they enter conjugated.
    signal = np.asarray(np.conj(angles) / (2 * np.pi * scanner.gamma_bar * dwell / NS), dtype=np.complex128)
    pulse = RfPulse(signal=signal, dwell=dwell, delay=0, phase=phase, flip=flip, use=use,
                    centre=length // 2, bandwidth=time_bandwidth / (length / NS))  # fmt: skip
    if filter_type in ("min", "max", "quad") and use == "excitation":
        pulse = replace(pulse, centre=_effective_centre(pulse, scanner.gamma_bar))
    return within_limit(scanner, pulse)


def _rotations(
    n: int, flip: float, time_bandwidth: float, kind: str, filter_type: str, ripple: float
) -> NDArray[np.complex128]:
    """Return the (n,) rotation of each sample, rad, as sigpy writes it."""
    # At 90 deg the transverse magnetisation is stationary and sigpy lets beta ripple by sqrt(ripple / 2); at other
    # flips it is not, and beta must be as flat as a small-tip pulse's.
    tolerated = "st" if kind == "ex" and not math.isclose(flip, math.pi / 2) else kind
    beta = _beta(n, time_bandwidth, tolerated, filter_type, ripple)
    if kind == "st":
        return np.asarray(beta * (flip / np.abs(np.sum(beta))), dtype=np.complex128)
    from sigpy.mri.rf import slr as design

    return np.asarray(design.b2rf(math.sin(flip / 2) * beta), dtype=np.complex128)


def _beta(n: int, time_bandwidth: float, kind: str, filter_type: str, ripple: float) -> NDArray[np.complex128]:
    """Return the (n,) beta polynomial of sigpy's designs, passband value 1."""
    if filter_type not in SLR_FILTERS:
        raise InputError(f"unknown SLR filter '{filter_type}'; known: {', '.join(SLR_FILTERS)}", key="filter_type")
    from sigpy.mri.rf import slr as design

    _, pass_ripple, stop_ripple = design.calc_ripples(kind, ripple, ripple)
    wide = filter_type in ("min", "max")
    first, second = (2 * pass_ripple, 0.5 * stop_ripple**2) if wide else (pass_ripple, stop_ripple)
    narrow = float(design.dinf(first, second)) * (0.5 if wide else 1.0)
    if filter_type == "quad":
        narrow *= QUADRATIC_TRANSITION
    if filter_type != "ms" and time_bandwidth <= narrow:
        raise InputError(
            f"is {time_bandwidth:g}; an SLR {kind} pulse with a ripple of {ripple:.3g} needs more than {narrow:.3g} "
            "for its transition bands",
            key="time_bandwidth",
        )
    if filter_type == "ms":
        return np.asarray(design.msinc(n, time_bandwidth / 4), dtype=np.complex128)
    if filter_type == "quad":
        return _quadratic_beta(n, time_bandwidth, narrow, pass_ripple / stop_ripple)
    make = {"ls": design.dzls, "pm": design.dzlp, "min": design.dzmp, "max": design.dzmp}[filter_type]
    taps = make(n, time_bandwidth, pass_ripple, stop_ripple)
    return np.asarray(taps[::-1] if filter_type == "min" else taps, dtype=np.complex128)


def _quadratic_beta(n: int, time_bandwidth: float, transition: float, stop_weight: float) -> NDArray[np.complex128]:
    """Return the (n,) filter whose response is exp(i c x^2) in the pass band, |x| <= 1, by weighted least squares.

    c = pi time_bandwidth / 8 delays the two edges of the band by a quarter of the pulse.

    Parameters
    ----------
    n : int
        Number of taps.
    time_bandwidth : float
        Band between the half-maximum points times the length.
    transition : float
        Width of each transition band times the length.
    stop_weight : float
        Weight of the stop band over that of the pass band: the ratio of their ripples.
    """
    frequency = np.linspace(-n / 2, n / 2, 16 * n, endpoint=False)  # cycles per pulse
    edge = (np.abs(frequency) - (time_bandwidth - transition) / 2) / transition
    level = np.cos(np.pi / 2 * np.clip(edge, 0.0, 1.0))
    wanted = level * np.exp(1j * np.pi * time_bandwidth / 8 * (2 * frequency / time_bandwidth) ** 2)
    # A light weight on a smooth roll-off keeps the edges from overshooting, which would cost flip in the whole band.
    weight = np.select([edge <= 0, edge >= 1], [1.0, stop_weight], TRANSITION_WEIGHT)
    # Normal equations: the Gram matrix of exponentials on a regular grid is Toeplitz.
    lags = np.arange(1 - n, n)
    gram = np.exp(-2j * np.pi * np.outer(lags, frequency) / n) @ weight**2
    tap = np.arange(n) - (n - 1) / 2
    right = np.exp(2j * np.pi * np.outer(tap, frequency) / n) @ (weight**2 * wanted)
    index = np.arange(n)
    matrix = gram[index[None, :] - index[:, None] + n - 1]
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.complex128)


def _effective_centre(pulse: RfPulse, gamma_bar: float) -> int:
    """Return the phase origin of an excitation, ns from its first sample, to the nearest sample edge.

    Spins at offset df end with the phase -2 pi df (duration - centre): the slope is that of a straight line through
    the middle half of the slice.
    """
    steps = max(41, 8 * math.ceil(pulse.bandwidth * pulse.duration / NS))
    offset = np.linspace(-0.25, 0.25, steps) * pulse.bandwidth
    transverse = spinors(pulse, gamma_bar, offset).transverse
    slope = np.polyfit(offset, np.unwrap(np.angle(transverse)), 1)[0] / (2 * np.pi)
    return round(float(pulse.duration / NS + slope) / (pulse.dwell / NS)) * pulse.dwell
