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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .method import NO_SIGNAL, Method, Scan, Series, Solution, start
from .mirror import Minima, beyond
from .model import Parameter
from .solve import over_chunks

Array = NDArray[np.float64]
LOST = 1e-9
"""Largest share of a signal that the compressed basis leaves out."""
ROUNDS = 60
NODES = 1200
"""Nodes among which a voxel's first guess is looked for, at most about."""
DIGITS = 12  # of an image's weight: round-off makes no table of its own
COARSE = 3e-3
"""Largest share of a signal that is left out while looking for the first guess."""


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

    @classmethod
    def of(cls, parameter: Parameter, count: int, logarithmic: bool = True, split: float | None = None) -> Axis:
        """Return the axis of a fitted parameter, between its bounds."""
        lower, upper = parameter.lower, parameter.upper
        return cls(name=parameter.name, lower=lower, upper=upper, count=count, logarithmic=logarithmic, split=split)

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
    direction: NDArray[np.float32]
    """(component, guess) of unit signals: the first few components."""
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
        direction=_directions(chosen, size), place=place, branch=branch, stride=stride,
    )  # fmt: skip


def _directions(chosen: Array, size: Array) -> NDArray[np.float32]:
    """Return the (component, guess) unit signals of the guesses, in components that matter for a guess."""
    few = max(int(np.sum(size > COARSE * size[0])), min(4, chosen.shape[1]))
    unit = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    return np.ascontiguousarray(unit[:, :few].T, dtype=np.float32)


