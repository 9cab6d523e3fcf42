"""Contrast series in a subspace: K coefficient images instead of one image per contrast.

Signals of one tissue model fill a low-dimensional space; with its basis Phi (contrast, K) the series is Phi c(x), and

    min_c sum_t ||M_t F S (Phi c)_t - d_t||^2 + lambda ||c||^2

has far fewer unknowns than samples even when each contrast is undersampled in its own way (Tamir 2017,
doi:10.1002/mrm.26102). The basis comes from a dictionary, or from calibration lines of all contrasts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .kspace import to_image, to_kspace

Array = NDArray[np.complex128]
AXES = (-3, -2, -1)


def subspace_basis(signals: NDArray[np.complex128] | NDArray[np.float64], rank: int) -> tuple[Array, float]:
    """Return the (contrast, rank) orthonormal basis of signals and the relative root-mean-square error it leaves.

    Parameters
    ----------
    signals : (signal, contrast) array
        A dictionary, or the samples of calibration lines.
    rank : int
        How many vectors.
    """
    contrasts = signals.shape[1]
    if not 1 <= rank <= contrasts:
        raise InputError(f"is {rank}; a series of {contrasts} contrasts has ranks from 1 to {contrasts}", key="rank")
    normal = signals.T @ signals.conj()
    values, vectors = np.linalg.eigh(normal)
    left = float(np.sqrt(max(0.0, values[: contrasts - rank].sum()) / values.sum()))
    return np.asarray(vectors[:, ::-1][:, :rank], dtype=np.complex128), left


def subspace_images(
    kspace: Array,
    mask: NDArray[np.bool_],
    maps: Array,
    basis: Array,
    regularisation: float = 1e-3,
    iterations: int = 60,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Return the (contrast, z, y, x) series.

    Parameters
    ----------
    kspace : (contrast, coil, z, y, x) array
        Whitened.
    mask : (contrast, z, y) bool array
        What was acquired of each contrast.
    maps : (coil, z, y, x) array
        Whitened sensitivities.
    basis : (contrast, rank) array
        Orthonormal.
    regularisation : float
        lambda over the mean of sum |s|^2 in the object.
    iterations : int
        Of the conjugate gradients.
    progress : callable, optional
        Called with the iterations done and all of them.
    """
    if len(basis) != len(kspace):
        raise InputError(f"the basis is for {len(basis)} contrasts, the series has {len(kspace)}", key="basis")
    power = np.sum(np.abs(maps) ** 2, axis=0)
    penalty = regularisation * float(np.mean(power[power > 0])) if power.any() else 0.0
    chosen = mask.astype(np.float64)
    mixing = np.einsum("tk,tzy,tl->zykl", basis.conj(), chosen, basis)

    def normal(coefficients: Array) -> Array:
        spectrum = to_kspace(maps * coefficients[:, None], AXES)
        mixed = np.einsum("zykl,lczyx->kczyx", mixing, spectrum, optimize=True)
        return _back(mixed, maps) + penalty * coefficients

    samples = kspace * chosen[:, None, :, :, None]
    right = _back(np.einsum("tk,tczyx->kczyx", basis.conj(), samples, optimize=True), maps)
    found = _conjugate_gradients(normal, right, iterations, progress)
    return np.asarray(np.tensordot(basis, found, axes=1))


def _back(samples: Array, maps: Array) -> Array:
    """Return the (rank, z, y, x) adjoint of (rank, coil, z, y, x) samples."""
    return np.asarray(np.sum(maps.conj() * to_image(samples, AXES), axis=1))


def _conjugate_gradients(
    normal: Callable[[Array], Array], right: Array, iterations: int, progress: Callable[[int, int], None] | None
) -> Array:
    from sigpy.alg import ConjugateGradient

    found = np.zeros_like(right)
    solver = ConjugateGradient(normal, right, found, max_iter=iterations, tol=1e-10 * float(np.linalg.norm(right)))
    done = 0
    while not solver.done():
        solver.update()
        done += 1
        if progress:
            progress(done, iterations)
    return found
