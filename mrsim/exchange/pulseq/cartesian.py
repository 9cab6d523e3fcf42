"""Whether readouts are rows of one centred Cartesian raster, and which rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLOSE = 0.02
"""Cartesian k lies on the raster to this fraction of a step."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """The raster and each readout's place on it."""

    size: tuple[int, int, int]
    """x, y, z."""
    field_of_view: tuple[float, float, float]
    """m."""
    line: NDArray[np.int64]
    partition: NDArray[np.int64]
    reverse: NDArray[np.int64]


def cartesian_rows(paths: list[NDArray[np.float64]], field_of_view: tuple[float, float, float]) -> Rows | None:
    """Return the rows, or None if the readouts are none: k = (index - n // 2) / field of view on every axis.

    Parameters
    ----------
    paths : list of (sample, 3) arrays
        Nominal k, 1/m.
    field_of_view : (float, float, float)
        m; along x the step between samples says more.
    """
    samples = len(paths[0])
    if samples < 2 or any(len(path) != samples for path in paths):
        return None
    k = np.stack(paths)
    if np.any(np.ptp(k[:, :, 1], axis=1) * field_of_view[1] > CLOSE):
        return None
    if np.any(np.ptp(k[:, :, 2], axis=1) * field_of_view[2] > CLOSE):
        return None
    steps = np.diff(k[:, :, 0], axis=1)
    step = float(np.abs(steps).mean())
    if step <= 0 or np.any(np.abs(np.abs(steps) - step) > CLOSE / samples * step):
        return None
    reverse = (steps[:, 0] < 0).astype(np.int64)
    first = np.where(reverse, k[:, -1, 0], k[:, 0, 0])
    if np.any(np.abs(first / step + samples // 2) > CLOSE):
        return None
    found = [_indices(k[:, :, axis].mean(axis=1), field_of_view[axis]) for axis in (1, 2)]
    if found[0] is None or found[1] is None:
        return None
    (line, ny, fov_y), (partition, nz, fov_z) = found[0], found[1]
    return Rows(
        size=(samples, ny, nz), field_of_view=(1 / step, fov_y, fov_z), line=line, partition=partition, reverse=reverse
    )


def _indices(k: NDArray[np.float64], field_of_view: float) -> tuple[NDArray[np.int64], int, float] | None:
    """Return index, count and field of view of one encoded axis; None if k does not lie on k = (i - n // 2) / fov."""
    at = k * field_of_view
    index = np.rint(at).astype(np.int64)
    if np.any(np.abs(at - index) > CLOSE):
        levels = np.unique(np.round(k * field_of_view / CLOSE)) * CLOSE / field_of_view
        field_of_view = 1 / float(np.diff(levels).min()) if len(levels) > 1 else field_of_view
        at = k * field_of_view
        index = np.rint(at).astype(np.int64)
        if np.any(np.abs(at - index) > CLOSE):
            return None
    low, high = -int(index.min()), int(index.max())
    count = max(2 * low, 2 * high + 1) if low != high else low + high + 1
    if low > count // 2 or high > count - 1 - count // 2:
        return None
    return index + count // 2, count, field_of_view


def even_size(extent: float | np.floating) -> int:
    """Return the matrix for an extent of k in steps of 1 / field of view: even, 1 without encoding."""
    return 1 if extent < 0.5 else 2 * math.ceil((extent - 0.01) / 2)
