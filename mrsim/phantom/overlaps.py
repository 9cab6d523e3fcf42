"""Shapes of a phantom file that cross each other or hide each other whole, which is rarely what their author meant.

A shape may lie within another or beside it. Where two of them cross, the later one covers the earlier one; its entry
must then say ``overlaps = true``. Points that fill each shape's box evenly decide; what overlaps by less than a
thousandth of the smaller box may go unseen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .solids import Solid

Array = NDArray[np.float64]
POINTS = 4096
"""Per box."""
FARTHEST = 1.0
"""Where endless shapes are looked at, m from the origin."""
DEEP = 1e-5
"""Depth from which a point counts as inside, m: shapes may touch."""
UNSURE = -2
"""Mark of points too near to a boundary to tell."""


def crossing_pairs(solids: Sequence[Solid]) -> list[tuple[int, int, str]]:
    """Return (earlier, later, ``"crosses"`` or ``"hides"``) for shapes that do so, in painter's order.

    A shape crosses what it covers if that is more than one thing: two shapes, or a shape and the background. A shape
    is hidden if later ones cover all of it.
    """
    boxes = [np.clip(solid.bounds(), -FARTHEST, FARTHEST) for solid in solids]
    found = []
    for j, (low, high) in enumerate(boxes):
        point = low + _even_points() * (high - low)
        point = point[solids[j].level(point) < -DEEP]
        near = [i for i, (a, b) in enumerate(boxes) if i != j and np.all(np.minimum(b, high) > np.maximum(a, low))]
        under, hidden = np.full(len(point), -1), np.zeros(len(point), dtype=bool)
        last = -1
        for i in near:
            level = solids[i].level(point)
            if i < j:
                under = np.where(level < -DEEP, i, np.where(level < DEEP, UNSURE, under))
            else:
                hidden |= level < DEEP
                last = i if np.any(level < -DEEP) else last
        covered = np.unique(under[under != UNSURE])
        if len(covered) > 1:
            found.append((int(covered[-1]), j, "crosses"))
        if len(point) and hidden.all():
            found.append((j, last, "hides"))
    return found


def _even_points() -> Array:
    """Return (POINTS, 3) points that fill the unit cube evenly: multiples of the powers of the plastic number."""
    root = 1.2207440846057596  # x^4 = x + 1
    steps = root ** -np.arange(1.0, 4.0)
    return (0.5 + np.arange(POINTS)[:, None] * steps) % 1.0
