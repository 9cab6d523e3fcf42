"""Solids given by a level set in world axes: negative inside, zero on the boundary, positive outside.

Every `level` changes by at most one metre per metre (Lipschitz constant <= 1), so |level(p)| > r proves that no
boundary lies within r of p; only the sign and the direction of the gradient at the boundary decide volumes.
Points are (..., 3) = x (right), y (anterior), z (superior), m.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .shapes import Shape

Array = NDArray[np.float64]
FRAMES = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}
"""Per extrusion axis: the world axes of the plane's first and second coordinate, and of the extrusion."""


class Solid(ABC):
    """A region of space."""

    __slots__ = ()

    @abstractmethod
    def level(self, point: Array) -> Array:
        """Return the (...) level set, m, at (..., 3) points, m."""

    @abstractmethod
    def bounds(self) -> Array:
        """Return the (2, 3) lower and upper corner of a box around the solid, m; infinite where open."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extruded(Solid):
    """A plane shape along a world axis."""

    shape: Shape
    axis: str
    """Key of `FRAMES`."""
    span: tuple[float, float] = (-np.inf, np.inf)
    """Where it begins and ends along the axis, m."""

    def level(self, point: Array) -> Array:
        """Return the larger of the plane level and the distance to the nearer end."""
        first, second, along = FRAMES[self.axis]
        flat = self.shape.level(point[..., [first, second]])
        if np.all(np.isinf(self.span)):
            return flat
        return np.maximum(flat, np.maximum(self.span[0] - point[..., along], point[..., along] - self.span[1]))

    def bounds(self) -> Array:
        """Return the shape's box, as long as the span."""
        box = np.empty((2, 3))
        first, second, along = FRAMES[self.axis]
        box[:, [first, second]] = self.shape.bounds()
        box[:, along] = self.span
        return box


@dataclass(frozen=True, kw_only=True, slots=True)
class Ellipsoid(Solid):
    """An ellipsoid, or a superellipsoid for an exponent above 2, turned about x and then about y and z."""

    centre: tuple[float, float, float]
    """m."""
    semi_axes: tuple[float, float, float]
    """m."""
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Rotations about x, y and z, in this order, rad."""
    exponent: float = 2.0

    def level(self, point: Array) -> Array:
        """Return min(semi-axes) (k - 1), where k is the n-norm of the scaled local coordinates."""
        n = self.exponent
        local = (point - np.asarray(self.centre)) @ rotation(self.turn) / np.asarray(self.semi_axes)
        if n == 2.0:
            return np.asarray(min(self.semi_axes) * (np.sqrt(np.einsum("...i,...i->...", local, local)) - 1.0))
        bound = max(1.0, 3 ** (1 / n - 0.5))  # the n-norm exceeds the 2-norm by at most this
        norm = (np.abs(local) ** n).sum(axis=-1) ** (1 / n)
        return np.asarray(min(self.semi_axes) / bound * (norm - 1.0))

    def bounds(self) -> Array:
        """Return a box around the turned box of the semi-axes (tight for exponent 2)."""
        turned = rotation(self.turn) * np.asarray(self.semi_axes)
        half = np.linalg.norm(turned, axis=1) if self.exponent == 2.0 else np.abs(turned).sum(axis=1)
        return np.stack([np.asarray(self.centre) - half, np.asarray(self.centre) + half])


@dataclass(frozen=True, kw_only=True, slots=True)
class Block(Solid):
    """A box with rounded edges, turned like an `Ellipsoid`."""

    centre: tuple[float, float, float]
    """m."""
    size: tuple[float, float, float]
    """Full edge lengths, m."""
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Rotations about x, y and z, in this order, rad."""
    rounding: float = 0.0
    """Radius of the edges, m."""

    def level(self, point: Array) -> Array:
        """Return the signed distance."""
        local = np.abs((point - np.asarray(self.centre)) @ rotation(self.turn))
        x, y, z = (local[..., a] - (self.size[a] / 2 - self.rounding) for a in range(3))
        deepest = np.maximum(np.maximum(x, y), z)
        x, y, z = np.maximum(x, 0.0), np.maximum(y, 0.0), np.maximum(z, 0.0)
        return np.asarray(np.sqrt(x * x + y * y + z * z) + np.minimum(deepest, 0.0) - self.rounding)

    def bounds(self) -> Array:
        """Return a box around the turned box."""
        half = np.abs(rotation(self.turn) * (np.asarray(self.size) / 2)).sum(axis=1)
        return np.stack([np.asarray(self.centre) - half, np.asarray(self.centre) + half])


