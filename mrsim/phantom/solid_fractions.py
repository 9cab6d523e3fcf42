"""How much of each cell every solid fills: from coarse blocks down to sub-cells, only where boundaries pass.

Blocks of cells that a ball test proves to lie in one region are done at once. In the cells that boundaries cross,
every region that may matter is evaluated on sub-cells, each boundary becomes a plane in each sub-cell, and the planes
are painted top first (`_kernels.paint`). Fractions of a cell add up to 1 to rounding; volumes converge with the square
of the sub-cell. A `Mix` hands a share of what a region covers to another one: blurred boundaries, fat in muscle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from .fractions import Lattice
from .solids import Solid

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
CHUNK = 50_000
"""Pairs of cell and region that are evaluated together: bounds the memory."""
COARSEST = 4
"""Halvings between the coarsest blocks and the cells."""


class Mix(ABC):
    """What a region keeps of the volume that it covers; the rest belongs to the region named `into`."""

    __slots__ = ()
    into: str

    @abstractmethod
    def share(self, point: Array) -> Array:
        """Return the (n,) share kept, 0 to 1, at (n, 3) points, m."""

    def share_around(self, centre: Array, offsets: Array) -> Array:
        """Return the (n, k) share kept at (n, 3) centres plus (k, 3) offsets, m."""
        point = (centre[:, None, :] + offsets).reshape(-1, 3)
        return self.share(point).reshape(len(centre), len(offsets))


@dataclass(frozen=True, kw_only=True, slots=True)
class Blur(Mix):
    """A boundary that is a ramp: smoothly from 1 to 0 over `width` around the zero of a level set."""

    solid: Solid
    width: float
    """m."""
    into: str

    def share(self, point: Array) -> Array:
        """Return 3 u^2 - 2 u^3 with u = 1/2 - level / width, between 0 and 1."""
        u = np.clip(0.5 - self.solid.level(point) / self.width, 0.0, 1.0)
        return np.asarray(u * u * (3.0 - 2.0 * u))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Streaks(Mix):
    """Strands of another tissue, drawn from a seed: where a sum of plane waves is high."""

    fraction: float
    """Mean share of the strands."""
    into: str
    waves: Array
    """(wave, 4) wave vectors, rad/m, and phases, rad."""
    width: float = 1.2
    """How softly strands begin, in standard deviations of the sum of waves."""

    def share(self, point: Array) -> Array:
        """Return 1 less the strands: a logistic function of the waves' sum, its level set so that the mean holds."""
        return self._kept(np.cos(self._phase(point)).sum(axis=1))

    def share_around(self, centre: Array, offsets: Array) -> Array:
        """Return the share by cos(a + b) = cos a cos b - sin a sin b, for there are many points to a centre."""
        here, ahead = self._phase(centre), offsets @ self.waves[:, :3].T
        return self._kept(np.cos(here) @ np.cos(ahead).T - np.sin(here) @ np.sin(ahead).T)

    def _phase(self, point: Array) -> Array:
        return np.asarray(point @ self.waves[:, :3].T + self.waves[:, 3])

    def _kept(self, total: Array) -> Array:
        # a logistic of a normal variable: mean = logistic(level / sqrt(1 + pi s^2 / 8)), s = 4 / width
        steep = 4.0 / self.width
        level = np.log(self.fraction / (1 - self.fraction)) * np.sqrt(1 + np.pi * steep**2 / 8)
        return np.asarray(1.0 / (1.0 + np.exp(steep / np.sqrt(len(self.waves) / 2) * total + level)))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Painted:
    """One region as the painter sees it."""

    solid: Solid
    mix: Mix | None = None
    into: int = -1
    """Index of the region that the mix hands its rest to."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contents:
    """What cells hold, as a list: fractions of regions, each (cell, region) at most once per entry."""

    cell: Integers
    """(m,) flat index in the lattice (n0, n1, n2)."""
    region: Integers
    """(m,)."""
    fraction: Array
    """(m,) share of the cell's volume."""


def solid_contents(
    painted: Sequence[Painted], lattice: Lattice, subsamples: tuple[int, int, int], pieces: int = 1
) -> Contents:
    """Return the visible content of every cell, or of its pieces along the last axis.

    Parameters
    ----------
    painted : sequence of Painted
        Later ones cover earlier ones.
    lattice : Lattice
        The cells, in world axes.
    subsamples : (int, int, int)
        Sub-cells along each lattice axis in cells that boundaries cross, at least 2.
    pieces : int
        Equal pieces of a cell, each a whole number of sub-cells; the flat index is then in (n0, n1, n2 * pieces).
    """
    found: list[tuple[Integers, Integers, Array]] = []
    counts = np.array(lattice.counts)
    size = np.linalg.norm(lattice.steps, axis=1)
    late = np.minimum(np.round(np.log2(size / size.min())), COARSEST).astype(int)
    block, places, candidates = None, np.empty((0, 3), dtype=int), np.empty((0, 0), dtype=bool)
    for halving in range(COARSEST, -1, -1):
        extent = np.minimum(2 ** np.maximum(halving - late, 0), np.maximum(counts, 1))
        if block is None:
            axes = [np.arange(0, n, e) for n, e in zip(counts, extent, strict=True)]
            places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
            candidates = np.ones((len(painted), len(places)), dtype=bool)
        else:
            places, parent = _split(places, block, extent, counts)
            candidates = candidates[:, parent]
        block = extent
        places, candidates, covering = _settle(painted, lattice, places, block, candidates, found)
    found = [tuple(np.repeat(entry, pieces) for entry in part) for part in found]  # type: ignore[misc]
    for index, (cell, region, fraction) in enumerate(found):
        found[index] = (cell * pieces + np.arange(len(cell)) % pieces, region, fraction)
    _cross(painted, lattice, places, candidates, covering, (*subsamples, pieces), found)
    cell, region, fraction = (np.concatenate([entry[i] for entry in found]) for i in range(3))
    return Contents(cell=cell.astype(np.int64), region=region.astype(np.int64), fraction=fraction)


