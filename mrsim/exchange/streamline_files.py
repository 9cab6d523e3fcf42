"""Streamlines as TrackVis `.trk` and MRtrix `.tck` files, by nibabel."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.replacing import replacing
from ..core.storage import readable_as
from ..core.streamlines import Streamlines

KINDS = (".trk", ".tck")


def write_streamlines(path: str | Path, streamlines: Streamlines) -> None:
    """Write streamlines, world RAS in mm; a ``.trk`` file also says on which voxels."""
    formats: Any = import_module("nibabel.streamlines")
    path = Path(path)
    grid, affine = streamlines.grid, streamlines.grid.affine()
    affine[:3] *= 1e3
    tractogram: Any = formats.Tractogram([1e3 * line for line in streamlines], affine_to_rasmm=np.eye(4))
    if _kind(path) == ".tck":
        file: Any = formats.TckFile(tractogram)
    else:
        header = {
            "voxel_to_rasmm": affine.astype(np.float32),
            "voxel_sizes": np.array([1e3 * side for side in grid.spacing], np.float32),
            "dimensions": np.array(grid.shape[::-1], np.int16),
            "voxel_order": "".join(_axis_codes(affine)),
        }
        file = formats.TrkFile(tractogram, header)
    with replacing(path) as temporary:
        file.save(str(temporary))


def read_streamlines(path: str | Path, grid: Grid) -> Streamlines:
    """Read streamlines that run through a grid; why they end no file says."""
    formats: Any = import_module("nibabel.streamlines")

    path = Path(path)
    _kind(path)
    with readable_as("streamline file", path):
        lines: Any = formats.load(str(path)).streamlines
        points = [1e-3 * np.asarray(line, np.float64) for line in lines]
    return Streamlines(
        points=np.concatenate([np.zeros((0, 3)), *points]), offsets=np.cumsum([0, *(len(p) for p in points)]),
        ends=np.zeros((len(points), 2), np.int8), grid=grid, history={"file": path.name},
    )  # fmt: skip


def _kind(path: Path) -> str:
    if path.suffix not in KINDS:
        raise InputError(f"ends in '{path.suffix}'; streamlines are written as {' or '.join(KINDS)}", file=path)
    return path.suffix


def _axis_codes(affine: np.ndarray[Any, Any]) -> tuple[str, ...]:
    orientations: Any = import_module("nibabel.orientations")
    return tuple(orientations.aff2axcodes(affine))
