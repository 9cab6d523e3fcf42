"""Circular current loops: the field and the vector potential by which a coil hears and warms the body.

Biot and Savart's integral over a circle of radius a has a closed form in complete elliptic integrals (Smythe 1950).
In the loop's own frame, with Q = (a + rho)^2 + z^2 and m = 4 a rho / Q:

    B_z   = mu0 I / (2 pi sqrt(Q)) [ K + (a^2 - rho^2 - z^2) / ((a - rho)^2 + z^2) E ]
    B_rho = mu0 I z / (2 pi rho sqrt(Q)) [ -K + (a^2 + rho^2 + z^2) / ((a - rho)^2 + z^2) E ]
    A_phi = mu0 I / (pi sqrt(m)) sqrt(a / rho) [ (1 - m/2) K - E ]

Near the axis the brackets cancel; there the first term in rho takes over. Fields are quasi-static: the wave in the
tissue is left out of reception, which holds while the depth is small against the wavelength.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MU0 = 1.25663706212e-6
"""Permeability of the vacuum, CODATA 2018, H/m."""
NEAR_AXIS = 1e-3
"""Distance from the axis over the larger of radius and height, below which the first term of a series stands for what
cancels: it errs by 1e-6 of a component that is itself 1e-3 of the field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """A circular loop."""

    centre: tuple[float, float, float]
    """World, m."""
    normal: tuple[float, float, float]
    """Unit vector along the field at the centre."""
    radius: float
    """m."""
    wire: float = 2.5e-3
    """Radius of the conductor, m."""

    @property
    def self_inductance(self) -> float:
        """Return mu0 a (ln(8 a / w) - 2), H: a thin ring whose current flows at its surface."""
        return MU0 * self.radius * (math.log(8 * self.radius / self.wire) - 2)

    def field(self, world: Array) -> Array:
        """Return the (..., 3) field per current, T/A, at (..., 3) places, m."""
        rho, z, along, normal = self._frame(world)
        axial, radial = _field(self.radius, rho, z)
        return np.asarray(axial[..., None] * normal + radial[..., None] * along)

    def potential(self, world: Array) -> Array:
        """Return the (..., 3) vector potential per current, T m/A, at (..., 3) places, m."""
        rho, z, along, normal = self._frame(world)
        return np.asarray(_potential(self.radius, rho, z)[..., None] * np.cross(normal, along))

    def distance(self, world: Array) -> Array:
        """Return the (...) distance of (..., 3) places from the wire, m."""
        rho, z, _, _ = self._frame(world)
        return np.asarray(np.hypot(rho - self.radius, z))

    def points(self, count: int) -> tuple[Array, Array]:
        """Return (count, 3) points on the loop, m, and the (count, 3) steps of the current there, m."""
        normal = np.asarray(self.normal)
        first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
        first /= np.linalg.norm(first)
        second = np.cross(normal, first)
        angle = 2 * math.pi * np.arange(count)[:, None] / count
        place = np.asarray(self.centre) + self.radius * (np.cos(angle) * first + np.sin(angle) * second)
        step = 2 * math.pi * self.radius / count * (np.cos(angle) * second - np.sin(angle) * first)
        return place, step

    def mutual_inductance(self, other: Loop, points: int = 256) -> float:
        """Return the flux through another loop per current in this one, H."""
        place, step = other.points(points)
        return float(np.sum(self.potential(place) * step))

    def _frame(self, world: Array) -> tuple[Array, Array, Array, Array]:
        """Return distance from the axis, height, unit vector away from the axis, and the normal."""
        normal = np.asarray(self.normal) / np.linalg.norm(self.normal)
        place = np.asarray(world) - np.asarray(self.centre)
        z = place @ normal
        across = place - z[..., None] * normal
        rho = np.linalg.norm(across, axis=-1)
        along = across / np.where(rho > 0, rho, 1.0)[..., None]
        return rho, z, along, normal


def _near(radius: float, rho: Array, z: Array) -> NDArray[np.bool_]:
    return np.asarray(rho < NEAR_AXIS * np.maximum(radius, np.abs(z)))


def _field(a: float, rho: Array, z: Array) -> tuple[Array, Array]:
    """Return the axial and the radial field, T/A."""
    from scipy.special import ellipe, ellipkm1

    near = _near(a, rho, z)
    total, gap = (a + rho) ** 2 + z * z, (a - rho) ** 2 + z * z
    k, e = ellipkm1(gap / total), ellipe(4 * a * rho / total)
    scale = MU0 / (2 * math.pi * np.sqrt(total))
    axial = scale * (k + (a * a - rho**2 - z * z) / gap * e)
    radial = scale * z / np.where(near, a, rho) * (-k + (a * a + rho**2 + z * z) / gap * e)
    slope = 0.75 * MU0 * a * a * z * rho / (a * a + z * z) ** 2.5
    return axial, np.where(near, slope, radial)


def _potential(a: float, rho: Array, z: Array) -> Array:
    """Return the potential around the axis, T m/A."""
    from scipy.special import ellipe, ellipk

    near = _near(a, rho, z)
    safe = np.where(near, a / 2, rho)
    m = 4 * a * safe / ((a + safe) ** 2 + z * z)
    ring = MU0 / (math.pi * np.sqrt(m)) * np.sqrt(a / safe) * ((1 - m / 2) * ellipk(m) - ellipe(m))
    return np.where(near, MU0 * a * a * rho / 4 / (a * a + z * z) ** 1.5, ring)
