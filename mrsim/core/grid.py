"""A regular grid of voxels in the world: the frame of images, maps and truth.

The grid has its own axes x (readout), y (phase encoding), z (slice). Pixel i of an axis with n pixels
lies at (i - n//2) * spacing from the centre. `axes` turns grid coordinates into world (RAS) coordinates:
world = centre + axes @ (x, y, z).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .shown import Shown
from .written import quantity

ORIENTATIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    # name: (readout direction, phase-encoding direction) in world RAS; slice = readout x phase
    "sagittal": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
}

SQUARE = 1e-3
"""How far the products of a grid's axes may be from those of perpendicular unit vectors: files round."""


def orientation_axes(name: str, tilt: float = 0.0, in_plane: float = 0.0) -> NDArray[np.float64]:
    """Return the (3, 3) rotation whose columns are readout, phase and slice direction in world RAS.

    Parameters
    ----------
    name : str
        ``"sagittal"``, ``"coronal"`` or ``"axial"``.
    tilt : float
        Rotation about the readout direction, rad (positive turns phase towards slice).
    in_plane : float
        Rotation about the slice direction, rad (positive turns readout towards phase).
    """
    if name not in ORIENTATIONS:
        raise InputError(f"unknown orientation '{name}'; known: {', '.join(ORIENTATIONS)}")
    read, phase = (np.array(v) for v in ORIENTATIONS[name])
    base = np.stack([read, phase, np.cross(read, phase)], axis=1)
    c, s = np.cos(tilt), np.sin(tilt)
    about_read = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    c, s = np.cos(in_plane), np.sin(in_plane)
    about_slice = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return np.asarray(base @ about_read @ about_slice, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grid(Shown):
    """Voxels on a regular, possibly oblique, grid."""

    shape: tuple[int, int, int]
    """Voxel counts (z, y, x), as arrays are indexed."""
    spacing: tuple[float, float, float]
    """Distance between voxel centres (x, y, z), m; the size of a voxel, but for the gap between slices."""
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """World position of the grid's origin (the centre of pixel n//2 of each axis), RAS, m."""
    axes: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    """(3, 3); columns are the grid's x, y and z directions in world RAS."""

    gap: float = 0.0
    """Distance along z between the faces of neighbouring slices, m: a voxel is spacing[2] - gap thick."""

    def __post_init__(self) -> None:
        """Refuse what spans no voxels."""
        shape: Any = self.shape  # what a caller gives, whatever is declared
        if len(shape) != 3 or not all(isinstance(count, int | np.integer) and count >= 0 for count in shape):
            raise InputError(f"is {self.shape}; it takes three whole numbers (z, y, x)", key="shape")
        if np.shape(self.spacing) != (3,) or not all(math.isfinite(size) and size > 0 for size in self.spacing):
            raise InputError(f"is {self.spacing} m; it takes three positive lengths (x, y, z)", key="spacing")
        if np.shape(self.centre) != (3,) or not np.all(np.isfinite(self.centre)):
            raise InputError(f"is {self.centre} m; it takes three finite coordinates (x, y, z)", key="centre")
        if not (math.isfinite(self.gap) and self.gap < self.spacing[2]):
            raise InputError(f"is {self.gap} m; slices {self.spacing[2]:g} m apart leave less", key="gap")
        square = np.shape(self.axes) == (3, 3)
        if not square or not np.allclose(self.axes.T @ self.axes, np.eye(3), rtol=0.0, atol=SQUARE):
            raise InputError("must be three perpendicular columns of length 1", key="axes")

    def same_as(self, other: Grid) -> bool:
        """Return whether both have the same voxels, to a hundredth of a voxel."""
        if tuple(self.shape) != tuple(other.shape):
            return False
        corners = np.array(np.meshgrid(*([0, count - 1] for count in self.shape[::-1]), [1.0])).reshape(4, -1)
        apart = (self.affine() - other.affine())[:3] @ corners
        return bool(np.all(np.abs(apart) <= 0.01 * min(self.spacing)))

    @property
    def thickness(self) -> float:
        """Extent of a voxel along z, m."""
        return self.spacing[2] - self.gap

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel, m^3."""
        dx, dy, _ = self.spacing
        return dx * dy * self.thickness

    def in_words(self) -> str:
        """Return voxels and their size, e.g. ``"128 × 128 × 1 voxels of 1 × 1 × 4 mm"``."""
        nz, ny, nx = self.shape
        dx, dy, dz = (f"{1e3 * size:.4g}" for size in (*self.spacing[:2], self.thickness))
        return f"{nx} × {ny} × {nz} voxels of {dx} × {dy} × {dz} mm"

    def coordinates(self, axis: int) -> NDArray[np.float64]:
        """Return the (n,) voxel centres along grid axis 0 = x, 1 = y, 2 = z, m."""
        n = self.shape[2 - axis]
        return np.asarray((np.arange(n) - n // 2) * self.spacing[axis], dtype=np.float64)

    def slice(self, index: int) -> Grid:
        """Return the grid of one slice, without gaps; its origin lies in the slice."""
        x, y, z = self.to_world(np.array([0.0, 0.0, self.coordinates(2)[index]]))
        return Grid(
            shape=(1, *self.shape[1:]),
            spacing=(self.spacing[0], self.spacing[1], self.thickness),
            centre=(float(x), float(y), float(z)),
            axes=self.axes,
        )

    def to_world(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn (..., 3) grid coordinates x, y, z into (..., 3) world RAS coordinates, m."""
        return np.asarray(position @ self.axes.T + np.asarray(self.centre))

    def affine(self) -> NDArray[np.float64]:
        """Return the (4, 4) matrix from voxel indices (i_x, i_y, i_z) to world RAS, m."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes * np.asarray(self.spacing)
        first = np.array([self.coordinates(a)[0] for a in range(3)])
        matrix[:3, 3] = self.to_world(first)
        return matrix

    def _facts(self) -> dict[str, str]:
        centre = " ".join(f"{1e3 * one:.4g}" for one in self.centre)
        return {"": self.in_words(), "gap": quantity(self.gap, "m") if self.gap else "", "centre": f"{centre} mm"}
