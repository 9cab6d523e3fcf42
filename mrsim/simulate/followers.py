"""Classes that differ in their offset alone: where the scan refocuses offsets, one response does for all.

The nodes of T2' have the response of the middle one but for exp(-i 2 pi df t), t the time since the primary echo, as
far as the pulses are broad against df. How far is measured, once, and weighs as much as the node does. Those that
follow need no sum over the plane of their own: what their leader brings is multiplied by what all together dephase.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .classes import TissueClass
from .slice_reuse import Response

Family = tuple[str, str, float, float, int, float, float, float]
"""Tissue, pool, r1, r2, place, B1, a map's node, Hz, and the row: what classes share that differ in T2' alone."""


def family(kind: TissueClass) -> Family:
    """Return what a class shares with the other nodes of its T2'."""
    return kind.tissue, kind.name, kind.r1, kind.r2, kind.place, kind.b1, kind.node, kind.row


def leaders(classes: list[TissueClass]) -> list[int]:
    """Return for each class the one of its family that carries most."""
    best: dict[Family, int] = {}
    for index, kind in enumerate(classes):
        first = best.setdefault(family(kind), index)
        if kind.pd > classes[first].pd:
            best[family(kind)] = index
    return [best[family(kind)] for kind in classes]


def models(classes: list[TissueClass]) -> dict[Family, list[Family]]:
    """Return for each family those on which it is tried who follows: itself, or, on a map or in rows, five from the
    first to the last.

    The nodes of a map are sorted by B1 and offset, and then by row.
    """
    alike: dict[tuple[str, str, float, float, int], list[Family]] = {}
    for kind in classes:
        alike.setdefault(family(kind)[:5], []).append(family(kind))
    mapped = {family(kind) for kind in classes if kind.share is not None}
    found: dict[Family, list[Family]] = {}
    for families in alike.values():
        every = sorted(set(families))
        tried = [every[index] for index in sorted({round(part * (len(every) - 1) / 4) for part in range(5)})]
        found |= {mine: tried if mine in mapped else [mine] for mine in every}
    return found


@dataclass(slots=True, eq=False)
class Followers:
    """What was found out about which classes follow their leader."""

    wanted: float
    """Error over M0 that one class may bring."""
    error: dict[tuple[Family, float], float] = field(default_factory=dict)
    """By family and offset without that of a map's node, over M0."""

    def follows(self, kind: TissueClass, tried: list[Family]) -> bool | None:
        """Return whether a class follows, as it does in all families where it was `tried`; None if it was not."""
        found = [self.error.get((model, _relative(kind))) for model in tried]
        known = [error for error in found if error is not None]
        return None if len(known) < len(found) else max(known) <= self.wanted

    def worst(self) -> float:
        """Return the largest error that the followers of one family bring together."""
        sums: dict[Family, float] = {}
        for (name, _), error in self.error.items():
            sums[name] = sums.get(name, 0.0) + (error if error <= self.wanted else 0.0)
        return max(sums.values(), default=0.0)

    def judge(self, kind: TissueClass, share: float, own: Response, guess: Response, heard: NDArray[np.int64]) -> None:
        """Compare a class's response with its leader's, turned; share : of its family that it carries."""
        orders = np.union1d(own.orders, guess.orders)
        mine, other = (in_orders(r, orders)[r.row[heard]] for r in (own, guess))
        change = np.abs(mine - other).sum(axis=2).mean(axis=1).max(initial=0.0)
        self.error[family(kind), _relative(kind)] = share * float(change)


def turned(response: Response, hertz: float, times: NDArray[np.float64]) -> Response:
    """Return a response at an offset `hertz` away; times : (readout,) s since the primary echo."""
    _, first = np.unique(response.row, return_index=True)
    rows = np.zeros(len(response.coefficients), dtype=np.complex128)
    rows[response.row[first]] = np.exp(-2j * np.pi * hertz * times[first])
    return replace(response, coefficients=response.coefficients * rows[:, None, None])


def _relative(kind: TissueClass) -> float:
    """Return the offset of a class without that of its map's node, Hz, to 1e-6."""
    return round(kind.offset - kind.node, 6)


def in_orders(response: Response, orders: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return the (row, layer, order) coefficients in given orders, zero where there are none."""
    found = np.zeros((*response.coefficients.shape[:2], len(orders)), dtype=np.complex128)
    found[..., np.searchsorted(orders, response.orders)] = response.coefficients
    return found


def dephased(
    leader: TissueClass, others: list[TissueClass], times: NDArray[np.float64], since: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Return the (readout, sample) factor by which a leader stands for itself and for all that follow it.

    times : (readout,) s from the primary echo to the window's start. since : (sample,) s from there.
    """
    distinct, row = np.unique(times, return_inverse=True)
    clock = distinct[:, None] + since
    factor = np.ones(clock.shape, dtype=np.complex128)
    for kind in others:
        factor += kind.pd / leader.pd * np.exp(-2j * np.pi * (kind.offset - leader.offset) * clock)
    return np.asarray(factor[row.ravel()])
