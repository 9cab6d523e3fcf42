"""How slices lie in DICOM: rows run left or back, columns down; the world is left, posterior, superior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid

LPS = np.array([-1.0, -1.0, 1.0])
"""From right, anterior, superior to DICOM's axes, and back."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plane:
    """How the slices of a grid are stored."""

    turned: bool
    """Whether rows and columns change places."""
    backward: tuple[bool, bool]
    """Whether rows and columns are counted from their other end."""
    orientation: tuple[float, ...]
    """Direction along a row, then down a column, left-posterior-superior."""
    spacing: tuple[float, float]
    """Between rows, between columns, mm."""
    positions: tuple[tuple[float, ...], ...]
    """Of the first voxel stored of each slice, mm."""

    def stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a slice (y, x) as rows and columns."""
        picture = values.T if self.turned else values
        rows, columns = (slice(None, None, -1 if back else 1) for back in self.backward)
        return np.ascontiguousarray(picture[rows, columns])


def plane_of(grid: Grid) -> Plane:
    """Return how the slices of a grid are stored."""
    directions = grid.axes[:, :2].T
    turned = bool(np.argmax(np.abs(directions[0])) == 2)  # rows never run from head to foot
    row, column = (1, 0) if turned else (0, 1)  # grid axis along a row, down a column
    backward = [bool(d[np.argmax(np.abs(d))] > 0) for d in directions]  # they run left, back and down
    signs = np.where(backward, -1.0, 1.0)
    first = np.array([[grid.shape[2] - 1 if backward[0] else 0, grid.shape[1] - 1 if backward[1] else 0, z, 1.0]
                      for z in range(grid.shape[0])])  # fmt: skip
    places = 1e3 * (first @ grid.affine().T)[:, :3] * LPS
    along = [directions[axis] * signs[axis] * LPS for axis in (row, column)]
    return Plane(
        turned=turned,
        backward=(backward[column], backward[row]),
        orientation=tuple(np.concatenate(along).tolist()),
        spacing=(1e3 * grid.spacing[column], 1e3 * grid.spacing[row]),
        positions=tuple(tuple(place) for place in places.tolist()),
    )
