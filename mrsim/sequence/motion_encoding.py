"""Motion-encoding gradients: their shapes, and how much phase a vibration leaves.

    phi = -2 pi gamma_bar integral of G . u dt = -Re(xi . U)   for   u(t) = Re(U exp(i 2 pi f t)),
    xi(f) = 2 pi gamma_bar integral of G exp(i 2 pi f t) dt,

with the sign of G turned by each refocusing pulse: the encoding efficiency xi, rad/m, is the spectrum of the
effective gradient at the frequency of the vibration. For N matched cycles of amplitude G (Muthupillai 1995,
doi:10.1126/science.7569924) |xi| is 2 pi gamma_bar G N / (2 f) for a sinusoid and 4 gamma_bar G N / f for a square
wave; a gradient of another frequency f_g encodes a fraction (Rump 2007, doi:10.1002/mrm.21152).

A sinusoid is played as straight lines between knots on the raster h, and its cycles end on the raster: both change its
encoding, matched or fractional, by some 1e-5 to 1e-3, for which the knots are raised: `amplitude`, `frequency` and
`cycles` are those of the ideal sinusoid that encodes as much.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError
from .b_matrix import Course, courses, echo_times, held
from .events import NS, Gradient
from .gradients import SLACK, Limits
from .timeline import Timeline

SHAPES = ("sinusoid", "trapezoid", "flow-compensated")
_SERIES = 0.1
"""Below this half phase of a piece, rad, its sine integral is taken from the series."""
LEAST_SHARE = 0.01
"""Share of the matched encoding below which (near the zeros of a fractional one) knots are raised as if matched."""


def motion_gradient(
    limits: Limits, shape: str, frequency: float, cycles: int, amplitude: float, vibration: float = 0.0
) -> Gradient:
    """Return a motion-encoding gradient; its area is zero.

    Parameters
    ----------
    limits : Limits
    shape : str
        ``"sinusoid"``, ``"trapezoid"`` (alternating half periods, shortest ramps) or ``"flow-compensated"``
        (a quarter, halves, a quarter: an even function, so that the first moment vanishes too).
    frequency : float
        Of the gradient, Hz; its cycles end on the raster, so the played one may differ by half a raster step.
    cycles : int
    amplitude : float
        T/m.
    vibration : float
        Frequency at which a sinusoid encodes as the ideal one does, Hz; 0: that of the gradient.
    """
    if amplitude > limits.gradient * SLACK:
        raise InfeasibleError(
            f"a motion-encoding gradient of {amplitude * 1e3:.4g} mT/m exceeds the {limits.gradient * 1e3:.4g} mT/m of "
            "one axis in this orientation; lower its amplitude"
        )
    if shape == "sinusoid":
        return _sinusoid(limits, frequency, cycles, amplitude, vibration or frequency)
    if shape == "trapezoid":
        return _trapezoids(limits, frequency, cycles, amplitude)
    return _flow_compensated(limits, frequency, cycles, amplitude)


def _sinusoid(limits: Limits, frequency: float, cycles: int, amplitude: float, vibration: float) -> Gradient:
    steps = max(4, round(cycles * NS / frequency / limits.raster))
    times = np.arange(steps + 1, dtype=np.int64) * limits.raster
    shape = np.sin(2 * np.pi * cycles * np.arange(steps + 1) / steps)
    shape[-1] = 0.0
    raised = amplitude * _raise(times, shape, frequency, cycles, vibration)
    slew = float(np.max(np.abs(np.diff(raised * shape)))) / (limits.raster / NS)
    _within_slew(limits, slew, frequency, amplitude)
    if raised > limits.gradient * SLACK:
        most = limits.gradient * amplitude / raised
        raise InfeasibleError(
            f"a sinusoid of {amplitude * 1e3:.6g} mT/m at {frequency:g} Hz peaks above "
            f"{limits.gradient * 1e3:.4g} mT/m between knots; lower its amplitude to {most * 1e3:.6g} mT/m"
        )
    return Gradient(times=times, amplitudes=raised * shape)


def _raise(
    times: NDArray[np.int64], shape: NDArray[np.float64], frequency: float, cycles: int, vibration: float
) -> float:
    """Return the ideal sinusoid's encoding over that of the straight lines between its knots."""
    ideal = sinusoid_integral(frequency, cycles, vibration)
    if ideal < LEAST_SHARE * cycles / (2 * frequency):
        vibration = frequency
        ideal = sinusoid_integral(frequency, cycles, vibration)
    course = Course(times=times, gradient=np.stack([shape, 0 * shape, 0 * shape], axis=-1), turns=())
    return ideal / float(abs(efficiency(course, 1 / (2 * np.pi), vibration)[-1, 0]))


