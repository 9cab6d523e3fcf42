"""Noise of any linear reconstruction by pseudo multiple replicas, and the two-coil formula.

White noise with the coils' covariance runs through the reconstruction many times (Robson 2008,
doi:10.1002/mrm.21728); the scatter of each voxel is its noise, with a relative standard error of 1 / sqrt(4 n) for n
complex replicas. Analytic maps are in `sense` and `grappa`; this judges them, and serves where there is no closed
form.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

Array = NDArray[np.complex128]


def replica_noise(
    linear: Callable[[Array], Array],
    mask: NDArray[np.bool_],
    shape: tuple[int, ...],
    replicas: int,
    rng: int | np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Return the standard deviation of one quadrature channel of the image for white noise of standard deviation 1.

    Parameters
    ----------
    linear : callable
        From k-space of many coils, zero where nothing was acquired, to the image; must be linear.
    mask : bool array
        What was acquired, broadcastable to k-space.
    shape : tuple of int
        Of k-space.
    replicas : int
        How many.
    rng : int or Generator
        Seed of the noise.
    progress : callable, optional
        Called with the replicas done and all of them.
    """
    if replicas < 2:
        raise InputError(f"{replicas} replicas have no scatter; ask for 2 or more", key="replicas")
    generator = np.random.default_rng(rng)
    total: NDArray[np.float64] = np.zeros(1)
    for done in range(replicas):
        pair = generator.standard_normal((2, *shape))
        image = linear((pair[0] + 1j * pair[1]) * mask)
        total = total + image.real**2 + image.imag**2
        if progress:
            progress(done + 1, replicas)
    return np.asarray(np.sqrt(total / (2 * replicas)))


def two_coil_g(crosstalk: float) -> float:
    """Return g = (1 + a^2) / (1 - a^2) of two voxels and two coils that hear the other voxel with weight a."""
    if not 0 <= crosstalk < 1:
        raise InputError(f"is {crosstalk:g}; two coils differ for 0 <= a < 1", key="crosstalk")
    return (1 + crosstalk**2) / (1 - crosstalk**2)
