"""A field in space, given on a grid: off-resonance in Hz, or the transmit field relative to the nominal one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .grid import Grid
from .maps import Maps
from .shown import Shown, span


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FieldMap(Shown):
    """Values at the voxel centres of a grid, linear in between.

    Along an axis with one voxel the field does not vary. In the outer half of the outermost voxels the line through
    the two nearest centres goes on; beyond the grid the field is not known.
    """

    values: NDArray[np.float64] | NDArray[np.complex128]
    """(z, y, x); Hz, or a pure number."""
    grid: Grid
    """Where the values lie."""

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise InputError(f"the field map has {self.values.shape} values (z, y, x), its grid {self.grid.shape}")
        if self.grid.gap:
            raise InputError("a field map needs a grid without gaps: there is no value between its slices")
        if not np.all(np.isfinite(self.values)):
            bad = int(np.count_nonzero(~np.isfinite(self.values)))
            raise InputError(f"the field map has {bad} values that are not finite; fill them in first")

    @property
    def varies_through(self) -> bool:
        """Whether there are values at more than one place along the grid's z."""
        return self.grid.shape[0] > 1

    def at(self, world: NDArray[np.float64], key: str) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Return the (...) field at (..., 3) world positions, m; `key` names the map in messages."""
        place = (world - np.asarray(self.grid.centre)) @ self.grid.axes
        result: NDArray[Any] = np.zeros(world.shape[:-1], dtype=self.values.dtype)
        lower, share = [], []
        for axis in range(3):
            index, part = self._cell(place[..., axis], axis, key)
            lower.append(index)
            share.append(part)
        for corner in np.ndindex(2, 2, 2):
            weight, where = np.ones(world.shape[:-1]), []
            for axis in (2, 1, 0):  # arrays are indexed z, y, x
                up = corner[axis]
                weight = weight * (share[axis] if up else 1 - share[axis])
                where.append(np.minimum(lower[axis] + up, self.grid.shape[2 - axis] - 1))
            result = result + weight * self.values[tuple(where)]
        return result

    def reaches(self, world: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the (...) places among (..., 3) world positions, m, at which the field is known."""
        place = (world - np.asarray(self.grid.centre)) @ self.grid.axes
        inside: NDArray[np.bool_] = np.ones(place.shape[:-1], dtype=bool)
        for axis, count in enumerate(self.grid.shape[::-1]):
            position = place[..., axis] / self.grid.spacing[axis] + count // 2
            inside &= (count == 1) | ((position >= -0.5 - 1e-9) & (position <= count - 0.5 + 1e-9))
        return inside

    def _cell(self, place: NDArray[np.float64], axis: int, key: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the voxel below each coordinate and how far, in voxels, it lies above that voxel's centre."""
        count, spacing = self.grid.shape[2 - axis], self.grid.spacing[axis]
        if count == 1:
            return np.zeros(place.shape, dtype=np.int64), np.zeros(place.shape)
        position = place / spacing + count // 2
        outside = np.flatnonzero((position < -0.5 - 1e-9) | (position > count - 0.5 + 1e-9))
        if len(outside):
            low, high = (-0.5 - count // 2) * spacing, (count - 0.5 - count // 2) * spacing
            first = float(place.ravel()[outside[0]])
            raise InputError(
                f"the map reaches from {1e3 * low:.1f} to {1e3 * high:.1f} mm along its {'xyz'[axis]} axis, but the "
                f"object has {len(outside)} places outside, e.g. at {1e3 * first:.1f} mm; enlarge the map",
                key=key,
            )
        below = np.clip(np.floor(position).astype(np.int64), 0, count - 2)
        return below, position - below

    def _facts(self) -> dict[str, str]:
        return {"": self.grid.in_words(), "size": span(np.abs(self.values))}


def field_map_of(maps: Maps, parameter: str = "off_resonance", smoothing: float = 0.0) -> FieldMap:
    """Return a fitted field as a field in space, with a value everywhere.

    Voxels whose fit converged count; every other one takes the value of the nearest that did.

    Parameters
    ----------
    maps : Maps
        E.g. of a field-map or a B1 fit. Between slices with a gap the field is taken to be linear.
    parameter : str
        E.g. ``"off_resonance"`` (Hz) or ``"b1"``.
    smoothing : float
        Standard deviation of a Gaussian that smooths the filled field, m; 0 for none.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    if parameter not in maps.values:
        raise InputError(f"there is no map of it; the maps hold {', '.join(maps.values)}", key=parameter)
    values = maps.values[parameter]
    known = np.isfinite(values) & (maps.status == 0)
    if not known.any():
        raise InputError("has no voxel with a value", key=parameter)
    spacing = maps.grid.spacing[::-1]
    nearest = distance_transform_edt(~known, sampling=spacing, return_distances=False, return_indices=True)
    filled = values[tuple(nearest)]
    if smoothing > 0:
        filled = gaussian_filter(filled, [smoothing / step for step in spacing], mode="nearest")
    return FieldMap(values=np.asarray(filled, np.float64), grid=replace(maps.grid, gap=0.0))
