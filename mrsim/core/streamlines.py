"""Streamlines: curves through a field of fibre directions, with the reason why each of them ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import Grid

ENDS = {
    0: "left the grid or the mask",
    1: "anisotropy below the limit",
    2: "turned too sharply",
    3: "reached the longest length",
}
"""Meaning of the codes of an end."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Streamlines:
    """Curves in the world, one behind the other."""

    points: NDArray[np.float64]
    """(n, 3) world RAS, m."""
    offsets: NDArray[np.int64]
    """(streamline + 1,) where each of them begins; the last is n."""
    ends: NDArray[np.int8]
    """(streamline, 2) why it ends, first and last point; see `ENDS`."""
    grid: Grid
    """Of the maps that they run through."""
    history: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of streamlines."""
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        """Yield the (k, 3) points of every streamline."""
        return (self.points[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    def lengths(self) -> NDArray[np.float64]:
        """Return the (streamline,) lengths, m."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        along = np.concatenate([[0.0, 0.0], np.cumsum(steps)]) if len(self.points) else np.zeros(1)
        # along[i + 1] is the way from the first point of all to point i
        return np.asarray(along[self.offsets[1:]] - along[self.offsets[:-1] + 1]) if len(self) else np.zeros(0)

    def directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the middles of all steps and their unit directions, each (step, 3)."""
        steps = np.diff(self.points, axis=0)
        own = np.ones(len(steps), dtype=np.bool_)
        own[self.offsets[1:-1] - 1] = False
        steps, middles = steps[own], (self.points[:-1] + self.points[1:])[own] / 2
        return middles, steps / np.linalg.norm(steps, axis=1, keepdims=True)
