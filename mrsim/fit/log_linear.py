"""Fits of S = exp(X beta): the logarithm of the signal is linear in what is looked for.

Diffusion coefficients, tensors and kurtosis are all of this kind, and all of their estimators solve the same small
normal equations X^T W X beta = X^T W z, for thousands of voxels at once:

- ``ols``: ln S with equal weights;
- ``wls``: ln S with the squares of the signals that ``ols`` predicts, which is what noise makes of a logarithm
  (Salvador et al. 2005, doi:10.1002/hbm.20076);
- ``irls``: the same again and again, images that do not fit weighed down by Geman and McClure's function of their
  residual over its robust spread (Chang et al. 2005, doi:10.1002/mrm.20426);
- ``nlls``: S itself, by Levenberg and Marquardt's steps from ``wls``;
- ``rician``: the likelihood of magnitudes, by steps with its expected information.

Images whose magnitude is zero have no logarithm and no weight in that voxel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..core import magnitude
from .method import CONVERGED, LIMIT, SINGULAR, Series
from .solve import over_chunks

Array = NDArray[np.float64]
Estimator = Literal["ols", "wls", "irls", "nlls", "rician"]
CHUNK = 1024
"""Voxels at once: what a chunk needs stays in the second cache."""
LEAST = 1e-13
"""Share of a diagonal element that a pivot must keep for the parameter to be determined."""
ROUNDS, ROBUST_ROUNDS = 60, 15
SETTLED = 1e-12
"""Relative gain of a step below which a search has ended."""
OUTLYING = 3.0
"""Robust standard deviations of a residual beyond which an image loses its say."""
ROUNDING = 1e-11
"""Spread of residuals, over the largest signal, that is no noise."""
STEEPEST = 2.0
"""Largest change of an exponent that one step may bring."""


@dataclass(kw_only=True, slots=True, eq=False)
class Found:
    """What a fit of many voxels fills."""

    beta: Array
    """(p, voxel)."""
    covariance: Array
    """(packed, voxel) for noise of standard deviation 1 in an image of weight 1; lower triangle, row by row."""
    status: NDArray[np.int8]
    cost: Array
    """(voxel,) weighted sum of squared residuals of the signals."""
    rounds: NDArray[np.int64]
    outliers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(voxel,) images that ``irls`` weighed below a quarter."""

    @classmethod
    def empty(cls, p: int, voxels: int) -> Found:
        """Return what is to be filled for p parameters."""
        return cls(
            beta=np.full((p, voxels), np.nan),
            covariance=np.full((p * (p + 1) // 2, voxels), np.nan),
            status=np.zeros(voxels, dtype=np.int8),
            cost=np.full(voxels, np.nan),
            rounds=np.ones(voxels, dtype=np.int64),
            outliers=np.zeros(voxels, dtype=np.int64),
        )

    def of(self, voxels: NDArray[np.bool_]) -> Found:
        """Return what was found in some voxels."""
        return Found(**{f.name: np.ascontiguousarray(getattr(self, f.name)[..., voxels]) for f in fields(self)})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class System:
    """A design and what follows from it."""

    design: Array
    """(n, p)."""
    products: Array
    """(packed, n) x_i x_j."""
    weight: Array
    """(n,) of the images."""
    inverse: Array
    """(packed, 1) of X^T W X with these weights."""
    back: Array
    """(p, n): logarithms of all images -> their fit with these weights."""
    regular: bool
    """Whether all images together determine every parameter."""

    @classmethod
    def of(cls, design: Array, weight: Array) -> System:
        """Return the system of a design whose images have (n,) weights."""
        from ._kernels.normal import solve_packed

        p = design.shape[1]
        row, column = np.tril_indices(p)
        products, weight = np.ascontiguousarray((design[:, row] * design[:, column]).T), np.asarray(weight, np.float64)
        gram, full = (products @ weight)[:, None], np.zeros((p, p))
        inverse, nothing, regular = np.empty_like(gram), np.zeros((p, 1)), np.empty(1, dtype=np.bool_)
        solve_packed(gram, nothing, LEAST, inverse, np.empty_like(nothing), regular)
        full[row, column] = full[column, row] = inverse[:, 0]
        back = full @ (design.T * weight)
        return cls(
            design=design, products=products, weight=weight, inverse=inverse, back=back, regular=bool(regular[0])
        )

    def solved(
        self, weight: Array, values: Array, damping: Array | float = 0.0
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return beta, its packed (X^T W X)^-1, and where both exist, for (n, voxel) weights and values."""
        from ._kernels.normal import solve_packed

        gram, right = self.products @ weight, self.design.T @ (weight * values)
        p = self.design.shape[1]
        if np.any(damping):
            at = np.arange(p)
            gram[at * (at + 3) // 2] *= 1 + damping
        inverse, beta = np.empty_like(gram), np.empty_like(right)
        regular = np.empty(gram.shape[1], dtype=np.bool_)
        solve_packed(gram, right, LEAST, inverse, beta, regular)
        return beta, inverse, regular


Each = Callable[["Found", Series, slice], None]
"""Called with what was found in a chunk of voxels, their series, and where they stand."""


def fit_exponentials(design: Array, series: Series, estimator: Estimator) -> Found:
    """Fit every voxel of a series of magnitudes; arguments as in `over_exponentials`."""
    p, voxels = design.shape[1], series.data.shape[1]
    found = Found.empty(p, voxels)

    def keep(part: Found, _: Series, where: slice) -> None:
        for name in fields(part):
            getattr(found, name.name)[..., where] = getattr(part, name.name)

    over_exponentials(design, series, estimator, keep)
    return found


def over_exponentials(design: Array, series: Series, estimator: Estimator, each: Each) -> None:
    """Fit every voxel of a series of magnitudes, chunk by chunk.

    Parameters
    ----------
    design : (n, p) array
        X, columns of the order of one; the first is ones, so that beta_0 = ln S0.
    series : Series
        Magnitudes (n, voxel); for ``rician`` their noise must be known.
    estimator : str
    each : callable
        Takes what is found in each chunk; from several threads.
    """
    system, data = System.of(design, series.weight), np.asarray(series.data, np.float64)

    def work(begin: int, end: int) -> None:
        part = slice(begin, end)
        mine = replace(
            series, data=np.ascontiguousarray(data[:, part]), floor=series.floor[part], spread=series.spread[part]
        )
        each(_fit(system, mine, estimator), mine, part)

    with threadpool_limits(limits=1, user_api="blas"):
        over_chunks(work, 0, data.shape[1], series.threads, chunk=CHUNK)


def _fit(system: System, series: Series, estimator: Estimator) -> Found:
    """Fit one chunk."""
    data, known = series.data, system.weight[:, None]
    largest = data.max(axis=0)
    complete = bool((data.min(axis=0) > 0).all() and (largest < np.inf).all())
    if not complete:
        data = np.where(np.isfinite(data), data, 0.0)
        known, largest = np.where(data > 0, known, 0.0), data.max(axis=0)
    scale = np.where(largest > 0, largest, 1.0)
    relative: Array = data / scale
    logarithm = np.log(relative if complete else np.where(data > 0, relative, 1.0))
    voxels = data.shape[1]
    rounds, outliers = np.ones(voxels, np.int64), np.zeros(voxels, np.int64)
    settled = np.ones(voxels, np.bool_)
    beta, inverse, regular = _ordinary(system, known, logarithm, complete)
    signal = _signal(system, beta)
    if estimator == "ols":
        inverse = _sandwich(system, inverse, known, signal, complete)
    else:
        beta, inverse, fine = system.solved(known * signal**2, logarithm)
        regular = regular & fine
        signal = _signal(system, beta)
    if estimator == "irls":
        beta, inverse, outliers = _robust(system, known, logarithm, beta)
        rounds[:] = ROBUST_ROUNDS
        signal = _signal(system, beta)
    elif estimator in ("nlls", "rician"):
        search = _Search(system, relative, series.spread / scale if estimator == "rician" else None)
        beta, inverse, rounds, settled = search.run(beta)
        signal = _signal(system, beta)
    cost = system.weight @ np.square(np.subtract(relative, signal, out=signal), out=signal) * scale**2
    status = np.where(regular, np.where(settled, CONVERGED, LIMIT), SINGULAR).astype(np.int8)
    beta[0] += np.log(scale)
    covariance = np.multiply(inverse, 1 / scale**2, out=inverse)
    return Found(beta=beta, covariance=covariance, status=status, cost=cost, rounds=rounds, outliers=outliers)


def _ordinary(system: System, known: Array, values: Array, complete: bool) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the fit with the images' weights alone; one inverse does for all voxels that have every image."""
    if not complete:
        return system.solved(known, values)
    return system.back @ values, system.inverse, np.full(values.shape[1], system.regular)


def _signal(system: System, beta: Array) -> Array:
    exponent = system.design @ beta
    return np.asarray(np.exp(np.clip(exponent, -700.0, 300.0, out=exponent), out=exponent))


def _sandwich(system: System, inverse: Array, known: Array, signal: Array, complete: bool) -> Array:
    """Return the packed covariance of equal weights: noise of the logarithm is 1 / S, which they do not know."""
    p = system.design.shape[1]
    row, column = np.tril_indices(p)
    if complete:
        return np.asarray((system.back[row] * system.back[column]) @ (1 / (system.weight[:, None] * signal**2)))
    full = np.zeros((inverse.shape[1], p, p))
    full[:, row, column] = full[:, column, row] = inverse.T
    inner = np.zeros_like(full)
    noise = np.where(known > 0, known / signal**2, 0.0)
    inner[:, row, column] = inner[:, column, row] = (system.products @ noise).T
    return np.ascontiguousarray((full @ inner @ full)[:, row, column].T)


def _robust(system: System, known: Array, logarithm: Array, beta: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return the fit in which images that do not fit lose their weight, and how many have lost three quarters of it."""
    n, p = system.design.shape
    share = np.ones_like(known)
    inverse = np.empty(0)
    for _ in range(ROBUST_ROUNDS):
        signal = _signal(system, beta)
        residual = np.sqrt(known) * signal * (logarithm - system.design @ beta)
        spread = 1.4826 * np.median(np.abs(residual), axis=0) * np.sqrt(n / max(n - p, 1))
        away = residual / np.where(spread > ROUNDING, OUTLYING * spread, 1.0)
        share = np.where(spread > ROUNDING, 1 / (1 + away**2) ** 2, 1.0)
        beta, inverse, _ = system.solved(known * share * signal**2, logarithm)
    return beta, inverse, np.sum(share < 0.25, axis=0)


class _Search:
    """Damped steps down the misfit of many voxels, each with its own damping."""

    def __init__(self, system: System, data: Array, sigma: Array | None) -> None:
        self.system, self.data = system, data
        self.sigma = None if sigma is None else sigma / np.sqrt(system.weight)[:, None]

    def misfit(self, beta: Array, which: NDArray[np.int64]) -> Array:
        """Return the weighted sum of squares, or minus the log likelihood, of some voxels."""
        signal, data = _signal(self.system, beta), self.data[:, which]
        if self.sigma is None:
            return np.asarray(np.sum(self.system.weight[:, None] * (data - signal) ** 2, axis=0))
        likelihood = magnitude.log_likelihood(np.maximum(data, 1e-12), signal, self.sigma[:, which])
        return np.asarray(-np.sum(likelihood, axis=0))

    def step(self, beta: Array, which: NDArray[np.int64], damping: Array) -> tuple[Array, Array]:
        """Return the step of some voxels and the packed inverse that it was found with."""
        signal, data = _signal(self.system, beta), self.data[:, which]
        if self.sigma is None:
            weight = self.system.weight[:, None] * signal**2
            slope = self.system.weight[:, None] * (data - signal) * signal
        else:
            sigma = self.sigma[:, which]
            weight = magnitude.information(signal, sigma) * signal**2
            slope = magnitude.score(data, signal, sigma) * signal
        step, inverse, _ = self.system.solved(weight, slope / np.where(weight > 0, weight, 1.0), damping)
        longest = np.abs(self.system.design @ step).max(axis=0)
        return step * np.minimum(1.0, STEEPEST / np.maximum(longest, 1e-300)), inverse

    def run(self, beta: Array) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.bool_]]:
        """Return beta, packed covariance, rounds, and whether the search ended by itself."""
        voxels = beta.shape[1]
        beta, rounds = beta.copy(), np.zeros(voxels, dtype=np.int64)
        active, damping = np.arange(voxels), np.full(voxels, 1e-3)
        misfit = self.misfit(beta, active)
        size = np.sum(self.system.weight[:, None] * self.data**2, axis=0) if self.sigma is None else np.ones(voxels)
        for _ in range(ROUNDS):
            step, _ = self.step(beta[:, active], active, damping[active])
            trial = beta[:, active] + step
            value = self.misfit(trial, active)
            rounds[active] += 1
            better = value <= misfit[active]
            gain = np.where(better, misfit[active] - value, np.inf)
            still = np.abs(self.system.design @ step).max(axis=0) < 1e-10
            beta[:, active[better]], misfit[active[better]] = trial[:, better], value[better]
            damping[active] = np.where(better, damping[active] * 0.1, np.minimum(damping[active] * 10, 1e12))
            done = still | (gain <= SETTLED * np.minimum(size[active], np.maximum(np.abs(misfit[active]), 1e-18)))
            active = active[~done]
            if not len(active):
                break
        settled = np.ones(voxels, dtype=np.bool_)
        settled[active] = False
        _, inverse = self.step(beta, np.arange(voxels), np.zeros(voxels))
        if self.sigma is not None:
            inverse = inverse / np.where(np.isfinite(self.unit), self.unit, 1.0) ** 2
        return beta, inverse, rounds, settled

    @property
    def unit(self) -> Array:
        """The (voxel,) noise of an image of weight 1."""
        assert self.sigma is not None
        return np.asarray(self.sigma[0] * np.sqrt(self.system.weight[0]))
