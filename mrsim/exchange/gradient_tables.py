"""b-values and directions as other programs write them: FSL's bval and bvec, and MRtrix's table.

Directions here are those of the grid's axes. FSL's are along the axes of the stored voxels, with x reversed where the
affine is right-handed. Ours always is; a left-handed file that is read is turned round along x. So either way x of a
bvec file is minus x of the grid. MRtrix's are world axes (RAS), and the square of a vector's length scales its b.
Both count b in s/mm^2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.bounded import check_file
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.replacing import replacing

Array = NDArray[np.float64]
PER_SQUARE_MILLIMETRE = 1e6
FLIP = np.array([-1.0, 1.0, 1.0])
"""From grid axes to those of a bvec file and back."""
LENGTH = 1e-2
"""Deviation of a bvec's length from 1 that rounding leaves."""
LEAST, LARGEST = 10.0, 1e5
"""s/mm^2; a largest b beyond either is in another unit, e.g. ms/um^2 or s/m^2."""


def write_fsl(stem: Path, contrast: Mapping[str, Array]) -> tuple[Path, Path]:
    """Write STEM.bval and STEM.bvec; return their paths.

    Parameters
    ----------
    stem : path
        Without suffix.
    contrast : mapping
        ``b`` in s/m^2 and ``direction_x``, ``direction_y``, ``direction_z`` in grid axes, (n,) each.
    """
    b, direction = _table(contrast)
    bval, bvec = stem.with_name(stem.name + ".bval"), stem.with_name(stem.name + ".bvec")
    _write(bval, " ".join(f"{value:.10g}" for value in b / PER_SQUARE_MILLIMETRE) + "\n")
    rows = (direction * FLIP).T + 0.0
    _write(bvec, "".join(" ".join(f"{value:.10g}" for value in row) + "\n" for row in rows))
    return bval, bvec


def read_fsl(bval: Path, bvec: Path) -> dict[str, Array]:
    """Return ``b`` (s/m^2) and ``direction_x`` to ``direction_z`` (grid axes) of a bval and a bvec file."""
    b, vectors = _numbers(bval).ravel(), _numbers(bvec)
    if 3 not in vectors.shape:
        raise InputError(f"has {vectors.shape[0]} rows of {vectors.shape[1]} numbers; it takes three rows", file=bvec)
    direction = vectors.T if vectors.shape[0] == 3 else vectors
    if len(direction) != len(b):
        raise InputError(f"has {len(direction)} directions for the {len(b)} b-values of {bval.name}", file=bvec)
    length = np.linalg.norm(direction, axis=1)
    wrong = np.flatnonzero((b > 0) & (np.abs(length - 1) > LENGTH) & (length > 0))
    if len(wrong):
        raise InputError(f"vector {wrong[0]} has length {length[wrong[0]]:.4g}, not 1; normalise it", file=bvec)
    return _contrast(bval, b, direction * FLIP, length)


def write_mrtrix(path: Path, contrast: Mapping[str, Array], grid: Grid) -> None:
    """Write MRtrix's table, a row of x, y, z (world axes) and b for every image; arguments as `write_fsl`."""
    b, direction = _table(contrast)
    world = direction @ grid.axes.T + 0.0
    rows = zip(world, b / PER_SQUARE_MILLIMETRE, strict=True)
    _write(path, "".join(f"{n[0]:.10g} {n[1]:.10g} {n[2]:.10g} {value:.10g}\n" for n, value in rows))


def read_mrtrix(path: Path, grid: Grid) -> dict[str, Array]:
    """Return ``b`` (s/m^2) and the directions (axes of `grid`) of a gradient table of MRtrix."""
    table = _numbers(path)
    if table.shape[1] != 4:
        raise InputError(f"has {table.shape[1]} columns; a gradient table has x, y, z and b", file=path)
    length = np.linalg.norm(table[:, :3], axis=1)
    b = table[:, 3] * np.where(length > 0, length, 1.0) ** 2
    return _contrast(path, b, table[:, :3] @ grid.axes, length)


def _contrast(path: Path, b: Array, direction: Array, length: Array) -> dict[str, Array]:
    if np.any(b < 0) or b.max(initial=0.0) > LARGEST:
        raise InputError(f"has b from {b.min():g} to {b.max():g}; it is counted in s/mm^2, from 0 up", file=path)
    if 0 < b.max(initial=0.0) < LEAST:
        raise InputError(f"has b up to {b.max():g}, as in ms/um^2; it is counted in s/mm^2, 1000 to 1", file=path)
    missing = np.flatnonzero((b > 0) & (length == 0))
    if len(missing):
        raise InputError(f"image {missing[0]} has b {b[missing[0]]:g} s/mm^2 but no direction", file=path)
    unit = direction / np.where(length > 0, length, 1.0)[:, None] + 0.0
    return {"b": b * PER_SQUARE_MILLIMETRE} | {f"direction_{axis}": unit[:, i] for i, axis in enumerate("xyz")}


def _table(contrast: Mapping[str, Array]) -> tuple[Array, Array]:
    names = ("b", *(f"direction_{axis}" for axis in "xyz"))
    missing = [name for name in names if name not in contrast]
    if missing:
        raise InputError(f"the images have no contrast column {', '.join(missing)}", key="contrast")
    columns = [np.asarray(contrast[name], dtype=np.float64) for name in names]
    return columns[0], np.stack(columns[1:], axis=1)


def _numbers(path: Path) -> Array:
    check_file(path, text=True)
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as problem:
        raise InputError(f"cannot be read as a table of numbers: {problem}", file=path) from None
    if not np.all(np.isfinite(table)):
        raise InputError("has numbers that are not finite", file=path)
    return np.asarray(table, dtype=np.float64)


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
