"""Which voxels a fit is asked to take, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.grid import Grid
from ..core.images import Images
from ..core.maps import Maps
from ..core.storage import load
from ..core.wave import Waves
from ..exchange.nifti import read_volume, turned_to


def mask_of(text: str, wanted: Grid) -> NDArray[np.bool_]:
    """Return the (z, y, x) voxels that a file marks on the grid of the images.

    Parameters
    ----------
    text : str
        A NIfTI file, whose finite values other than zero mark voxels, or a result file of mrsim, all of whose regions
        count, or one as ``FILE.h5:REGION``.
    wanted : Grid
        Of the images; a file in another order of the same voxels is turned.
    """
    if text.lower().endswith((".nii", ".nii.gz")):
        values, grid = read_volume(Path(text))
        marked = np.isfinite(values) & (values != 0)
    else:
        marked, grid = _regions(text)
    turned = turned_to(marked.astype(np.float64), grid, wanted)
    if turned is None:
        other = "" if grid.shape != wanted.shape else " at another place or of another size"
        raise InputError(
            f"{text} has {_counts(grid)} voxels{other}, which are not the {_counts(wanted)} of the images; draw it on "
            "the images, or resample it to them", key="--mask",
        )  # fmt: skip
    if not turned.any():
        raise InputError(f"{text} marks no voxel", key="--mask")
    return turned > 0


def _regions(text: str) -> tuple[NDArray[np.bool_], Grid]:
    """Return the voxels of a result's regions, or of one of them, and their grid."""
    path, name = (text, "") if text.lower().endswith((".h5", ".hdf5")) else text.rpartition(":")[::2]
    if not path:
        raise InputError(f"'{text}' is neither a NIfTI file (.nii, .nii.gz) nor a result file (.h5, .h5:REGION)",
                         key="--mask")  # fmt: skip
    contents = dict(load(Path(path)))
    rois: dict[str, Any] = dict(contents.get("rois") or {})
    grid = next((one.grid for one in contents.values() if isinstance(one, Images | Maps | Waves)), None)
    if not rois or grid is None:
        raise InputError(f"{path} holds no regions; take a result of 'mrsim run' or a NIfTI file", key="--mask")
    if name and name not in rois:
        raise InputError(f"{path} has no region '{name}'{did_you_mean(name, list(rois))}", key="--mask")
    chosen = [rois[name]] if name else list(rois.values())
    return np.any(np.asarray(chosen, dtype=bool), axis=0), grid


def _counts(grid: Grid) -> str:
    return " x ".join(str(count) for count in grid.shape[::-1])
