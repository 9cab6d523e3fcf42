"""Cartesian reconstruction: sort the readouts into k-space, transform, scale to proton density.

The transform is orthonormal with exp(+i 2 pi k.x), then divided by sqrt(voxels) * voxel volume, so that a
fully relaxed voxel of proton density 1 reads 1. Averages are averaged before the transform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.images import Images
from .nonuniform import reconstruct_nonuniform


def reconstruct(raw: Acquisition) -> Images:
    """Reconstruct a fully sampled acquisition: Cartesian by its labels, any other from its nominal k.

    Parameters
    ----------
    raw : Acquisition
        Imaging readouts with the labels ``line``, ``contrast`` and, where there are several, ``slice`` or
        ``partition``, and ``average``; without ``line`` and ``partition`` where k comes from the trajectory.

    Returns
    -------
    Images
        Complex images (contrast, z, y, x) with their noise.
    """
    if raw.imaging.data.shape[1] != 1:
        raise InputError(f"{raw.imaging.data.shape[1]} coils: only one receive coil can be reconstructed so far")
    if not np.all(np.isfinite(raw.imaging.data)):
        bad = int(np.count_nonzero(~np.isfinite(raw.imaging.data)))
        raise InputError(f"the raw data hold {bad} samples that are not finite")
    if raw.encoding.k_from == "trajectory":
        return reconstruct_nonuniform(raw)
    kspace, averages = sort_cartesian(raw)
    grid = raw.encoding.grid
    axes = (-3, -2, -1) if raw.encoding.kind == "3d" else (-2, -1)
    voxels = int(np.prod([kspace.shape[a] for a in axes]))
    scale = np.sqrt(voxels) * grid.voxel_volume
    data = centred_transform(kspace, axes) / scale
    sigma = raw.noise_sigma()[0] / scale / np.sqrt(averages)
    return Images(
        data=data,
        grid=grid,
        contrast=raw.encoding.contrast,
        sigma=np.full((data.shape[0], 1, 1, 1), sigma),
        noisy=raw.noisy,
        encoding={**raw.encoding.sheet, "reconstruction": "cartesian", "averages": averages},
        history=raw.history,
    )


def centred_transform(kspace: NDArray[np.complex128], axes: tuple[int, ...]) -> NDArray[np.complex128]:
    """Return the orthonormal transform with exp(+i 2 pi k.x), zero at index n//2 of every axis in both domains."""
    shifted = np.fft.ifftshift(kspace, axes=axes)
    return np.asarray(np.fft.fftshift(np.fft.ifftn(shifted, axes=axes, norm="ortho"), axes=axes))


def sort_cartesian(raw: Acquisition) -> tuple[NDArray[np.complex128], int]:
    """Return k-space (contrast, z, y, x) by the readouts' labels, and the number of averages.

    z counts partitions in three dimensions and slices in two; readouts under the label ``reverse`` run backwards.
    A place that was never acquired, or not as often as the others, is an error.
    """
    group, grid = raw.imaging, raw.encoding.grid
    readouts, _, samples = group.data.shape
    nz, ny, nx = grid.shape
    if samples != nx:
        raise InputError(f"readouts have {samples} samples, the encoded matrix has {nx} along the readout direction")
    contrasts = len(next(iter(raw.encoding.contrast.values())))
    line = _label(group.labels, "line", readouts, ny)
    along = "partition" if raw.encoding.kind == "3d" else "slice"
    partition = _label(group.labels, along, readouts, nz)
    contrast = _label(group.labels, "contrast", readouts, contrasts)
    total = np.zeros((contrasts, nz, ny, nx), dtype=np.complex128)
    count = np.zeros((contrasts, nz, ny), dtype=np.int64)
    where = (contrast, partition, line)
    backwards = _label(group.labels, "reverse", readouts, 2)[:, None] == 1
    np.add.at(total, where, np.where(backwards, group.data[:, 0, ::-1], group.data[:, 0]))
    np.add.at(count, where, 1)
    averages = int(count.max())
    holes = int(np.count_nonzero(count != averages))
    if holes:
        c, z, y = (int(v[0]) for v in np.nonzero(count != averages))
        raise InputError(
            f"k-space has {holes} lines that were not acquired {averages} times, the first is contrast {c}, "
            f"{along} {z}, line {y}; acquire them or use a reconstruction that fills holes"
        )
    return total / averages, averages


def _label(labels: dict[str, Any], name: str, readouts: int, limit: int) -> NDArray[np.int64]:
    value = np.asarray(labels.get(name, np.zeros(readouts, dtype=np.int64)))
    if value.min(initial=0) < 0 or value.max(initial=0) >= limit:
        raise InputError(f"label '{name}' runs from {value.min()} to {value.max()}, the encoding has {limit}")
    return value
