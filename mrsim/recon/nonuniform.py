"""Images from samples anywhere in k-space: density compensation and one adjoint non-uniform Fourier transform.

    I(x) = sum_i w_i s(k_i) exp(+i 2 pi k_i.x) / thickness

w_i is the area (volume) of k-space that sample i stands for, so that a fully relaxed voxel of proton density 1 reads 1
here as in the Cartesian transform, to which this reduces on a raster. The weights solve sum_j w_j C(k_i - k_j) = 1 by
Pipe's iteration (1999, doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V) with C = sinc^2 over the
field of view, which is never negative and vanishes at the raster's neighbours. Where k-space has holes the image
aliases, and where it is sampled too sparsely the weights cannot mend it: this is no iterative reconstruction.
finufft does the sums to 1e-9; it is imported on first use.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.images import Images
from .kspace import nominal

ITERATIONS = 25
"""Of the density compensation."""
ACCURACY = 1e-9
"""Of the non-uniform transforms."""


def reconstruct_nonuniform(raw: Acquisition) -> Images:
    """Reconstruct an acquisition from its nominal k, image by image and slice by slice.

    Parameters
    ----------
    raw : Acquisition
        One coil; the labels ``contrast`` and, in two dimensions, ``slice`` say what a readout belongs to.

    Returns
    -------
    Images
        Complex images (contrast, z, y, x) with their noise.
    """
    group, grid = raw.imaging, raw.encoding.grid
    volume = raw.encoding.kind == "3d"
    contrasts = len(next(iter(raw.encoding.contrast.values())))
    slices = 1 if volume else grid.shape[0]
    zero = np.zeros(len(group.data), dtype=np.int64)
    contrast, place = group.labels.get("contrast", zero), zero if volume else group.labels.get("slice", zero)
    data = np.zeros((contrasts, *grid.shape), dtype=np.complex128)
    gain = np.zeros((contrasts, slices))
    for c in range(contrasts):
        for z in range(slices):
            chosen = np.flatnonzero((contrast == c) & (place == z))
            if not len(chosen):
                raise InputError(f"no readout belongs to contrast {c}, slice {z}")
            image, gain[c, z] = _image(group, chosen, grid, volume)
            data[c, slice(None) if volume else slice(z, z + 1)] = image
    sigma = np.broadcast_to((raw.noise_sigma()[0] * gain)[:, :, None, None], (contrasts, slices, 1, 1))
    return Images(
        data=data,
        grid=grid,
        contrast=raw.encoding.contrast,
        sigma=np.array(sigma),
        noisy=raw.noisy,
        encoding={**nominal(raw), "reconstruction": "non-uniform adjoint"},
        history=raw.history,
    )


def _image(
    group: Readouts, chosen: NDArray[np.int64], grid: Grid, volume: bool
) -> tuple[NDArray[np.complex128], float]:
    """Return the (z, y, x) image of some readouts and its noise gain: image sigma over sample sigma."""
    valid = getattr(group, "samples", None)
    count = np.full(len(chosen), group.k.shape[1]) if valid is None else valid[chosen]
    kept = np.arange(group.k.shape[1]) < count[:, None]
    k, samples = group.k[chosen][kept], group.data[chosen, 0][kept]
    axes = 3 if volume else 2
    turns = k[:, :axes] * np.array(grid.spacing[:axes])
    if np.abs(turns).max(initial=0.0) > 0.5 + 1e-6 + 1.0 / min(grid.shape[3 - axes :]):
        problem = f"k reaches {np.abs(turns).max():.3g} cycles per voxel, more than one half: the matrix is too coarse"
        raise InputError(f"{problem}; enlarge the matrix", key="matrix")
    shape = grid.shape[3 - axes :]
    weights = density(turns, shape) / math.prod(grid.spacing[:axes])
    thickness = 1.0 if volume else grid.thickness
    image = adjoint(turns, weights * samples / thickness, shape)
    return image.reshape(grid.shape if volume else (1, *shape)), float(np.linalg.norm(weights)) / thickness


def density(turns: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the (n,) share of k-space of each sample; all shares of a raster of N points are 1/N.

    Parameters
    ----------
    turns : (n, axes) array
        k in cycles per voxel, x first.
    shape : tuple of int
        Voxels of the field of view, x last.
    """
    wide = tuple(2 * n for n in shape)
    windows = [np.clip(1 - np.abs(np.arange(n) - n // 2) / (n / 2), 0, None) for n in wide]
    window = windows[0]
    for other in windows[1:]:
        window = np.multiply.outer(window, other)
    weights = np.ones(len(turns)) / math.prod(shape)
    for _ in range(ITERATIONS):
        spread = forward(turns, adjoint(turns, weights.astype(np.complex128), wide) * window).real
        weights = weights / np.maximum(spread, 1e-12)
    return weights


def adjoint(
    turns: NDArray[np.float64], values: NDArray[np.complex128], shape: tuple[int, ...]
) -> NDArray[np.complex128]:
    """Return sum_i values_i exp(+i 2 pi turns_i.n) at the voxels n, zero at n // 2 of every axis, x last."""
    return _transform(1, turns, values, shape)


def forward(turns: NDArray[np.float64], image: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return sum_n image_n exp(-i 2 pi turns_i.n) at the samples."""
    return _transform(2, turns, image, image.shape)


def _transform(
    kind: int, turns: NDArray[np.float64], values: NDArray[np.complex128], shape: tuple[int, ...]
) -> NDArray[np.complex128]:
    import finufft

    points = [np.ascontiguousarray(2 * np.pi * turns[:, len(shape) - 1 - axis]) for axis in range(len(shape))]
    plan: Any = finufft.Plan(kind, shape, eps=ACCURACY, isign=1 if kind == 1 else -1, dtype="complex128", nthreads=1)
    plan.setpts(*points)
    return np.asarray(plan.execute(np.ascontiguousarray(values)), dtype=np.complex128)
