"""Fits of S = exp(X beta): the logarithm of the signal is linear in what is looked for.

Diffusion coefficients, tensors and kurtosis are all of this kind, and all of their estimators solve the same small
normal equations X^T W X beta = X^T W z, for thousands of voxels at once:

- ``ols``: ln S with equal weights;
- ``wls``: ln S with the squares of the signals that ``ols`` predicts, which is what noise makes of a logarithm
  (Salvador et al. 2005, doi:10.1002/hbm.20076);
- ``irls``: the same again and again, images that do not fit weighed down by Geman and McClure's function of their
  residual over its robust spread, or over the noise where that is known and larger: a handful of residuals often
  looks too narrow (Chang et al. 2005, doi:10.1002/mrm.20426);
- ``nlls``: S itself, by Levenberg and Marquardt's steps from ``wls``;
- ``rician``: the likelihood of magnitudes, by steps with its expected information.

Images whose magnitude is zero have no logarithm and no weight in that voxel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from .exponential_search import Search, System, signal_of
from .method import CONVERGED, LIMIT, SINGULAR, Series
from .solve import over_chunks

Array = NDArray[np.float64]
Estimator = Literal["ols", "wls", "irls", "nlls", "rician"]
CHUNK = 1024
"""Voxels at once: what a chunk needs stays in the second cache."""
ROBUST_ROUNDS = 15
OUTLYING = 3.0
"""Robust standard deviations of a residual beyond which an image loses its say."""
REJECTED = 0.25
"""Share of its weight below which an image counts as an outlier: `OUTLYING` deviations leave as much."""
ROUNDING = 1e-11
"""Spread of residuals, over the largest signal, that is no noise."""


@dataclass(kw_only=True, slots=True, eq=False)
class Found:
    """What a fit of many voxels fills."""

    beta: Array
    """(p, voxel)."""
    covariance: Array
    """(packed, voxel) for noise of standard deviation 1 in an image of weight 1; lower triangle, row by row."""
    status: NDArray[np.int8]
    cost: Array
    """(voxel,) weighted sum of squared residuals of the signals, images that are not `unused`."""
    rounds: NDArray[np.int64]
    unused: NDArray[np.bool_]
    """(n, voxel) images that say nothing of the voxel: without a logarithm, or weighed below a quarter by ``irls``."""

    @classmethod
    def empty(cls, n: int, p: int, voxels: int) -> Found:
        """Return what is to be filled for n images and p parameters."""
        return cls(
            beta=np.full((p, voxels), np.nan),
            covariance=np.full((p * (p + 1) // 2, voxels), np.nan),
            status=np.zeros(voxels, dtype=np.int8),
            cost=np.full(voxels, np.nan),
            rounds=np.ones(voxels, dtype=np.int64),
            unused=np.zeros((n, voxels), dtype=np.bool_),
        )

    def of(self, voxels: NDArray[np.bool_]) -> Found:
        """Return what was found in some voxels."""
        return Found(**{f.name: np.ascontiguousarray(getattr(self, f.name)[..., voxels]) for f in fields(self)})


Each = Callable[["Found", Series, slice], None]
"""Called with what was found in a chunk of voxels, their series, and where they stand."""


def fit_exponentials(design: Array, series: Series, estimator: Estimator) -> Found:
    """Fit every voxel of a series of magnitudes; arguments as in `over_exponentials`."""
    (n, p), voxels = design.shape, series.data.shape[1]
    found = Found.empty(n, p, voxels)

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
    rounds, settled = np.ones(voxels, np.int64), np.ones(voxels, np.bool_)
    searched = estimator in ("nlls", "rician")
    unused = np.zeros(data.shape, np.bool_) if complete or searched else data <= 0
    beta, inverse, regular = _ordinary(system, known, logarithm, complete)
    signal = signal_of(system, beta)
    if estimator == "ols":
        inverse = _sandwich(system, inverse, known, signal, complete)
    else:
        beta, inverse, fine = system.solved(known * signal**2, logarithm)
        regular = regular & fine
        signal = signal_of(system, beta)
    if estimator == "irls":
        beta, inverse, share = _robust(system, known, logarithm, beta, series.spread / scale)
        unused = unused | (share < REJECTED)
        rounds[:] = ROBUST_ROUNDS
        signal = signal_of(system, beta)
    elif searched:
        search = Search(system, relative, series.spread / scale if estimator == "rician" else None)
        beta, inverse, rounds, settled = search.run(beta)
        signal = signal_of(system, beta)
    missed = np.square(np.subtract(relative, signal, out=signal), out=signal)
    if unused.any():
        missed[unused] = 0.0
    cost = system.weight @ missed * scale**2
    status = np.where(regular, np.where(settled, CONVERGED, LIMIT), SINGULAR).astype(np.int8)
    beta[0] += np.log(scale)
    covariance = np.multiply(inverse, 1 / scale**2, out=inverse)
    return Found(beta=beta, covariance=covariance, status=status, cost=cost, rounds=rounds, unused=unused)


def _ordinary(system: System, known: Array, values: Array, complete: bool) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the fit with the images' weights alone; one inverse does for all voxels that have every image."""
    if not complete:
        return system.solved(known, values)
    return system.back @ values, system.inverse, np.full(values.shape[1], system.regular)


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


def _robust(system: System, known: Array, logarithm: Array, beta: Array, noise: Array) -> tuple[Array, Array, Array]:
    """Return the fit in which images that do not fit lose their weight, and the (n, voxel) share of it that is left."""
    p, heard = system.design.shape[1], known > 0
    count = heard.sum(axis=0)
    few = np.sqrt(count / np.maximum(count - p, 1))
    share = np.ones_like(known)
    inverse = np.empty(0)
    for _ in range(ROBUST_ROUNDS):
        signal = signal_of(system, beta)
        residual = np.sqrt(known) * signal * (logarithm - system.design @ beta)
        size = np.abs(residual)
        if not heard.all():
            size = np.where(heard | (count == 0), size, np.nan)
        spread = np.fmax(1.4826 * few * np.nanmedian(size, axis=0), noise)
        away = residual / np.where(spread > ROUNDING, OUTLYING * spread, 1.0)
        share = np.where(spread > ROUNDING, 1 / (1 + away**2) ** 2, 1.0)
        beta, inverse, _ = system.solved(known * share * signal**2, logarithm)
    return beta, inverse, share
