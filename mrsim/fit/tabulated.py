"""Signals without a closed form, known on a grid: compressed, interpolated, searched and refined.

A method of this kind says which axes its grid has and what the signals at the nodes are. The signals, weighted like
the images, are compressed to the singular vectors that hold all but `LOST` of them (McGivney 2014), and interpolated
by splines of degree five in the logarithm of times and in B1 itself: the nodes are where the signal is exact, and
between them its error falls with the sixth power of the spacing. Voxels then start at the nearest node and are refined
by Gauss-Newton steps on the spline, so that the result knows no grid.
"""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .method import NO_SIGNAL, Method, Scan, Series, Solution, start
from .solve import over_chunks

Array = NDArray[np.float64]
LOST = 1e-9
"""Largest share of a signal that the compressed basis leaves out."""
ROUNDS = 60
CLEAR = 16.0
"""Difference of the costs of two minima, in variances of the noise, that decides between them: noise alone exceeds it
in 3 voxels of 100,000."""
RARE = 1e-3
"""Chance of noise so small that a second minimum would have been clearly better although it was not looked for."""
SAMPLE = 200
"""Voxels, about, of which both minima are looked at to say how often noise leaves open which is right."""
NODES = 400
"""Nodes among which a voxel's first guess is looked for, about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One direction of the grid: a parameter that is fitted, or an option that the voxel knows."""

    name: str
    lower: float
    upper: float
    count: int
    """Nodes; 6 or more."""
    logarithmic: bool = True
    split: float | None = None
    """Value on both sides of which a fit may end in a minimum of its own: both are tried, and the lower side wins
    where noise cannot tell them apart."""

    def node(self, value: Any) -> Any:
        """Return the (fractional) node of a value, SI."""
        low, high = self._ends()
        return (self.count - 1) * ((np.log(value) if self.logarithmic else value) - low) / (high - low)

    def value(self, node: Any) -> Any:
        """Return the value, SI, at a (fractional) node."""
        low, high = self._ends()
        x = low + (high - low) * np.asarray(node) / (self.count - 1)
        return np.exp(x) if self.logarithmic else x

    def slope(self, node: Any) -> Any:
        """Return the change of the value per node."""
        low, high = self._ends()
        width = (high - low) / (self.count - 1)
        return width * self.value(node) if self.logarithmic else np.full(np.shape(node), width)

    def _ends(self) -> tuple[float, float]:
        return (float(np.log(self.lower)), float(np.log(self.upper))) if self.logarithmic else (self.lower, self.upper)


Atoms = Callable[[Scan, dict[str, Array]], Array]
"""Returns the (n, atom) signals of unit m0 for (atom,) values of every axis."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Table:
    """The compressed and interpolated signals of one scan."""

    axes: tuple[Axis, ...]
    coefficient: Array
    """(node, node, node, component) of the splines."""
    pieces: Array
    """(3, span, power, spline) polynomials of the splines within each span, from the fifth power down, in nodes."""
    basis: Array
    """(component, n), orthonormal; for images weighted by `root`."""
    root: Array
    """(n,) square roots of the images' weights."""
    direction: Array
    """(guess, component), unit."""
    place: Array
    """(guess, 3), nodes."""
    branch: NDArray[np.int64]
    """(guess,) 1 beyond an axis's split, else 0."""
    stride: Array
    """(3,) nodes between guesses."""

    def signal(self, points: dict[str, Array]) -> Array:
        """Return the interpolated (n, voxel) signal of unit m0."""
        from ._kernels.tabulated import evaluate

        u = np.zeros((3, np.size(next(iter(points.values())))))
        for k, axis in enumerate(self.axes):
            u[k] = axis.node(points[axis.name])
        out = np.empty((u.shape[1], 5, self.coefficient.shape[-1]))
        evaluate(self.coefficient, self.pieces, u, out)
        return np.asarray((out[:, 0] @ self.basis).T / self.root[:, None])