@dataclass(frozen=True, kw_only=True, slots=True)
class Cylinder(Solid):
    """A round cylinder of any direction."""

    centre: tuple[float, float, float]
    """m."""
    radius: float
    """m."""
    length: float
    """m."""
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Rotations of its axis, first along z, about x, y and z, in this order, rad."""

    def level(self, point: Array) -> Array:
        """Return the larger of the distances to the mantle and to the ends."""
        local = (point - np.asarray(self.centre)) @ rotation(self.turn)
        mantle = np.hypot(local[..., 0], local[..., 1]) - self.radius
        return np.asarray(np.maximum(mantle, np.abs(local[..., 2]) - self.length / 2))

    def bounds(self) -> Array:
        """Return the tight box."""
        axis = rotation(self.turn)[:, 2]
        half = np.abs(axis) * self.length / 2 + self.radius * np.sqrt(np.maximum(1 - axis**2, 0.0))
        return np.stack([np.asarray(self.centre) - half, np.asarray(self.centre) + half])


@dataclass(frozen=True, kw_only=True, slots=True)
class HalfSpace(Solid):
    """What lies behind a plane."""

    point: tuple[float, float, float]
    """A point of the plane, m."""
    normal: tuple[float, float, float]
    """Unit vector out of the solid."""

    def level(self, point: Array) -> Array:
        """Return the signed distance."""
        return np.asarray((point - np.asarray(self.point)) @ np.asarray(self.normal))

    def bounds(self) -> Array:
        """Return an endless box."""
        return np.array([[-np.inf] * 3, [np.inf] * 3])


@dataclass(frozen=True, kw_only=True, slots=True)
class Common(Solid):
    """What lies in all of several solids, with edges rounded where two boundaries meet."""

    solids: tuple[Solid, ...]
    rounding: float = 0.0
    """Length, m, over which two boundaries blend; 0 leaves the edge sharp."""

    def level(self, point: Array) -> Array:
        """Return the (smoothed) maximum of the parts' level sets."""
        first, *rest = (solid.level(point) for solid in self.solids)
        for other in rest:
            top = np.maximum(first, other)
            if self.rounding:
                blend = np.maximum(self.rounding - np.abs(first - other), 0.0)
                top = top + blend * blend / (4 * self.rounding)
            first = top
        return np.asarray(first)

    def bounds(self) -> Array:
        """Return the box common to all parts."""
        boxes = np.stack([solid.bounds() for solid in self.solids])
        return np.stack([boxes[:, 0].max(axis=0), boxes[:, 1].min(axis=0)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Union(Solid):
    """What lies in any of several solids."""

    solids: tuple[Solid, ...]

    def level(self, point: Array) -> Array:
        """Return the least of the parts' level sets."""
        return np.asarray(np.minimum.reduce([solid.level(point) for solid in self.solids]))

    def bounds(self) -> Array:
        """Return the box around all parts."""
        boxes = np.stack([solid.bounds() for solid in self.solids])
        return np.stack([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Outside(Solid):
    """The complement of a solid."""

    solid: Solid

    def level(self, point: Array) -> Array:
        """Return the negative level."""
        return -self.solid.level(point)

    def bounds(self) -> Array:
        """Return an endless box."""
        return np.array([[-np.inf] * 3, [np.inf] * 3])


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrored(Solid):
    """A solid and its mirror image across the plane x = 0, the solid being that at x > 0."""

    solid: Solid

    def level(self, point: Array) -> Array:
        """Return the level at |x|."""
        folded = point.copy()
        folded[..., 0] = np.abs(point[..., 0])
        return self.solid.level(folded)

    def bounds(self) -> Array:
        """Return a box around both."""
        box = self.solid.bounds()
        reach = np.abs(box[:, 0]).max()
        box[:, 0] = -reach, reach
        return box


def rotation(turn: tuple[float, float, float]) -> Array:
    """Return the (3, 3) matrix of rotations about x, y and z, in this order, by angles in rad."""
    if turn == (0.0, 0.0, 0.0):
        return np.eye(3)
    (cx, cy, cz), (sx, sy, sz) = np.cos(turn), np.sin(turn)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)
