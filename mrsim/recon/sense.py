"""SENSE: voxels that undersampling folds onto each other, told apart by what each coil hears of them.

For the voxels of one fold, with the whitened sensitivities S (coil, voxel) and the folded values a (coil,)

    x = (S^H S + lambda I)^-1 S^H a,    g_i = sqrt([(S^H S)^-1]_ii [S^H S]_ii)

(Pruessmann 1999, doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S), and the noise is g sqrt(R) times
that of the fully sampled matched combination. With lambda > 0 the noise is that of the linear map above, below g; the
image is then biased. Sampling that is no lattice is solved by conjugate gradients through sigpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .kspace import to_image
from .lattice import Lattice

AXES = (-3, -2, -1)
ROUNDING = 1e-15
"""Added to the relative diagonal of a fold's matrix, so that it has an inverse even where it is singular."""
MOST_G = 1e4
"""Geometry factor above which the coils hear a fold's voxels alike."""
FEW = 0.01
"""Share of folds without a solution up to which an image is worth having."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Unfolding:
    """The linear map from folded coil images to an image, and what it does to noise."""

    place: NDArray[np.int64]
    """(fold, voxel) flat index into (z, y) of the voxels that lie on each other."""
    weights: NDArray[np.complex128]
    """(fold, coil, voxel, x) what each coil contributes to each voxel."""
    noise: NDArray[np.float64]
    """(z, y, x) image noise over that of a whitened sample."""
    g: NDArray[np.float64]
    """(z, y, x) geometry factor; 1 where the maps are zero, infinite (and the image zero) where all coils hear voxels
    of one fold alike."""

    def apply(self, kspace: NDArray[np.complex128], lattice: Lattice) -> NDArray[np.complex128]:
        """Return the (z, y, x) image of whitened (coil, z, y, x) k-space, of which only the lattice's lines count."""
        coils, nz, ny, nx = kspace.shape
        rows = self.place[0]
        if lattice.rz == 1 and nz == 1:
            first = _decimated(kspace[:, 0, lattice.y0 :: lattice.ry], lattice, rows)
        else:
            folded = to_image(kspace * lattice.mask[..., None], AXES)
            first = folded.reshape(coils, nz * ny, nx)[:, rows]
        image = np.zeros((nz * ny, nx), dtype=np.complex128)
        for row, weight in zip(self.place, self.weights, strict=True):
            image[row] = np.sum(weight * first, axis=0)
        return image.reshape(nz, ny, nx)


