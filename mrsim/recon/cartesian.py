"""Cartesian reconstruction of one coil: sort the readouts into k-space, transform, scale to proton density.

The transform is orthonormal with exp(+i 2 pi k.x), then divided by sqrt(voxels) * voxel volume, so that a
fully relaxed voxel of proton density 1 reads 1. Averages are averaged before the transform.
"""

from __future__ import annotations

import numpy as np

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.images import Images
from .kspace import nominal, sort_lines, to_image


def reconstruct_cartesian(raw: Acquisition) -> Images:
    """Reconstruct a fully sampled acquisition of one coil by its labels.

    Parameters
    ----------
    raw : Acquisition
        Imaging readouts with the labels ``line``, ``contrast`` and, where there are several, ``slice`` or
        ``partition``, and ``average``. A place that was never acquired, or not as often as the others, is an error.

    Returns
    -------
    Images
        Complex images (contrast, z, y, x) with their noise.
    """
    raster, grid = sort_lines(raw), raw.encoding.grid
    most = int(raster.count.max(initial=0))
    holes = int(np.count_nonzero(raster.count != most))
    if holes:
        c, z, y = (int(v[0]) for v in np.nonzero(raster.count != most))
        along = "partition" if raw.encoding.kind == "3d" else "slice"
        raise InputError(
            f"k-space has {holes} lines that were not acquired {most} times, the first is contrast {c}, "
            f"{along} {z}, line {y}; acquire them or use a reconstruction that fills holes"
        )
    axes = (-3, -2, -1) if raw.encoding.kind == "3d" else (-2, -1)
    scale = np.sqrt(np.prod([grid.shape[a] for a in axes])) * grid.voxel_volume
    data = to_image(raster.data[:, 0], axes)
    data /= scale
    sigma = raw.noise_sigma()[0] / scale / np.sqrt(most)
    return Images(
        data=data,
        grid=grid,
        contrast=raw.encoding.contrast,
        sigma=np.full((data.shape[0], 1, 1, 1), sigma),
        noisy=raw.noisy,
        encoding={**nominal(raw), "reconstruction": "cartesian", "averages": most},
        history=raw.history,
    )
