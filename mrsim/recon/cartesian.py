"""Cartesian reconstruction of one coil: the Fourier transform, scaled to proton density.

The transform is orthonormal with exp(+i 2 pi k.x), then divided by sqrt(voxels) * voxel volume, so that a
fully relaxed voxel of proton density 1 reads 1. Averages are averaged before the transform.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..core.images import Images
from .kspace import to_image
from .many_coils import Ready


def reconstruct_cartesian(ready: Ready, folded: bool = False) -> Images:
    """Reconstruct an acquisition of one coil by its labels.

    Parameters
    ----------
    ready : Ready
        A place that was never acquired, or not as often as the others, is an error, unless one end of k-space is
        missing (partial Fourier). Its k-space is overwritten.
    folded : bool
        Whether lines may be missing between others, so that the image folds; stated as a warning.

    Returns
    -------
    Images
        Complex images (contrast, z, y, x) with their noise.
    """
    raster = ready.raster
    most = raster.averages if folded else int(raster.count.max(initial=0))
    wanted = ready.covered()
    holes = wanted & (raster.count != most)
    missing = int(np.count_nonzero(holes))
    if missing and not folded:
        c, z, y = (int(v[0]) for v in np.nonzero(holes))
        along = "partition" if ready.volume else "slice"
        raise InputError(
            f"k-space has {missing} lines that were not acquired {most} times, the first is contrast {c}, "
            f"{along} {z}, line {y}; acquire them or use a reconstruction that fills holes"
        )
    data = to_image(raster.data[:, 0], (-3, -2, -1) if ready.volume else (-2, -1), overwrite=True)
    noise, share = np.ones((len(data), 1, 1, 1)), 1.0
    warnings: tuple[str, ...] = ()
    if missing:
        share = np.count_nonzero(wanted & (raster.count > 0)) / np.count_nonzero(wanted)
        data, noise = data / share, noise / np.sqrt(share)
        warnings = ("one coil cannot unfold missing lines: the image is folded; receive with several coils",)
    return ready.images(data, noise, "cartesian", acceleration=1 / share, warnings=warnings)
