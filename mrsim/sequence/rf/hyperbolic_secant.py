"""Hyperbolic secant: the adiabatic inversion (Silver 1985, doi:10.1103/PhysRevA.31.2753).

Amplitude sech(beta t) and frequency sweep -(bandwidth / 2) tanh(beta t), beta chosen for an amplitude of 1 % at the
two ends. With mu = pi bandwidth / beta, inversion sets in above gamma B1 = sqrt(mu) beta (adiabatic threshold) and
then no longer depends on B1.
"""

from __future__ import annotations

import math

import numpy as np

from ...core.errors import InfeasibleError
from ..events import NS, RfPulse
from ..scanner import Scanner
from .samples import pulse_length, sample_dwell, within_limit

EDGE = 0.01
"""Amplitude at the two ends over the peak."""


def hyperbolic_secant(
    scanner: Scanner,
    duration: float,
    bandwidth: float,
    *,
    peak: float | None = None,
    over_threshold: float = 2.0,
    use: str = "inversion",
    phase: float = 0.0,
) -> RfPulse:
    """Return a hyperbolic secant inversion.

    Parameters
    ----------
    scanner : Scanner
    duration : float
        Length, s.
    bandwidth : float
        Width of the frequency sweep and of the inverted band, Hz.
    peak : float, optional
        Peak B1, T; `over_threshold` times the adiabatic threshold if not given.
    over_threshold : float
        Peak B1 over the adiabatic threshold.
    use, phase
        As in `hard`.
    """
    length = pulse_length(scanner, duration)
    beta = 2 * math.acosh(1 / EDGE) / (length / NS)
    mu = math.pi * bandwidth / beta
    if mu < 2:
        raise InfeasibleError(
            f"a hyperbolic secant of {duration * 1e3:g} ms and {bandwidth:.4g} Hz sweeps too little to be adiabatic "
            f"(mu {mu:.2g}, at least 2); make the bandwidth at least {2 * beta / math.pi:.4g} Hz or the pulse longer"
        )
    threshold = math.sqrt(mu) * beta / (2 * math.pi * abs(scanner.gamma_bar))
    if peak is not None and peak < threshold:
        # Landau-Zener: the sweep passes resonance and inverts 1 - exp(-(pi / 2) (B1 / threshold)^2).
        share = 1 - math.exp(-math.pi / 2 * (peak / threshold) ** 2)
        most = bandwidth * (peak / threshold) ** 2
        raise InfeasibleError(
            f"a hyperbolic secant of {duration * 1e3:g} ms and {bandwidth:.4g} Hz inverts from "
            f"{threshold * 1e6:.3g} uT on; {peak * 1e6:.3g} uT invert {100 * share:.0f} % of what they pass: "
            f"make the bandwidth at most {most:.4g} Hz or the pulse longer"
        )
    n = length // sample_dwell(scanner, length)
    t = ((np.arange(n) + 0.5) / n - 0.5) * length / NS
    # exp(-2 pi i integral of f dt) with f = -(bandwidth / 2) tanh(beta t)
    turn = math.pi * bandwidth / beta * np.log(np.cosh(beta * t))
    signal = (peak or over_threshold * threshold) / np.cosh(beta * t) * np.exp(1j * turn)
    pulse = RfPulse(signal=signal, dwell=length // n, delay=0, phase=phase, flip=math.pi, use=use,
                    centre=length // 2, bandwidth=bandwidth)  # fmt: skip
    # The threshold falls with the square root of the length.
    return within_limit(scanner, pulse, power=2.0)
