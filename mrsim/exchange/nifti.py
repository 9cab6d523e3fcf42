"""NIfTI volumes in and out: arrays on a grid.

World axes are RAS in millimetres, as are ours in metres. A file must say where it lies (a qform or an sform), its axes
must be perpendicular, and where it says so twice both must agree. Left-handed files are turned round along x.
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.bounded import check_unpacked
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.replacing import replacing
from ..core.storage import readable_as

MILLIMETRES = {"mm": 1e-3, "meter": 1.0, "micron": 1e-6, "unknown": 1e-3}
"""SI factor of a NIfTI file's unit of length; files that name none are in millimetres, as nearly all programs mean."""
MOST_EXTENSIONS = 1 << 24
"""Bytes of a header with its extensions."""
SKEW = 1e-4
"""Largest cosine between axes that round-off in single precision explains."""

SHORTEST, LONGEST = 1e-8, 10.0
"""Sides of a voxel, m."""

NEAR = 1e-3
"""Voxels by which two grids of the same places may differ: affines are stored in single precision."""


def read_volume(path: Path) -> tuple[NDArray[np.float64], Grid]:
    """Return the (z, y, x) values of a NIfTI file and the grid on which they lie."""
    values, grid = _read(path)
    return np.ascontiguousarray(values, dtype=np.float64), grid


def read_labels(path: Path) -> tuple[NDArray[Any], Grid]:
    """Return the (z, y, x) whole numbers of a NIfTI file, in a type no wider than the file's, and their grid."""
    values, grid = _read(path)
    if not np.issubdtype(values.dtype, np.integer):
        for layer in values:
            broken = layer[layer != np.rint(layer)]  # what is not a number is not equal to itself
            if broken.size:
                raise InputError(f"has values such as {broken[0]:g} that are no labels", key="labels", file=path)
        least, most = float(values.min(initial=0)), float(values.max(initial=0))
        if max(-least, most) > np.iinfo(np.int32).max:
            raise InputError(f"has values such as {max(-least, most):g} that are no labels", key="labels", file=path)
        values = values.astype(np.int32)
    return np.ascontiguousarray(values), grid


def read_series(path: Path) -> tuple[NDArray[np.float64], Grid]:
    """Return the (volume, z, y, x) values of a NIfTI file of four dimensions and their grid."""
    values, grid = _read(path, series=True)
    return np.ascontiguousarray(values, dtype=np.float64), grid


