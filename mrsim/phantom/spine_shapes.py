"""Solids of a spine: what lies between and around discs that are tilted in the sagittal plane.

A `Frame` sits in the sagittal plane, tilted about x; its coordinates are x (right), a (anterior) and u (superior).
Discs are slabs between two curved surfaces, bodies and discs have walls of superelliptic, slightly kidney-shaped
cross-section, and everything that runs along the spine follows a polynomial y = c(z). Level sets are divided by the
steepest slope of their curves, so that they stay Lipschitz 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .solids import Solid

Array = NDArray[np.float64]
Polynomial = tuple[float, ...]
"""Coefficients in rising powers, SI."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """A place in the sagittal plane with a tilt: its superior axis leans anterior by `tilt`."""

    y: float
    """m."""
    z: float
    """m."""
    tilt: float
    """rad."""

    def local(self, point: Array) -> tuple[Array, Array, Array]:
        """Return x, a, u of (..., 3) points, m."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        dy, dz = point[..., 1] - self.y, point[..., 2] - self.z
        return point[..., 0], c * dy - s * dz, s * dy + c * dz

    def world(self, x: float, a: float, u: float) -> tuple[float, float, float]:
        """Return the point x, a, u in world axes, m."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return float(x), float(self.y + c * a + s * u), float(self.z - s * a + c * u)

    def direction(self, a: float, u: float) -> tuple[float, float, float]:
        """Return the world direction of (0, a, u)."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return 0.0, float(c * a + s * u), float(-s * a + c * u)

    def shifted(self, a: float, u: float = 0.0) -> Frame:
        """Return the frame moved within itself."""
        _, y, z = self.world(0.0, a, u)
        return Frame(y=y, z=z, tilt=self.tilt)

    @property
    def turn(self) -> tuple[float, float, float]:
        """Rotation of a solid that is to be aligned with the frame."""
        return (-self.tilt, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab(Solid):
    """What lies between a disc's two surfaces u = +-(h(a)/2 - dome x^2), moved apart by `margin` on each side."""

    frame: Frame
    height: Polynomial
    """h(a), quadratic."""
    reach: tuple[float, float]
    """Half width and half depth beyond which the surfaces go on level, m."""
    dome: float = 0.0
    """1/m."""
    margin: float = 0.0
    """m."""

    def half(self, x: Array, a: Array) -> Array:
        """Return the upper surface, m."""
        a = np.clip(a, -self.reach[1], self.reach[1])
        x = np.clip(x, -self.reach[0], self.reach[0])
        c0, c1, c2 = self.height
        return np.asarray((c0 + a * (c1 + a * c2)) / 2 - self.dome * x * x + self.margin)

    @property
    def stretch(self) -> float:
        """The surfaces' steepest slope gives sqrt(1 + slope^2)."""
        along = abs(self.height[1]) / 2 + abs(self.height[2]) * self.reach[1]
        return float(np.sqrt(1 + along**2 + (2 * self.dome * self.reach[0]) ** 2))

    def level(self, point: Array) -> Array:
        """Return the distance from the nearer surface along u, over the stretch."""
        x, a, u = self.frame.local(point)
        return np.asarray((np.abs(u) - self.half(x, a)) / self.stretch)

    def bounds(self) -> Array:
        """Return an endless box."""
        return np.array([[-np.inf] * 3, [np.inf] * 3])


@dataclass(frozen=True, kw_only=True, slots=True)
class Face(Solid):
    """What lies above (side +1) or below (side -1) a slab."""

    slab: Slab
    side: int

    def level(self, point: Array) -> Array:
        """Return the signed distance from the surface along u, over the stretch."""
        x, a, u = self.slab.frame.local(point)
        return np.asarray((self.slab.half(x, a) - self.side * u) / self.slab.stretch)

    def bounds(self) -> Array:
        """Return an endless box."""
        return np.array([[-np.inf] * 3, [np.inf] * 3])


@dataclass(frozen=True, kw_only=True, slots=True)
class Wall(Solid):
    """A column of superelliptic cross-section |x/w|^n + |a'/d|^n <= 1, with a' = a - kidney (1 - (x/w)^2)."""

    frame: Frame
    half_width: Polynomial
    """w(u), m."""
    half_depth: Polynomial
    """d(u), m."""
    span: tuple[float, float]
    """Range of u over which the polynomials hold, m; the walls go straight on beyond it and end at 1.5 times it."""
    inset: float = 0.0
    """How far the wall is moved inwards, m."""
    exponent: float = 2.5
    kidney: float = 0.0
    """How far the middle is pushed forward, m."""

    def level(self, point: Array) -> Array:
        """Return min(w, d) (k - 1), where k is the n-norm of (x/w, a'/d), over a bound of its slope."""
        x, a, u = self.frame.local(point)
        over = np.maximum(1.5 * self.span[0] - u, u - 1.5 * self.span[1])
        u = np.clip(u, *self.span)
        width, depth = _value(self.half_width, u) - self.inset, _value(self.half_depth, u) - self.inset
        s = np.abs(x / width)
        t = np.abs(a - self.kidney * (1 - np.minimum(s, 1.3) ** 2)) / depth
        norm = (s**self.exponent + t**self.exponent) ** (1 / self.exponent)
        return np.asarray(np.maximum(self._smallest() / self._slope() * np.minimum(norm - 1.0, 3.0), over))

    def bounds(self) -> Array:
        """Return the box of the turned box around the wall."""
        depth = max(_ends(self.half_depth, self.span)) + abs(self.kidney)
        wide = max(_ends(self.half_width, self.span))
        corners = [self.frame.world(0.0, a, 1.5 * u) for a in (-depth, depth) for u in self.span]
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        low[0], high[0] = -wide, wide
        return np.stack([low, high])

    def _smallest(self) -> float:
        return float(min(min(_ends(self.half_width, self.span)), min(_ends(self.half_depth, self.span))) - self.inset)

    def _slope(self) -> float:
        """Return a bound: the norms' ratio, the kidney's shear and the taper of the walls."""
        norms = max(1.0, 2 ** (1 / self.exponent - 0.5))
        shear = 2.6 * abs(self.kidney) / (min(_ends(self.half_width, self.span)) - self.inset)
        taper = max(float(np.abs(np.diff(_ends(p, self.span, 65))).max()) for p in (self.half_width, self.half_depth))
        taper *= 64 / max(self.span[1] - self.span[0], 1e-9)
        return float(norms * np.sqrt((1 + shear) ** 2 + (4 * taper) ** 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A line in the sagittal plane, y = c(z) with z in units of `unit`, straight on beyond its domain."""

    coefficients: Polynomial
    """m."""
    unit: float
    """m."""
    domain: tuple[float, float]
    """m."""

    def at(self, z: Array) -> tuple[Array, Array]:
        """Return y, m, and dy/dz."""
        inside = np.clip(z, *self.domain)
        slope = tuple(i * k for i, k in enumerate(self.coefficients))[1:]
        rise = _value(slope, inside / self.unit) / self.unit
        return _value(self.coefficients, inside / self.unit) + rise * (z - inside), rise


@dataclass(frozen=True, kw_only=True, slots=True)
class Tube(Solid):
    """A tube along a curve, of superelliptic cross-section in x and in n, the distance in front of the curve."""

    curve: Curve
    centre: tuple[float, float]
    """x and n of its axis, m."""
    semi_axes: tuple[float, float]
    """In x and n, m."""
    span: tuple[float, float]
    """Where it begins and ends along z, m."""
    exponent: float = 2.0
    taper: float = 0.0
    """Share by which the cross-section shrinks towards the lower end."""

    def level(self, point: Array) -> Array:
        """Return min(semi-axes) (k - 1), cut at the ends, over 1.4 for what the curve bends and the tube tapers."""
        z = point[..., 2]
        y, rise = self.curve.at(z)
        ahead = (point[..., 1] - y) / np.sqrt(1 + rise * rise)
        part = np.clip((z - self.span[0]) / (self.span[1] - self.span[0]), 0.0, 1.0)
        size = 1.0 - self.taper * (1.0 - part)
        n, s = self.exponent, np.abs(point[..., 0] - self.centre[0]) / self.semi_axes[0]
        t = np.abs(ahead - self.centre[1]) / self.semi_axes[1]
        norm = (np.hypot(s, t) if n == 2 else (s**n + t**n) ** (1 / n)) / size
        bound = max(1.0, 2 ** (1 / n - 0.5)) / (1.0 - self.taper)
        across = min(self.semi_axes) / bound * np.minimum(norm - 1.0, 12.0)
        return np.asarray(np.maximum(across / 1.4, np.maximum(self.span[0] - z, z - self.span[1])))

    def bounds(self) -> Array:
        """Return a box around the curve, as wide as the tube."""
        z = np.linspace(*self.span, 65)
        y, rise = self.curve.at(z)
        stretch = np.sqrt(1 + rise * rise).max()
        low = y.min() + stretch * min(0.0, self.centre[1] - self.semi_axes[1])
        high = y.max() + stretch * max(0.0, self.centre[1] + self.semi_axes[1])
        reach = np.array([-self.semi_axes[0], self.semi_axes[0]]) + self.centre[0]
        return np.array([[reach[0], low, self.span[0]], [reach[1], high, self.span[1]]])


def curve_through(y: Array, z: Array, degree: int, domain: tuple[float, float]) -> Curve:
    """Return the polynomial of a degree that fits points best, m."""
    unit = 0.1
    coefficients = np.polynomial.polynomial.polyfit(z / unit, y, min(degree, len(z) - 1))
    return Curve(coefficients=tuple(coefficients.tolist()), unit=unit, domain=domain)


def _value(polynomial: Polynomial, c: Array) -> Array:
    total = np.full_like(c, polynomial[-1])
    for k in reversed(polynomial[:-1]):
        total = total * c + k
    return total


def _ends(polynomial: Polynomial, span: tuple[float, float], count: int = 17) -> Array:
    return _value(polynomial, np.linspace(*span, count))
