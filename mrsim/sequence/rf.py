"""RF pulses: hard, windowed sinc, Shinnar-Le Roux.

A pulse is a row of samples held constant for one dwell. Signals are real and positive in the main lobe, so that
the phase of a pulse is the phase of its B1. The flip angle of `hard` and `sinc` is the signal area,
flip = 2 pi gamma_bar |integral of b dt|: exact on resonance, and the Fourier picture's slice profile holds for
small flips only. `slr` designs the profile itself at large flips (Pauly 1991, doi:10.1109/42.75611), through
sigpy, which is imported on first use.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError, InputError
from .events import NS, RfPulse
from .scanner import Scanner, to_ns

MOST_SAMPLES = 300
"""Pulses are cut into at most this many samples where the raster allows it."""
WINDOWS = {"hamming": (0.54, 0.46), "hann": (0.5, 0.5)}
"""a, b of the window a + b cos(2 pi t / duration)."""
SLR_FILTERS = {"ls": "least squares", "pm": "equal ripple", "ms": "sinc", "min": "minimum", "max": "maximum"}
"""Filters of `slr`: linear phase (ls, pm, ms) or minimum and maximum phase."""
SLR_TYPES = ("st", "ex", "se", "inv")
"""Kinds of `slr` pulse: small tip, excitation, spin echo, inversion."""


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
    length = _length(scanner, duration)
    shape = np.ones(1, dtype=np.complex128)
    # 1.2067 / T is the full width at half maximum of sin(pi f T) / (pi f T).
    return _scaled(scanner, shape, length, flip, 1.2067 / (length / NS), use, phase)


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
    length = _length(scanner, duration)
    n = length // sample_dwell(scanner, length)
    x = (np.arange(n) + 0.5) / n - 0.5
    a, b = WINDOWS[window]
    shape = np.sinc(_positive_time_bandwidth(time_bandwidth) * x) * (a + b * np.cos(2 * np.pi * x))
    return _scaled(scanner, shape.astype(np.complex128), length, flip, time_bandwidth / (length / NS), use, phase)


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
    length = _length(scanner, duration)
    dwell = sample_dwell(scanner, length)
    angles = _rotations(length // dwell, flip, _positive_time_bandwidth(time_bandwidth), kind, filter_type, ripple)
    # sigpy writes shapes for exp(+i ...): they enter conjugated.
    signal = np.asarray(np.conj(angles) / (2 * np.pi * scanner.gamma_bar * dwell / NS), dtype=np.complex128)
    pulse = RfPulse(signal=signal, dwell=dwell, delay=0, phase=phase, flip=flip, use=use,
                    centre=length // 2, bandwidth=time_bandwidth / (length / NS))  # fmt: skip
    if filter_type in ("min", "max") and use == "excitation":
        pulse = replace(pulse, centre=_effective_centre(pulse, scanner.gamma_bar))
    return _within_limit(scanner, pulse)


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
    if filter_type != "ms" and time_bandwidth <= narrow:
        raise InputError(
            f"is {time_bandwidth:g}; an SLR {kind} pulse with a ripple of {ripple:.3g} needs more than {narrow:.3g} "
            "for its transition bands",
            key="time_bandwidth",
        )
    if filter_type == "ms":
        return np.asarray(design.msinc(n, time_bandwidth / 4), dtype=np.complex128)
    make = {"ls": design.dzls, "pm": design.dzlp, "min": design.dzmp, "max": design.dzmp}[filter_type]
    taps = make(n, time_bandwidth, pass_ripple, stop_ripple)
    return np.asarray(taps[::-1] if filter_type == "min" else taps, dtype=np.complex128)


def sample_dwell(scanner: Scanner, length: int) -> int:
    """Return the dwell, ns, that cuts a pulse of `length` ns into an even number of samples, at most 300.

    Where no dwell on the raster does (half the length has no suitable divisor) there are more samples, never
    fewer than 100 unless the pulse has fewer raster steps.
    """
    raster = to_ns(scanner.rf_raster)
    steps = length // (2 * raster)
    divisors = [d for d in range(1, steps + 1) if steps % d == 0 and (2 * steps // d >= 100 or d == 1)]
    few = [d for d in divisors if 2 * steps // d <= MOST_SAMPLES]
    return raster * (min(few) if few else max(divisors))


def _length(scanner: Scanner, duration: float) -> int:
    """Return a pulse's length in ns: its centre must lie on the gradient raster."""
    step = 2 * scanner.timing_raster
    length = to_ns(duration)
    if length <= 0 or length % step:
        near = max(1, round(length / step)) * step
        raise InputError(
            f"a pulse of {duration * 1e6:g} us is not a positive multiple of {step / 1e3:g} us (its centre must lie "
            f"on the gradient raster); the nearest is {near / 1e3:g} us"
        )
    return length