def _guesses(counts: list[int]) -> tuple[Array, Array]:
    """Return the (guess, 3) nodes of the first guess, evenly thinned, and the (3,) distances between them."""
    share = min(1.0, (NODES / np.prod(counts)) ** (1 / len(counts)))
    strides = [max(1, round(1 / share)) for _ in counts] + [1] * (3 - len(counts))
    lines = [np.arange(min(s // 2, c - 1), c, s, dtype=np.float64) for s, c in zip(strides, counts, strict=False)]
    lines += [np.zeros(1)] * (3 - len(counts))
    mesh = np.meshgrid(*lines, indexing="ij")
    return np.stack([part.ravel() for part in mesh], axis=1), np.array(strides, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Search:
    """The voxels of one scan, ready to be fitted."""

    table: Table
    data: Array
    """(voxel, component) in the compressed basis."""
    place: Array
    """(voxel, 3) nodes of the held axes."""
    held: Array
    """(3,) how far a guess may be from a held axis's value, nodes; zero for a free axis."""
    free: NDArray[np.int64]
    split: int
    """The free axis with a minimum on both sides of a value; -1 for none."""
    status: NDArray[np.int8]
    threads: int | None

    @classmethod
    def of(cls, table: Table, scan: Scan, names: list[str], data: Array, status: Any, threads: int | None) -> Search:
        """Return the search for the axes among `names` in (voxel, component) data."""
        axes, place, held = table.axes, np.zeros((len(data), 3)), np.zeros(3)
        free = np.array([k for k, axis in enumerate(axes) if axis.name in names])
        for k, axis in enumerate(axes):
            if k not in free:
                held[k] = 0.5 * table.stride[k] + 1e-6
                place[:, k] = np.clip(axis.node(np.broadcast_to(scan.options[axis.name], len(data))), 0, axis.count - 1)
        split = next((k for k, axis in enumerate(axes) if axis.split is not None and k in free), -1)
        return cls(table=table, data=data, place=place, held=held, free=free, split=split, status=status.copy(),
                   threads=threads)  # fmt: skip

    def __call__(self, where: NDArray[np.bool_], side: int) -> Minima:
        """Return what is found in some voxels from the guesses below (0) or above (1) the split, or from all."""
        from ._kernels.tabulated import solve as kernel

        table, part, count = self.table, self.data[where], int(np.sum(where))
        guesses = np.flatnonzero(table.branch == side) if self.split >= 0 else slice(None)
        top = np.array([axis.count - 1.0 for axis in table.axes] + [0.0] * (3 - len(table.axes)))
        found = Minima(
            u=self.place[where], amplitude=np.full(count, np.nan), errors=np.full((count, 4), np.nan),
            cost=np.full(count, np.nan), status=self.status[where], rounds=np.zeros(count, np.int64),
        )  # fmt: skip
        direction, place = np.ascontiguousarray(table.direction[:, guesses]), table.place[guesses]
        settings = (table.coefficient, table.pieces, top, direction, place, self.held, self.free, self.split, ROUNDS)
        results = (found.u, found.amplitude, found.errors, found.status, found.cost, found.rounds)
        over_chunks(lambda a, b: kernel(part, a, b, *settings, *results), 0, count, self.threads)
        return found


def solve(method: Method, table: Table, scan: Scan, series: Series) -> Solution:
    """Fit all voxels; parameters of the method are the amplitude, first, and the free axes, in any order."""
    solution, names = start(method, series), [p.name for p in method.parameters]
    weighted = np.nan_to_num(series.data.T * table.root)
    data = np.ascontiguousarray(weighted @ table.basis.T)
    search = Search.of(table, scan, names, data, solution.status, series.threads)
    found, unclear, split = search(np.ones(len(data), dtype=bool), 0), None, search.split
    energy = np.sum(weighted**2, axis=1)
    if split >= 0:
        noise = np.where(series.floor > 0, np.nan_to_num(series.spread), 0.0)
        found, unclear = beyond(
            found, lambda where: search(where, 1), lambda m: table.axes[split].value(m.u[:, split]), scan, noise**2,
            energy, len(table.basis) - len(names),
        )  # fmt: skip
    solution.status[:], solution.rounds[:] = found.status, found.rounds
    solution.cost[:] = found.cost + np.maximum(energy - np.sum(data**2, axis=1), 0.0)
    solution.values[0], solution.unit_errors[0] = found.amplitude, found.errors[:, 0]
    for k in search.free:
        axis, row = table.axes[k], names.index(table.axes[k].name)
        solution.values[row] = axis.value(found.u[:, k])
        solution.unit_errors[row] = found.errors[:, 1 + k] * axis.slope(found.u[:, k])
    empty = solution.status == NO_SIGNAL
    solution.values[:, empty] = np.nan
    return replace(solution, ambiguous=unclear)


def _fingerprint(scan: Scan, weight: Array) -> bytes:
    """Return what changes with everything that a table depends on."""
    digest = hashlib.sha256()
    _feed(digest, (scan.contrast, scan.options, scan.sheet, weight))
    return digest.digest()


def _feed(digest: Any, value: Any) -> None:
    """Add a value's content to a digest: unlike in a pickle, it does not matter who else holds it."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            digest.update(f"<{key}>".encode())
            _feed(digest, value[key])
    elif isinstance(value, list | tuple):
        digest.update(f"[{len(value)}]".encode())
        for item in value:
            _feed(digest, item)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    elif value is None or isinstance(value, str | int | float | complex | np.generic):
        digest.update(f"({value!r})".encode())
    else:
        digest.update(pickle.dumps(value))


def tabulated(atoms: Atoms, axes: Callable[[Scan], tuple[Axis, ...]], make: Callable[..., Method]) -> Method:
    """Return the method of a tabulated signal; `make` takes what `Method` takes besides `solve` and `signal`."""
    holder: list[Method] = []
    last: dict[bytes, Table] = {}  # the tables of a series of equal scans are one table

    def table_of(scan: Scan, weight: Array) -> Table:
        weight = np.round(weight, DIGITS)
        known = _fingerprint(scan, weight)
        table = last.get(known)
        if table is None:
            table = tabulate(atoms, axes(scan), scan, weight)
            if len(last) > 2:  # a few scans that are asked about in turn
                del last[next(iter(last))]
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
