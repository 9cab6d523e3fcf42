"""Maps of offset and transmit field: the response is walked at a few nodes, of which every spin carries shares.

A class walks with one offset and one B1. A map gives every spin its own pair x = (f, b). Over the pairs the response of
a tissue is s(x) = sum_j w_j(x) s(x_j): few nodes x_j serve all its classes, readouts and times within a window, even
where magnetisation remembers its offset for many turns, for it does so over few distinct times. They are found from
walks at few in-plane phases, which cost little, on a grid of Chebyshev points that doubles along each axis until the
points in between are met (Trefethen, Approximation Theory and Practice, SIAM 2013, chapter 5). An interpolative
decomposition (Cheng, Gimbutas, Martinsson and Rokhlin, SIAM J Sci Comput 26:1389, 2005) of what was walked names the
points that do as nodes and the weights with which all others are sums of them; between points of the grid weights are
interpolated. A node is a class of its own of which each spin carries the share w_j.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classes import TissueClass
from .job import Job
from .plane import echo_orders
from .pulse_maps import Relaxation
from .slice_reuse import Resolution, Scan, coefficients, refine, some_readouts

FIRST, LAST = 3, 513
"""Points of the grid along one axis with which the search begins and where it stops."""
PHASES = 8
"""In-plane phases of the walks on the grid."""
SEEN = 48
"""Readouts on which the grid is judged."""
DIRECTIONS = 128
"""Random sums of what was walked from which nodes are chosen; more than nodes are ever needed."""
LEVEL = 4.0
"""Factor between the signals of classes from which they have nodes of their own."""
TOGETHER = 4096
"""Spins whose weights are worked out at once."""

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Nodes:
    """The nodes of one tissue."""

    kind: TissueClass
    """The class with most signal, with its maps."""
    part: float
    """The tissue's signal that this class, and those that differ from it in T2' alone, carry over all of it."""
    first: int
    """Where its classes at the nodes begin among all."""
    local: tuple[Array, Array]
    """(member,) offset of each spin on top of its class's, Hz, and its relative B1."""
    offset: Array
    """(node,) Hz, on top of the class's."""
    b1: Array
    """(node,) relative B1."""
    share: tuple[Complex, ...]
    """(node,) of (member,) shares of each spin's magnetisation that the node carries."""
    error: float
    """Largest deviation at the points of the grid, over M0."""

    def classes(self, kind: TissueClass) -> list[TissueClass]:
        """Return one class at each node for a class with maps."""
        plain = replace(kind, local_offset=None, local_b1=None)
        own = self.share if kind.share is None else [share * kind.share for share in self.share]
        table = zip(self.offset.tolist(), self.b1.tolist(), own, strict=True)
        return [replace(plain, offset=kind.offset + f, b1=b, node=f, share=share) for f, b, share in table]


def on_nodes(scan: Scan, job: Job) -> tuple[list[TissueClass], list[Nodes]]:
    """Return the classes with maps replaced by nodes, which all classes of one tissue share, and the nodes."""
    mapped: dict[int, list[TissueClass]] = {}
    for kind in job.classes:
        if kind.local_offset is not None:
            mapped.setdefault(id(kind.members), []).append(kind)
    classes = [kind for kind in job.classes if kind.local_offset is None]
    found = []
    for same in mapped.values():
        for kinds, nodes in _Search(scan, job, same).nodes():
            found.append(replace(nodes, first=len(classes)))
            classes += [own for kind in kinds for own in nodes.classes(kind)]
    return classes, found


def field_facts(nodes: list[Nodes], error: float, accuracy: float) -> dict[str, Any]:
    """Return the number of nodes and the error over M0 that they leave, with a warning if it is more than is wanted."""
    if not nodes:
        return {}
    facts: dict[str, Any] = {"field_nodes": max(len(each.offset) for each in nodes), "field_error": error}
    if error > accuracy:
        facts["field_warning"] = (
            f"interpolation over the maps of B0 and B1 leaves {error:.1e} of M0, not {accuracy:g}: "
            "magnetisation remembers its offset for many turns; reuse=False walks every spin"
        )
    return facts


