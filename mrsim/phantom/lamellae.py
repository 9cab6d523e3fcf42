"""The annulus as concentric lamellae whose fibres run at alternating angles to the plane of the disc.

In each lamella the fibres follow cos(a) t +- sin(a) z, where t runs around the disc along its outline and z along its
axis; the sign changes from one lamella to the next (Marchand & Ahmed 1990 Spine 15:402). A voxel holds many of them, so
that water diffuses in it along t and z alike to both sides: what it shows turns around the disc with t, and with the
disc's tilt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from .spine_shapes import Frame, Wall

if TYPE_CHECKING:
    from .phantom import Phantom

Array = NDArray[np.float64]
ANGLE = float(np.deg2rad(30.0))
"""Of the fibres to the plane of the disc, rad."""
SECTOR, TILT = float(np.deg2rad(7.5)), float(np.deg2rad(5.0))
"""Steps, rad, in which fibres turn around a disc, and with it: half of one is the largest error of a direction."""
Turn = tuple[int, int]
"""How far fibres are turned, in steps around their disc and of its tilt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lamellae:
    """The lamellae of one disc."""

    regions: tuple[str, ...]
    """Painted regions that they fill."""
    outline: Wall
    """Where the outermost one ends."""
    frame: Frame
    thickness: float
    """m."""
    angle: float = ANGLE
    """rad."""

    def number(self, point: Array) -> NDArray[np.int64]:
        """Return the (n,) number of the lamella, 0 at the rim, at (n, 3) points, m."""
        _, slope = self._normal(point)
        return np.asarray(np.floor(np.maximum(-self.outline.level(point) / slope, 0.0) / self.thickness), np.int64)

    def direction(self, point: Array) -> Array:
        """Return the (n, 3) unit vectors along the fibres in world axes; their sign has no meaning."""
        normal, _ = self._normal(point)
        up = np.asarray(self.frame.direction(0.0, 1.0))
        around = np.cross(up, normal)
        around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-12)
        sign = np.where(self.number(point) % 2 == 0, 1.0, -1.0)[:, None]
        return np.asarray(np.cos(self.angle) * around + sign * np.sin(self.angle) * up)

    def bearing(self, point: Array) -> Array:
        """Return the (n,) angle of t to the disc's left-right axis at (n, 3) points, rad; half a turn is none."""
        normal, _ = self._normal(point)
        ahead = np.asarray(self.frame.direction(1.0, 0.0))
        return np.asarray(np.arctan2(normal[:, 0], -normal @ ahead))

    def _normal(self, point: Array, step: float = 1e-6) -> tuple[Array, Array]:
        """Return the (n, 3) unit vectors out of the outline, and the (n,) size of its level's gradient."""
        ahead = [self.outline.level(point + e) - self.outline.level(point - e) for e in step * np.eye(3)]
        gradient = np.stack(ahead, axis=1) / (2 * step)
        size = np.maximum(np.linalg.norm(gradient, axis=1), 1e-6)
        return gradient / size[:, None], size


@dataclass(frozen=True, kw_only=True, slots=True)
class FibreCourse:
    """How the fibres of some tissues turn from place to place, seen in the axes of a grid."""

    lamellae: tuple[Lamellae, ...]
    tissues: frozenset[int]
    """Indices of the tissues whose fibres turn."""
    grid: Grid

    @classmethod
    def of(cls, phantom: Phantom, grid: Grid) -> FibreCourse | None:
        """Return how the fibres of a phantom turn; None where none of its tissues fills lamellae."""
        names = {name for disc in phantom.lamellae for name in disc.regions}
        held = {region.tissue for region in phantom.regions if region.name in names}
        fibred = frozenset(i for i in held if "fibre_angle" in phantom.tissues[i].known(phantom.field))
        return cls(lamellae=phantom.lamellae, tissues=fibred, grid=grid) if fibred else None

    def turns(self, position: Array) -> NDArray[np.int64]:
        """Return the (n, 2) turn of the fibres at (n, 3) places, m from the grid's centre in its axes."""
        point = self.grid.to_world(position)
        nearest = np.argmin([disc.outline.level(point) for disc in self.lamellae], axis=0)
        found = np.zeros((len(point), 2), dtype=np.int64)
        for index, disc in enumerate(self.lamellae):
            here = nearest == index
            found[here, 0] = np.rint(disc.bearing(point[here]) / SECTOR) % round(np.pi / SECTOR)
            found[here, 1] = round(disc.frame.tilt / TILT)
        return found

    def groups(self, position: Array) -> list[tuple[Turn, NDArray[np.int64]]]:
        """Return every turn that occurs at (n, 3) places, and the indices of the places that have it."""
        turns, group = np.unique(self.turns(position), axis=0, return_inverse=True)
        members = (np.flatnonzero(group.ravel() == index) for index in range(len(turns)))
        return [((int(a), int(b)), mine) for (a, b), mine in zip(turns, members, strict=True)]


def rotation(turn: Turn) -> Array:
    """Return the (3, 3) rotation that brings world x to t, y to the outside of the disc, and z to its axis."""
    (c, s), (u, v) = ((np.cos(angle), np.sin(angle)) for angle in (turn[0] * SECTOR, turn[1] * TILT))
    around = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    tilted = np.array([[1.0, 0.0, 0.0], [0.0, u, v], [0.0, -v, u]])  # as `Frame.direction` leans
    return np.asarray(tilted @ around)
