"""BART's arrays: NAME.hdr with the sizes of 16 dimensions, NAME.cfl with single-precision complex numbers, x fastest.

Of the dimensions we use 0 to 2 for space (of raw data: readout, phase, partition; without a raster 1 sample, 2
readout), 3 for coils, 5 for the series (BART's TE) and 13 for the slices of a two-dimensional scan. A trajectory has
its three coordinates first, in units of 1/FOV, as BART counts k.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.images import Images
from ..core.replacing import replacing
from ..core.storage import readable_as

DIMENSIONS = 16
COIL, SERIES, SLICE = 3, 5, 13


def write_cfl(stem: Path, values: NDArray[np.complex128], axes: tuple[int, ...], together: ExitStack) -> Path:
    """Write an array, in place once `together` closes; return the path of its numbers.

    Parameters
    ----------
    stem : path
        Without suffix.
    values : array
        Any shape.
    axes : tuple of int
        BART's dimension for each axis of `values`.
    together : ExitStack
        Of all files that stand or fall together.
    """
    sizes = [1] * DIMENSIONS
    for axis, size in zip(axes, values.shape, strict=True):
        sizes[axis] = size
    ordered = values.transpose(np.argsort(axes)).astype(np.complex64)
    header, numbers = (stem.with_name(stem.name + suffix) for suffix in (".hdr", ".cfl"))
    together.enter_context(replacing(numbers)).write_bytes(ordered.tobytes(order="F"))
    text = f"# Dimensions\n{' '.join(map(str, sizes))}\n"
    together.enter_context(replacing(header)).write_text(text, encoding="ascii")
    return numbers


def read_cfl(stem: Path) -> NDArray[np.complex64]:
    """Return an array of BART's with all of its 16 dimensions."""
    header, numbers = (stem.with_name(stem.name + suffix) for suffix in (".hdr", ".cfl"))
    with readable_as("header of BART", header):
        sizes = [int(word) for word in header.read_text(encoding="ascii").splitlines()[1].split()]
    with readable_as("array of BART", numbers):
        values = np.fromfile(numbers, dtype=np.complex64)
    if len(values) != np.prod(sizes):
        raise InputError(f"holds {len(values)} numbers, its header says {' x '.join(map(str, sizes))}", file=numbers)
    return values.reshape(sizes, order="F")


def write_images(stem: Path, images: Images, together: ExitStack) -> list[Path]:
    """Write a series as x, y, z and, for the series, dimension 5."""
    return [write_cfl(stem, images.data, (SERIES, 2, 1, 0), together)]


def write_kspace(
    stem: Path, raw: Acquisition, raster: NDArray[np.complex128] | None, together: ExitStack
) -> list[Path]:
    """Write raw data as STEM_kspace and, without a raster, the places of its samples as STEM_traj.

    Parameters
    ----------
    stem : path
    raw : Acquisition
    raster : (contrast, coil, z, y, x) array, optional
        The data of a Cartesian scan, sorted.
    together : ExitStack
        Of all files that stand or fall together.
    """
    beside = stem.with_name(stem.name + "_kspace")
    if raster is not None:
        z = 2 if raw.encoding.kind == "3d" else SLICE
        return [write_cfl(beside, raster, (SERIES, COIL, z, 1, 0), together)]
    group, grid = raw.imaging, raw.encoding.grid
    width = np.asarray(grid.spacing) * grid.shape[::-1]
    made = [write_cfl(beside, group.data, (2, COIL, 1), together)]
    places = (group.k * width).astype(complex)
    return [*made, write_cfl(stem.with_name(stem.name + "_traj"), places, (2, 1, 0), together)]
