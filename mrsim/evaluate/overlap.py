"""How well a segmentation covers the truth: Dice (1945, doi:10.2307/1932409) and distances of surfaces."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Mask = NDArray[np.bool_]


def dice(first: Mask, second: Mask) -> float:
    """Return 2 |A and B| / (|A| + |B|); NaN where both are empty."""
    a, b = _alike(first, second)
    both = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / both if both else math.nan


def eroded_dice(voxels: int, lost: int) -> float:
    """Return the Dice of a mask of `voxels` with itself after erosion took `lost`: 2 (n - k) / (2 n - k)."""
    if not 0 <= lost <= voxels or voxels == 0:
        raise InputError(f"{lost} voxels cannot be lost of {voxels}")
    return 2 * (voxels - lost) / (2 * voxels - lost)


def surface_distance(first: Mask, second: Mask, spacing: tuple[float, ...], share: float = 0.95) -> float:
    """Return the distance below which `share` of the surface voxels of either mask lie from the other's, m.

    Parameters
    ----------
    first, second : array of bool
        Of one shape, neither empty.
    spacing : tuple of float
        Of the voxels along the axes of the masks, m.
    share : float
        0.95 for HD95, 1 for the Hausdorff distance.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    a, b = _alike(first, second)
    if not (a.any() and b.any()):
        raise InputError("an empty mask has no surface")
    edges = [mask & ~binary_erosion(mask) for mask in (a, b)]
    to_other = [distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    distances = np.concatenate([to_other[1][edges[0]], to_other[0][edges[1]]])
    return float(np.quantile(distances, share))


def _alike(first: Mask, second: Mask) -> tuple[Mask, Mask]:
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise InputError(f"masks of shapes {a.shape} and {b.shape} cannot be compared")
    return a, b
