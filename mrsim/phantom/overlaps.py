"""Shapes of a phantom file that cross each other or hide each other whole, which is rarely what their author meant.

A shape may lie within another or beside it. Where two of them cross, the later one covers the earlier one; its entry
must then say ``overlaps = true``. Points that fill each shape's box evenly decide; what overlaps by less than a
thousandth of the smaller box may go unseen.
"""

from __future__ import annotations

import itertools
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


def crossing_pairs(solids: Sequence[Solid]) -> list[tuple[int, int, str]]:
    """Return (earlier, later, ``"crosses"`` or ``"hides"``) for the pairs of shapes that do so, in painter's order."""
    boxes = [np.clip(solid.bounds(), -FARTHEST, FARTHEST) for solid in solids]
    points = [box[0] + _even_points() * (box[1] - box[0]) for box in boxes]
    own = [solid.level(place) < -DEEP for solid, place in zip(solids, points, strict=True)]
    found = []
    for i, j in itertools.combinations(range(len(solids)), 2):
        low, high = np.maximum(boxes[i][0], boxes[j][0]), np.minimum(boxes[i][1], boxes[j][1])
        if np.any(high - low <= DEEP):
            continue
        both = low + _even_points() * (high - low)
        if not np.any((solids[i].level(both) < -DEEP) & (solids[j].level(both) < -DEEP)):
            continue
        earlier_stands_out = np.any(own[i] & (solids[j].level(points[i]) > DEEP))
        later_stands_out = np.any(own[j] & (solids[i].level(points[j]) > DEEP))
        if not earlier_stands_out:
            found.append((i, j, "hides"))
        elif later_stands_out:
            found.append((i, j, "crosses"))
    return found


def _even_points() -> Array:
    """Return (POINTS, 3) points that fill the unit cube evenly: multiples of the powers of the plastic number."""
    root = 1.2207440846057596  # x^4 = x + 1
    steps = root ** -np.arange(1.0, 4.0)
    return (0.5 + np.arange(POINTS)[:, None] * steps) % 1.0
