"""Values that a fit is given and does not look for: one number, or a map, e.g. of B1 from another scan.

A map on another grid is interpolated linearly at the centres of the images' voxels. Voxels of it without a value have
no say in their neighbours' interpolation; where nothing is known around a place, the place has no value (NaN), and
the fit leaves the voxel out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.grid import Grid
from ..core.images import Images
from ..core.maps import VALUED, Maps
from ..core.wave import Waves
from .model import Description
from .signal import resolve_options

Array = NDArray[np.float64]
LEAST = 0.1
"""Interpolation weight of known voxels below which a place is not known: about half a voxel beyond a flat edge."""


def given_values(model: Description, options: Mapping[str, Any], images: Images | Waves) -> dict[str, Any]:
    """Return every option of a model as one float or as a (z, y, x) array on the images' grid.

    Parameters
    ----------
    model : Model, Method or Inversion
    options : mapping
        Per option a number, an array broadcastable to (z, y, x), or `Maps` that hold a parameter of its name.
    images : Images or Waves
    """
    placed = {name: _placed(name, value, images) for name, value in options.items()}
    return resolve_options(model, placed)


def plausible(model: Description, options: Mapping[str, Any]) -> NDArray[np.bool_] | bool:
    """Return where every map is finite and within what its option allows."""
    known: NDArray[np.bool_] | bool = True
    for option in model.options:
        value = options[option.name]
        if np.ndim(value) > 0:
            with np.errstate(invalid="ignore"):
                known = known & (value >= option.lower) & (value <= option.upper) & np.isfinite(value)
    return known


def _placed(name: str, value: Any, images: Images | Waves) -> Any:
    shape = images.grid.shape
    if isinstance(value, Maps):
        if name not in value.values:
            raise InputError(f"the maps hold no '{name}'{did_you_mean(name, list(value.values))}", key=name)
        known = np.where(np.isin(value.status, VALUED), value.values[name], np.nan)
        return resampled(known, value.grid, images.grid)
    if np.ndim(value) == 0:
        return float(value)
    try:
        return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), shape))
    except ValueError:
        raise InputError(f"has shape {np.shape(value)}, which does not match the grid {shape}", key=name) from None


def resampled(values: Array, grid: Grid, target: Grid) -> Array:
    """Return (z, y, x) values of one grid at the voxel centres of another; NaN where nothing is known."""
    if grid.shape == target.shape and np.allclose(grid.affine(), target.affine(), atol=1e-9):
        return values
    centres = np.meshgrid(*(target.coordinates(axis) for axis in (2, 1, 0)), indexing="ij")
    world = target.to_world(np.stack(centres[::-1], axis=-1))
    place = (world - np.asarray(grid.centre)) @ grid.axes
    known = np.isfinite(values)
    filled, total, weight = np.where(known, values, 0.0), np.zeros(target.shape), np.zeros(target.shape)
    below, share = _cells(place, grid)
    for corner in np.ndindex(2, 2, 2):
        part, where, there = np.ones(target.shape), [], np.ones(target.shape, dtype=bool)
        for axis in (2, 1, 0):  # arrays are indexed z, y, x
            index = below[axis] + corner[axis]
            part = part * (share[axis] if corner[axis] else 1 - share[axis])
            there &= (index >= 0) & (index < grid.shape[2 - axis])
            where.append(np.clip(index, 0, grid.shape[2 - axis] - 1))
        cell = tuple(where)
        part = part * there * known[cell]
        total, weight = total + part * filled[cell], weight + part
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > LEAST, total / weight, np.nan)


def _cells(place: Array, grid: Grid) -> tuple[list[NDArray[np.int64]], list[Array]]:
    """Return, per axis x, y, z, the voxel below each place and how far the place lies above its centre, in voxels."""
    below, share = [], []
    for axis in range(3):
        count = grid.shape[2 - axis]
        position = place[..., axis] / grid.spacing[axis] + count // 2
        low = np.floor(position + 1e-9).astype(np.int64)
        below.append(low)
        share.append(np.clip(position - low, 0.0, 1.0))
    return below, share
