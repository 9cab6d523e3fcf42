"""Phantoms for other programs: labels as NIfTI, spins as KomaMRI's list, maps as a sample of JEMRIS.

Every voxel becomes the tissue that fills most of it, with the proton density of its filled share. KomaMRI's list has a
spin at the voxel's centre for water and for every peak of fat, each with its chemical shift. A sample of JEMRIS has one
kind of spin per cell: where water and fat share voxels, all voxels are cut in two along x, water in one half, fat in
the other as one line at the mean shift of its peaks, each twice as dense.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.nuclei import nucleus
from ..core.replacing import replacing
from ..core.toml import available
from ..exchange.nifti import write_volume
from ..exchange.spin_files import SpinTable, write_jemris, write_koma
from ..phantom.exact_maps import label_map, label_numbers
from ..phantom.field_values import field_at
from ..phantom.phantom import Phantom, voxel_centres
from ..phantom.tissue import Pool, Tissue
from ..phantom.voxels import VoxelPhantom

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
        numbers = ", ".join(f"{n} {name}" for name, n in label_numbers(phantom).items())
        if any("file" not in tissue.history for tissue in phantom.tissues):
            return f"{size} voxels, labels {numbers}; materials of the phantom's own cannot be named beside them"
        table = path.with_name(path.name.split(".nii")[0] + "-labels.toml")
        with replacing(table) as part:
            part.write_text(label_table(phantom, path.name), encoding="utf-8")
        return f"{size} voxels, to be opened by {table}; labels {numbers}"
    if path.suffix == ".h5":
        maps, grid = jemris_maps(phantom, grid)
        write_jemris(path, maps, grid)
        cut = "; cut in two along x: water, and fat as one line" if grid.spacing[0] < 0.9 * spacing else ""
        return f"{size} voxels, a sample of JEMRIS{cut}"
    spins = koma_spins(phantom, grid)
    write_koma(path, spins, phantom.name)
    return f"{len(spins.position):,} spins of KomaMRI"


def label_table(phantom: Phantom, file: str) -> str:
    """Return the phantom file that makes a phantom of the labels again: tissue, grade and name of each."""
    if isinstance(phantom, VoxelPhantom):
        parts = [(segment.name, segment.label, segment.tissue) for segment in phantom.segments]
    else:
        numbers = phantom.labels_by_region
        parts = [(region.name, numbers[region.name], region.tissue) for region in phantom.regions]
    rows: dict[str, list[str]] = {"tissues": [], "grades": [], "names": []}
    for name, label, number in parts:
        tissue = phantom.tissues[number]
        source = Path(tissue.history["file"])
        shipped = available("phantoms/tissues").get(source.stem)
        kind = source.stem if shipped is not None and shipped.resolve() == source else str(source)
        rows["tissues"].append(f"{label} = {json.dumps(kind)}")
        rows["names"].append(f"{label} = {json.dumps(name)}")
        if tissue.grade:
            rows["grades"].append(f"{label} = {tissue.grade}")
    tables = "".join(f"\n[voxels.{key}]\n" + "\n".join(lines) + "\n" for key, lines in rows.items() if lines)
    return f"description = {json.dumps(phantom.description)}\n\n[voxels]\nlabels = {json.dumps(file)}\n{tables}"


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


def koma_spins(phantom: Phantom, grid: Grid) -> SpinTable:
    """Return a spin per voxel and pool of the tissue that fills most of it, with its chemical shift in the offset."""
    filled, most, offset = _held(phantom, grid)
    held, place, found = filled > 0, voxel_centres(grid), []
    for number, tissue in enumerate(phantom.tissues):
        mine = held & (most == number)
        for pool in _pools(tissue, phantom.field) if mine.any() else ():
            columns = {key: np.full(np.count_nonzero(mine), value) for key, value in _times(pool).items()}
            shift = pool.shift * _frequency(phantom)
            found.append((place[mine], {"pd": filled[mine] * pool.pd, "offset": offset[mine] + shift, **columns}))
    keys = ("pd", "t1", "t2", "t2_star", "offset")
    return SpinTable(
        position=np.concatenate([at for at, _ in found]),
        values={key: np.concatenate([columns[key] for _, columns in found]) for key in keys},
    )


def jemris_maps(phantom: Phantom, grid: Grid) -> tuple[dict[str, Array], Grid]:
    """Return (z, y, x) ``pd, t1, t2, t2_star`` (s) and ``offset`` (Hz), and the grid, cut in two where fat needs it."""
    filled, most, offset = _held(phantom, grid)
    present = np.unique(most[filled > 0])
    lines = {number: _lines(phantom.tissues[number], phantom.field) for number in map(int, present)}
    parts = max((len(found) for found in lines.values()), default=1)
    keys = ("pd", "t1", "t2", "t2_star", "offset")
    maps = {key: np.zeros((*grid.shape, parts)) for key in keys}
    for number, found in lines.items():
        mine = (filled > 0) & (most == number)
        for part in range(parts):
            line = found[part % len(found)]
            values = _times(line) | {"pd": filled[mine] * line.pd * len(found)}
            for key, value in (values | {"offset": offset[mine] + line.shift * _frequency(phantom)}).items():
                maps[key][mine, part] = value
    flat = {key: values.reshape(*grid.shape[:2], grid.shape[2] * parts) for key, values in maps.items()}
    step, count = grid.spacing[0] / parts, grid.shape[2] * parts
    # the middle of the grid stays where it is
    middle = grid.centre[0] - (grid.shape[2] // 2 - (grid.shape[2] - 1) / 2) * grid.spacing[0]
    x = middle + (count // 2 - (count - 1) / 2) * step
    return flat, Grid(shape=(*grid.shape[:2], count), spacing=(step, *grid.spacing[1:]), centre=(x, *grid.centre[1:]))


def _held(phantom: Phantom, grid: Grid) -> tuple[Array, NDArray[np.int64], Array]:
    """Return the filled share (0 where it is below half), the tissue that fills most, and the offset, Hz, by voxel."""
    parts = np.stack([*phantom.fractions(grid).values()])
    filled = parts.sum(axis=0)
    filled = np.where(filled >= 0.5, np.minimum(filled, 1.0), 0.0)
    if not filled.any():
        raise InputError(f"no voxel is filled to half by '{phantom.name}'; make them smaller", key="--voxel")
    offset = np.zeros(grid.shape)
    offset[filled > 0] = field_at(phantom.offset, voxel_centres(grid)[filled > 0], "offset")
    return filled, parts.argmax(axis=0), offset


def _pools(tissue: Tissue, field: float) -> tuple[Pool, ...]:
    """Return the pools of a tissue; those that exchange magnetisation have no place in the other programs."""
    pools = tissue.pools(field)
    if any(pool.exchange for pool in pools):
        raise InputError(
            f"'{tissue.name}' exchanges magnetisation with pools that no other program reads", key="phantom"
        )
    return pools


def _lines(tissue: Tissue, field: float) -> tuple[Pool, ...]:
    """Return the water of a tissue, and its fat as one line at the mean shift of the peaks."""
    pools = _pools(tissue, field)
    fat = [pool for pool in pools if pool.name.startswith("fat ")]
    if not fat:
        return pools
    total = sum(pool.pd for pool in fat)
    line = replace(fat[0], name="fat", pd=total, shift=sum(pool.pd * pool.shift for pool in fat) / total)
    return (*(pool for pool in pools if pool not in fat), line)


def _times(pool: Pool) -> dict[str, float]:
    return {"t1": pool.t1, "t2": pool.t2, "t2_star": 1 / (1 / pool.t2 + 1 / pool.t2_prime)}


def _frequency(phantom: Phantom) -> float:
    """Return the proton's frequency, Hz."""
    return nucleus("1H").gamma_bar * phantom.field
