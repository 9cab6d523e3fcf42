"""Weighted least squares of the kurtosis tensor within physical bounds: a small quadratic programme per voxel.

Along every direction n of a set over the sphere

    D(n) >= 0,   V(n) >= 0,   V(n) <= 3 / b_max D(n)      (V = D^2 K)

are linear in the parameters. The dual of the programme has one multiplier for each and is solved by raising them one
after another, Hildreth's method, until no constraint is broken by more than `BROKEN`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.tensors import FOURTH, SECOND, monomials, sphere
from .log_linear import Found
from .method import AT_BOUND, SINGULAR, Series

Array = NDArray[np.float64]
BROKEN = 1e-7
"""um^2/ms or um^4/ms^2."""
SWEEPS = 4000
EVERY = 4
"""One in so many nodes of the sphere's mean carries constraints."""


def constraints(largest: float) -> Array:
    """Return the (constraint, 22) rows C of C beta <= 0 for a largest b, ms/um^2."""
    direction = sphere()[0][::EVERY]
    second, fourth = monomials(direction, SECOND), monomials(direction, FOURTH)
    none, one = np.zeros((len(direction), 1)), np.zeros_like(second)
    empty = np.zeros_like(fourth)
    return np.concatenate([
        np.concatenate([none, -second, empty], axis=1),
        np.concatenate([none, one, -fourth], axis=1),
        np.concatenate([none, -3 / largest * second, fourth], axis=1),
    ])  # fmt: skip


def constrained(design: Array, series: Series, found: Found, largest: float) -> None:
    """Replace the fits that break a bound, in place."""
    from ._kernels.normal import hildreth

    rows = constraints(largest)
    beta = found.beta
    usable = np.flatnonzero((found.status != SINGULAR) & np.isfinite(beta).all(axis=0))
    broken = usable[(rows @ beta[:, usable]).max(axis=0) > BROKEN]
    p = len(beta)
    low = np.tril_indices(p)
    for voxel in broken:
        inverse = np.zeros((p, p))
        inverse[low] = found.covariance[:, voxel]
        inverse = inverse + np.tril(inverse, -1).T
        inverse *= float(np.max(series.data[:, voxel])) ** 2
        turned = rows @ inverse
        beta[:, voxel] = hildreth(beta[:, voxel].copy(), rows, np.ascontiguousarray(turned), BROKEN, SWEEPS)
        found.status[voxel] = AT_BOUND
        signal = np.exp(design @ beta[:, voxel])
        weight = np.where(found.unused[:, voxel], 0.0, series.weight)
        found.cost[voxel] = float(np.sum(weight * (series.data[:, voxel] - signal) ** 2))
