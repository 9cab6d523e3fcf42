"""Simultaneous multi-slice: bands excited together, shifted against each other, separated by slice-GRAPPA.

CAIPIRINHA: band b carries the phase exp(-i 2 pi b shift (line - n//2)) along the phase encoding, which moves its
image by b * shift * n voxels (Setsompop 2012, doi:10.1002/mrm.23097). For every band a
convolution takes the sum of the bands to that band. ``split``: the kernels are learnt on each band alone, to give it
back or to give nothing, which keeps the signal of one band out of the others (Cauley 2014, doi:10.1002/mrm.24898);
else on their sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .convolution import Array, Kernel, Offset, convolve, fit_kernel, sources
from .kspace import to_image

AXES = (-2, -1)
KERNEL = (5, 5)
"""Lines and samples of a kernel."""
REGULARISATION = 1e-6


def band_phase(bands: int, lines: int, shift: float) -> Array:
    """Return the (band, line) phase factor that moves band b by b * shift fields of view along y."""
    place = np.arange(lines) - lines // 2
    return np.asarray(np.exp(-2j * np.pi * shift * np.outer(np.arange(bands), place)))


def slice_kernels(
    calibration: Array,
    middle: tuple[int, int],
    shift: float,
    kernel: tuple[int, int] = KERNEL,
    split: bool = True,
    regularisation: float = REGULARISATION,
) -> list[Kernel]:
    """Return one kernel per band, from the bands' sum to the shifted band.

    Parameters
    ----------
    calibration : (band, coil, y, x) array
        Each band alone, not shifted, the fully sampled middle of k-space.
    middle : (int, int)
        Index along y and x in `calibration` where k is zero.
    shift : float
        Of each band against the one before, in fields of view.
    kernel : (int, int)
        Lines and samples; odd numbers.
    split : bool
        Whether to learn on each band alone.
    regularisation : float
        Tikhonov's parameter over the mean diagonal element.
    """
    bands, coils, ny, _ = calibration.shape
    if bands < 2:
        raise InputError(f"there are {bands} bands; separating needs two or more", key="bands")
    place = np.arange(ny) - middle[0]
    phase = np.exp(-2j * np.pi * shift * np.outer(np.arange(bands), place))
    shifted = calibration * phase[:, None, :, None]
    reach = [range(-(n // 2), n // 2 + 1) for n in kernel]
    offsets: list[Offset] = [(0, dy, dx) for dy in reach[0] for dx in reach[1]]
    inputs = [band[:, None] for band in shifted] if split else [shifted.sum(axis=0)[:, None]]
    tables = [sources(one, offsets) for one in inputs]
    kernels = []
    for band in range(bands):
        target = shifted[band][:, None][(slice(None), *tables[0][1])].reshape(coils, -1).T
        pairs = [(t, target if not split or b == band else np.zeros_like(target)) for b, (t, _) in enumerate(tables)]
        kernels.append(fit_kernel(pairs, offsets, regularisation))
    return kernels


def separate(kspace: Array, kernels: Sequence[Kernel], shift: float) -> Array:
    """Return the (band, coil, y, x) images, moved back, of (coil, y, x) k-space in which the bands add up."""
    images = to_image(kspace, AXES)[:, None]
    return np.array([move(convolve([k], images)[:, 0], -b * shift) for b, k in enumerate(kernels)])


def move(image: Array, shift: float) -> Array:
    """Return the (..., y, x) image moved by `shift` fields of view along y, around the edge and between voxels."""
    n = image.shape[-2]
    if abs(shift * n - round(shift * n)) < 1e-9:
        return np.roll(image, round(shift * n), axis=-2)
    turn = np.exp(-2j * np.pi * np.fft.fftfreq(n) * n * shift)[:, None]
    return np.asarray(np.fft.ifft(np.fft.fft(image, axis=-2) * turn, axis=-2))


def leakage(kspace: Array, kernels: Sequence[Kernel], shift: float) -> NDArray[np.float64]:
    """Return the (band, band) matrix: what of band j's signal the reconstruction puts into band i.

    Diagonal elements are the gain of the band for itself, real part of <result, truth> / <truth, truth>; the others
    are root-mean-square signal in band i over that of band j. Of an empty band nothing is known: NaN.

    Parameters
    ----------
    kspace : (band, coil, y, x) array
        Each band alone, not shifted.
    kernels : sequence of Kernel
        Of `slice_kernels`.
    shift : float
        As there.
    """
    bands = len(kspace)
    matrix = np.zeros((bands, bands))
    phase = band_phase(bands, kspace.shape[2], shift)
    for j in range(bands):
        truth = to_image(kspace[j], AXES)
        found = separate(kspace[j] * phase[j][:, None], kernels, shift)
        power = float(np.sum(np.abs(truth) ** 2))
        if power == 0:
            matrix[:, j] = np.nan
            continue
        for i in range(bands):
            if i == j:
                matrix[i, j] = np.sum(truth.conj() * found[i]).real / power
            else:
                matrix[i, j] = np.sqrt(np.sum(np.abs(found[i]) ** 2) / power)
    return matrix