def _positive_time_bandwidth(value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"is {value}; it must be positive", key="time_bandwidth")
    return value


def _scaled(
    scanner: Scanner, shape: NDArray[np.complex128], length: int, flip: float, bandwidth: float, use: str, phase: float
) -> RfPulse:
    """Scale a shape to the flip angle: 2 pi gamma_bar |sum of b| dwell = flip."""
    dwell = length // len(shape)
    area = abs(np.sum(shape)) * dwell / NS
    signal = shape * (flip / (2 * np.pi * scanner.gamma_bar * area))
    pulse = RfPulse(signal=signal, dwell=dwell, delay=0, phase=phase, centre=length // 2, flip=flip, use=use,
                    bandwidth=bandwidth)  # fmt: skip
    return _within_limit(scanner, pulse)


def _within_limit(scanner: Scanner, pulse: RfPulse) -> RfPulse:
    peak = float(np.max(np.abs(pulse.signal)))
    if peak > scanner.max_b1 * (1 + 1e-9):
        step = 2 * scanner.timing_raster
        needed = math.ceil(pulse.duration * peak / scanner.max_b1 / step) * step
        raise InfeasibleError(
            f"the {math.degrees(pulse.flip):g} deg {pulse.use} pulse of {pulse.duration / 1e6:g} ms peaks at "
            f"{peak * 1e6:.2f} uT, above the {scanner.max_b1 * 1e6:g} uT of scanner {scanner.name}; make it at least "
            f"{needed / 1e6:g} ms long, or lower its time_bandwidth or flip"
        )
    return pulse


def _effective_centre(pulse: RfPulse, gamma_bar: float) -> int:
    """Return the phase origin of an excitation, ns from its first sample, to the nearest sample edge.

    Spins at offset df end with the phase -2 pi df (duration - centre): the slope is that of a straight line through
    the middle half of the slice, each sample acting as half a precession, a rotation, half a precession.
    """
    steps = max(41, 8 * math.ceil(pulse.bandwidth * pulse.duration / NS))
    offset = np.linspace(-0.25, 0.25, steps) * pulse.bandwidth
    half_turn = np.exp(-1j * np.pi * offset * pulse.dwell / NS)
    transverse, longitudinal = np.zeros(steps, dtype=np.complex128), np.ones(steps)
    for b1 in pulse.signal:
        angle = 2 * np.pi * gamma_bar * abs(b1) * pulse.dwell / NS
        axis = b1 / abs(b1) if b1 else 1.0
        rotating = transverse * half_turn * np.conj(axis)
        y, z = rotating.imag, longitudinal
        rotating = rotating.real + 1j * (y * np.cos(angle) + z * np.sin(angle))
        longitudinal = z * np.cos(angle) - y * np.sin(angle)
        transverse = rotating * axis * half_turn
    slope = np.polyfit(offset, np.unwrap(np.angle(transverse)), 1)[0] / (2 * np.pi)
    return round(float(pulse.duration / NS + slope) / (pulse.dwell / NS)) * pulse.dwell
