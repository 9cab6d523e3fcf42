"""Errors and goodness of fits to magnitudes by the Rician likelihood.

The covariance is the inverse of the Fisher information sum_i J_i J_i^T I(S_i / sigma_i) / sigma_i^2, with I <= 1 the
information that one magnitude has of its signal. Goodness compares the data with the mean and the spread that
magnitudes of the fitted signals have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core import magnitude
from .method import CONVERGED, Scan, Series, Solution
from .model import Model
from .signal import jacobian, signal

Array = NDArray[np.float64]
PART = 8192
"""Voxels worked on at a time."""


def judged(model: Model, scan: Scan, series: Series, solution: Solution) -> Solution:
    """Return a Rician fit with its errors, for unit noise, and a cost that is chi-squared times the variance."""
    errors, cost = np.full(solution.unit_errors.shape, np.nan), solution.cost.copy()
    fitted = np.flatnonzero(np.isin(solution.status, (CONVERGED, 3)))
    for first in range(0, len(fitted), PART):
        v = fitted[first : first + PART]
        names = [p.name for p in model.parameters]
        point = dict(zip(names, solution.values[:, v], strict=True))
        options = {name: value if np.ndim(value) == 0 else value[v] for name, value in scan.options.items()}
        clean = np.abs(signal(model, point, scan.contrast, **options))
        sigma = series.spread[v] / np.sqrt(series.weight)[:, None]
        spread = magnitude.standard_deviation(clean, sigma)
        chi2 = np.sum(((np.abs(series.data[:, v]) - magnitude.mean(clean, sigma)) / spread) ** 2, axis=0)
        cost[v] = chi2 * series.spread[v] ** 2
        known = magnitude.information(clean, sigma) * series.spread[v] ** 2
        slope = jacobian(model, point, scan.contrast, **options)
        free = np.isfinite(solution.unit_errors[:, v])
        matrix = np.einsum("anv,bnv,nv->vab", slope * free[:, None], slope * free[:, None], known)
        size = np.sqrt(np.einsum("vaa->va", matrix))
        scaled = matrix / np.where(size > 0, size, 1.0)[:, :, None] / np.where(size > 0, size, 1.0)[:, None, :]
        scaled += np.einsum("va,ab->vab", (size == 0).astype(float), np.eye(len(names)))
        inverse = np.einsum("vaa->va", np.linalg.pinv(scaled, hermitian=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            errors[:, v] = np.where(free & (size.T > 0), np.sqrt(inverse.T) / size.T, np.nan)
    return replace(solution, unit_errors=errors, cost=cost)
