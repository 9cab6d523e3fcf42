"""Fits to magnitudes by their likelihood, Rician or noncentral chi: by expectation and maximisation; their errors.

The likelihood of magnitudes y about signals S has the gradient of least squares against the data y I1(z) / I0(z) with
z = y S / sigma^2: what the complex datum is expected to be along S, given its magnitude. A method that fits by least
squares is therefore asked again and again to fit the data expected under its last answer; each round raises the
likelihood, until nothing changes (Dempster 1977). A symbolic model needs no rounds, its kernel has the gradient.
The root of a sum of squares of L channels has I_L(z) / I_(L-1)(z) there (noncentral chi); models of all kinds go round.

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
SEEN = 0.01
"""Share of the voxels from which on a warning is due."""
TINY = 1e-9
"""What is left of the floor after the first round: expected data may lie below it."""


def maximised(model: Description, scan: Scan, series: Series, solve: Callable[[Series], Solution]) -> Solution:
    """Return the maximum of the likelihood of magnitudes, found with the least squares that `solve` finds."""
    data, count = np.asarray(series.data), len(model.parameters)
    sigma = np.where(np.isfinite(series.spread), series.spread, 1.0) / np.sqrt(series.weight)[:, None]
    series = replace(series, likelihood="gaussian")
    found = solve(series)
    rounds, usable = found.rounds.copy(), np.isin(found.status, VALUED)
    again = replace(series, floor=TINY * series.floor)
    for _ in range(ROUNDS):
        values = found.values[:count]
        clean = np.where(usable, _predicted(model, scan, series.weight, values), 0.0)
        size = np.abs(clean)  # y I_L / I_(L-1) is the signal and sigma^2 times the score
        expected = size + sigma**2 * magnitude.score(np.abs(data), size, sigma, series.channels)
        found = solve(replace(again, data=np.where(usable, np.where(clean < 0, -expected, expected), data)))
        rounds += found.rounds
        new = found.values[:count]
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
        spread = magnitude.standard_deviation(clean, sigma, series.channels)
        mean = magnitude.mean(clean, sigma, series.channels)
        chi2 = np.sum(((np.abs(series.data[:, v]) - mean) / spread) ** 2, axis=0)
        cost[v] = chi2 * series.spread[v] ** 2
        known = magnitude.information(clean, sigma, series.channels) * series.spread[v] ** 2
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


def _predicted(model: Description, scan: Scan, weight: Array, values: Array) -> Array:
    """Return the (n, voxel) signal of (parameter, voxel) values."""
    if isinstance(model, Method):
        return _signal(model, scan, weight, values)
    assert isinstance(model, Model)
    point = dict(zip([p.name for p in model.parameters], values, strict=True))
    return np.asarray(np.real(signal(model, point, scan.contrast, **scan.options)))


def biased_by_channels(series: Series, solution: Solution) -> tuple[str, ...]:
    """Return a warning where least squares meet a sum of squares near its noise, whose floor grows with the channels.

    The mean magnitude lies (2 L - 1) sigma^2 / (2 A) above the signal A: half a sigma at A = (2 L - 1) sigma.
    """
    usable = np.isin(solution.status, VALUED)
    if series.channels == 1 or series.likelihood == "rician" or not usable.any():
        return ()
    sigma = series.spread[usable] / np.sqrt(series.weight)[:, None]
    low = np.any(np.abs(series.data[:, usable]) < (2 * series.channels - 1) * sigma, axis=0).mean()
    said = (
        f"the images are roots of a sum of squares of {series.channels} channels; in {low:.0%} of the fitted voxels an "
        "image lies so near the noise that it is more than half a standard deviation too bright: fit with likelihood "
        "'rician', or combine the coils with maps"
    )
    return (said,) if low > SEEN else ()
