"""What a pulse does to magnetisation: the rotation of each spin, as a pair of Cayley-Klein parameters.

Each sample turns a spin about (B1x, B1y, offset / gamma_bar). Rotations are unit quaternions a, b; relaxation is
left out. From them follow every profile: excitation 2 a* b, inversion 1 - 2 |b|^2, crushed refocusing |b|^2
(Pauly 1991, doi:10.1109/42.75611).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..events import NS, RfPulse
from ..gradients import moments
from .gradient_pulse import GradientPulse


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spinors:
    """The rotation of each spin; arrays of one shape."""

    a: NDArray[np.complex128]
    """Of a turn by t about the axis n, clockwise seen from its tip: cos(t / 2) + i n_z sin(t / 2)."""
    b: NDArray[np.complex128]
    """i (n_x + i n_y) sin(t / 2)."""

    @property
    def transverse(self) -> NDArray[np.complex128]:
        """M+ of a spin that was at +z."""
        return 2 * np.conj(self.a) * self.b

    @property
    def longitudinal(self) -> NDArray[np.float64]:
        """Mz of a spin that was at +z."""
        return 1 - 2 * self.refocused

    @property
    def refocused(self) -> NDArray[np.float64]:
        """Part of a transverse magnetisation that crushers on both sides let through as an echo."""
        return np.abs(self.b) ** 2

    def turn(
        self, transverse: NDArray[np.complex128], longitudinal: NDArray[np.float64]
    ) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Return M+ and Mz after the rotation."""
        a, b = self.a, self.b
        after = np.conj(a) ** 2 * transverse - b**2 * np.conj(transverse) + 2 * np.conj(a) * b * longitudinal
        along = self.longitudinal * longitudinal - 2 * np.real(np.conj(a * b) * transverse)
        return np.asarray(after), np.asarray(along)

    def then(self, later: Spinors) -> Spinors:
        """Return this rotation followed by another."""
        return Spinors(
            a=later.a * self.a - np.conj(later.b) * self.b,
            b=later.b * self.a + np.conj(later.a) * self.b,
        )


def spinors(
    pulse: RfPulse | GradientPulse,
    gamma_bar: float,
    offset: NDArray[np.float64],
    position: NDArray[np.float64] | float = 0.0,
    b1: NDArray[np.float64] | float = 1.0,
) -> Spinors:
    """Return the rotations of spins under a pulse, its frequency and phase included.

    Parameters
    ----------
    pulse : RfPulse or GradientPulse
    gamma_bar : float
        Hz/T.
    offset : array
        Resonance offset, Hz.
    position : array or float
        Along the gradient that the pulse brings, m; without one it has no effect.
    b1 : array or float
        Relative B1.
    """
    rf = pulse.pulse if isinstance(pulse, GradientPulse) else pulse
    seconds = rf.dwell / NS
    since = (np.arange(len(rf.signal)) + 0.5) * seconds
    signal = rf.signal * np.exp(-1j * (2 * np.pi * rf.frequency * since + rf.phase))
    gradient = np.zeros(len(signal))
    if isinstance(pulse, GradientPulse):
        edges = rf.dwell * np.arange(len(signal) + 1, dtype=np.int64)
        gradient = np.diff(moments(pulse.gradient, edges)) / seconds
    shape = np.broadcast_shapes(np.shape(offset), np.shape(position), np.shape(b1))
    total = Spinors(a=np.ones(shape, dtype=np.complex128), b=np.zeros(shape, dtype=np.complex128))
    for sample, strength in zip(signal, gradient, strict=True):
        total = total.then(_turned(offset + gamma_bar * strength * position, gamma_bar * b1 * sample, seconds))
    return total


def _turned(along: NDArray[np.float64] | float, across: NDArray[np.complex128] | complex, seconds: float) -> Spinors:
    """Return the rotation by a field of `along`, Hz, on z and `across`, Hz, in the plane (x + i y)."""
    size = np.sqrt(np.asarray(along) ** 2 + np.abs(across) ** 2)
    half = np.pi * size * seconds
    # sin(h) / size, finite where there is no field at all.
    scale = np.pi * seconds * np.sinc(half / np.pi)
    return Spinors(a=np.cos(half) + 1j * along * scale, b=1j * across * scale)