def tabulate(atoms: Atoms, axes: tuple[Axis, ...], scan: Scan, weight: Array) -> Table:
    """Return the table of a scan; weight : (n,) of the images."""
    from scipy.interpolate import BSpline, make_interp_spline

    counts = [axis.count for axis in axes]
    grid = np.meshgrid(*(axis.value(np.arange(axis.count)) for axis in axes), indexing="ij")
    known = atoms(scan, {axis.name: part.ravel() for axis, part in zip(axes, grid, strict=True)})
    root = np.sqrt(weight)
    known = (known * root[:, None]).T
    _, size, vectors = np.linalg.svd(known, full_matrices=False)
    rank = max(1, int(np.sum(size > LOST * size[0])))
    nodes = known @ vectors[:rank].T
    values = nodes.reshape(*counts, *(1 for _ in range(3 - len(counts))), rank)
    pieces = np.zeros((3, max(counts) - 5, 6, 6))
    for k, count in enumerate(counts):
        spline = make_interp_spline(np.arange(count), np.moveaxis(values, k, 0), k=5)
        values, begins = np.moveaxis(spline.c, 0, k), spline.t[5:count]
        each = BSpline(spline.t, np.eye(count), 5)
        for order in range(6):
            terms = each(begins, nu=order) / math.factorial(order)
            for span, row in enumerate(terms):
                pieces[k, span, 5 - order] = row[span : span + 6]
    place, stride = _guesses(counts)
    flat = np.ravel_multi_index(place.astype(int).T, tuple(counts + [1] * (3 - len(counts))))
    chosen, branch = nodes[flat], np.zeros(len(flat), dtype=np.int64)
    for k, axis in enumerate(axes):
        if axis.split is not None:
            branch = np.maximum(branch, axis.value(place[:, k]) > axis.split)
    return Table(
        axes=axes, coefficient=np.ascontiguousarray(values), pieces=pieces, basis=vectors[:rank], root=root,
        direction=chosen / np.linalg.norm(chosen, axis=1, keepdims=True), place=place, branch=branch,
        stride=stride,
    )  # fmt: skip


