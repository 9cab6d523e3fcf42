"""Tensors that must not have a negative eigenvalue: D = A A with A symmetric, fitted where the free tensor has one.

A free optimum with no negative eigenvalue is the optimum of the constrained problem as well; only the others are
searched again, by Levenberg and Marquardt's steps over ln S0 and the six elements of A (in the manner of Koay et al.
2006, doi:10.1016/j.jmr.2006.06.020, whose triangular factor gets stuck more easily), from the nearest positive tensor.
At the optimum an eigenvalue is zero: the tensor is on a bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.tensors import elements_of, matrix_of
from .log_linear import Found
from .method import AT_BOUND, SINGULAR, Series

Array = NDArray[np.float64]
ROUNDS = 200
LEAST = 0.1
"""Eigenvalue, um^2/ms, up to which the free tensor is raised where the search begins: at A = 0 it would be stuck."""


def made_positive(design: Array, series: Series, found: Found) -> None:
    """Replace the tensors of a fit that have a negative eigenvalue, in place."""
    matrices = matrix_of(found.beta[1:7].T)
    usable = (found.status != SINGULAR) & np.isfinite(found.beta).all(axis=0)
    lowest = np.full(len(matrices), np.inf)
    lowest[usable] = np.linalg.eigvalsh(matrices[usable])[:, 0]
    for voxel in np.flatnonzero(lowest < 0):
        data = np.asarray(series.data[:, voxel], np.float64)
        scale = float(data.max())
        free = found.beta[:, voxel] - np.eye(7)[0] * np.log(scale)
        beta, cost = _search(design, data / scale, series.weight, free)
        found.beta[:, voxel], found.cost[voxel] = beta, cost * scale**2
        found.beta[0, voxel] += np.log(scale)
        found.status[voxel] = AT_BOUND


def _search(design: Array, data: Array, weight: Array, start: Array) -> tuple[Array, float]:
    """Return beta of the positive tensor of least misfit, and the misfit."""
    values, vectors = np.linalg.eigh(matrix_of(start[1:7]))
    near = (vectors * np.maximum(values, LEAST)) @ vectors.T
    point = np.concatenate([start[:1], elements_of(_root_of(near))])
    root, damping = np.sqrt(weight), 1e-3

    def at(place: Array) -> tuple[Array, Array]:
        factor = matrix_of(place[1:])
        return np.concatenate([place[:1], elements_of(factor @ factor)]), factor

    beta, factor = at(point)
    signal = np.exp(np.minimum(design @ beta, 300.0))
    cost = float(np.sum((root * (data - signal)) ** 2))
    for _ in range(ROUNDS):
        chain = np.zeros((7, 7))
        chain[0, 0] = 1
        for column in range(6):
            unit = matrix_of(np.eye(6)[column])
            chain[1:, column + 1] = elements_of(unit @ factor + factor @ unit)
        slope = (root * signal)[:, None] * (design @ chain)
        gram = slope.T @ slope
        step = np.linalg.solve(gram + damping * np.diag(np.diag(gram) + 1e-12), slope.T @ (root * (data - signal)))
        trial, other = at(point + step)
        value = np.exp(np.minimum(design @ trial, 300.0))
        better = float(np.sum((root * (data - value)) ** 2))
        if better <= cost:
            gain = cost - better
            point, beta, factor, signal, cost = point + step, trial, other, value, better
            damping = max(damping * 0.2, 1e-12)
            if gain <= 1e-14 * cost:
                break
        else:
            damping *= 5
            if damping > 1e12:
                break
    return beta, cost


def _root_of(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
