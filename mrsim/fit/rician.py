"""Fits to magnitudes by the Rician likelihood: of methods, by expectation and maximisation; errors and goodness of all.

The likelihood of magnitudes y about signals S has the gradient of least squares against the data y I1(z) / I0(z) with
z = y S / sigma^2: what the complex datum is expected to be along S, given its magnitude. A method that fits by least
squares is therefore asked again and again to fit the data expected under its last answer; each round raises the
likelihood, until nothing changes (Dempster 1977). A symbolic model needs no rounds, its kernel has the gradient.

The covariance is the inverse of the Fisher information sum_i J_i J_i^T I(S_i / sigma_i) / sigma_i^2, with I <= 1 the
information that one magnitude has of its signal. Goodness compares the data with the mean and the spread that
magnitudes of the fitted signals have. Both are even in S: signs do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import magnitude
from ..core.maps import VALUED
from .method import Method, Scan, Series, Solution
from .model import Description, Model
from .signal import differences, jacobian, signal

Array = NDArray[np.float64]
PART = 8192
"""Voxels worked on at a time."""
ROUNDS = 60
STILL = 1e-6
"""Relative change of every parameter at which a voxel has converged."""
TINY = 1e-9
"""What is left of the floor after the first round: expected data may lie below it."""


def maximised(method: Method, scan: Scan, series: Series) -> Solution:
    """Return the maximum of the Rician likelihood of magnitudes, found with a method's least squares."""
    data = np.asarray(series.data)
    variance = series.spread**2 / series.weight[:, None]
    found = method.solve(scan, series)
    rounds, usable = found.rounds.copy(), np.isin(found.status, VALUED)
    again = replace(series, floor=TINY * series.floor)
    for _ in range(ROUNDS):
        values = found.values[: len(method.parameters)]
        z = data * _signal(method, scan, series.weight, values) / variance
        expected = np.where(usable, data * _ratio(np.where(usable, z, 0.0)), data)
        found = method.solve(scan, replace(again, data=expected))
        rounds += found.rounds
        new = found.values[: len(method.parameters)]
        size = np.maximum(np.abs(new), TINY)
        with np.errstate(invalid="ignore"):
            if not (np.abs(new - values) > STILL * size)[:, usable].any():
                break
    return replace(found, rounds=rounds)


def judged(model: Description, scan: Scan, series: Series, solution: Solution) -> Solution:
    """Return a Rician fit with its errors, for unit noise, and a cost that is chi-squared times the variance."""
    errors, cost = np.full(solution.unit_errors.shape, np.nan), solution.cost.copy()
    size = len(model.parameters)
    fitted = np.flatnonzero(np.isin(solution.status, VALUED))
    part = PART if isinstance(model, Model) else max(len(fitted), 1)  # methods may look at neighbours
    for first in range(0, len(fitted), part):
        v = fitted[first : first + part]
        clean, slope = _linearised(model, scan, series.weight, solution.values[:size], v)
        sigma = series.spread[v] / np.sqrt(series.weight)[:, None]
        spread = magnitude.standard_deviation(clean, sigma)
        chi2 = np.sum(((np.abs(series.data[:, v]) - magnitude.mean(clean, sigma)) / spread) ** 2, axis=0)
        cost[v] = chi2 * series.spread[v] ** 2
        known = magnitude.information(clean, sigma) * series.spread[v] ** 2
        errors[:size, v] = _errors(slope, known, np.isfinite(solution.unit_errors[:size, v]))
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = np.nan_to_num(errors[:size, v] / solution.unit_errors[:size, v]).max(axis=0)
        errors[size:, v] = solution.unit_errors[size:, v] * grown  # of what is derived, at most that
    return replace(solution, unit_errors=errors, cost=cost)


def _errors(slope: Array, known: Array, free: NDArray[np.bool_]) -> Array:
    """Return (parameter, voxel) standard errors of slopes (parameter, n, voxel) and information (n, voxel)."""
    matrix = np.einsum("anv,bnv,nv->vab", slope * free[:, None], slope * free[:, None], known)
    size = np.sqrt(np.einsum("vaa->va", matrix))
    unit = np.where(size > 0, size, 1.0)
    scaled = matrix / unit[:, :, None] / unit[:, None, :]
    scaled += np.einsum("va,ab->vab", (size == 0).astype(float), np.eye(len(slope)))
    inverse = np.einsum("vaa->va", np.linalg.pinv(scaled, hermitian=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(free & (size.T > 0), np.sqrt(inverse.T) / size.T, np.nan)


def _linearised(
    model: Description, scan: Scan, weight: Array, values: Array, voxels: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Return size (n, voxel) and slopes (parameter, n, voxel) of the signals of some voxels."""
    if isinstance(model, Model):
        point = dict(zip([p.name for p in model.parameters], values[:, voxels], strict=True))
        options = {name: value if np.ndim(value) == 0 else value[voxels] for name, value in scan.options.items()}
        clean = signal(model, point, scan.contrast, **options)
        return np.abs(clean), jacobian(model, point, scan.contrast, **options)
    assert isinstance(model, Method)
    method = model
    whole = np.where(np.isfinite(values), values, 1.0)  # of voxels without a value nothing is used

    def at(points: Array) -> Array:
        return _signal(method, scan, weight, points)

    return np.abs(at(whole)[:, voxels]), np.real(differences(method, at, whole)[:, :, voxels])


def _signal(method: Method, scan: Scan, weight: Array, points: Array) -> Array:
    """Return the (n, voxel) signal, interpolated where the method can."""
    parameters = dict(zip([p.name for p in method.parameters], points, strict=True))
    if method.interpolated is not None:
        return method.interpolated(scan, weight, parameters)
    exact: Callable[..., Any] | None = method.signal
    assert exact is not None
    return np.real(exact(scan, parameters))


def _ratio(z: Array) -> Array:
    """Return I1(z) / I0(z)."""
    from scipy.special import ive

    return np.asarray(ive(1, z) / ive(0, z))
