"""Tensors of diffusion: their elements, their scalars, and the kurtosis of many Gaussian compartments.

Along a unit vector n a tensor D has D(n) = n.D.n, and a mixture of compartments with fractions f_i and tensors D_i has

    D(n) = sum f_i D_i(n),   V(n) = 3 (sum f_i D_i(n)^2 - D(n)^2),   K(n) = V(n) / D(n)^2,

where V = MD^2 W is the totally symmetric tensor of fourth order that kurtosis imaging fits (Jensen et al. 2005,
doi:10.1002/mrm.20508). Mean kurtosis is the mean of K(n) over the sphere, radial kurtosis that over the circle across
the first eigenvector, axial kurtosis K along it (Tabesh et al. 2011, doi:10.1002/mrm.22655).
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SECOND = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Elements of a symmetric tensor of second order: xx, yy, zz, xy, xz, yz."""
FOURTH = tuple(itertools.combinations_with_replacement(range(3), 4))
"""Elements of a totally symmetric tensor of fourth order: xxxx, xxxy, xxxz, xxyy, ..., zzzz."""
POLAR, CIRCLE = 12, 32
"""Nodes of the mean over half the sphere from pole to equator, and around it; of the circle half as many."""


def multiplicity(element: tuple[int, ...]) -> int:
    """Return how many permutations of its indices an element stands for."""
    counts = [element.count(axis) for axis in range(3)]
    return math.factorial(len(element)) // math.prod(math.factorial(c) for c in counts)


def _isotropic(element: tuple[int, ...]) -> float:
    i, j, k, m = element
    return ((i == j) * (k == m) + (i == k) * (j == m) + (i == m) * (j == k)) / 15


MEAN_OF_FOURTH = np.array([multiplicity(e) * _isotropic(e) for e in FOURTH])
"""(15,) what the elements add up to over the sphere: the mean of n_i n_j n_k n_l is (d_ij d_kl + d_ik d_jl + d_il d_jk)
/ 15."""


def monomials(direction: Array, elements: tuple[tuple[int, ...], ...]) -> Array:
    """Return the (..., element) factors by which elements add up to the tensor along (..., 3) vectors."""
    columns = [multiplicity(e) * np.prod(direction[..., list(e)], axis=-1) for e in elements]
    return np.stack(columns, axis=-1)


def matrix_of(elements: Array) -> Array:
    """Return the (..., 3, 3) symmetric matrices of (..., 6) elements in the order of `SECOND`."""
    full = np.empty((*elements.shape[:-1], 3, 3))
    for place, (i, j) in enumerate(SECOND):
        full[..., i, j] = full[..., j, i] = elements[..., place]
    return full


def elements_of(matrix: Array) -> Array:
    """Return the (..., 6) elements of (..., 3, 3) symmetric matrices."""
    return np.stack([matrix[..., i, j] for i, j in SECOND], axis=-1)


def prolate(md: float, fa: float, axis: Array) -> Array:
    """Return the (3, 3) tensor of a mean diffusivity and a fractional anisotropy, longest along a unit vector."""
    d = fa / math.sqrt(3 - 2 * fa**2)
    return np.asarray(md * ((1 - d) * np.eye(3) + 3 * d * np.outer(axis, axis)))


def fractional_anisotropy(eigenvalues: Array) -> Array:
    """Return FA of (..., 3) eigenvalues; zero where all of them are zero."""
    mean = eigenvalues.mean(axis=-1, keepdims=True)
    power = np.sum(eigenvalues**2, axis=-1)
    deviation = np.sum((eigenvalues - mean) ** 2, axis=-1)
    return np.asarray(np.sqrt(1.5 * deviation / np.where(power > 0, power, 1.0)))


