"""Least-squares fits of a model to many voxels: arrays in, arrays out.

Voxels are worked through in chunks of a fixed size, which threads take in turn; the compiled solver
releases the interpreter's lock. Neither the number of threads nor the neighbours of a voxel change its
result.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import kernels
from .model import Model
from .signal import Contrast, jacobian, resolve_options, tabulate

CHUNK = 1024
"""Voxels per unit of work: long enough to hide a thread's start, short enough that their data stay in L2."""
ROUNDS = 100
"""Evaluations after which a voxel is given up."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Solution:
    """What a fit finds in each voxel."""

    values: Array
    """(parameter, voxel), SI units."""
    unit_errors: Array
    """(parameter, voxel) standard error for noise of standard deviation 1 in an image of weight 1; NaN for a
    parameter on its bound, and throughout where the parameters cannot be separated."""
    status: NDArray[np.int8]
    """(voxel,); see `mrsim.core.maps.STATUS`."""
    cost: Array
    """(voxel,) weighted sum of squared residuals."""
    rounds: NDArray[np.int64]
    """(voxel,) evaluations of signal and Jacobian."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grid:
    """Where the initial guess is looked for."""

    nodes: Array
    """(node, parameter); zero for linear parameters."""
    basis: Array
    """(node, linear parameter, n), orthonormal over the weighted images."""
    triangle: Array
    """(node, linear parameter, linear parameter): projections on `basis` -> linear parameters."""


def solve(
    model: Model,
    contrast: Contrast,
    series: Array,
    *,
    weight: Array | None = None,
    floor: Array | None = None,
    threads: int | None = None,
    **options: float,
) -> Solution:
    """Fit every voxel of `series`.

    Parameters
    ----------
    model : Model
    contrast : mapping of str to (n,) array
        The columns that the model reads, SI.
    series : (n, voxel) array
        The data.
    weight : (n,) array, optional
        1 / variance of each image, relative; 1 by default.
    floor : (voxel,) array, optional
        Root mean square below which a voxel has no signal; 0 by default.
    threads : int, optional
        All available cores by default.
    **options : float
        The model's options.
    """
    from ._kernels.grid_search import prepare

    kernel, constants = kernels(model), resolve_options(model, options)
    n, voxels = series.shape
    weight = np.ones(n) if weight is None else np.ascontiguousarray(weight, dtype=np.float64)
    guess = _grid(model, contrast, weight, constants)
    solution = Solution(
        values=np.empty((len(model.parameters), voxels)),
        unit_errors=np.full((len(model.parameters), voxels), np.nan),
        status=np.zeros(voxels, np.int8),
        cost=np.full(voxels, np.nan),
        rounds=np.zeros(voxels, np.int64),
    )
    lower, upper = (np.array([getattr(p, side) for p in model.parameters]) for side in ("lower", "upper"))
    linear, scale = np.array([float(p.grid is None) for p in model.parameters]), np.empty(voxels)
    floor = np.zeros(voxels) if floor is None else np.ascontiguousarray(floor, dtype=np.float64)
    table, series = tabulate(model, contrast, constants), np.ascontiguousarray(series, dtype=np.float64)
    result = (scale, solution.values, solution.unit_errors, solution.status)

    def work(start: int, stop: int) -> None:
        nodes = (guess.nodes, guess.basis, guess.triangle)
        prepare(series, start, stop, *nodes, lower, upper, linear, floor, *result)
        extra = (solution.cost, solution.rounds)
        kernel.solve(series, start, stop, table, weight, lower, upper, linear, ROUNDS, *result, *extra)

    _over_chunks(work, voxels, threads)
    return solution


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _over_chunks(work: Any, voxels: int, threads: int | None) -> None:
    """Call `work(start, stop)` for every chunk."""
    starts = range(0, voxels, CHUNK)
    workers = min(threads or available_cores(), len(starts))
    if workers <= 1:
        for start in starts:
            work(start, min(start + CHUNK, voxels))
        return
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work, start, min(start + CHUNK, voxels)) for start in starts]:
            future.result()


def _grid(model: Model, contrast: Contrast, weight: Array, options: Mapping[str, float]) -> Grid:
    """Return the grid of the model's nonlinear parameters, with the linear problem solved at every node.

    With J the derivatives by the linear parameters and W the weights, sqrt(W) J = Q R, so the weighted
    linear fit of y is R^-1 Q^T sqrt(W) y and explains |Q^T sqrt(W) y|^2.
    """
    axes = [np.geomspace(*p.grid) if p.grid else np.ones(1) for p in model.parameters]
    nodes = np.array(list(product(*axes)))
    linear = [k for k, p in enumerate(model.parameters) if p.grid is None]
    names = [p.name for p in model.parameters]
    derivative = jacobian(model, dict(zip(names, nodes.T, strict=True)), contrast, **options)
    root = np.sqrt(weight)
    q, r = np.linalg.qr(np.moveaxis(derivative[linear], (0, 1, 2), (2, 1, 0)) * root[:, None])
    triangle = np.zeros(r.shape)
    regular = np.abs(np.diagonal(r, axis1=1, axis2=2)).min(axis=1) > 1e-12 * np.abs(r).max(axis=(1, 2))
    triangle[regular] = np.linalg.inv(r[regular])
    basis = np.where(regular[:, None, None], np.swapaxes(q, 1, 2) * root, 0.0)
    nodes[:, linear] = 0.0
    return Grid(nodes=nodes, basis=np.ascontiguousarray(basis), triangle=triangle)