def _split(places: Integers, block: Integers, extent: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Return the corners of the smaller blocks within blocks, and which block each comes from."""
    axes = [np.arange(0, b, e) for b, e in zip(block, extent, strict=True)]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    all_places = (places[:, None, :] + offsets).reshape(-1, 3)
    parent = np.repeat(np.arange(len(places)), len(offsets))
    inside = np.all(all_places < counts, axis=1)
    return all_places[inside], parent[inside]


def _settle(
    painted: Sequence[Painted], lattice: Lattice, places: Integers, block: Integers,
    candidates: NDArray[np.bool_], found: list[tuple[Integers, Integers, Array]],
) -> tuple[Integers, NDArray[np.bool_], Integers]:  # fmt: skip
    """Note the blocks that lie in one region; return the others, the regions that may matter in them, and what
    covers each whole below those (-1: nothing).
    """
    middle = lattice.origin + (places + (block - 1) / 2) @ lattice.steps
    corners = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)]) * block
    radius = float(np.linalg.norm(corners @ lattice.steps, axis=1).max())
    open_, covering = np.ones(len(places), dtype=bool), np.full(len(places), -1)
    matters = np.zeros_like(candidates)
    for region in range(len(painted) - 1, -1, -1):
        index = np.flatnonzero(candidates[region] & open_)
        if len(index) == 0:
            continue
        level = painted[region].solid.level(middle[index])
        matters[region, index] = level <= radius
        hidden = index[level < -radius]
        covering[hidden], open_[hidden] = region, False
    whole = np.array([p.mix is None for p in painted] + [True])[covering]  # -1 is the background, which is whole
    alone = matters.sum(axis=0) == (covering >= 0)
    done = alone & whole
    inner, parent = _split(places[done], block, np.ones(3, dtype=int), np.array(lattice.counts))
    region = covering[done][parent]
    real = region >= 0
    cell = np.ravel_multi_index(tuple(inner[real].T), lattice.counts)
    found.append((cell, region[real], np.ones(len(cell))))
    return places[~done], matters[:, ~done], covering[~done]


def _cross(
    painted: Sequence[Painted], lattice: Lattice, places: Integers, candidates: NDArray[np.bool_],
    covering: Integers, cuts: tuple[int, int, int, int], found: list[tuple[Integers, Integers, Array]],
) -> None:  # fmt: skip
    """Paint the sub-cells of cells that boundaries cross, in chunks of cells; cuts: sub-cells by axis, and pieces."""
    if len(places) == 0:
        return
    subsamples, pieces = cuts[:3], cuts[3]
    ends = np.cumsum(candidates.sum(axis=0))
    axes = [((np.arange(n) + 0.5) / n - 0.5) for n in subsamples]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ lattice.steps
    limit = max(1, CHUNK * 27 // len(offsets))
    chunks, first = [], 0
    while first < len(places):
        begun = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begun + limit, side="right")))
        chunks.append(slice(first, last))
        first = last

    def cells(some: slice) -> list[tuple[Integers, Integers, Array]]:
        centre = lattice.origin + places[some] @ lattice.steps
        cell = np.ravel_multi_index(tuple(places[some].T), lattice.counts)
        return _paint_cells(painted, cell, centre, offsets, candidates[:, some], covering[some], subsamples, pieces)

    with ThreadPoolExecutor(available_cores()) as pool:  # numpy and the painter let other threads run
        for part in pool.map(cells, chunks):
            found.extend(part)


def _paint_cells(
    painted: Sequence[Painted], cell: Integers, centre: Array, offsets: Array, candidates: NDArray[np.bool_],
    covering: Integers, subsamples: tuple[int, int, int], pieces: int,
) -> list[tuple[Integers, Integers, Array]]:  # fmt: skip
    """Return the (cell, region, fraction) lists of some cells' pieces."""
    from ._kernels.paint import paint

    row, backwards = np.nonzero(candidates[::-1].T)  # by cell, top region first
    region = len(painted) - 1 - backwards
    start = np.concatenate([[0], np.cumsum(candidates.sum(axis=0))])
    value = np.full((len(row), len(offsets)), -1.0)  # inside
    share = np.ones_like(value)
    for number in np.unique(region):
        mine = np.flatnonzero(region == number)
        crossed = mine[covering[row[mine]] != number]
        point = (centre[row[crossed], None, :] + offsets).reshape(-1, 3)
        value[crossed] = painted[number].solid.level(point).reshape(-1, len(offsets))
        mix = painted[number].mix
        if mix is not None:
            share[mine] = mix.share_around(centre[row[mine]], offsets)
    most = int(np.diff(start).max()) + 1
    filled, moved = np.zeros((len(row), pieces)), np.zeros((len(row), pieces))
    room = (np.empty((most, 4)), np.empty(most, dtype=np.int64), np.empty(most + 1), np.empty(3))
    paint(start, value, share, subsamples, *room, filled, moved)
    into = np.array([p.into for p in painted])[region]
    found = []
    for number, volume in ((region, filled), (into, moved)):
        pair, piece = np.nonzero(volume > 0)
        found.append((cell[row[pair]] * pieces + piece, number[pair], volume[pair, piece]))
    return found