def sinusoid_integral(frequency: float, cycles: int, vibration: float) -> float:
    """Return |integral of sin(2 pi f t) exp(i 2 pi f_v t)| over the cycles, s: N / (2 f) where matched.

    It is 2 w |sin(pi N w_v / w)| / |w^2 - w_v^2| (Rump 2007, doi:10.1002/mrm.21152), written without its 0 / 0.
    """
    periods = cycles * vibration / frequency
    return float(cycles / (2 * frequency) * abs(np.sinc(periods - cycles) - np.sinc(periods + cycles)))


def _within_slew(limits: Limits, slew: float, frequency: float, amplitude: float) -> None:
    if slew > limits.slew * SLACK:
        most = amplitude * limits.slew / slew
        raise InfeasibleError(
            f"a motion-encoding gradient of {amplitude * 1e3:.4g} mT/m at {frequency:g} Hz needs {slew:.4g} T/m/s, "
            f"above the {limits.slew:.4g} T/m/s of one axis in this orientation; lower its amplitude to "
            f"{most * 1e3:.4g} mT/m"
        )


def _trapezoids(limits: Limits, frequency: float, cycles: int, amplitude: float) -> Gradient:
    """Alternating trapezoids of half a period each."""
    half = _half_period(limits, frequency, amplitude)
    return _lobes(limits, [half] * (2 * cycles), [amplitude * (-1) ** i for i in range(2 * cycles)])


def _flow_compensated(limits: Limits, frequency: float, cycles: int, amplitude: float) -> Gradient:
    """A quarter, 2 N - 1 halves and a quarter, of alternating sign; the outer areas are half the inner ones."""
    half, ramp = _half_period(limits, frequency, amplitude), limits.ramp(amplitude)
    quarter = limits.up((half + ramp) / 2)
    outer = amplitude * (half - ramp) / 2 / (quarter - ramp)
    inner = [amplitude * (-1) ** (i + 1) for i in range(2 * cycles - 1)]
    return _lobes(limits, [quarter, *[half] * (2 * cycles - 1), quarter], [outer, *inner, outer])


def _half_period(limits: Limits, frequency: float, amplitude: float) -> int:
    half, ramp = round(NS / (2 * frequency) / limits.raster) * limits.raster, limits.ramp(amplitude)
    if not half:
        raise InfeasibleError(
            f"half a period of a motion-encoding gradient at {frequency:g} Hz is below the raster of "
            f"{limits.raster / NS * 1e6:g} us; lower its frequency"
        )
    if half < 2 * ramp:
        _within_slew(limits, amplitude / (half / 2 / NS), frequency, amplitude)
    return half


def _lobes(limits: Limits, lengths: list[int], heights: list[float]) -> Gradient:
    """Return trapezoids one after the other, all with the ramp of the highest."""
    ramp = limits.ramp(max(abs(h) for h in heights))
    times, amplitudes, start = [0], [0.0], 0
    for length, height in zip(lengths, heights, strict=True):
        corners = [(start + ramp, height), (start + length - ramp, height), (start + length, 0.0)]
        for time, value in corners[1:] if length == 2 * ramp else corners:
            times.append(time)
            amplitudes.append(value)
        start += length
    return Gradient(times=np.array(times, dtype=np.int64), amplitudes=np.array(amplitudes))


