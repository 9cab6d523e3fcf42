"""A run's maps against the truth, with what a reader must know of every number beside it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.evaluation import Evaluation
from ..core.grid import Grid
from ..core.maps import Maps
from ..evaluate import evaluate
from ..fit.validity import region_notes
from ..phantom.phantom import Phantom, RoiMasks
from ..sequence.sequence import Sequence
from ..simulate.object_cells import outside_field_of_view

FOLDED = "aliasing: the object is larger than the field of view"
NEAR = 2
"""Voxels around what folds that are told of it, too: its edges ring, and its fat is shifted."""


def compared(sequence: Sequence, phantom: Phantom, maps: Maps, truth: Maps, rois: RoiMasks) -> Evaluation:
    """Return the maps against the truth: thin regions, waves that tell no modulus and aliasing stand in the rows."""
    told = region_notes(maps, rois)
    thin = dict.fromkeys(rois.not_eroded, "not eroded: too thin")
    folded = dict.fromkeys(aliased(sequence, phantom, maps.grid, rois), FOLDED)
    notes = {name: (thin.get(name), told.get(name), folded.get(name)) for name in rois}
    return evaluate(maps, truth, rois, {name: "; ".join(filter(None, said)) for name, said in notes.items()})


def aliased(sequence: Sequence, phantom: Phantom, grid: Grid, rois: RoiMasks) -> tuple[str, ...]:
    """Return the regions on which something folds that lies outside of the field of view of a grid.

    Where lines are left out, or k-space is not read line by line, it spreads over the whole image: all of them.
    """
    encoding = sequence.encoding
    if not outside_field_of_view(encoding, phantom):
        return ()
    if encoding.k_from == "trajectory" or encoding.sheet.keys() & {"acceleration", "bands"}:
        return tuple(rois)
    folds = folded(phantom, grid)
    return tuple(name for name, mask in rois.items() if (mask & folds).any())


def folded(phantom: Phantom, grid: Grid) -> NDArray[np.bool_]:
    """Return the (z, y, x) voxels of a grid onto which the object outside of it folds in the plane, or nearly so."""
    from scipy.ndimage import binary_dilation

    nz, *plane = grid.shape
    ends = np.abs(phantom.extent(grid)).max(axis=0)[1::-1]  # y, x
    beside = [math.ceil(end / (n * d) - 0.5) for end, n, d in zip(ends, plane, grid.spacing[1::-1], strict=True)]
    (ky, ny), (kx, nx) = ((2 * max(k, 0) + 1, n) for k, n in zip(beside, plane, strict=True))
    tiles = phantom.filled(replace(grid, shape=(nz, ky * ny, kx * nx))).reshape(nz, ky, ny, kx, nx)
    tiles[:, ky // 2, :, kx // 2] = False
    around = np.ones((1, 2 * NEAR + 1, 2 * NEAR + 1), bool)
    wrapped = np.pad(tiles.any(axis=(1, 3)), ((0, 0), (NEAR, NEAR), (NEAR, NEAR)), mode="wrap")
    return np.asarray(binary_dilation(wrapped, around)[:, NEAR:-NEAR, NEAR:-NEAR])
