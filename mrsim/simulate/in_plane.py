"""How much the cells of the plane, finitely fine as they are, change the image: an estimate without physics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.phantom import Phantom
from ..phantom.spins import Spins


def in_plane_error(phantom: Phantom, encoded: Grid, cells: Grid, spins: Spins) -> float:
    """Return the largest error of a voxel of the proton-density image, over the largest proton density.

    The image made from `cells` is compared with one from cells twice as large. The error falls with the square of
    the cell, so a third of the difference is left.

    Parameters
    ----------
    phantom : Phantom
        The object.
    encoded : Grid
        The voxels of the image.
    cells, spins : Grid, Spins
        The fine grid and the object on it.
    """
    nz, ny, nx = cells.shape
    dx, dy, dz = cells.spacing
    coarse = replace(cells, shape=(1, _half(ny), _half(nx)), spacing=(2 * dx, 2 * dy, dz * nz))
    fine = _image(spins, cells, encoded)
    rough = _image(phantom.sample(coarse), coarse, encoded)
    largest = max(sum(pool.pd for pool in pools) for pools in spins.pools)
    return float(np.abs(fine - rough).max()) / 3 / (largest * encoded.spacing[0] * encoded.spacing[1] * dz * nz)


def _half(count: int) -> int:
    """Return an odd number of cells, twice as large, that cover `count` cells."""
    return 2 * ((count + 2) // 4) + 1


def _image(spins: Spins, cells: Grid, encoded: Grid) -> NDArray[np.complex128]:
    """Return the (y, x) image of the proton density of the whole slab, m^3 per voxel."""
    pd = np.array([sum(pool.pd for pool in pools) for pools in spins.pools])
    density = np.zeros(cells.shape)
    np.add.at(density.ravel(), spins.cell, spins.volume * pd[spins.tissue])
    blurred = [_dirichlet(encoded, cells, axis) for axis in (0, 1)]
    return np.asarray(blurred[1] @ density.sum(axis=0) @ blurred[0].T)


def _dirichlet(encoded: Grid, cells: Grid, axis: int) -> NDArray[np.complex128]:
    """Return (voxel, cell): what the sampled k-space of one axis makes of a point in each cell."""
    n = encoded.shape[2 - axis]
    k = (np.arange(n) - n // 2) / (n * encoded.spacing[axis])
    voxels = np.exp(2j * np.pi * np.outer(encoded.coordinates(axis), k)) / n
    return np.asarray(voxels @ np.exp(-2j * np.pi * np.outer(k, cells.coordinates(axis))))
