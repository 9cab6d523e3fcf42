"""Plane shapes given by a level set: negative inside, zero on the boundary, positive outside.

Every `level` changes by at most one metre per metre (Lipschitz constant <= 1), so |level(p)| > r proves
that no boundary lies within r of p. It equals the signed distance for boxes and polygons; for the other
shapes it is a lower bound of it, with the exact boundary; `distance` is their first-order distance.
Shapes live in the plane across the direction along which a phantom is extruded; points are (..., 2), m.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Shape(ABC):
    """A region of the plane."""

    __slots__ = ()

    @abstractmethod
    def level(self, point: Array) -> Array:
        """Return the (...) level set, m, at (..., 2) points, m."""

    @abstractmethod
    def bounds(self) -> Array:
        """Return the (2, 2) lower and upper corner of a box around the shape, m; infinite where open."""

    def distance(self, point: Array, step: float = 1e-7) -> Array:
        """Return the (...) signed distance, m, right to first order near the boundary: level / |grad level|."""
        ahead = [np.asarray(step * unit) for unit in np.eye(2)]
        slope = [(self.level(point + a) - self.level(point - a)) / (2 * step) for a in ahead]
        return np.asarray(self.level(point) / np.maximum(np.hypot(*slope), 1e-3))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ellipse(Shape):
    """An ellipse, or a superellipse |x/a|^n + |y/b|^n <= 1 for an exponent other than 2."""

    centre: tuple[float, float]
    """m."""
    semi_axes: tuple[float, float]
    """a, b in m."""
    angle: float = 0.0
    """Rotation from the first axis towards the second, rad."""
    exponent: float = 2.0

    def level(self, point: Array) -> Array:
        """Return min(a, b) (k - 1), where k is the n-norm of (x/a, y/b)."""
        x, y = _local(point, self.centre, self.angle)
        a, b, n = *self.semi_axes, self.exponent
        if n == 2.0:
            norm, bound = np.hypot(x / a, y / b), 1.0
        else:
            norm = (np.abs(x / a) ** n + np.abs(y / b) ** n) ** (1 / n)
            bound = max(1.0, 2 ** (1 / n - 0.5))  # the n-norm exceeds the 2-norm by at most this
        return np.asarray(min(a, b) / bound * (norm - 1.0))

    def bounds(self) -> Array:
        """Return the box around the circumscribed rectangle (exact for exponent 2)."""
        a, b = self.semi_axes
        c, s = abs(np.cos(self.angle)), abs(np.sin(self.angle))
        if self.exponent == 2.0:
            half = np.array([np.hypot(a * c, b * s), np.hypot(a * s, b * c)])
        else:
            half = np.array([a * c + b * s, a * s + b * c])
        return np.stack([self.centre - half, self.centre + half])


@dataclass(frozen=True, kw_only=True, slots=True)
class Box(Shape):
    """A rectangle, optionally with rounded corners and turned."""

    centre: tuple[float, float]
    """m."""
    size: tuple[float, float]
    """Full width and height, m; may be infinite."""
    angle: float = 0.0
    """Rotation from the first axis towards the second, rad."""
    rounding: float = 0.0
    """Radius of the corners, m."""

    def level(self, point: Array) -> Array:
        """Return the signed distance."""
        x, y = _local(point, self.centre, self.angle)
        qx = np.abs(x) - (self.size[0] / 2 - self.rounding)
        qy = np.abs(y) - (self.size[1] / 2 - self.rounding)
        outside = np.hypot(np.maximum(qx, 0.0), np.maximum(qy, 0.0))
        return np.asarray(outside + np.minimum(np.maximum(qx, qy), 0.0) - self.rounding)

    def bounds(self) -> Array:
        """Return the box around the turned rectangle."""
        c, s = abs(np.cos(self.angle)), abs(np.sin(self.angle))
        w, h = self.size[0] / 2, self.size[1] / 2
        half = np.array([_times(c, w) + _times(s, h), _times(s, w) + _times(c, h)])
        return np.stack([self.centre - half, self.centre + half])


@dataclass(frozen=True, kw_only=True, slots=True)
class Polygon(Shape):
    """A simple polygon, optionally with rounded corners (then grown outwards by `rounding`)."""

    vertices: tuple[tuple[float, float], ...]
    """Corners in order, m; at least three."""
    rounding: float = 0.0
    """Radius, m, by which the boundary is moved outwards."""

    def level(self, point: Array) -> Array:
        """Return the signed distance: to the nearest edge, negative where the crossing number is odd."""
        nearest = np.full(point.shape[:-1], np.inf)
        inside = np.zeros(point.shape[:-1], dtype=bool)
        corners = np.asarray(self.vertices)
        x, y = point[..., 0], point[..., 1]
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            ex, ey = bx - ax, by - ay
            along = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0.0, 1.0)
            nearest = np.minimum(nearest, np.hypot(x - ax - along * ex, y - ay - along * ey))
            if ay != by:
                inside ^= ((y >= ay) != (y >= by)) & (x < ax + (y - ay) / ey * ex)
        return np.asarray(np.where(inside, -nearest, nearest) - self.rounding)

    def bounds(self) -> Array:
        """Return the box around the corners, grown by the rounding."""
        corners = np.asarray(self.vertices)
        return np.stack([corners.min(axis=0) - self.rounding, corners.max(axis=0) + self.rounding])


@dataclass(frozen=True, kw_only=True, slots=True)
class Band(Shape):
    """What lies between two polynomial curves: lower(c) <= w <= upper(c).

    The curves are functions of the coordinate number `along` and bound the other coordinate. Outside
    `domain` they go on at constant height.
    """

    along: int
    """0 or 1: the coordinate c that the curves depend on."""
    lower: tuple[float, ...]
    """Polynomial coefficients in rising powers of c, SI; (-inf,) for none."""
    upper: tuple[float, ...]
    """The same for the upper curve; (inf,) for none."""
    domain: tuple[float, float]
    """Range of c, m, in which the polynomials hold."""

    def level(self, point: Array) -> Array:
        """Return the larger of w - upper and lower - w, each divided by sqrt(1 + (steepest slope)^2)."""
        c = np.clip(point[..., self.along], *self.domain)
        w = point[..., 1 - self.along]
        above = (w - _polynomial(self.upper, c)) / self._stretch(self.upper)
        below = (_polynomial(self.lower, c) - w) / self._stretch(self.lower)
        return np.asarray(np.maximum(above, below))

    def bounds(self) -> Array:
        """Return the box; open along the coordinate that the curves depend on."""
        c = np.linspace(*self.domain, 257)
        box = np.empty((2, 2))
        box[:, self.along] = -np.inf, np.inf
        margin = 1e-9 + (self.domain[1] - self.domain[0]) / 256 * 0.01
        box[0, 1 - self.along] = _polynomial(self.lower, c).min() - margin
        box[1, 1 - self.along] = _polynomial(self.upper, c).max() + margin
        return box

    def _stretch(self, curve: tuple[float, ...]) -> float:
        if len(curve) < 2:
            return 1.0
        slope = tuple(i * k for i, k in enumerate(curve))[1:]
        ends = np.linspace(*self.domain, 257)
        return float(np.sqrt(1.0 + np.max(np.abs(_polynomial(slope, ends))) ** 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Intersection(Shape):
    """What lies in all of several shapes, with corners rounded where two boundaries meet."""

    shapes: tuple[Shape, ...]
    rounding: float = 0.0
    """Length, m, over which two boundaries blend; 0 leaves the corner sharp."""

    def level(self, point: Array) -> Array:
        """Return the (smoothed) maximum of the parts' level sets."""
        first, *rest = (shape.level(point) for shape in self.shapes)
        for other in rest:
            first = _smooth_maximum(first, other, self.rounding)
        return first

    def bounds(self) -> Array:
        """Return the box common to all parts."""
        boxes = np.stack([shape.bounds() for shape in self.shapes])
        return np.stack([boxes[:, 0].max(axis=0), boxes[:, 1].min(axis=0)])


def _smooth_maximum(a: Array, b: Array, width: float) -> Array:
    """Return max(a, b), raised by up to width/4 where they differ by less than width; still Lipschitz 1."""
    if width == 0.0:
        return np.maximum(a, b)
    blend = np.maximum(width - np.abs(a - b), 0.0)
    return np.asarray(np.maximum(a, b) + blend * blend / (4 * width))


def _local(point: Array, centre: tuple[float, float], angle: float) -> tuple[Array, Array]:
    """Return the two coordinates of points in a frame at `centre`, turned by `angle`."""
    x, y = point[..., 0] - centre[0], point[..., 1] - centre[1]
    if angle == 0.0:
        return x, y
    c, s = np.cos(angle), np.sin(angle)
    return c * x + s * y, c * y - s * x


def _polynomial(coefficients: tuple[float, ...], c: Array) -> Array:
    total = np.full_like(c, coefficients[-1])
    for k in reversed(coefficients[:-1]):
        total = total * c + k
    return total


def _times(factor: float, length: float) -> float:
    """Return factor * length, where zero times infinity is zero."""
    return 0.0 if abs(factor) < 1e-15 else float(factor * length)
