"""Restricted diffusion in the Gaussian phase approximation: parallel planes, cylinders and spheres.

Between impermeable walls the position along an axis is correlated as

    <x(0) x(t)> = sum_n B_n exp(-a_n^2 D t / R^2),

and if the phases of the spins are distributed normally (Neuman 1974, doi:10.1063/1.1680931; Murday and Cotts 1968,
doi:10.1063/1.1668871) any effective gradient G(t) attenuates by

    ln A = -gamma^2 / 2 <(integral G x dt)^2> = -gamma^2 sum_n B_n integral G(t) u_n(t) dt,
    u_n' = G - a_n^2 D / R^2 u_n,   u_n(0) = 0,

which is integrated exactly where G is linear. What is wound at the end, q = gamma integral G, encodes the place where
the spin then is; that is imaging and no loss, so that the variance is that of the phase without q x(t). Free diffusion
is the limit of walls that are wide, but not beyond what `MODES` resolve. The approximation is good where the signal is
not far below a tenth or where the walls are close; short strong pulses diffract instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

Array = NDArray[np.float64]
Shape = Literal["planes", "cylinder", "sphere"]
SHAPES: tuple[Shape, ...] = ("planes", "cylinder", "sphere")
MODES = 40
"""Terms of the series; those left out hold less than 1e-6 of the mean square position."""
SHORT = 0.1
"""Decay of a mode over an interval below which series replace exponentials, which would cancel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restriction:
    """Walls around a compartment."""

    shape: Shape
    size: float
    """Distance of the planes, or diameter, m."""
    diffusivity: float
    """Between the walls, m^2/s."""
    axis: tuple[float, float, float]
    """World axes: normal of the planes, axis of the cylinder; without meaning for a sphere."""
    permeability: float = 0.0
    """m/s; 0 for walls that water does not pass. Others have no series, only walkers."""
    spacing: float | None = None
    """Of the lattice on which cylinders or spheres stand, m; None for one that nothing leaves."""

    def __post_init__(self) -> None:
        """Refuse walls that overlap, or are passed into nowhere."""
        if not (self.size > 0 and self.diffusivity > 0 and self.permeability >= 0):
            given = f"size {self.size:g} m, diffusivity {self.diffusivity:g} m^2/s, permeability {self.permeability:g}"
            raise InputError(f"has {given} m/s; the first two must be positive, the last at least 0", key="walls")
        if self.shape != "planes" and (self.spacing is None) != (self.permeability == 0):
            raise InputError(
                f"a {self.shape} of permeability {self.permeability:g} m/s has spacing {self.spacing}; walls that "
                "water passes stand on a lattice, others need none",
                key="spacing",
            )
        if self.spacing is not None and (self.shape == "planes" or self.spacing <= self.size):
            raise InputError(
                f"{self.shape} of {self.size:g} m cannot stand {self.spacing:g} m apart; take more than their size, "
                "and none for planes",
                key="spacing",
            )

    def turned(self, rotation: Array) -> Restriction:
        """Return the walls turned by a (3, 3) rotation."""
        x, y, z = (rotation @ np.asarray(self.axis)).tolist()
        return replace(self, axis=(x, y, z))

    def confined(self) -> Array:
        """Return the (k, 3) unit vectors along which walls stand."""
        along = np.asarray(self.axis, dtype=np.float64)
        if self.shape == "planes":
            return along[None]
        if self.shape == "sphere":
            return np.eye(3)
        least = np.eye(3)[np.argmin(np.abs(along))]
        first = np.cross(along, least) / np.linalg.norm(np.cross(along, least))
        return np.stack([first, np.cross(along, first)])


@lru_cache(maxsize=8)
def modes(shape: Shape) -> tuple[Array, Array]:
    """Return (n,) B_n over the square of the size and (n,) a_n^2 over its square: rates are a^2 D / size^2."""
    if shape == "planes":
        odd = 2.0 * np.arange(MODES) + 1
        return 8 / (odd * np.pi) ** 4, np.asarray((odd * np.pi) ** 2, dtype=np.float64)
    root = _roots(shape)
    dimension = 1 if shape == "cylinder" else 2
    return 2 / (root**2 * (root**2 - dimension)) / 4, 4 * root**2


def _roots(shape: Shape) -> Array:
    """Return the extrema of the Bessel function of first order: of the plane, or the spherical one."""
    from scipy.special import jnp_zeros, spherical_jn

    if shape == "cylinder":
        return np.asarray(jnp_zeros(1, MODES))
    from scipy.optimize import brentq

    def slope(x: float) -> float:
        return float(spherical_jn(1, x, derivative=True))

    return np.array([brentq(slope, n * math.pi - 1.3, n * math.pi, xtol=1e-13) for n in range(1, MODES + 1)])


def exponents(times: Array, after: Array, before: Array, shape: Shape, size: float, diffusivity: float) -> Array:
    """Return -ln A up to each knot over (2 pi gamma_bar)^2, (knot,), T^2 s^2.

    Parameters
    ----------
    times : (knot,) array
        s.
    after, before : (knot,) array
        Effective gradient behind and before each knot along one confined axis, T/m; linear in between.
    shape, size, diffusivity
        Of the walls; m and m^2/s.
    """
    weight, square = modes(shape)
    rate, weight = square * diffusivity / size**2, weight * size**2
    length = np.diff(times)
    start, slope = after[:-1], (before[1:] - after[:-1]) / np.where(length > 0, length, 1.0)
    u, collected, remembered = np.zeros(len(rate)), np.zeros(len(times)), np.zeros(len(times))
    for index, (h, g, s) in enumerate(zip(length.tolist(), start.tolist(), slope.tolist(), strict=True), 1):
        u, gained = _interval(u, rate, h, g, s)
        collected[index], remembered[index] = weight @ gained, weight @ u
    area = np.concatenate([[0.0], np.cumsum(length * (after[:-1] + before[1:]) / 2)])
    return np.asarray(np.cumsum(collected) - area * remembered + area**2 * weight.sum() / 2)


def _interval(u: Array, rate: Array, h: float, g: float, s: float) -> tuple[Array, Array]:
    """Return u behind an interval of length h with G = g + s t, and the integral of G u over it, per mode."""
    x = rate * h
    decay = np.exp(-x)
    # phi_k(x) = integral over y from 0 to 1 of exp(-x (1 - y)) y^(k-1) / (k-1)!
    phi = _phi(x)
    after = decay * u + h * g * phi[1] + h**2 * s * phi[2]
    # integral of (g + s t)(u e^(-rate t) + g t phi_1 + s t^2 phi_2), phi at rate t
    own = u * h * (g * phi[1] + s * h * (phi[1] - phi[2]))
    forced = h**2 * (g * g * phi[2] + s * g * h * (phi[2] - phi[3]) + g * s * h * phi[3])
    return after, own + forced + s * s * h**4 * (phi[3] - phi[4])


def _phi(x: Array) -> list[Array]:
    """Return phi_0 to phi_4: phi_0 = exp(-x), phi_k = (1 / (k-1)! - phi_(k-1)) / x."""
    found = [np.exp(-x)]
    small = x < SHORT
    safe = np.where(small, 1.0, x)
    for k in range(1, 5):
        series = sum((-x) ** j / math.factorial(k + j) for j in range(10))
        found.append(np.where(small, series, (1 / math.factorial(k - 1) - found[-1]) / safe))
    return found
