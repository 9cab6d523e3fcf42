"""Least-squares fits of a model to many voxels: arrays in, arrays out.

Voxels are worked through in chunks of a fixed size, which threads take in turn; the compiled solver
releases the interpreter's lock. Neither the number of threads nor the neighbours of a voxel change its
result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.cores import available_cores
from .compiled import kernels
from .method import Solution
from .model import Model
from .signal import Contrast, held_options, jacobian, resolve_options, tabulate

CHUNK = 1024
"""Voxels per unit of work: long enough to hide a thread's start, short enough that their data stay in L2."""
ROUNDS = 100
"""Evaluations after which a voxel is given up."""

Array = NDArray[np.float64]


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
    noise: Array | None = None,
    **options: ArrayLike,
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
    noise : (voxel,) array, optional
        Standard deviation of one channel in an image of weight 1: the data are magnitudes, and the Rician likelihood
        is made largest instead of the squares least. `cost` is then -2 log L sigma^2 up to a constant.
    **options : float or (voxel,) array
        The model's options; arrays for those that vary.
    """
    constants = resolve_options(model, options)
    held = held_options(model, constants)
    n, voxels = series.shape
    weight = np.ones(n) if weight is None else np.ascontiguousarray(weight, dtype=np.float64)
    floor = np.zeros(voxels) if floor is None else np.ascontiguousarray(floor, dtype=np.float64)
    local = np.array([np.broadcast_to(constants[name], voxels) for name in held]).reshape(len(held), voxels)
    order, parts = _alike(local, np.array([o.step for o in model.options if o.name in held]))
    job = _Job(model, contrast, constants, held, weight, voxels, noise is not None)
    known = np.zeros((0, voxels)) if noise is None else np.asarray(noise, dtype=np.float64)[None]
    local = np.concatenate([known, local])
    ordered = (a if order is None else np.ascontiguousarray(a[..., order]) for a in (series, local, floor))
    data, local, floor = (np.ascontiguousarray(a, dtype=np.float64) for a in ordered)
    for begin, end in parts:
        job.run(data, local, floor, begin, end, threads)
    return job.solution if order is None else _restored(job.solution, order)


class _Job:
    """One call of `solve`: the tables, and the arrays that the chunks fill."""

    def __init__(
        self, model: Model, contrast: Contrast, constants: dict[str, Any], held: tuple[str, ...], weight: Array,
        voxels: int, rician: bool,
    ) -> None:  # fmt: skip
        self.model, self.contrast, self.constants, self.held, self.weight = model, contrast, constants, held, weight
        self.kernel, self.table, self.rician = (
            kernels(model, held, rician),
            tabulate(model, contrast, constants),
            int(rician),
        )
        count = len(model.parameters)
        self.lower, self.upper = (np.array([getattr(p, side) for p in model.parameters]) for side in ("lower", "upper"))
        self.linear, self.scale = np.array([float(p.grid is None) for p in model.parameters]), np.empty(voxels)
        self.solution = Solution(
            values=np.empty((count, voxels)),
            unit_errors=np.full((count, voxels), np.nan),
            status=np.zeros(voxels, np.int8),
            cost=np.full(voxels, np.nan),
            rounds=np.zeros(voxels, np.int64),
        )

    def run(self, series: Array, local: Array, floor: Array, begin: int, end: int, threads: int | None) -> None:
        """Fit voxels begin..end, whose held options are alike, from one grid of initial guesses."""
        from ._kernels.grid_search import prepare

        if end == begin:
            return
        middle = {
            name: np.array([o.step * np.round(local[k + self.rician, begin] / o.step)])
            for k, name in enumerate(self.held) for o in self.model.options if o.name == name
        }  # fmt: skip
        guess = _grid(self.model, self.contrast, self.weight, self.constants | middle)
        s = self.solution
        result = (self.scale, s.values, s.unit_errors, s.status)

        def work(start: int, stop: int) -> None:
            where = (guess.nodes, guess.basis, guess.triangle, self.lower, self.upper, self.linear, floor)
            prepare(series, start, stop, *where, *result)
            settings = (self.table, self.weight, self.lower, self.upper, self.linear, local, ROUNDS)
            self.kernel.solve(series, start, stop, *settings, *result, s.cost, s.rounds)

        over_chunks(work, begin, end, threads)


def _alike(local: Array, steps: Array) -> tuple[NDArray[np.int64] | None, list[tuple[int, int]]]:
    """Return an order of the voxels, None for the given one, and the runs (begin, end) that are alike in `local`."""
    voxels = local.shape[1]
    if len(local) == 0 or voxels == 0:
        return None, [(0, voxels)]
    level = np.round(local / steps[:, None])
    order = np.lexsort(level)
    edges = np.flatnonzero(np.any(np.diff(level[:, order], axis=1) != 0, axis=0)) + 1
    bounds = [0, *edges.tolist(), voxels]
    return order, list(zip(bounds[:-1], bounds[1:], strict=True))


def _restored(solution: Solution, order: NDArray[np.int64]) -> Solution:
    """Return the solution with its voxels in their own order."""
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    arrays = {f.name: values for f in fields(solution) if (values := getattr(solution, f.name)) is not None}
    warnings = arrays.pop("warnings")
    return Solution(**{name: values[..., back] for name, values in arrays.items()}, warnings=warnings)


def over_chunks(
    work: Callable[[int, int], None], begin: int, end: int, threads: int | None, chunk: int = CHUNK
) -> None:
    """Call `work(start, stop)` for every chunk of voxels begin..end; threads take them in turn."""
    starts = range(begin, end, chunk)
    workers = min(threads or available_cores(), len(starts))
    if workers <= 1:
        for start in starts:
            work(start, min(start + chunk, end))
        return
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work, start, min(start + chunk, end)) for start in starts]:
            future.result()


def _grid(model: Model, contrast: Contrast, weight: Array, options: Mapping[str, Any]) -> Grid:
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
