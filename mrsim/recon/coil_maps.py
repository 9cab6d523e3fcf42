"""Coil sensitivities from the fully sampled middle of k-space.

``lowres``: images of the calibration lines in a Hann window, divided by their root sum of squares. ``espirit``: the
eigenvectors with eigenvalue one of the operator that reproduces k-space from its neighbours (Uecker 2014,
doi:10.1002/mrm.24751; see `espirit`), on a coarse raster: maps are smooth, and are interpolated to the matrix linearly.
Both are relative: their root sum of squares is one, so that an image combined with them carries the coils' joint
intensity. The phase that the coils have in common is free; it goes on smoothly from voxel to voxel, see `common_phase`.
Where there is no signal the maps are zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .common_phase import COARSE, in_step, interpolated, virtual_coil
from .espirit import espirit
from .kspace import to_image

WIDTH = 24
"""Lines used along each direction, if there are as many."""
FEWEST = 8
"""Lines needed along each encoded direction."""


def estimate_maps(
    kspace: NDArray[np.complex128], box: tuple[slice, slice], kind: str = "espirit"
) -> NDArray[np.complex128]:
    """Return the (coil, z, y, x) maps of one slice or one volume.

    Parameters
    ----------
    kspace : (coil, z, y, x) array
        Whitened; one z is a slice, several are an encoded volume.
    box : (slice, slice)
        Where along z and y k-space is fully sampled.
    kind : str
        ``"espirit"`` or ``"lowres"``.
    """
    shape = kspace.shape[1:]
    width = [b.stop - b.start for b in box] + [shape[2]]
    wanted = [min(w, WIDTH) for w in width]
    for name, n, have in zip("zy", shape, width, strict=False):
        if have < min(FEWEST, n):
            raise InputError(
                f"there are {have} calibration lines along {name}, coil maps need {FEWEST}; acquire about {WIDTH} "
                "around the middle of k-space or hand over coil maps"
            )
    middle = _resized(kspace, wanted)
    if not middle.any():
        return np.zeros_like(kspace)
    if kind == "lowres":
        return _low_resolution(middle, shape)
    if kind == "espirit":
        return _espirit(middle, shape)
    raise InputError(f"unknown way '{kind}' to coil maps; known: espirit, lowres", key="estimate")


def _resized(kspace: NDArray[Any], shape: list[int] | tuple[int, ...]) -> NDArray[np.complex128]:
    """Return k-space cut or filled with zeros around its middle, (coil, ...)."""
    result = np.zeros((len(kspace), *shape), dtype=np.complex128)
    source, target = [slice(None)], [slice(None)]
    for old, new in zip(kspace.shape[1:], shape, strict=True):
        n = min(old, new)
        source.append(slice(old // 2 - n // 2, old // 2 - n // 2 + n))
        target.append(slice(new // 2 - n // 2, new // 2 - n // 2 + n))
    result[tuple(target)] = kspace[tuple(source)]
    return result


def _low_resolution(
    middle: NDArray[np.complex128], shape: tuple[int, ...], floor: float = 0.03
) -> NDArray[np.complex128]:
    """Divide windowed images by their root sum of squares, where that is above `floor` times its maximum."""
    window = np.ones(middle.shape[1:])
    for axis, n in enumerate(middle.shape[1:]):
        if n > 1:
            hann = np.cos(np.pi * (np.arange(n) - n // 2) / n) ** 2
            window = window * hann.reshape([-1 if a == axis else 1 for a in range(3)])
    images = to_image(_resized(middle * window, shape), (-3, -2, -1))
    size = np.sqrt(np.sum(np.abs(images) ** 2, axis=0))
    maps = np.where(size > floor * size.max(), images / np.maximum(size, 1e-300), 0)
    return in_step(maps, size, virtual_coil(middle))


def _espirit(middle: NDArray[np.complex128], shape: tuple[int, ...], crop: float = 0.8) -> NDArray[np.complex128]:
    """Run ESPIRiT on a coarse raster; voxels whose eigenvalue is below `crop` have no signal."""
    used = [axis for axis in range(3) if shape[axis] > 1]
    raster, fine = [min(COARSE, shape[axis]) for axis in used], [shape[axis] for axis in used]
    maps, value = espirit(middle.reshape(len(middle), *(middle.shape[1 + axis] for axis in used)), raster)
    maps = interpolated(in_step(maps, value > crop, virtual_coil(middle)), fine)
    value = interpolated(value[None], fine)[0].real
    size = np.sqrt(np.sum(np.abs(maps) ** 2, axis=0))
    result = np.where((value > crop) & (size > 0), maps / np.where(size > 0, size, 1.0), 0)
    return np.asarray(result.reshape(len(middle), *shape), dtype=np.complex128)
