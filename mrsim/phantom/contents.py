"""What the voxels of a grid hold: regions, painted in order, cut into voxels.

Phantoms of plane shapes are cut by adaptive subdivision in the plane (`fractions`), phantoms with solids in space
(`solid_fractions`). Both come back as a list of (voxel, region, fraction), for most voxels hold one region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..core.errors import InputError
from ..core.grid import Grid
from .fractions import Lattice, lattice_fractions
from .shapes import Shape
from .solid_fractions import Mix, Painted, solid_contents
from .solids import FRAMES, Extruded, Solid

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
SUBSAMPLES = 3
"""Sub-cells along each axis of a voxel that a boundary of a solid crosses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """One painted shape."""

    name: str
    tissue: int
    """Index into the phantom's tissues."""
    shape: Shape | Solid
    span: tuple[float, float] = (-np.inf, np.inf)
    """Where a plane shape begins and ends along the extrusion, m."""
    mix: Mix | None = None
    """What the region leaves to another one."""
    label: int = 0
    """Number in label maps; 0: its place in the painter's order, from 1."""

    def solid(self, axis: str) -> Solid:
        """Return the region in space; plane shapes are extruded along a world axis."""
        return self.shape if isinstance(self.shape, Solid) else Extruded(shape=self.shape, axis=axis, span=self.span)


def contents(
    regions: Sequence[Region], axis: str, grid: Grid, subsamples: int = SUBSAMPLES, merge: bool = False
) -> tuple[Integers, Integers, Array]:
    """Return the list (voxel, region, fraction), or (voxel, tissue, fraction), ordered, each pair once.

    Parameters
    ----------
    regions : sequence of Region
        In painter's order.
    axis : str
        World axis along which plane shapes are extruded.
    grid : Grid
        The voxels; indices are flat in (z, y, x).
    subsamples : int
        Sub-cells along each axis of voxels that boundaries of solids cross.
    merge : bool
        Add up the regions of each tissue.
    """
    owner = np.array([region.tissue if merge else number for number, region in enumerate(regions)])
    layers = [grid.slice(i) for i in range(grid.shape[0])] if grid.gap else [grid]
    # the products of positions and waves are small: the matrix library's threads would only wait for each other
    with threadpool_limits(limits=1, user_api="blas"):
        found = [_cut(regions, axis, layer, subsamples) for layer in layers]
    per_layer = int(np.prod(layers[0].shape))
    cell = np.concatenate([part[0] + i * per_layer for i, part in enumerate(found)])
    owned = owner[np.concatenate([part[1] for part in found])]
    fraction = np.concatenate([part[2] for part in found])
    many = int(owner.max(initial=0)) + 1
    pair, place = np.unique(cell * many + owned, return_inverse=True)
    total = np.asarray(np.bincount(place, fraction, minlength=len(pair)), dtype=np.float64)
    return pair // many, pair % many, total


def filled_fraction(regions: Sequence[Region], axis: str, grid: Grid, subsamples: int = SUBSAMPLES) -> Array:
    """Return the (z, y, x) share of each voxel that anything fills."""
    layers = [grid.slice(i) for i in range(grid.shape[0])] if grid.gap else [grid]
    parts = []
    for layer in layers:
        cell, _, fraction = _cut(regions, axis, layer, subsamples)
        parts.append(np.bincount(cell, fraction, minlength=int(np.prod(layer.shape))))
    return np.asarray(np.concatenate(parts).reshape(grid.shape), dtype=np.float64)


def fractions_of(regions: Sequence[Region], axis: str, names: Sequence[str], grid: Grid) -> dict[str, Array]:
    """Return the (z, y, x) volume fraction of each tissue."""
    cell, tissue, fraction = contents(regions, axis, grid, merge=True)
    size = int(np.prod(grid.shape))
    filled = np.zeros((len(names), size))
    filled[tissue, cell] = fraction
    return dict(zip(names, filled.reshape(-1, *grid.shape), strict=True))


def region_fractions(regions: Sequence[Region], axis: str, grid: Grid) -> Array:
    """Return the (region, z, y, x) volume fraction of each region."""
    cell, region, fraction = contents(regions, axis, grid)
    filled = np.zeros((len(regions), int(np.prod(grid.shape))))
    filled[region, cell] = fraction
    return filled.reshape(-1, *grid.shape)


def _cut(regions: Sequence[Region], axis: str, grid: Grid, subsamples: int) -> tuple[Integers, Integers, Array]:
    if any(isinstance(region.shape, Solid) or region.mix for region in regions):
        return _cut_solids(regions, axis, grid, subsamples)
    frame = list(FRAMES[axis])
    lattice = _lattice(grid, frame)
    levels = [_plane_level(region.shape) for region in regions if isinstance(region.shape, Shape)]
    filled = lattice_fractions(levels, [region.span for region in regions], lattice)
    ordered = np.ascontiguousarray(filled.transpose(0, 3, 2, 1)).reshape(len(regions), -1)
    region, cell = np.nonzero(ordered)
    return cell, region, ordered[region, cell]


def _cut_solids(regions: Sequence[Region], axis: str, grid: Grid, subsamples: int) -> tuple[Integers, Integers, Array]:
    names = [region.name for region in regions]
    painted = []
    for region in regions:
        into = -1
        if region.mix is not None:
            if region.mix.into not in names:
                raise InputError(f"region '{region.name}' mixes into '{region.mix.into}', which does not exist")
            into = names.index(region.mix.into)
        painted.append(Painted(solid=region.solid(axis), mix=region.mix, into=into))
    # two layers are one cell: its sub-cells along z are the layers
    pieces = 2 if grid.shape[0] % 2 == 0 and subsamples % 2 == 0 else 1
    lattice = _joined(_lattice(grid, [0, 1, 2]), pieces)
    found = solid_contents(painted, lattice, (subsamples, subsamples, subsamples), pieces)
    x, y, z = np.unravel_index(found.cell, grid.shape[::-1])
    return np.ravel_multi_index((z, y, x), grid.shape).astype(np.int64), found.region, found.fraction


def _lattice(grid: Grid, frame: list[int]) -> Lattice:
    """Return the voxels in a frame of world axes."""
    steps = (grid.axes * np.asarray(grid.spacing))[frame].T
    first = np.array([grid.coordinates(a)[0] for a in range(3)])
    counts = (grid.shape[2], grid.shape[1], grid.shape[0])
    return Lattice(origin=grid.to_world(first)[frame], steps=steps, counts=counts)


def _joined(lattice: Lattice, layers: int) -> Lattice:
    """Return the lattice with so many layers along the last axis joined to one."""
    steps = lattice.steps * np.array([[1.0], [1.0], [layers]])
    counts = (*lattice.counts[:2], lattice.counts[2] // layers)
    return Lattice(origin=lattice.origin + (layers - 1) / 2 * lattice.steps[2], steps=steps, counts=counts)


def _plane_level(shape: Shape) -> Any:
    return lambda point: shape.level(point[..., :2])
