"""GRAPPA: missing lines from their acquired neighbours in all coils, with weights learnt on calibration lines.

For every kind of missing line of a lattice (R - 1 of them) a kernel takes the nearest acquired lines, in two
directions for a lattice in ky and kz, and some samples along the readout (Griswold 2002, doi:10.1002/mrm.10171).
Applied to zero-filled k-space each kernel finds samples at its own kind of line only, so that the sum of all kernels
and the identity is one convolution. With U the combined image-space weights and whitened data of sample noise sigma

    sigma_acc = sigma sqrt(sum_l |U_l|^2 / R),    g = sigma_acc / (sigma_full sqrt(R))
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .convolution import Array, Kernel, Offset, convolve, fit_kernel, sources
from .kspace import to_image
from .lattice import Lattice

AXES = (-3, -2, -1)
NEIGHBOURS = (4, 8)
"""Acquired lines that make a missing one: of a lattice in y alone, and in y and z."""
SAMPLES = 5
"""Samples along the readout."""
REGULARISATION = 1e-6
"""Tikhonov's parameter, relative."""


def grappa_kernels(
    calibration: Array,
    lattice: Lattice,
    neighbours: int | None = None,
    samples: int = SAMPLES,
    regularisation: float = REGULARISATION,
) -> list[Kernel]:
    """Return one kernel per kind of missing line, and the identity that keeps the acquired ones.

    Parameters
    ----------
    calibration : (coil, z, y, x) array
        Fully sampled lines around the middle of k-space; the number along x is at choice.
    lattice : Lattice
        What will be acquired.
    neighbours, samples : int
        Lines and samples of a kernel; as many samples on each side, so an odd number.
    regularisation : float
        Tikhonov's parameter over the mean diagonal element.
    """
    coils = len(calibration)
    count = neighbours or NEIGHBOURS[lattice.rz > 1]
    kernels = [Kernel(offsets=((0, 0, 0),), weights=np.eye(coils, dtype=np.complex128)[:, :, None])]
    around = range(-(samples // 2), samples // 2 + 1) if calibration.shape[3] > 1 else range(1)
    for z in range(lattice.rz):
        for y in range(lattice.ry):
            if (z, y) == (0, 0):
                continue
            lines = lattice.offsets(z, y, count)
            offsets: list[Offset] = [(dz, dy, dx) for dz, dy in lines for dx in around]
            table, places = sources(calibration, offsets)
            target = calibration[(slice(None), *places)].reshape(coils, -1).T
            kernels.append(fit_kernel([(table, target)], offsets, regularisation))
    return kernels


def fill(kspace: Array, lattice: Lattice, kernels: list[Kernel]) -> Array:
    """Return the (coil, z, y, x) coil images of (coil, z, y, x) k-space after filling its missing lines."""
    return convolve(kernels, to_image(kspace * lattice.mask[..., None], AXES))


def grappa_noise(weights: Array, maps: Array, lattice: Lattice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the noise over that of a whitened sample, and g, both (z, y, x).

    Parameters
    ----------
    weights : (coil, z, y, x) array
        Of `combined_weights`.
    maps : (coil, z, y, x) array
        With which the coils were combined; where they are zero, the image is, and g is one.
    lattice : Lattice
        What was acquired.
    """
    power = np.sum(np.abs(maps) ** 2, axis=0)
    full = 1 / np.sqrt(np.where(power > 0, power, 1.0))
    noise = np.sqrt(np.sum(np.abs(weights) ** 2, axis=0) / lattice.acceleration)
    g = np.where(power > 0, noise / (full * np.sqrt(lattice.acceleration)), 1.0)
    return np.where(power > 0, noise, full), g


def combine(kspace: Array, lattice: Lattice, weights: Array) -> Array:
    """Return the (z, y, x) image of whitened k-space by combined weights."""
    return np.asarray(np.sum(weights * to_image(kspace * lattice.mask[..., None], AXES), axis=0))
