"""Pulses that select along one direction of the plane: the response is walked in a few rows and interpolated between.

A pulse under an in-plane gradient (an inner volume: Feinberg, Radiology 156:743, 1985) turns spins by their place along
that gradient; once the phase that the gradient itself winds is left to the intervals beside it (`program`), this is a
smooth function of the place. So the response of a class is walked at equally spaced places, and that of a spin between
them is the sum over the six nearest of L_j(y) response(y_j), with L the Lagrange polynomials. A row is a class of its
own of which each spin near it carries the share L_j. Rows are so close that what is walked half-way between is met.
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

POINTS = 6
"""Rows that share a spin."""
FIRST = 12
"""Rows over the object with which the search begins."""
CLOSER, CLOSEST = 0.8, 0.5
"""Factors between which the distance of rows changes in one step of the search."""

ON_ROW = 1e-9
"""Distances of rows by which a spin may miss its row and is still on it."""

Rows = list[tuple[float, NDArray[np.int64], NDArray[np.float64]]]
"""Place of each row, m, and which of some spins share in it, and how much."""


def on_rows(scan: Scan, job: Job, classes: list[TissueClass]) -> tuple[list[TissueClass], dict[str, Any]]:
    """Return the classes row by row where pulses select in the plane, and the error of the interpolation over M0."""
    along = scan.plan.along
    if not np.any(along):
        return classes, {}
    place = job.spins.position[:, :2] @ along
    lattice = _Search(scan, job, classes, place)
    step, error = lattice.spacing()
    shared: dict[int, Rows] = {}
    found = []
    for kind in classes:
        if id(kind.members) not in shared:
            shared[id(kind.members)] = rows_of(place[kind.members], step)
        for row, mine, weight in shared[id(kind.members)]:
            share = weight if kind.share is None else weight * kind.share[mine]
            found.append(replace(kind.moved(mine, kind.members[mine]), row=row, share=share))
    return _joined(found), {"rows": len({kind.row for kind in found}), "row_error": error}


def _joined(classes: list[TissueClass]) -> list[TissueClass]:
    """Return the classes with one array each for members and shares that are equal: what lies alike is summed once."""
    known: dict[tuple[bytes, bytes], tuple[NDArray[np.int64], NDArray[np.float64] | NDArray[np.complex128] | None]] = {}
    found = []
    for kind in classes:
        share = b"" if kind.share is None else kind.share.tobytes()
        members, weight = known.setdefault((kind.members.tobytes(), share), (kind.members, kind.share))
        found.append(replace(kind, members=members, share=weight))
    return found


def rows_of(place: NDArray[np.float64], step: float) -> Rows:
    """Return the rows at multiples of `step` m, with the spins at (n,) places that share in each."""
    first = np.floor(place / step).astype(np.int64) - (POINTS // 2 - 1)
    weight = np.stack([lagrange(place / step - first, node) for node in range(POINTS)])
    weight[np.abs(weight) < ON_ROW] = 0
    found = []
    for row in range(int(first.min()), int(first.max()) + POINTS):
        node = row - first
        near = np.flatnonzero((node >= 0) & (node < POINTS))
        share = weight[node[near], near]
        kept = share != 0
        if np.any(kept):
            found.append((row * step, near[kept], share[kept]))
    return found


def lagrange(place: NDArray[np.float64], own: int) -> NDArray[np.float64]:
    """Return the Lagrange polynomial of nodes 0, 1, ... that is 1 at the node `own`, at (n,) places."""
    result = np.ones(len(place))
    for other in range(POINTS):
        if other != own:
            result *= (place - other) / (own - other)
    return result


class _Search:
    """The search for the distance of the rows, on the class with most signal."""

    def __init__(self, scan: Scan, job: Job, classes: list[TissueClass], place: NDArray[np.float64]) -> None:
        self.scan, self.wanted = scan, job.engine.accuracy / 2
        held = [kind.pd * float(np.abs(kind.volumes(job.spins.volume)).sum()) for kind in classes]
        kind = classes[int(np.argmax(held))]
        self.spin = Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset, b1=kind.b1)
        self.place, self.ends = place, (float(place.min()), float(place.max()))
        self.finest = float(np.abs(scan.plan.along) @ job.cells.spacing[:2])
        self.found, _ = refine(scan, self.spin, job.engine.accuracy, job.sub_slices, job.engine.rf_step)

    def response(self, row: float) -> NDArray[np.complex128]:
        """Return the (readout, layer, phi) response at a place, m."""
        x, y = row * self.scan.plan.along
        return some_responses(self.scan, replace(self.spin, place=(float(x), float(y))), self.found)

    def error(self, step: float) -> float:
        """Return the largest deviation half-way between rows `step` m apart."""
        rows = np.arange(math.floor(self.ends[0] / step) - 2, math.ceil(self.ends[1] / step) + 3)
        held = np.array([self.response(row * step) for row in rows])
        middle = np.array([lagrange(np.array([POINTS / 2 - 0.5]), node)[0] for node in range(POINTS)])
        worst = 0.0
        for first in range(len(rows) - POINTS + 1):
            guess = np.tensordot(middle, held[first : first + POINTS], axes=1)
            exact = self.response((rows[first] + POINTS / 2 - 0.5) * step)
            worst = max(worst, float(np.abs(guess - exact).max()))
        return worst

    def spacing(self) -> tuple[float, float]:
        """Return the distance of the rows, m, and the error that they leave, over M0: at least that of the cells."""
        step = max((self.ends[1] - self.ends[0]) / FIRST, self.finest)
        while True:
            off = np.abs(self.place / step - np.rint(self.place / step)).max()
            error = self.error(step) if off > ON_ROW else 0.0
            if error <= self.wanted or step <= self.finest:
                return step, error
            helps = (self.wanted / error) ** (1 / POINTS)
            step = max(self.finest, step * min(CLOSER, max(CLOSEST, helps)))
