"""Maps of offset and transmit field: the response is walked at a few nodes and interpolated in between.

A class walks with one offset and one B1. A map gives every spin its own pair, but the response is a smooth function
of both, so that of a spin is a sum over nodes: response(f, b) = sum_jk L_j(f) L_k(b) response(f_j, b_k), with L the
Lagrange polynomials of Chebyshev nodes over the range of the map (Trefethen, Approximation Theory and Practice,
SIAM 2013, chapter 5). A node is a class of its own of which each spin carries the share L_j L_k; the turning of the
offset during a window is interpolated with it. The number of nodes grows along each axis until responses held out
between the nodes are met.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classes import TissueClass
from .job import Job
from .pulse_maps import Relaxation
from .slice_reuse import Scan, refine, some_responses

MAX_NODES = 65
"""Nodes along one axis at which the search stops; the error that is left is reported."""
GROWTH = 1.3
"""Factor by which the nodes along an axis grow."""
PATIENCE = 12
"""Nodes by which the error must have been halved, or the search is given up."""

Pair = tuple[float, float]


def on_nodes(scan: Scan, job: Job) -> tuple[list[TissueClass], dict[str, Any]]:
    """Return the classes with maps replaced by nodes, and the error of the interpolation over M0.

    All classes of one tissue share their nodes, which are found on that with most signal.
    """
    mapped: dict[int, list[TissueClass]] = {}
    for kind in job.classes:
        if kind.local_offset is not None:
            mapped.setdefault(id(kind.members), []).append(kind)
    if not mapped:
        return job.classes, {}
    classes = [kind for kind in job.classes if kind.local_offset is None]
    worst, most = 0.0, (1, 1)
    for same in mapped.values():
        nodes, shares, error = _Search(scan, job, max(same, key=lambda kind: kind.pd)).nodes()
        worst, most = max(worst, error), max(most, nodes[2])
        for kind in same:
            plain = replace(kind, local_offset=None, local_b1=None)
            classes += [
                replace(plain, offset=kind.offset + f, b1=b, node=f, share=share)
                for (f, b), share in zip(zip(nodes[0], nodes[1], strict=True), shares, strict=True)
            ]
    facts: dict[str, Any] = {"field_nodes": list(most), "field_error": worst}
    if worst > job.engine.accuracy:
        facts["field_warning"] = (
            f"interpolation over the maps of B0 and B1 leaves {worst:.1e} of M0, not {job.engine.accuracy:g}: "
            "magnetisation remembers its offset for many turns; reuse=False walks every spin"
        )
    return classes, facts


class _Search:
    """The search for the nodes of one tissue."""

    def __init__(self, scan: Scan, job: Job, kind: TissueClass) -> None:
        self.scan, self.kind = scan, kind
        self.local = (kind.offsets() - kind.offset, kind.b1s())
        self.ranges = [(float(v.min()), float(v.max())) for v in self.local]
        self.wanted = job.engine.accuracy / 2
        table = job.timeline.readouts
        self.ends = float((table.dwell * table.samples).max())
        engine, middle = job.engine, [(low + high) / 2 for low, high in self.ranges]
        spin = Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset + middle[0], b1=middle[1])
        fixed = None if engine.sub_slices is None else max(1, int(engine.sub_slices * job.share / scan.slab.layers))
        self.found, _ = refine(scan, spin, engine.accuracy, fixed, engine.rf_step)
        self.known: dict[Pair, NDArray[np.complex128]] = {}

    def response(self, offset: float, b1: float) -> NDArray[np.complex128]:
        """Return the (end, row, layer, phi) response at the start and at the end of the longest window."""
        if (offset, b1) not in self.known:
            total = self.kind.offset + offset
            spin = Relaxation(r1=self.kind.r1, r2=self.kind.r2, offset=total, b1=b1)
            rows = some_responses(self.scan, spin, self.found)
            self.known[offset, b1] = np.stack([rows, rows * np.exp(-2j * np.pi * total * self.ends)])
        return self.known[offset, b1]

    def error(self, counts: tuple[int, int]) -> float:
        """Return the largest deviation at held-out pairs, between the nodes of both axes."""
        nodes = [chebyshev(*span, n) for span, n in zip(self.ranges, counts, strict=True)]
        grid = np.array([[self.response(f, b) for b in nodes[1]] for f in nodes[0]])
        worst = 0.0
        for f, b in zip(*[held_out(*span, n) for span, n in zip(self.ranges, counts, strict=True)], strict=True):
            weights = [lagrange(axis, np.array([x]))[:, 0] for axis, x in zip(nodes, (f, b), strict=True)]
            guess = np.tensordot(np.outer(*weights), grid, axes=2)
            worst = max(worst, float(np.abs(guess - self.response(f, b)).max()))
        return worst

    def along(self, axis: int) -> tuple[int, float]:
        """Return the nodes that one axis needs while the other stays at its middle, and the error that they leave.

        Where more nodes do not help, because magnetisation remembers its offset for many turns over the range of
        the map, few are kept and the largest error met is returned.
        """
        if self.ranges[axis][0] == self.ranges[axis][1]:
            return 1, 0.0
        kept, middle = self.ranges, [(low + high) / 2 for low, high in self.ranges]
        self.ranges = [span if a == axis else (middle[a], middle[a]) for a, span in enumerate(kept)]
        tried: list[tuple[int, float]] = []
        while True:
            count = math.ceil(tried[-1][0] * GROWTH + 0.5) if tried else 3
            tried.append((count, self.error((count, 1) if axis == 0 else (1, count))))
            settled = tried[-1][1] <= self.wanted
            if settled or count >= MAX_NODES or (count >= PATIENCE and tried[-1][1] > tried[0][1] / 2):
                break
        self.ranges = kept
        if settled:
            return tried[-1]
        return tried[0][0], max(error for _, error in tried)

    def nodes(self) -> tuple[tuple[list[float], list[float], tuple[int, int]], list[NDArray[np.float64]], float]:
        """Return offset, Hz, and B1 of the nodes with their counts, the (member,) shares, and the error over M0."""
        (first, left), (second, rest) = self.along(0), self.along(1)
        counts, stuck = (first, second), max(left, rest) > self.wanted
        error = self.error(counts)
        while error > 2 * self.wanted and max(counts) < MAX_NODES and not stuck:
            counts = (_more(counts[0]), _more(counts[1]))
            error = self.error(counts)
        error = max(error, left + rest)
        axes = [chebyshev(*span, n) for span, n in zip(self.ranges, counts, strict=True)]
        weights = [lagrange(axis, local) for axis, local in zip(axes, self.local, strict=True)]
        offsets = [float(f) for f in axes[0] for _ in axes[1]]
        b1s = [float(b) for _ in axes[0] for b in axes[1]]
        shares = [a * b for a in weights[0] for b in weights[1]]
        return (offsets, b1s, counts), shares, error


def _more(count: int) -> int:
    """Return a few more nodes along an axis that has any extent."""
    return count if count == 1 else math.ceil(1.15 * count)


def chebyshev(low: float, high: float, count: int) -> NDArray[np.float64]:
    """Return Chebyshev nodes from `low` to `high`, ends included; one node lies in the middle."""
    if count == 1:
        return np.array([(low + high) / 2])
    angle = np.pi * np.arange(count) / (count - 1)
    return (low + high) / 2 - (high - low) / 2 * np.cos(angle)


def held_out(low: float, high: float, count: int) -> NDArray[np.float64]:
    """Return three places as far from the nodes as can be: near both ends and in the middle."""
    if count == 1:
        return np.array([low, (low + high) / 2, high])
    steps = np.array([0.5, math.floor((count - 1) / 2) + 0.5 if count > 2 else 0.5, count - 1.5])
    return (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * steps / (count - 1))


def lagrange(nodes: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (node, place) Lagrange polynomials, which are 1 at their own node and 0 at the others."""
    span = max(float(np.ptp(nodes)), 1e-300)
    result = np.ones((len(nodes), len(place)))
    for j, own in enumerate(nodes):
        for other in nodes:
            if other != own:
                result[j] *= ((place - other) / span) / ((own - other) / span)
    return result
