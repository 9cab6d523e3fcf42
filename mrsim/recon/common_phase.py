"""The phase that the coils have in common, which no reconstruction can know and each kind of coil maps must choose.

A virtual coil, the strongest combination of the real ones, hears with phase zero: smooth, but where that coil is deaf,
noise turns its phase, and it winds. An image of rough phase is noisier after partial Fourier than it says, and voxels
between two that are out of step would cancel. So the phase goes on smoothly from voxel to voxel instead, and is the
virtual coil's as a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.complex128]
COARSE = 48
"""Voxels along each direction of the raster on which neighbours come into step."""
NEIGHBOURHOOD, TURNS = 9, 30
"""Voxels of that raster each way with which a voxel comes into step, and how often."""


def virtual_coil(images: NDArray[np.complex128]) -> Array:
    """Return the (coil,) weights of the strongest combination of (coil, ...) images or samples."""
    return np.asarray(np.linalg.svd(images.reshape(len(images), -1), full_matrices=False)[0][:, 0])


def common_phase(maps: NDArray[np.complex128], reference: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the (coil, ...) maps turned, voxel by voxel, so that a virtual coil `reference` hears with phase zero.

    The virtual coil is the strongest combination of the real ones, so that its phase has no holes where one coil is
    deaf.
    """
    return turned(maps, np.tensordot(reference.conj(), maps, axes=1).conj())


def turned(maps: Array, by: Array) -> Array:
    """Return (coil, ...) maps times exp(i phase of `by`)."""
    size = np.abs(by)
    return np.asarray(maps * np.divide(by, size, out=np.ones_like(by), where=size > 0))


def in_step(maps: Array, weight: NDArray[Any], reference: Array) -> Array:
    """Return the (coil, ...) maps turned, voxel by voxel, into step with the mean of their neighbours.

    Parameters
    ----------
    maps : (coil, ...) array
        On any raster; neighbours are those of a coarse one.
    weight : (...) array
        How much a voxel counts for its neighbours: its signal, or whether it has any.
    reference : (coil,) array
        The virtual coil whose phase it starts from; the mean of what that coil hears stays real.
    """
    fine = maps.shape[1:]
    places = np.ix_(*(_nearest(n) for n in fine))
    coarse = _neighbours_in_step(np.array([one[places] for one in maps]), weight[places], reference)
    if all(n <= COARSE for n in fine):
        return coarse
    return turned(maps, np.sum(interpolated(coarse, fine) * maps.conj(), axis=0))


def _nearest(n: int) -> NDArray[np.int64]:
    """Return the voxels of an axis that lie nearest to those of the coarse raster."""
    m = min(n, COARSE)
    return np.asarray(np.rint((np.arange(m) - m // 2) * (n / m)) + n // 2, dtype=np.int64) % n


def _neighbours_in_step(maps: Array, weight: NDArray[Any], reference: Array) -> Array:
    from scipy.ndimage import uniform_filter

    size = [1, *(min(NEIGHBOURHOOD, n) for n in weight.shape)]
    result = common_phase(maps, reference)
    for _ in range(TURNS):
        heard = result * weight
        mean = uniform_filter(heard.real, size, mode="constant") + 1j * uniform_filter(
            heard.imag, size, mode="constant"
        )
        result = turned(result, np.sum(mean * result.conj(), axis=0))
    whole = np.sum(np.tensordot(reference.conj(), result, axes=1) * weight)
    return turned(result, whole.conj())


def interpolated(values: NDArray[Any], shape: tuple[int, ...] | list[int]) -> NDArray[np.complex128]:
    """Return (coil, ...) values on a finer raster of the same, periodic, field of view, linear in between.

    The phase that the coils have in common is arbitrary, and winds where the reference is deaf: neighbours are turned
    into step first, or what lies between them would cancel.
    """
    result = np.asarray(values, dtype=np.complex128)
    for axis, n in enumerate(shape, start=1):
        m = result.shape[axis]
        place = (np.arange(n) - n // 2) * (m / n) + m // 2
        below = np.floor(place).astype(int)
        share = (place - below).reshape([-1 if a == axis else 1 for a in range(result.ndim)])
        low, high = result.take(below % m, axis=axis), result.take((below + 1) % m, axis=axis)
        step = np.sum(low * high.conj(), axis=0)
        high = high * np.where(step != 0, step / np.where(step != 0, np.abs(step), 1.0), 1.0)
        result = low * (1 - share) + high * share
    return result
