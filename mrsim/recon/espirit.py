"""ESPIRiT: coil sensitivities as eigenvectors of the operator that reproduces k-space from its neighbours.

Every block of w x w samples of the calibration lines lies in the row space V of the matrix of all such blocks. In the
image that is, voxel by voxel, A(x) s(x) = s(x) with A_cd(x) = sum_k K_c(x) conj K_d(x) / w^dim over the kernels of V
(Uecker 2014, doi:10.1002/mrm.24751). sigpy adds up A kernel by kernel; here its Fourier series is taken at once from
the projector V V^H, whose coefficients are C_cd(delta) = sum_m (V V^H)_(c, m + delta; d, m): the same matrix in a
fraction of the time. The tests hold both together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kspace import to_image

Array = NDArray[np.complex128]
THRESHOLD = 0.02
"""Singular values below this share of the largest belong to no kernel."""
KERNEL = 6
"""Samples of a block along each axis, if there are twice as many."""
STEPS = 40
"""Of the power iteration."""


def espirit(calibration: Array, raster: list[int]) -> tuple[Array, NDArray[np.float64]]:
    """Return the (coil, ...) maps on a raster, of unit size and free phase, and their (...) eigenvalues.

    Parameters
    ----------
    calibration : (coil, ...) array
        Fully sampled middle of k-space, whitened, along one to three encoded axes.
    raster : list of int
        Voxels along these axes.
    """
    widths = [min(KERNEL, n // 2) for n in calibration.shape[1:]]
    operator = reproducing(calibration, widths, raster)
    vector = np.ones((*operator.shape[:-1], 1), dtype=np.complex128)
    size, spare = np.ones(vector.shape), np.empty_like(vector)
    for _ in range(STEPS):
        np.matmul(operator, vector, out=spare)
        size = np.linalg.norm(spare, axis=-2, keepdims=True)
        np.divide(spare, np.where(size > 0, size, 1.0), out=vector)
    return np.moveaxis(vector[..., 0], -1, 0), size[..., 0, 0]


def reproducing(calibration: Array, widths: list[int], raster: list[int]) -> Array:
    """Return the (..., coil, coil) matrices of all voxels of a raster; arguments as in `espirit`."""
    coils, axes = len(calibration), len(widths)
    series = _projector(calibration, widths).reshape(coils, *widths, coils, *widths)
    order = [0, 1 + axes, *(a for axis in range(axes) for a in (1 + axis, 2 + axes + axis))]
    series = series.transpose(order)  # c, d, then m and m' of each axis
    for axis, width in enumerate(widths):
        where: tuple[Any, ...] = (slice(None),) * (2 + axis)
        folded = np.zeros((*series.shape[: 2 + axis], 2 * width - 1, *series.shape[4 + axis :]), dtype=np.complex128)
        for m in range(width):  # delta = m - m' stands at index delta + width - 1
            folded[(*where, slice(m, m + width))] += series[(*where, m)][(*where, slice(None, None, -1))]
        series = folded
    for axis, n in enumerate(raster, start=2):
        series = _on_raster(series, axis, n)
    image = to_image(series, tuple(range(-axes, 0)), overwrite=True)
    return np.asarray(np.moveaxis(image, (0, 1), (-2, -1)) * (np.sqrt(np.prod(raster)) / np.prod(widths)))


def _projector(calibration: Array, widths: list[int]) -> Array:
    """Return V V^H over (coil, block) of the row space of the calibration matrix, conjugated as samples are."""
    coils, axes = len(calibration), len(widths)
    blocks = np.lib.stride_tricks.sliding_window_view(calibration, widths, axis=tuple(range(1, 1 + axes)))
    matrix = np.moveaxis(blocks, 0, axes).reshape(-1, coils * int(np.prod(widths)))
    tall = len(matrix) > matrix.shape[1]
    value, vector = np.linalg.eigh(matrix.conj().T @ matrix if tall else matrix @ matrix.conj().T)
    kept = value > THRESHOLD**2 * value[-1]
    rows = vector[:, kept].conj().T if tall else (vector[:, kept] / np.sqrt(value[kept])).conj().T @ matrix
    return np.asarray(rows.T @ rows.conj())


def _on_raster(series: Array, axis: int, n: int) -> Array:
    """Return a series whose middle is delta = 0 on n places of an axis, around n // 2 and periodic."""
    count = series.shape[axis]
    source, shape = np.moveaxis(series, axis, 0), list(series.shape)
    shape[axis] = n
    result = np.zeros(shape, dtype=np.complex128)
    target = np.moveaxis(result, axis, 0)
    for index in range(count):
        target[(index - count // 2 + n // 2) % n] += source[index]
    return result