def locked_period(frequency: float, raster: int, least: int) -> int:
    """Return the shortest whole number of vibration periods that lasts at least `least` ns and ends on the raster, ns.

    Raises
    ------
    InfeasibleError
        If no multiple of the next 25 ends on the raster to a millionth of a period.
    """
    first = max(1, math.ceil(least * frequency / NS * (1 - 1e-12)))
    for periods in range(first, first + 25):
        steps = round(periods / frequency * NS / raster)
        if abs(steps * raster * frequency / NS - periods) < 1e-6 and steps * raster >= least:
            return steps * raster
    nearest = NS / (round(NS / frequency / raster) * raster)
    raise InfeasibleError(
        f"a repetition time cannot be locked to {frequency:.6g} Hz: no multiple of its period lies on the "
        f"{raster / 1e3:g} us raster; use {nearest:.6g} Hz"
    )


def efficiency(course: Course, gamma_bar: float, frequency: float, start: int = 0) -> NDArray[np.complex128]:
    """Return the (n, 3) encoding efficiency collected up to each knot, rad/m.

    Parameters
    ----------
    course : Course
    gamma_bar : float
        Hz/T.
    frequency : float
        Of the vibration, Hz.
    start : int
        Where its phase is zero, ns on the clock of the course's knots.
    """
    omega = 2 * np.pi * frequency
    half = np.diff(course.times) / NS / 2
    middle = ((course.times[1:] + course.times[:-1]) / 2 - start) / NS
    mean, slope = (
        (course.gradient[1:] + course.gradient[:-1]) / 2,
        np.diff(course.gradient, axis=0) / (2 * half[:, None]),
    )
    even = 2 * half * np.sinc(omega * half / np.pi)
    pieces = np.exp(1j * omega * middle)[:, None] * (
        mean * even[:, None] + 1j * slope * _odd(omega, half)[:, None]
    )  # integral of (mean + slope (t - middle)) exp(i omega t)
    pieces[held(course)] = 0.0
    collected = 2 * np.pi * gamma_bar * np.concatenate([np.zeros((1, 3)), np.cumsum(pieces, axis=0)])
    for time, kind in course.turns:
        if kind != "storage":
            at = int(np.searchsorted(course.times, time))
            collected[at:] -= 2 * collected[at]
    return np.asarray(collected)


def _odd(omega: float, half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the integral of t sin(omega t) from -half to half: 2 (sin x - x cos x) / omega^2, x = omega half."""
    x = omega * half
    series = x**3 / 3 - x**5 / 30 + x**7 / 840 - x**9 / 45360
    return np.asarray(2 * np.where(x < _SERIES, series, np.sin(x) - x * np.cos(x)) / omega**2)


def encoding(timeline: Timeline, frequency: float) -> NDArray[np.complex128]:
    """Return the (readout, 3) efficiency of the readouts, rad/m; the vibration's phase counts from the scan's start."""
    at = echo_times(timeline)
    found = np.zeros((len(timeline.readouts.dwell), 3), dtype=np.complex128)
    for course, members in courses(timeline, at):
        collected = efficiency(course, timeline.gamma_bar, frequency)
        found[members] = collected[np.searchsorted(course.times, at[members])]
    return found


def encoding_of_image(timeline: Timeline, frequency: float) -> NDArray[np.complex128]:
    """Return the (3,) efficiency of the imaging readout nearest to the centre of k-space, rad/m."""
    table = timeline.readouts
    distance = np.array([np.min(np.linalg.norm(k, axis=-1)) for k in table.k])
    distance[np.array(table.purpose) != "imaging"] = np.inf
    return np.asarray(encoding(timeline, frequency)[np.argmin(distance)])