def _read(path: Path, series: bool = False) -> tuple[NDArray[Any], Grid]:
    """Return the ([volume,] z, y, x) values in the file's own type, or as real numbers where it scales them."""
    import nibabel

    with readable_as("NIfTI file", path):
        check_size(path)
        image: Any = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
    if values.dtype.kind not in "iuf":
        raise InputError(f"holds {values.dtype} numbers; real ones are wanted", file=path)
    if values.size == 0:
        raise InputError(f"has no voxels: its dimensions are {values.shape}", file=path)
    if values.ndim > 3 and math.prod(values.shape[3:]) == 1 and not series:
        values = values.reshape(values.shape[:3])
    if series and values.ndim != 4:
        raise InputError(f"has {values.ndim} dimensions {values.shape}; a series of volumes has four", file=path)
    if values.ndim != 3 and not series:
        raise InputError(f"has {values.ndim} dimensions {values.shape}; a volume has three", file=path)
    affine = _affine(image, path)
    if np.linalg.det(affine[:3, :3]) < 0:
        values = values[::-1]
        affine = affine @ np.array([[-1, 0, 0, values.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    return values.T, grid_of(affine, values.shape[:3], path)


def check_size(path: Path) -> None:
    """Refuse a file that unpacks to too much, or hides more than 16 MiB between its header and its data."""
    import nibabel

    _check_extensions(path)
    image: Any = nibabel.load(path)
    held = {Path(one.filename) for one in image.file_map.values() if one.filename}
    each = max(8, image.get_data_dtype().itemsize)
    check_unpacked(each * math.prod(image.shape), sum(one.stat().st_size for one in held if one.exists()), path)


def _check_extensions(path: Path) -> None:
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        head = file.read(176)
    for order in "<>":
        if len(head) == 176 and struct.unpack_from(order + "i", head)[0] in (348, 540):
            nifti2 = struct.unpack_from(order + "i", head)[0] == 540
            offset = struct.unpack_from(order + ("q" if nifti2 else "f"), head, 168 if nifti2 else 108)[0]
            if offset > MOST_EXTENSIONS:
                raise InputError(f"has {offset / 1e6:.3g} MB before its data; at most 16.8 are read", file=path)


def turned_to(values: NDArray[np.float64], grid: Grid, wanted: Grid) -> NDArray[np.float64] | None:
    """Return (z, y, x) values in the order of the voxels of another grid of the same places; None if there are others.

    Programs turn volumes to the axes that they prefer: permuted or reversed axes are the same voxels.
    """
    between = np.linalg.inv(wanted.affine()) @ grid.affine()
    steps = np.rint(between[:3, :3])
    counts = np.array(grid.shape[::-1])
    last = between @ np.array([*(counts - 1), 1.0])
    first = np.minimum(between[:3, 3], last[:3])
    same = np.abs(between[:3, :3] - steps).max() < NEAR and np.abs(first).max() < NEAR
    if not same or tuple(np.abs(steps @ counts).astype(int)[::-1]) != wanted.shape:
        return None
    axes = np.abs(steps).argmax(axis=1)  # of the values, for each axis of the wanted grid
    turned = values.transpose().transpose(axes)
    backward = tuple(slice(None, None, int(steps[i, axis])) for i, axis in enumerate(axes))
    return np.ascontiguousarray(turned[backward].transpose())


def grid_of(affine: NDArray[np.float64], counts: tuple[int, ...], path: Path) -> Grid:
    """Return the grid of an affine (voxel indices x, y, z to world, m) or say what is wrong with it."""
    steps = affine[:3, :3]
    spacing = np.linalg.norm(steps, axis=0)
    if not np.all(np.isfinite(affine)) or np.any(spacing <= 0):
        raise InputError("has an affine with a voxel of no size or with values that are not finite", file=path)
    axes = steps / spacing
    skew = np.abs(axes.T @ axes - np.eye(3)).max()
    if skew > SKEW:
        raise InputError(
            f"has a sheared affine: its axes are {math.degrees(math.asin(min(1.0, skew))):.2g} degrees from "
            "perpendicular; resample it to a rectangular grid", file=path,
        )  # fmt: skip
    left, _, right = np.linalg.svd(axes)
    centre = affine[:3] @ np.array([*(n // 2 for n in counts), 1.0])
    return Grid(
        shape=(counts[2], counts[1], counts[0]),
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        centre=(float(centre[0]), float(centre[1]), float(centre[2])),
        axes=np.asarray(left @ right),
    )


def write_volume(path: Path, values: NDArray[Any], grid: Grid) -> None:
    """Write (z, y, x) values, or a series (n, z, y, x), on a grid as a NIfTI file; integers stay integers.

    The file says how far apart the slices are, as scanners' files do; that part of it may be a gap it cannot say.
    """
    import nibabel

    affine = grid.affine()
    affine[:3] *= 1e3
    small = values.astype(np.int32) if np.issubdtype(values.dtype, np.integer) else values.astype(np.float64)
    made: Any = nibabel.Nifti1Image
    image = made(small.transpose(), affine)
    image.header.set_xyzt_units("mm", "sec" if small.ndim > 3 else None)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    content = image.to_bytes()
    with replacing(path) as part:
        part.write_bytes(gzip.compress(content, mtime=0) if path.name.lower().endswith(".gz") else content)


def _affine(image: Any, path: Path) -> NDArray[np.float64]:
    """Return voxel indices to world, m."""
    header = image.header
    if not hasattr(header, "get_xyzt_units"):
        raise InputError("is no NIfTI file", file=path)
    with readable_as("NIfTI file with known units", path):
        length = header.get_xyzt_units()[0]
    scale = MILLIMETRES.get(length)
    if scale is None:
        raise InputError(f"has the unknown unit of length '{length}'", file=path)
    with readable_as("NIfTI file whose qform and sform are rotations", path):
        (q, qform), (s, sform) = (header.get_qform(coded=True), header.get_sform(coded=True))
    if not qform and not sform:
        raise InputError("does not say where it lies: neither a qform nor an sform; set one", file=path)
    if qform and sform and not np.allclose(q, s, atol=1e-3 * max(1.0, float(np.abs(s).max()))):
        raise InputError("has a qform and an sform that differ; remove the wrong one", file=path)
    affine = np.array(s if sform else q, dtype=np.float64)
    affine[:3] *= scale
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(affine)) or spacing.min() < SHORTEST or spacing.max() > LONGEST:
        sides = " x ".join(f"{side * 1e3:.3g}" for side in spacing)
        raise InputError(f"has voxels of {sides} mm; sides of {SHORTEST * 1e3:g} to {LONGEST * 1e3:g} mm and a place "
                         "that is finite are read", file=path)  # fmt: skip
    return affine
