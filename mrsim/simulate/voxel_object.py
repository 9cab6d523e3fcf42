"""The object of a voxel's scan in two parts: around the voxel in fine cells, and all beyond it in larger ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.coils import Coils
from ..core.grid import Grid
from ..phantom.spins import Spins
from .classes import TissueClass
from .task import Task
from .voxel_content import Content

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Triple = tuple[Array, Array, Array]
ACROSS = 16
"""Cells across the voxel in which the object is sampled beyond it."""
FINER = 2
"""Parts, along each axis, of such a cell around the voxel."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Held:
    """What one class holds in the cells of its box."""

    edges: Triple
    """Per axis, m."""
    content: Content
    """m^3 times what each coil hears."""
    filled: float
    """Share of the box that is filled, times what the best coil hears."""

    @classmethod
    def of(cls, edges: Triple, volume: NDArray[np.complex128]) -> Held:
        """Return what is held in (coil, z, y, x) cells, m^3 times what each coil hears; edges : per axis, m."""
        box = float(np.prod([edge[-1] - edge[0] for edge in edges]))
        filled = max(float(np.abs(volume).sum(axis=(1, 2, 3)).max()) / box, 1e-6)
        return cls(edges=edges, content=Content.of(volume), filled=filled)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """A part of the object."""

    cells: Grid
    """In which it is sampled."""
    spins: Spins
    edges: Triple
    """Per axis: (bin + 1,) edges of the cells that are used, m."""
    bin: tuple[Index, Index, Index]
    """Per axis: (sampled cell,) the used one that it is part of."""

    def binned(self, coarser: int) -> Part:
        """Return the part with so many cells in one beyond the voxel's neighbourhood."""
        edges, found = _bins(self.cells, coarser)
        return replace(self, edges=edges, bin=found)

    def held(self, kind: TissueClass, coils: Coils | None, grid: Grid, joined: int | None = None) -> Held:
        """Return what a class holds, in cells or in pairs of them along the axis `joined`; grid : of the places."""
        volume: NDArray[Any] = self.spins.volume[None, kind.members]
        if coils is not None:
            volume = volume * coils.sensitivity(grid.to_world(self.spins.position[kind.members]))
        z, y, x = np.unravel_index(self.spins.cell[kind.members], self.cells.shape)
        index, edges = [], []
        for axis, mine in enumerate((x, y, z)):
            step, every = 2 if axis == joined else 1, self.edges[axis]
            bins = self.bin[axis][mine] // step
            low, high = int(bins.min()), int(bins.max())
            ends = np.append(every[:-1:step], every[-1])
            index.append(bins - low)
            edges.append(ends[low : high + 2])
        shape = (len(edges[2]) - 1, len(edges[1]) - 1, len(edges[0]) - 1)
        flat = np.ravel_multi_index((index[2], index[1], index[0]), shape)
        count = int(np.prod(shape))
        parts = [np.bincount(flat, w.real, count) + 1j * np.bincount(flat, w.imag, count) for w in volume]
        return Held.of((edges[0], edges[1], edges[2]), np.array(parts).reshape(len(parts), *shape))


def near_part(task: Task, finer: int) -> Part:
    """Return the object around the voxel, to one voxel's size on every side, in cells `finer` than those beyond."""
    grid, count = task.timeline.encoding.grid, (2 * ACROSS + 1) * finer
    x, y, z = (size / ACROSS / finer for size in grid.spacing)
    middle = np.array([x, y, z]) / 2 if count % 2 == 0 else np.zeros(3)
    centre = grid.to_world(middle)
    cells = Grid(
        shape=(count,) * 3, spacing=(x, y, z), centre=(float(centre[0]), float(centre[1]), float(centre[2])),
        axes=grid.axes,
    )  # fmt: skip
    number = np.arange(count, dtype=np.int64)
    edges = [np.asarray((np.arange(count + 1) - count / 2) * step, dtype=np.float64) for step in (x, y, z)]
    return Part(
        cells=cells, spins=task.sampled(cells), edges=(edges[0], edges[1], edges[2]), bin=(number, number, number)
    )


def beyond_part(task: Task, coarser: int) -> Part:
    """Return the rest of the object."""
    grid = task.timeline.encoding.grid
    lower, upper = task.phantom.extent(grid)
    step = [size / ACROSS for size in grid.spacing]
    x, y, z = (2 * math.ceil(max(-lower[a], upper[a], 2 * grid.spacing[a]) / step[a]) + 1 for a in range(3))
    cells = Grid(shape=(z, y, x), spacing=(step[0], step[1], step[2]), centre=grid.centre, axes=grid.axes)
    spins = task.sampled(cells)
    edges, found = _bins(cells, coarser)
    near = [np.abs(number - count // 2) <= ACROSS
            for number, count in zip(np.unravel_index(spins.cell, cells.shape), cells.shape, strict=True)]  # fmt: skip
    return Part(cells=cells, spins=spins.where(~np.all(near, axis=0)), edges=edges, bin=found)


def _bins(cells: Grid, coarser: int) -> tuple[Triple, tuple[Index, Index, Index]]:
    """Return the edges, m, of the cells that are used, and which of them each sampled cell is part of, per axis."""
    edges, found = [], []
    for axis in range(3):
        count = cells.shape[2 - axis]
        number = np.arange(count) - count // 2
        near = np.abs(number) <= ACROSS
        outside = np.sign(number) * ((np.abs(number) - ACROSS - 1) // coarser + ACROSS + 1)
        label = np.where(near, number, outside)
        _, first, index = np.unique(label, return_index=True, return_inverse=True)
        low = (number[first] - 0.5) * cells.spacing[axis]
        edges.append(np.append(low, (number[-1] + 0.5) * cells.spacing[axis]))
        found.append(index.ravel().astype(np.int64))
    return (edges[0], edges[1], edges[2]), (found[0], found[1], found[2])