def mixed(fractions: Array, tensors: Array) -> tuple[Array, Array]:
    """Return the (3, 3) mean tensor and the (15,) elements of V = MD^2 W of Gaussian compartments.

    Parameters
    ----------
    fractions : (n,) array
        Summing to 1.
    tensors : (n, 3, 3) array
        m^2/s.
    """
    mean = np.einsum("n,nij->ij", fractions, tensors)

    def symmetric(tensor: Array, element: tuple[int, ...]) -> Array:
        i, j, k, m = element
        pairs = (((i, j), (k, m)), ((i, k), (j, m)), ((i, m), (j, k)))
        return np.asarray(sum(tensor[..., a[0], a[1]] * tensor[..., b[0], b[1]] for a, b in pairs) / 3)

    fourth = [3 * (fractions @ symmetric(tensors, e) - symmetric(mean, e)) for e in FOURTH]
    return mean, np.array(fourth)


@lru_cache(maxsize=2)
def sphere(polar: int = POLAR, circle: int = CIRCLE) -> tuple[Array, Array]:
    """Return (n, 3) unit vectors over half the sphere and their weights.

    polar, circle : nodes from pole to equator and around. Exact for even polynomials up to degree 2 polar - 1 or
    circle - 1, whichever is less.
    """
    node, weight = np.polynomial.legendre.leggauss(2 * polar)
    upper = node > 0
    z, turns = node[upper], 2 * np.pi * (np.arange(circle) + 0.5) / circle
    across = np.sqrt(1 - z**2)
    x, y = across[:, None] * np.cos(turns), across[:, None] * np.sin(turns)
    vectors = np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], axis=-1).reshape(-1, 3)
    return vectors, np.repeat(weight[upper] / circle, circle)


def along(direction: Array, tensor: Array, fourth: Array) -> Array:
    """Return the (voxel, direction) kurtosis of (voxel, 6) tensors and (voxel, 15) V along (direction, 3) vectors."""
    diffusion = tensor @ monomials(direction, SECOND).T
    return _ratio(fourth @ monomials(direction, FOURTH).T, diffusion)


def _ratio(fourth: Array, diffusion: Array) -> Array:
    """Return V / D^2; NaN where nothing diffuses in that direction, or backwards."""
    return np.asarray(np.where(diffusion > 0, fourth / np.where(diffusion > 0, diffusion, 1.0) ** 2, np.nan))


def kurtosis(tensor: Array, fourth: Array) -> dict[str, Array]:
    """Return the (voxel,) mean, axial and radial kurtosis, and the mean of the kurtosis tensor, ``mk ak rk mkt``.

    Parameters
    ----------
    tensor : (voxel, 6) array
        m^2/s.
    fourth : (voxel, 15) array
        V = MD^2 W, m^4/s^2.
    """
    vectors, weights = sphere()
    mean = along(vectors, tensor, fourth) @ weights
    _, axes = np.linalg.eigh(matrix_of(tensor))
    turns = np.pi * np.arange(CIRCLE // 2) / (CIRCLE // 2)
    ring = axes[:, None, :, 1] * np.cos(turns)[:, None] + axes[:, None, :, 0] * np.sin(turns)[:, None]
    radial = np.mean(_local(ring, tensor, fourth), axis=1)
    axial = _local(axes[:, None, :, 2], tensor, fourth)[:, 0]
    return {"mk": mean, "ak": axial, "rk": radial, "mkt": mean_of_tensor(tensor, fourth)}


def mean_of_tensor(tensor: Array, fourth: Array) -> Array:
    """Return the (voxel,) mean of the kurtosis tensor over the sphere, over MD squared; arguments as in `kurtosis`."""
    return _ratio(fourth @ MEAN_OF_FOURTH, tensor[:, :3].mean(axis=1))


def _local(direction: Array, tensor: Array, fourth: Array) -> Array:
    """Return the (voxel, direction) kurtosis along (voxel, direction, 3) vectors of each voxel's own."""
    diffusion = np.einsum("vde,ve->vd", monomials(direction, SECOND), tensor)
    return _ratio(np.einsum("vde,ve->vd", monomials(direction, FOURTH), fourth), diffusion)
