"""The points along each axis at which a voxel's magnetisation is followed, in the cells that hold the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import Timeline
from .voxel_program import FREE, PULSE, Stretch

Array = NDArray[np.float64]
PER_TURN = 6.0
"""Points along an axis per turn of the fastest phase there; the mean over a cell is off by (pi / 6)^2 / 6 of it."""
LEAST_POINTS = 3
"""Points in every cell along each axis."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Points:
    """Cells along the three axes, and the points in them."""

    place: tuple[Array, Array, Array]
    """Per axis: (point,) m."""
    first: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """Per axis: (cell,) first point of each cell."""
    share: tuple[Array, Array, Array]
    """Per axis: (point,) width that each point stands for over the voxel's."""

    @classmethod
    def of(cls, edges: tuple[Array, Array, Array], voxel: Array, fastest: Array) -> Points:
        """Return the points for cells of (cell + 1,) edges, m, and the fastest phases, 1/m, along each axis."""
        place, first, share = [], [], []
        for edge, length, turns in zip(edges, voxel, fastest, strict=True):
            width = np.diff(edge)
            count = np.maximum(LEAST_POINTS, np.ceil(PER_TURN * turns * width)).astype(np.int64)
            start = np.cumsum(count) - count
            within = np.arange(count.sum()) - np.repeat(start, count)
            place.append(np.repeat(edge[:-1], count) + (within + 0.5) * np.repeat(width / count, count))
            first.append(start)
            share.append(np.repeat(width / count, count) / length)
        return cls(
            place=(place[0], place[1], place[2]),
            first=(first[0], first[1], first[2]),
            share=(share[0], share[1], share[2]),
        )

    def means(self, axis: int, values: Array) -> Array:
        """Return the (cell, function) means of (point, function) values."""
        count = np.diff(self.first[axis], append=len(values))
        return np.asarray(np.add.reduceat(values, self.first[axis], axis=0) / count[:, None])

    def widths(self, axis: int) -> Array:
        """Return the (cell,) widths over the voxel's."""
        return np.asarray(np.add.reduceat(self.share[axis], self.first[axis]))


def fastest_phases(stretch: Stretch, timeline: Timeline) -> Array:
    """Return the (3,) fastest phases that a stretch winds up along the axes between its pulses and windows, 1/m."""
    looked = [i for i, op in enumerate(stretch) if op[0] != FREE]
    total = np.zeros(3)
    for op in stretch[: looked[-1] + 1]:
        if op[0] == FREE:
            total += np.abs(op[2:])
        elif op[0] == PULSE:
            pulse = timeline.pulses[int(op[1])]
            total += timeline.gamma_bar * (pulse.dt @ np.abs(pulse.gradient))
    return total
