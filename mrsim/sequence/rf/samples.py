"""Samples of a pulse: how long each is held, scaling to a flip angle, and the amplifier's limit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError, InputError
from ..events import NS, RfPulse
from ..scanner import Scanner, to_ns

MOST_SAMPLES = 300
"""Pulses are cut into at most this many samples where the raster allows it."""
TIME_BANDWIDTHS = (0.1, 1000.0)
"""Of all pulses that are made."""
LONGEST = 10.0
"""Of a pulse, s."""
MOST_TURN = 0.07
"""Cycles that a pulse at a frequency offset may turn within a sample."""


def sample_dwell(scanner: Scanner, length: int, most: int = MOST_SAMPLES) -> int:
    """Return the dwell, ns, that cuts a pulse of `length` ns into an even number of samples, at most `most`.

    Where no dwell on the raster does (half the length has no suitable divisor) there are more samples, never
    fewer than 100 unless the pulse has fewer raster steps.
    """
    raster = to_ns(scanner.rf_raster)
    steps = length // (2 * raster)
    small = [d for d in range(1, math.isqrt(steps) + 1) if steps % d == 0]
    divisors = [d for d in {*small, *(steps // d for d in small)} if 2 * steps // d >= 100 or d == 1]
    few = [d for d in divisors if 2 * steps // d <= most]
    return raster * (min(few) if few else max(divisors))


def offset_dwell(scanner: Scanner, length: int, frequency: float) -> int:
    """Return the longest dwell, ns, in which a pulse at an offset, Hz, turns by at most `MOST_TURN` cycles.

    Simulators hold a sample's phase for its dwell: at 0.07 cycles B1 loses 0.8 % (1 - sinc).
    """
    raster = to_ns(scanner.rf_raster)
    longest = min(sample_dwell(scanner, length) / raster, MOST_TURN / max(abs(frequency), 1e-9) * NS / raster)
    steps = length // (2 * raster)
    return raster * max((d for d in range(1, min(steps, int(longest)) + 1) if steps % d == 0), default=1)


def pulse_length(scanner: Scanner, duration: float) -> int:
    """Return a pulse's length in ns: its centre must lie on the gradient raster."""
    step = 2 * scanner.timing_raster
    length = to_ns(duration)
    if duration > LONGEST:
        raise InputError(f"a pulse of {duration:g} s is longer than any: at most {LONGEST:g} s")
    if length <= 0 or length % step:
        near = max(1, round(length / step)) * step
        raise InputError(
            f"a pulse of {duration * 1e6:g} us is not a positive multiple of {step / 1e3:g} us (its centre must lie "
            f"on the gradient raster); the nearest is {near / 1e3:g} us"
        )
    return length


def positive_time_bandwidth(value: float) -> float:
    """Refuse a time-bandwidth product that no pulse has."""
    least, most = TIME_BANDWIDTHS
    if not least <= value <= most:
        raise InputError(f"is {value:g}; it must be positive, between {least:g} and {most:g}", key="time_bandwidth")
    return value


def scaled_pulse(
    scanner: Scanner, shape: NDArray[np.complex128], length: int, flip: float, bandwidth: float, use: str, phase: float
) -> RfPulse:
    """Scale a shape to the flip angle: 2 pi gamma_bar |sum of b| dwell = flip."""
    dwell = length // len(shape)
    area = abs(np.sum(shape)) * dwell / NS
    signal = shape * (flip / (2 * np.pi * scanner.gamma_bar * area))
    pulse = RfPulse(signal=signal, dwell=dwell, delay=0, phase=phase, centre=length // 2, flip=flip, use=use,
                    bandwidth=bandwidth)  # fmt: skip
    return within_limit(scanner, pulse)


def within_limit(scanner: Scanner, pulse: RfPulse, power: float = 1.0) -> RfPulse:
    """Return the pulse, or refuse it with the length at which the scanner's B1 would do.

    The peak falls with the length to the power -1 / `power`.
    """
    peak = pulse.peak
    if peak > scanner.max_b1 * (1 + 1e-9):
        step = 2 * scanner.timing_raster
        other = "its time_bandwidth or flip" if power == 1.0 else "its bandwidth"
        needed = math.ceil(pulse.duration * (peak / scanner.max_b1) ** power / step) * step
        raise InfeasibleError(
            f"the {math.degrees(pulse.flip):g} deg {pulse.use} pulse of {pulse.duration / 1e6:g} ms peaks at "
            f"{peak * 1e6:.2f} uT, above the {scanner.max_b1 * 1e6:g} uT of scanner {scanner.name}; make it at least "
            f"{needed / 1e6:g} ms long, or lower {other}"
        )
    return pulse


def allowed_peak(scanner: Scanner, peak: float | None, share: float) -> float:
    """Return a peak, T, asked for or a share of the scanner's; one that the scanner cannot play is refused."""
    if peak is None:
        return share * scanner.max_b1
    if not 0 < peak <= scanner.max_b1:
        raise InputError(
            f"is {peak * 1e6:g} uT; use up to the {scanner.max_b1 * 1e6:g} uT of scanner {scanner.name}", key="peak"
        )
    return peak
