"""VERSE: a pulse and its gradient slowed where B1 would be too high (Conolly 1988, doi:10.1016/0022-2364(88)90131-X).

Under the pulse the slice gradient may vary: what a spin feels per unit of gradient area stays the same, so the slice
on resonance is that of the original. Speed g(A) over gradient area A is the largest that B1, amplitude and slew
allow: with v = g^2 / 2 the slew limit is |dv/dA| <= slew, two passes over the samples (Hargreaves 2004,
doi:10.1002/mrm.20168). Off resonance the slice blurs instead of shifting.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ..events import NS, Gradient, RfPulse
from ..gradients import Limits, moments
from ..scanner import Scanner
from .gradient_pulse import GradientPulse
from .samples import sample_dwell, within_limit

_MARGIN = 0.98
"""Kept from the limits, for what interpolation onto the rasters adds."""


def verse(scanner: Scanner, limits: Limits, pulse: RfPulse, amplitude: float, peak: float) -> GradientPulse:
    """Return a pulse with a lower peak and the gradient that goes with it.

    Parameters
    ----------
    scanner : Scanner
    limits : Limits
        Of the slice axis.
    pulse : RfPulse
        The original, made for a constant gradient.
    amplitude : float
        That gradient, T/m.
    peak : float
        Largest B1 wanted, T.
    """
    if not peak > 0:
        raise InputError(f"is {peak * 1e6:g} uT; it must be positive", key="peak")
    if not amplitude:
        raise InputError("is 0 mT/m; use a slice-selective pulse", key="amplitude")
    areas = np.full(len(pulse.signal), abs(amplitude) * pulse.dwell / NS)
    speed = _speed(limits, np.abs(pulse.signal), abs(amplitude), peak * _MARGIN, areas)
    times = np.concatenate([[0.0], np.cumsum(areas / speed)])
    step = 2 * scanner.timing_raster
    length = int(np.ceil(times[-1] * NS / step)) * step
    gradient = _gradient(limits, times * (length / NS / times[-1]), areas, length)
    dwell = sample_dwell(scanner, length, 2 * len(pulse.signal))
    edges = np.arange(0, length + dwell, dwell, dtype=np.int64)
    # Flip per gradient area is that of the original, integrated, so that its total is exact.
    turned = np.concatenate([[0.0], np.cumsum(pulse.signal) * pulse.dwell / NS])
    travelled = np.concatenate([[0.0], np.cumsum(areas)])
    at = moments(gradient, edges)
    collected = np.interp(at, travelled, turned.real) + 1j * np.interp(at, travelled, turned.imag)
    centre = float(np.interp(pulse.centre * abs(amplitude) / NS, at, edges))
    signed = Gradient(times=gradient.times, amplitudes=gradient.amplitudes * np.sign(amplitude))
    made = replace(
        pulse,
        signal=np.diff(collected) / (dwell / NS),
        dwell=dwell,
        centre=round(centre / limits.raster) * limits.raster,
    )
    thickness = pulse.bandwidth / (abs(scanner.gamma_bar) * abs(amplitude))
    return GradientPulse(pulse=within_limit(scanner, made), gradient=signed, thickness=thickness)


def _speed(
    limits: Limits, b1: NDArray[np.float64], amplitude: float, peak: float, areas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the gradient, T/m, at each original sample."""
    allowed = np.minimum(limits.gradient, amplitude * peak / np.maximum(b1, 1e-12 * b1.max())) * _MARGIN
    v = allowed**2 / 2
    slew = limits.slew * _MARGIN
    for order in (range(1, len(v)), range(len(v) - 2, -1, -1)):
        behind = -1 if order.step > 0 else 1
        for i in order:
            v[i] = min(v[i], v[i + behind] + slew * areas[i])
    return np.asarray(np.sqrt(2 * v))


def _gradient(limits: Limits, times: NDArray[np.float64], areas: NDArray[np.float64], length: int) -> Gradient:
    """Return the gradient on its raster whose area is that of the original."""
    knots = np.arange(0, length + limits.raster, limits.raster, dtype=np.int64)
    middle = (times[1:] + times[:-1]) / 2
    amplitudes = np.interp(knots / NS, middle, areas / np.diff(times))
    gradient = Gradient(times=knots, amplitudes=amplitudes)
    exact = areas.sum() / moments(gradient, knots[-1:])[0]
    return Gradient(times=knots, amplitudes=amplitudes * exact)
