"""Many coils into one image: whitening by the noise covariance, then sum of squares, matched or adaptive combination.

Whitened data are W d with W = c L^-1, where L L^H is the noise covariance and c^2 its mean diagonal element: the
channels then have independent noise of one sigma, and keep their unit. The matched combination (Roemer 1990,
doi:10.1002/mrm.1910160203) is sum conj(s) d / sum |s|^2, of all linear ones that with the highest SNR. The adaptive
one (Walsh 2000, doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G) takes for s the strongest
eigenvector of the coils' correlation in a neighbourhood. The sum of squares follows a noncentral chi distribution
with 2 x coils degrees of freedom, and is no complex image any more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .common_phase import in_step, virtual_coil

CONDITION = 1e12
"""A covariance with a larger condition number is taken as singular."""
POWER_STEPS = 12
"""Of the power iteration; the strongest eigenvector dominates where there is signal."""


def whitening(covariance: NDArray[np.complex128]) -> tuple[NDArray[np.complex128], float]:
    """Return the (coil, coil) matrix W and the variance that all whitened channels have.

    Parameters
    ----------
    covariance : (coil, coil) array
        Hermitian; all zero where the noise is unknown, for which W is the identity and the variance zero.
    """
    coils = len(covariance)
    if covariance.shape != (coils, coils) or not np.allclose(covariance, covariance.conj().T, rtol=1e-6, atol=0):
        raise InputError(f"the noise covariance of shape {covariance.shape} is not square and Hermitian")
    if not covariance.any():
        return np.eye(coils, dtype=np.complex128), 0.0
    values = np.linalg.eigvalsh(covariance)
    if values[0] * CONDITION <= values[-1]:
        raise InputError(
            f"the noise covariance of {coils} coils is singular: its eigenvalues run from {values[0]:.3g} to "
            f"{values[-1]:.3g}; measure the noise with more than {coils} samples, or drop dead and doubled coils"
        )
    variance = float(np.mean(np.real(np.diag(covariance))))
    lower = np.linalg.cholesky(covariance)
    return np.asarray(np.sqrt(variance) * np.linalg.inv(lower)), variance


def mix(matrix: NDArray[np.complex128], data: NDArray[np.complex128], axis: int = 0) -> NDArray[np.complex128]:
    """Return data with a matrix applied to its coil axis."""
    if data.shape[axis] != matrix.shape[1]:
        raise InputError(f"there are {data.shape[axis]} coils, the noise covariance has {matrix.shape[1]}")
    if np.array_equal(matrix, np.eye(len(matrix))):
        return data
    before, after = data.shape[:axis], data.shape[axis + 1 :]
    mixed = matrix @ data.reshape(*before, data.shape[axis], -1)
    return np.asarray(mixed.reshape(*before, len(matrix), *after))


def sum_of_squares(images: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the root of the sum over (coil, ...) of squared magnitudes."""
    return np.asarray(np.sqrt(np.sum(images.real**2 + images.imag**2, axis=0)))


def matched(images: NDArray[np.complex128], maps: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return sum conj(s) d / sum |s|^2 of whitened (coil, ...) images and maps; zero where the maps are."""
    if images.shape[0] != maps.shape[0]:
        raise InputError(f"the images have {images.shape[0]} coils, the maps {maps.shape[0]}")
    power = np.sum(np.abs(maps) ** 2, axis=0)
    total = np.sum(maps.conj() * images, axis=0)
    return np.asarray(np.divide(total, power, out=np.zeros_like(total), where=power > 0))


def matched_noise(maps: NDArray[np.complex128], sigma: float) -> NDArray[np.float64]:
    """Return the noise of the matched combination; where the maps are zero, that of a sensitivity of one."""
    power = np.sum(np.abs(maps) ** 2, axis=0)
    return np.asarray(sigma / np.sqrt(np.where(power > 0, power, 1.0)))


def adaptive_maps(images: NDArray[np.complex128], width: int = 5) -> NDArray[np.complex128]:
    """Return unit (coil, z, y, x) maps: strongest eigenvector of the correlation over `width` voxels each way.

    Parameters
    ----------
    images : (coil, z, y, x) array
        Whitened.
    width : int
        Of the neighbourhood; axes with one voxel have none.
    """
    from scipy.ndimage import uniform_filter

    coils = len(images)
    size = [min(width, n) for n in images.shape[1:]]
    correlation = np.empty((*images.shape[1:], coils, coils), dtype=np.complex128)
    for i in range(coils):
        for j in range(i + 1):
            product = images[i] * images[j].conj()
            mean = uniform_filter(product.real, size) + 1j * uniform_filter(product.imag, size)
            correlation[..., i, j], correlation[..., j, i] = mean, mean.conj()
    strongest = virtual_coil(images)
    vector = np.broadcast_to(strongest, correlation.shape[:-1])[..., None]
    for _ in range(POWER_STEPS):
        vector = correlation @ vector
        norm = np.linalg.norm(vector, axis=-2, keepdims=True)
        vector = np.divide(vector, norm, out=np.zeros_like(vector), where=norm > 0)
    return in_step(np.moveaxis(vector[..., 0], -1, 0), sum_of_squares(images), strongest)
