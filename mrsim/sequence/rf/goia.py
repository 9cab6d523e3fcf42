"""GOIA-WURST: adiabatic refocusing or inversion under a modulated gradient (Andronesi 2010,
doi:10.1016/j.jmr.2010.01.012).

While B1 is strong the gradient is weak: a wide band (a small chemical-shift displacement) at a moderate peak B1.
Used in pairs by sLASER.

The pulse's stated bandwidth is that of chemical shifts, slice thickness / (displacement of the slice per Hz), and below
that of the sweep: B1 fades out before the gradient has reached its largest value, so that the edges of the slice are
passed under a weaker one. It is measured on the pulse's own profile at its nominal B1.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError
from ..events import NS, Gradient, RfPulse
from ..gradients import SLACK, Limits, moments
from ..scanner import Scanner
from .gradient_pulse import GradientPulse
from .response import spinors
from .samples import allowed_peak, pulse_length, sample_dwell


def goia(
    scanner: Scanner,
    limits: Limits,
    duration: float,
    bandwidth: float,
    thickness: float,
    *,
    peak: float | None = None,
    b1_order: int = 16,
    gradient_order: int = 4,
    modulation: float = 0.9,
    use: str = "refocusing",
    phase: float = 0.0,
) -> GradientPulse:
    """Return a GOIA-WURST pulse with its gradient.

    Parameters
    ----------
    scanner : Scanner
    limits : Limits
        Of the slice axis.
    duration : float
        Length, s.
    bandwidth : float
        Of the frequency sweep, Hz.
    thickness : float
        Slice, m.
    peak : float, optional
        Peak B1, T; 0.95 of the scanner's if not given.
    b1_order, gradient_order : int
        Powers of the two modulations.
    modulation : float
        Depth of the gradient's modulation, 0 to 1.
    use, phase
        As in `hard`.
    """
    length = pulse_length(scanner, duration)
    most = bandwidth / (abs(scanner.gamma_bar) * thickness)
    if most > limits.gradient * SLACK:
        least = bandwidth / (abs(scanner.gamma_bar) * limits.gradient)
        raise InfeasibleError(
            f"a GOIA pulse of {bandwidth:.4g} Hz over {thickness * 1e3:g} mm needs {most * 1e3:.4g} mT/m, above the "
            f"{limits.gradient * 1e3:.4g} mT/m of one axis; make the slice at least {least * 1e3:.3g} mm thick"
        )
    knots = np.arange(0, length + limits.raster, limits.raster, dtype=np.int64)
    shape = _modulated(knots / length, modulation, gradient_order)
    gradient = Gradient(times=knots, amplitudes=most * np.sign(scanner.gamma_bar) * shape)
    n = length // sample_dwell(scanner, length, 1000)
    x = (np.arange(n) + 0.5) / n
    amplitude = 1 - np.abs(np.sin(np.pi / 2 * (2 * x - 1))) ** b1_order
    offset = _sweep(x, gradient, length, amplitude, bandwidth)
    turn = 2 * np.pi * np.cumsum(offset) * length / n / NS
    turn -= np.pi * offset * length / n / NS  # to the middle of each sample
    limit = allowed_peak(scanner, peak, 0.95)
    pulse = RfPulse(signal=limit * amplitude * np.exp(-1j * (turn - turn[n // 2])), dwell=length // n, delay=0,
                    phase=phase, flip=math.pi, use=use, centre=length // 2, bandwidth=bandwidth)  # fmt: skip
    made = GradientPulse(pulse=pulse, gradient=gradient, thickness=thickness)
    return replace(made, pulse=replace(pulse, bandwidth=_displacing(made, scanner.gamma_bar)))


def _displacing(made: GradientPulse, gamma_bar: float) -> float:
    """Return the bandwidth, Hz, by which small shifts displace the slice's centre.

    Turned about its middle in time and space the pulse is itself with the opposite shift, so that the centre moves by
    half of what lies between the upper edge, at half height, under +df and under -df.
    """
    df = made.pulse.bandwidth / 40
    place = made.thickness * np.linspace(0.25, 0.75, 101)
    edges = []
    for refocused in spinors(made, gamma_bar, np.array([[-df], [df]]), place).refocused:
        last = int(np.flatnonzero(refocused > 0.5)[-1])
        edges.append(np.interp(0.5, refocused[[last + 1, last]], place[[last + 1, last]]))
    return float(made.thickness * 2 * df / abs(edges[0] - edges[1]))


def _modulated(x: NDArray[np.float64], depth: float, order: int) -> NDArray[np.float64]:
    """Return the gradient over its largest value at the times x, 0 to 1."""
    return np.asarray((1 - depth) + depth * np.abs(np.sin(np.pi / 2 * (2 * x - 1))) ** order)


def _sweep(
    x: NDArray[np.float64], gradient: Gradient, length: int, amplitude: NDArray[np.float64], bandwidth: float
) -> NDArray[np.float64]:
    """Return the frequency, Hz: G(t) times a position that moves so that adiabaticity is the same everywhere.

    position(t) grows with the integral of B1^2 / G and runs from -1/2 to 1/2 of the slice.
    """
    edges = np.rint(np.linspace(0, length, len(x) + 1)).astype(np.int64)
    played = np.diff(moments(gradient, edges)) / np.diff(edges) * NS
    strength = played / np.max(np.abs(gradient.amplitudes))
    travelled = np.cumsum(amplitude**2 / np.abs(strength)) - amplitude**2 / np.abs(strength) / 2
    place = (travelled - travelled[0]) / (travelled[-1] - travelled[0]) - 0.5
    return np.asarray(np.abs(strength) * place * bandwidth)