class _Search:
    """The search for the nodes of one tissue."""

    def __init__(self, scan: Scan, job: Job, kinds: list[TissueClass]) -> None:
        self.scan = scan
        self.kinds = sorted(kinds, key=lambda kind: -kind.pd)
        self.main = self.kinds[0]
        self.parts = np.array([kind.pd for kind in self.kinds]) / sum(kind.pd for kind in kinds)
        self.local = (self.main.offsets() - self.main.offset, self.main.b1s())
        self.ranges = [(float(v.min()), float(v.max())) for v in self.local]
        self.wanted = 0.75 * job.engine.accuracy
        table = job.timeline.readouts
        self.times = float((table.dwell * table.samples).max()) * np.array([0.0, 0.5, 1.0])
        self.found = self._resolution(job)
        self.rows = some_readouts(len(table.dwell), SEEN)
        self.orders = np.rint(np.fft.fftfreq(self.found.phases) * self.found.phases).astype(np.int64)
        self.weight = order_weights(scan, self.orders)[self.rows]
        self.known: dict[tuple[int, float, float], Complex] = {}

    def _resolution(self, job: Job) -> Resolution:
        """Return the resolution of the class with most signal in the middle of the maps, at few in-plane phases."""
        engine, middle = job.engine, [(low + high) / 2 for low, high in self.ranges]
        spin = Relaxation(r1=self.main.r1, r2=self.main.r2, offset=self.main.offset + middle[0], b1=middle[1])
        found, _ = refine(self.scan, spin, engine.accuracy, job.sub_slices, engine.rf_step)
        return replace(found, phases=min(found.phases, PHASES))

    def walked(self, index: int, offset: float, b1: float) -> Complex:
        """Return the weighed (time, row, layer, order) response of a class at times since the window's start."""
        key = index, offset, b1
        if key not in self.known:
            kind = self.kinds[index]
            spin = Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset + offset, b1=b1)
            found = coefficients(self.scan, spin, self.found, self.rows) * self.weight[:, None]
            self.known[key] = np.exp(-2j * np.pi * offset * self.times)[:, None, None, None] * found
        return self.known[key]

    def along(self, axis: int) -> int:
        """Return the points that one axis needs, of B1 in the middle of the offsets, else at the B1 farthest from 1."""
        if self.ranges[axis][0] == self.ranges[axis][1]:
            return 1
        other = self.odd() if axis == 0 else sum(self.ranges[0]) / 2
        count = FIRST
        while True:
            finer = chebyshev(*self.ranges[axis], 2 * count - 1)
            pairs = [(x, other) if axis == 0 else (other, x) for x in finer.tolist()]
            values = np.array([self.walked(0, *pair) for pair in pairs])
            guess = np.tensordot(lagrange(*self.ranges[axis], count, finer[1::2]).T, values[::2], axes=1)
            if largest(guess - values[1::2]) <= self.wanted / 4 or len(finer) >= LAST:
                return count
            count = len(finer)

    def odd(self) -> float:
        """Return the B1 that is farthest from 1."""
        return max(self.ranges[1], key=lambda b: abs(b - 1))

    def levels(self) -> list[list[int]]:
        """Return the classes sorted by what they carry: the less it is, the fewer nodes they need."""
        level = np.floor(np.log(self.parts[0] / self.parts) / np.log(LEVEL))
        return [np.flatnonzero(level == value).tolist() for value in np.unique(level)]

    def nodes(self) -> list[tuple[list[TissueClass], Nodes]]:
        """Return the classes of each level, the one with most signal first, and their nodes."""
        counts, levels = (self.along(0), self.along(1)), self.levels()
        return [([self.kinds[i] for i in mine], self._of(mine, counts, self.wanted / len(levels))) for mine in levels]

    def _of(self, mine: list[int], counts: tuple[int, int], wanted: float) -> Nodes:
        """Return the nodes of some classes, by which all of them together are off by `wanted` at most."""

        def sums(pairs: list[tuple[float, float]], left: float) -> tuple[NDArray[np.int64], Complex, float]:
            values = [self.parts[i] * np.array([self.walked(i, *pair) for pair in pairs]) for i in mine]
            return decomposed(values, left)

        offsets, b1s = (chebyshev(*span, n).tolist() for span, n in zip(self.ranges, counts, strict=True))
        some, first, left = sums([(f, self.odd()) for f in offsets], wanted / 3)
        pairs = [(offsets[n], b) for n in some for b in b1s]
        chosen, second, rest = sums(pairs, wanted - left)
        table = np.einsum("njb,jf->nfb", second.reshape(len(chosen), len(some), len(b1s)), first)
        return Nodes(
            kind=self.kinds[mine[0]],
            part=float(self.parts[mine[0]]),
            first=0,
            local=self.local,
            offset=np.array([pairs[n][0] for n in chosen]),
            b1=np.array([pairs[n][1] for n in chosen]),
            share=tuple(self._spread(table)),
            error=left + rest,
        )

    def _spread(self, table: Complex) -> Complex:
        """Return the (node, member) weights of the spins from the (node, offset, B1) weights of the points."""
        share = np.empty((len(table), len(self.local[0])), dtype=np.complex128)
        for first in range(0, share.shape[1], TOGETHER):
            part = slice(first, first + TOGETHER)
            f, b = (lagrange(*self.ranges[a], table.shape[a + 1], self.local[a][part]) for a in range(2))
            share[:, part] = np.einsum("nbp,bp->np", np.tensordot(table, f, axes=(1, 0)), b)
        return share


