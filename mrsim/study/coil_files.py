"""Coil maps in files: those of mrsim (`Coils`, of any grid) and BART's (of the image's own)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.coils import Coils
from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid
from ..core.storage import is_own, load
from ..exchange.cfl import COIL, SLICE, read_cfl
from ..phantom.phantom import voxel_centres

Array = NDArray[np.complex128]


def coils_on(grid: Grid, maps: Array) -> Coils:
    """Return (coil, z, y, x) maps at the voxels of a grid as an array of coils; gaps between slices are closed."""
    return Coils(maps=tuple(FieldMap(values=one, grid=replace(grid, gap=0.0)) for one in maps))


def maps_from_file(file: Path, grid: Grid, coils: int) -> Array | None:
    """Return the (coil, z, y, x) coil maps of a file at the voxels of a grid; None for a file of raw data.

    Parameters
    ----------
    file : path
        Of mrsim with one `Coils`, or BART's NAME.cfl (beside its NAME.hdr).
    grid : Grid
        Of the images.
    coils : int
        Of the raw data.
    """
    if file.suffix.lower() == ".cfl":
        found = _of_bart(file, grid)
    else:
        ours = load(file) if is_own(file, "file with coil maps or raw data") else {}
        arrays = [value for value in ours.values() if isinstance(value, Coils)]
        if not arrays:
            return None
        found = arrays[0].heard(voxel_centres(grid))
        if not found.any():
            raise InputError(f"{file}: its coil maps do not reach the images", key="maps")
    if len(found) != coils:
        raise InputError(f"{file} has maps of {len(found)} coils, the raw data have {coils}", key="maps")
    return found


def _of_bart(file: Path, grid: Grid) -> Array:
    values = read_cfl(file.with_suffix(""))
    nz, ny, nx = grid.shape
    slices = values.shape[SLICE] > 1 or values.shape[2] == 1
    along = SLICE if slices else 2
    whole = np.moveaxis(values, (COIL, along, 1, 0), (0, 1, 2, 3))
    whole = whole.reshape(*whole.shape[:4], -1)[..., 0]
    if whole.shape[1:] != (nz, ny, nx):
        problem = f"{file} has maps of {whole.shape[3]} x {whole.shape[2]} x {whole.shape[1]} voxels"
        raise InputError(f"{problem}, the images have {nx} x {ny} x {nz}", key="maps")
    return np.asarray(whole, dtype=np.complex128)
