"""The annulus as concentric lamellae whose fibres run at alternating angles to the plane of the disc.

In each lamella the fibres follow cos(a) t +- sin(a) z, where t runs around the disc along its outline and z along its
axis; the sign changes from one lamella to the next (Marchand & Ahmed 1990 Spine 15:402).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .spine_shapes import Frame, Wall

Array = NDArray[np.float64]
ANGLE = float(np.deg2rad(30.0))
"""Of the fibres to the plane of the disc, rad."""


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

    def _normal(self, point: Array, step: float = 1e-6) -> tuple[Array, Array]:
        """Return the (n, 3) unit vectors out of the outline, and the (n,) size of its level's gradient."""
        ahead = [self.outline.level(point + e) - self.outline.level(point - e) for e in step * np.eye(3)]
        gradient = np.stack(ahead, axis=1) / (2 * step)
        size = np.maximum(np.linalg.norm(gradient, axis=1), 1e-6)
        return gradient / size[:, None], size