def _guesses(counts: list[int]) -> tuple[Array, Array]:
    """Return the (guess, 3) nodes of the first guess, evenly thinned, and the (3,) distances between them."""
    share = min(1.0, (NODES / np.prod(counts)) ** (1 / len(counts)))
    strides = [max(1, round(1 / share)) for _ in counts] + [1] * (3 - len(counts))
    lines = [np.arange(min(s // 2, c - 1), c, s, dtype=np.float64) for s, c in zip(strides, counts, strict=False)]
    lines += [np.zeros(1)] * (3 - len(counts))
    mesh = np.meshgrid(*lines, indexing="ij")
    return np.stack([part.ravel() for part in mesh], axis=1), np.array(strides, dtype=np.float64)


def solve(method: Method, table: Table, scan: Scan, series: Series) -> Solution:
    """Fit all voxels; parameters of the method are the amplitude, first, and the free axes, in any order."""
    from scipy.special import chdtri

    from ._kernels import tabulated as kernel

    solution, names = start(method, series), [p.name for p in method.parameters]
    voxels = series.data.shape[1]
    free = np.array([k for k, axis in enumerate(table.axes) if axis.name in names])
    u, held = np.zeros((voxels, 3)), np.zeros(3)
    for k, axis in enumerate(table.axes):
        if k not in free:
            held[k] = 0.5 * table.stride[k] + 1e-6
            u[:, k] = np.clip(axis.node(np.broadcast_to(scan.options[axis.name], voxels)), 0, axis.count - 1)
    top = np.array([axis.count - 1.0 for axis in table.axes] + [0.0] * (3 - len(table.axes)))
    weighted = np.nan_to_num(series.data.T * table.root)
    data = np.ascontiguousarray(weighted @ table.basis.T)
    amplitude, errors, cost = np.full(voxels, np.nan), np.full((voxels, 4), np.nan), np.full(voxels, np.nan)
    curved = next((k for k, axis in enumerate(table.axes) if axis.split is not None and k in free), -1)
    # the floor is made of noise; without noise the cost is what the model leaves over, and a tenth of it is better
    share = 1.0 if np.any(series.floor > 0) else 0.1
    margin = np.where(series.floor > 0, CLEAR * np.nan_to_num(series.spread) ** 2, 0.0)
    least = chdtri(max(len(table.basis) - len(names), 1), 1.0 - RARE)
    sure = margin * (1.0 + least / CLEAR)
    guesses = (table.direction, table.place, table.branch)
    settings = (table.coefficient, table.pieces, top, *guesses, held, free, curved, ROUNDS, margin, share, sure)
    results = (u, amplitude, errors, solution.status, cost, solution.rounds)
    over_chunks(lambda a, b: kernel.solve(data, a, b, *settings, *results), 0, voxels, series.threads)
    outside = np.sum(weighted**2, axis=1) - np.sum(data**2, axis=1)
    solution.cost[:] = cost + np.maximum(outside, 0.0)
    solution = _noted(table, solution, data, settings, (u, cost), curved)
    solution.values[0], solution.unit_errors[0] = amplitude, errors[:, 0]
    for k in free:
        axis, row = table.axes[k], names.index(table.axes[k].name)
        solution.values[row] = axis.value(u[:, k])
        solution.unit_errors[row] = errors[:, 1 + k] * axis.slope(u[:, k])
    empty = solution.status == NO_SIGNAL
    solution.values[:, empty] = np.nan
    return solution


def _noted(
    table: Table, solution: Solution, data: Array, settings: tuple[Any, ...], found: tuple[Array, Array], curved: int
) -> Solution:
    """Return the solution with a warning where noise leaves open on which side of a split a value lies.

    Of a sample of the voxels on the lower side the minimum on the upper side is looked for as well.
    """
    from ._kernels.tabulated import solve as kernel

    coefficient, pieces, top, direction, place, branch, held, free, *_, margin, _, _ = settings
    if curved < 0 or not branch.any():
        return solution
    axis, (u, cost) = table.axes[curved], found
    lower = np.flatnonzero((solution.status == 0) & (margin > 0) & (axis.value(u[:, curved]) <= float(axis.split or 0)))
    sample = lower[:: max(1, len(lower) // SAMPLE)]
    if sample.size == 0:
        return solution
    beyond, n = branch == 1, len(sample)
    other, status = np.full(n, np.inf), np.zeros(n, np.int8)
    guesses = (direction[beyond], place[beyond], np.zeros(int(beyond.sum()), np.int64))
    none = np.zeros(n)
    kernel(
        np.ascontiguousarray(data[sample]), 0, n, coefficient, pieces, top, *guesses, held, free, curved, ROUNDS, none,
        1.0, none, u[sample].copy(), np.empty(n), np.empty((n, 4)), status, other, np.zeros(n, np.int64),
    )  # fmt: skip
    torn = float(np.mean(other - cost[sample] < margin[sample]))
    if torn < RARE:
        return solution
    said = (
        f"noise leaves open in {100 * torn:.0f} % of the voxels whether {axis.name} lies below or above "
        f"{axis.split:g}: the lower value is given; {axis.name} from another scan decides"
    )
    return replace(solution, warnings=(*solution.warnings, said))


def _fingerprint(scan: Scan, weight: Array) -> bytes:
    """Return what changes with everything that a table depends on."""
    facts = (sorted(scan.contrast.items()), sorted(scan.options.items()), sorted(scan.sheet.items()), weight)
    return hashlib.sha256(pickle.dumps(facts)).digest()


def tabulated(atoms: Atoms, axes: Callable[[Scan], tuple[Axis, ...]], make: Callable[..., Method]) -> Method:
    """Return the method of a tabulated signal; `make` takes what `Method` takes besides `solve` and `signal`."""
    holder: list[Method] = []
    last: dict[bytes, Table] = {}  # the tables of a series of equal scans are one table

    def table_of(scan: Scan, weight: Array) -> Table:
        known = _fingerprint(scan, weight)
        table = last.get(known)
        if table is None:
            table = tabulate(atoms, axes(scan), scan, weight)
            last.clear()
            last[known] = table
        return table

    def find(scan: Scan, series: Series) -> Solution:
        return solve(holder[0], table_of(scan, series.weight), scan, series)

    def interpolated(scan: Scan, weight: Array, parameters: Any) -> Array:
        table, size = table_of(scan, weight), parameters[holder[0].parameters[0].name]
        points = {axis.name: parameters.get(axis.name, scan.options.get(axis.name)) for axis in table.axes}
        full = {name: np.broadcast_to(np.asarray(value, np.float64), size.shape) for name, value in points.items()}
        return np.asarray(size * table.signal(full))

    def exact(scan: Scan, parameters: Any) -> Array:
        points = {axis.name: parameters.get(axis.name, scan.options.get(axis.name)) for axis in axes(scan)}
        size = parameters[holder[0].parameters[0].name]
        voxels = np.size(size)
        full = {name: np.broadcast_to(np.asarray(value, dtype=np.float64), voxels) for name, value in points.items()}
        return np.asarray(size * atoms(scan, full))

    holder.append(make(solve=find, signal=exact, interpolated=interpolated))
    return holder[0]