def order_weights(scan: Scan, orders: NDArray[np.int64]) -> Array:
    """Return (readout, order): the most that a voxel sees of the error of an in-plane order, over it."""
    plan, table = scan.plan, scan.timeline.readouts
    winding = float(np.hypot(*plan.base))
    if scan.seen is None or winding == 0.0:
        return np.ones((len(table.dwell), len(orders)))
    sampled = float(np.abs(table.k[..., :2] @ plan.base).max()) / winding
    beyond = np.abs(orders - echo_orders(table, plan)[:, None]) * winding - sampled
    ends = np.maximum(beyond, 1e-3 * sampled)
    return np.asarray(np.minimum(1.0, np.log1p(2 * sampled / ends) / (2 * np.pi)))


def largest(change: Complex) -> float:
    """Return the largest (point, time, row, layer, order) change: summed over the orders, their mean over layers."""
    return float(np.abs(change).sum(axis=4).mean(axis=3).max(initial=0.0))


def decomposed(values: list[Complex], wanted: float) -> tuple[NDArray[np.int64], Complex, float]:
    """Choose points of which all others are weighted sums.

    Parameters
    ----------
    values : list of (point, time, row, layer, order) array
        The responses of classes at all points, whose errors add up.
    wanted : float
        Largest error of the sums.

    Returns
    -------
    chosen : (node,) array
        Indices of points.
    weight : (node, point) array
    error : float
        The error that is left.
    """
    from scipy.linalg import qr, solve_triangular

    flat = np.concatenate([v.reshape(len(v), -1) for v in values], axis=1)
    mixing = np.random.default_rng(0).standard_normal((flat.shape[1], min(DIRECTIONS, flat.shape[1])))
    upper, order = qr((flat @ mixing).T, mode="r", pivoting=True)

    def of(count: int) -> tuple[Complex, float]:
        weight = np.zeros((count, len(order)), dtype=np.complex128)
        weight[:, order[:count]] = np.eye(count)
        weight[:, order[count:]] = solve_triangular(upper[:count, :count], upper[:count, count:])
        error = sum(largest(np.tensordot(weight.T, v[order[:count]], axes=1) - v) for v in values)
        return weight, error

    few, many = 0, min(upper.shape)  # too few, and enough or all that there are
    found = of(many)
    while many - few > 1:
        count = (few + many) // 2
        tried = of(count)
        if tried[1] <= wanted:
            many, found = count, tried
        else:
            few = count
    return order[:many].astype(np.int64), *found


def chebyshev(low: float, high: float, count: int) -> Array:
    """Return Chebyshev points from `low` to `high`, ends included; the middle alone if there is one."""
    if count == 1:
        return np.array([(low + high) / 2])
    angle = np.pi * np.arange(count) / (count - 1)
    return (low + high) / 2 - (high - low) / 2 * np.cos(angle)


def lagrange(low: float, high: float, count: int, place: Array) -> Array:
    """Return the (point, place) Lagrange polynomials of Chebyshev points, by the barycentric formula."""
    if count == 1:
        return np.ones((1, len(place)))
    weight = (-1.0) ** np.arange(count)
    weight[[0, -1]] /= 2
    away = place - chebyshev(low, high, count)[:, None]
    exact = away == 0
    part = weight[:, None] / np.where(exact, 1.0, away)
    met = exact.any(axis=0)
    return np.where(met, exact, part / np.where(met, 1.0, part.sum(axis=0)))
