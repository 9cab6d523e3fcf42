"""Phantoms for other programs: labels as NIfTI, spins as KomaMRI's list, maps as a sample of JEMRIS.

Every voxel becomes the tissue that fills most of it, with the proton density of its filled share; the other programs
know one pool of spins per place, so that tissues of water and fat are refused but in label maps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..exchange.nifti import write_volume
from ..exchange.spin_files import SpinTable, write_jemris, write_koma
from ..phantom.exact_maps import label_map, label_numbers
from ..phantom.phantom import Phantom, field_at, voxel_centres

Array = NDArray[np.float64]
OPEN = 0.1
"""How far a phantom that does not end is exported to either side, m."""
MOST = 20_000_000
"""Voxels of an export."""
ENDINGS = (".nii", ".nii.gz", ".phantom", ".h5")


def export_phantom(phantom: Phantom, path: Path, spacing: float) -> str:
    """Write a phantom in the format that the file's name says; return what was written, in words.

    Parameters
    ----------
    phantom : Phantom
        At its field strength.
    path : Path
        Ends in .nii or .nii.gz (labels), .phantom (KomaMRI) or .h5 (JEMRIS).
    spacing : float
        Edge of the cubic voxels, m.
    """
    if not path.name.endswith(ENDINGS):
        raise InputError(f"ends in none of {', '.join(ENDINGS)}", file=path)
    grid = export_grid(phantom, spacing)
    size = " x ".join(map(str, grid.shape[::-1]))
    if path.name.endswith((".nii", ".nii.gz")):
        write_volume(path, label_map(phantom, grid), grid)
        return f"{size} voxels, labels " + ", ".join(f"{n} {name}" for name, n in label_numbers(phantom).items())
    maps = voxel_maps(phantom, grid)
    if path.suffix == ".h5":
        write_jemris(path, maps, grid)
        return f"{size} voxels, a sample of JEMRIS"
    held = maps["pd"] > 0
    spins = SpinTable(position=voxel_centres(grid)[held], values={key: values[held] for key, values in maps.items()})
    write_koma(path, spins, phantom.name)
    return f"{int(np.count_nonzero(held)):,} spins of KomaMRI"


def export_grid(phantom: Phantom, spacing: float) -> Grid:
    """Return cubic voxels along the world's axes that hold the whole phantom."""
    if not spacing > 0:
        raise InputError(f"{1e3 * spacing:g} mm is not positive", key="--voxel")
    low, high = np.nan_to_num(phantom.box(), posinf=OPEN, neginf=-OPEN)
    counts = np.maximum(np.ceil((high - low) / spacing - 1e-6).astype(int), 1)
    if np.prod(counts.astype(float)) > MOST:
        raise InputError(
            f"{1e3 * spacing:g} mm makes {np.prod(counts.astype(float)):.3g} voxels, more than {MOST:,}; enlarge it",
            key="--voxel",
        )
    # the centre of voxel n // 2 lies half a voxel beyond the middle where n is even
    middle = ((low + high) / 2 + (1 - counts % 2) * spacing / 2).tolist()
    x, y, z = counts.tolist()
    return Grid(shape=(z, y, x), spacing=(spacing,) * 3, centre=(middle[0], middle[1], middle[2]))


def voxel_maps(phantom: Phantom, grid: Grid) -> dict[str, Array]:
    """Return (z, y, x) ``pd, t1, t2, t2_star`` (s) and ``offset`` (Hz) of the tissue that fills most of each voxel."""
    parts = np.stack([*phantom.fractions(grid).values()])
    filled = parts.sum(axis=0)
    most = parts.argmax(axis=0)
    held = filled >= 0.5
    mixed = [
        t.name for i, t in enumerate(phantom.tissues) if len(t.pools(phantom.field)) > 1 and (most[held] == i).any()
    ]
    if mixed:
        raise InputError(
            f"'{phantom.name}' has tissues of several pools, which lists of spins cannot hold: {', '.join(mixed)}; "
            "export its labels (.nii.gz), or a phantom of other tissues", key="phantom",
        )  # fmt: skip
    pools = [tissue.pools(phantom.field)[0] for tissue in phantom.tissues]
    columns = {
        "pd": [pool.pd for pool in pools],
        "t1": [pool.t1 for pool in pools],
        "t2": [pool.t2 for pool in pools],
        "t2_star": [1 / (1 / pool.t2 + 1 / pool.t2_prime) for pool in pools],
    }
    maps = {key: np.where(held, np.array(values)[most], 0.0) for key, values in columns.items()}
    maps["pd"] *= np.minimum(filled, 1.0)
    maps["offset"] = np.zeros(grid.shape)
    maps["offset"][held] = field_at(phantom.offset, voxel_centres(grid)[held], "offset")
    return maps