def _decimated(lines: NDArray[np.complex128], lattice: Lattice, rows: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return some rows (coil, row, x) of the transform of zero-filled k-space from its acquired lines alone.

    Lines y0 + R m make sum_m d_m exp(i 2 pi (y0 + R m - n//2)(y - n//2) / n): a transform as long as they are many.
    """
    from scipy import fft

    n, count = lattice.shape[1], lines.shape[1]
    along = fft.ifft(to_image(lines, (-1,)), axis=1, norm="forward")
    place = rows - n // 2
    turn = np.exp(2j * np.pi * (lattice.y0 - n // 2) * place / n) / np.sqrt(n)
    return np.asarray(along[:, place % count] * turn[:, None])


def unfolding(maps: NDArray[np.complex128], lattice: Lattice, regularisation: float = 0.0) -> Unfolding:
    """Return the SENSE reconstruction for a lattice.

    Parameters
    ----------
    maps : (coil, z, y, x) array
        Whitened sensitivities; zero outside the object.
    lattice : Lattice
        Which lines count.
    regularisation : float
        lambda over the mean of sum |s|^2 in the object; 0: none.
    """
    coils, nz, ny, nx = maps.shape
    if coils < lattice.acceleration and regularisation == 0:
        raise InputError(
            f"{coils} coils cannot tell {lattice.acceleration} folded voxels apart; accelerate less or regularise",
            key="acceleration",
        )
    place, h = _folds(lattice)
    power = np.sum(np.abs(maps) ** 2, axis=0)
    penalty = regularisation * float(np.mean(power[power > 0])) if power.any() else 0.0
    lines = maps.reshape(coils, nz * ny, nx)
    folds = [lines[:, row] for row in place]
    plain = _normal(folds)
    alive = np.diagonal(plain, axis1=-2, axis2=-1).real > 0
    inverse, g = _inverse(plain, alive, penalty)
    weights = np.zeros((len(place), *folds[0].shape), dtype=np.complex128)
    for i in range(len(place)):
        for j in range(len(place)):
            weights[i] += inverse[..., i, j] * folds[j].conj()
        weights[i] *= h[i].conj() * lattice.acceleration**2
    noise = np.sqrt(np.sum(np.abs(weights) ** 2, axis=1) / lattice.acceleration)
    idle = 1 / np.sqrt(np.where(power > 0, power, 1.0)).reshape(nz * ny, nx)
    noise_map, g_map = np.empty((nz * ny, nx)), np.empty((nz * ny, nx))
    for i, row in enumerate(place):
        told = np.isfinite(g[..., i]) | (penalty > 0)
        noise_map[row] = np.where(alive[..., i], np.where(told, noise[i], np.inf), idle[row])
        g_map[row] = g[..., i]
    shape = (nz, ny, nx)
    return Unfolding(place=place, weights=weights, noise=noise_map.reshape(shape), g=g_map.reshape(shape))


def _folds(lattice: Lattice) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Return the (fold, voxel) flat (z, y) places that lie on each other and h from each to the first."""
    where, h = lattice.folding()
    nz, ny = lattice.shape
    z, y = np.indices(lattice.shape)
    flat = np.array([((z - dz) % nz) * ny + (y - dy) % ny for dz, dy in where])
    own = int(np.flatnonzero((where == 0).all(axis=1))[0])
    order = [own, *(i for i in range(len(where)) if i != own)]
    first = flat[own] == flat.min(axis=0)
    return flat[order][:, first], h[order]


def _normal(columns: list[NDArray[np.complex128]]) -> NDArray[np.complex128]:
    """Return S^H S, (voxel, x, fold, fold), of the (coil, voxel, x) columns of S."""
    n = len(columns)
    normal = np.empty((*columns[0].shape[1:], n, n), dtype=np.complex128)
    for i in range(n):
        for j in range(i + 1):
            normal[..., i, j] = np.sum(columns[i].conj() * columns[j], axis=0)
            normal[..., j, i] = normal[..., i, j].conj()
    return normal


def _inverse(
    normal: NDArray[np.complex128], alive: NDArray[np.bool_], penalty: float
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return (S^H S + lambda I)^-1 with zeros for voxels outside the object, and g (without lambda)."""
    n = normal.shape[-1]
    size = np.diagonal(normal, axis1=-2, axis2=-1).real
    # a fold of voxels that the coils hear alike is singular, perhaps but for rounding: lift it, and see it by its g
    lifted = normal + (np.where(alive, ROUNDING * size, 1.0)[..., None] * np.eye(n))
    exact = _inverted(lifted)
    squared = np.where(alive, np.diagonal(exact, axis1=-2, axis2=-1).real * size, 1.0)
    alike = np.any((squared > MOST_G**2) | (squared < 0.5), axis=-1)
    folds = int(np.count_nonzero(alive.any(axis=-1)))
    if penalty == 0 and int(np.count_nonzero(alike)) > FEW * max(folds, 1):
        raise InputError(
            "coil maps are linearly dependent where voxels fold onto each other: their coils cannot be told apart; "
            "accelerate less, use other maps or regularise"
        )
    g = np.where(alike[..., None] & alive, np.inf, np.sqrt(np.maximum(squared, 1.0)))
    inverse = exact if penalty == 0 else _inverted(lifted + penalty * np.eye(n))
    both = alive[..., :, None] & alive[..., None, :]
    both &= ~alike[..., None, None] | (penalty > 0)
    return np.where(both, inverse, 0), g


def _inverted(matrices: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the inverse of (..., n, n) Hermitian matrices; of two by two, the most frequent, in closed form."""
    if matrices.shape[-1] != 2:
        return np.asarray(np.linalg.inv(matrices))
    a, b, d = matrices[..., 0, 0].real, matrices[..., 0, 1], matrices[..., 1, 1].real
    determinant = a * d - (b.real**2 + b.imag**2)
    result = np.empty_like(matrices)
    with np.errstate(divide="ignore", invalid="ignore"):
        result[..., 0, 0], result[..., 1, 1] = d / determinant, a / determinant
        result[..., 0, 1] = -b / determinant
    result[..., 1, 0] = result[..., 0, 1].conj()
    return result


def iterate(
    kspace: NDArray[np.complex128],
    mask: NDArray[np.bool_],
    maps: NDArray[np.complex128],
    regularisation: float = 0.0,
    iterations: int = 50,
) -> NDArray[np.complex128]:
    """Return the (z, y, x) image for any mask by conjugate gradients on the same normal equations.

    Parameters
    ----------
    kspace, maps : (coil, z, y, x) array
        Whitened.
    mask : (z, y) bool array
        What was acquired.
    regularisation : float
        lambda over the mean of sum |s|^2 in the object.
    iterations : int
        Of the conjugate gradients, which regularise, too.
    """
    from sigpy.mri.app import SenseRecon

    power = np.sum(np.abs(maps) ** 2, axis=0)
    penalty = regularisation * float(np.mean(power[power > 0])) if power.any() else 0.0
    weights = np.broadcast_to(mask[..., None], maps.shape[1:]).astype(float)
    app = SenseRecon(
        kspace * weights, maps, lamda=penalty, weights=weights, max_iter=iterations, tol=1e-12, show_pbar=False
    )
    return np.asarray(app.run(), dtype=np.complex128)
