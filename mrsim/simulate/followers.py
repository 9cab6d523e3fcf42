"""Classes that differ in their offset alone: where the scan refocuses offsets, one response does for all.

The nodes of T2' have the response of the middle one but for exp(-i 2 pi df t), t the time since the primary echo, as
far as the pulses are broad against df. How far is measured, once, and weighs as much as the node does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .classes import TissueClass
from .slice_reuse import Response

Family = tuple[str, str, float, float, float]
"""Tissue, pool, r1, r2 and B1: what classes share that differ in their offset alone."""


def family(kind: TissueClass) -> Family:
    """Return what a class shares with the other nodes of its T2'."""
    return kind.tissue, kind.name, kind.r1, kind.r2, kind.b1


def leaders(classes: list[TissueClass]) -> list[int]:
    """Return for each class the one of its family that carries most."""
    best: dict[Family, int] = {}
    for index, kind in enumerate(classes):
        first = best.setdefault(family(kind), index)
        if kind.pd > classes[first].pd:
            best[family(kind)] = index
    return [best[family(kind)] for kind in classes]


@dataclass(slots=True, eq=False)
class Followers:
    """What was found out about which classes follow their leader."""

    wanted: float
    """Error over M0 that one class may bring."""
    error: dict[tuple[Family, float], float] = field(default_factory=dict)
    """By family and offset, over M0."""

    def follows(self, kind: TissueClass) -> bool | None:
        """Return whether a class follows; None if it has not been tried."""
        error = self.error.get((family(kind), kind.offset))
        return None if error is None else error <= self.wanted

    def worst(self) -> float:
        """Return the largest error that the followers of one family bring together."""
        sums: dict[Family, float] = {}
        for (name, _), error in self.error.items():
            sums[name] = sums.get(name, 0.0) + (error if error <= self.wanted else 0.0)
        return max(sums.values(), default=0.0)

    def judge(self, kind: TissueClass, share: float, own: Response, guess: Response, heard: NDArray[np.int64]) -> None:
        """Compare a class's response with its leader's, turned; share : of its family that it carries."""
        mine, other = (r.coefficients[r.row[heard]] for r in (own, guess))
        change = np.abs(mine - other).sum(axis=2).mean(axis=1).max(initial=0.0)
        self.error[family(kind), kind.offset] = share * float(change)


def turned(response: Response, hertz: float, times: NDArray[np.float64]) -> Response:
    """Return a response at an offset `hertz` away; times : (readout,) s since the primary echo."""
    _, first = np.unique(response.row, return_index=True)
    rows = np.zeros(len(response.coefficients), dtype=np.complex128)
    rows[response.row[first]] = np.exp(-2j * np.pi * hertz * times[first])
    return replace(response, coefficients=response.coefficients * rows[:, None, None])
