"""A phantom of voxels: a tissue per voxel of a grid, as segmentations and other simulators give it.

Cells of another grid get the share of their volume that each tissue's voxels fill: exactly where the axes of both grids
agree up to order and sign, by 4 x 4 x 4 points per cell where they are oblique to each other.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid
from .contents import SUBSAMPLES, Integers
from .diffusion import compartments
from .motion import OnGrid
from .offset_map import places
from .phantom import PURE, SLIVER, Phantom, RoiMasks
from .spins import Spins
from .tissue import Tissue

Array = NDArray[np.float64]
PARTS = 4
"""Points per cell along each axis for oblique grids."""
LAYERS = 16
"""Layers of voxels that are taken together where cells are weighed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """What one label of a segmentation stands for."""

    name: str
    label: int
    """Number in label maps."""
    tissue: int
    """Index into the phantom's tissues."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoxelPhantom(Phantom):
    """Tissues in the voxels of a grid."""

    segments: tuple[Segment, ...]
    labels: NDArray[np.signedinteger[Any]]
    """(z, y, x) index into the segments; -1 where there is none."""
    voxels: Grid
    """Where the labels lie."""

    def uniform_through(self, grid: Grid, thickness: float) -> bool:
        """Return True if the slice lies within one layer of voxels that is parallel to it."""
        if any(isinstance(field, FieldMap) and field.varies_through for field in (self.offset, self.b1)):
            return False
        turn = self.voxels.axes.T @ grid.axes[:, 2]
        axis = int(np.argmax(np.abs(turn)))
        if abs(abs(turn[axis]) - 1) > 1e-9:
            return False
        count, step = self.voxels.shape[2 - axis], self.voxels.spacing[axis]
        at = float((np.asarray(grid.centre) - np.asarray(self.voxels.centre)) @ self.voxels.axes[:, axis]) / step
        low, high = (at + side * thickness / 2 / step + count // 2 + 0.5 for side in (-1, 1))
        return bool(np.floor(low + 1e-9) == np.floor(high - 1e-9))

    def extent(self, grid: Grid) -> Array:
        """Return the (2, 3) corners of the labelled voxels' box in grid axes, m from the grid's centre."""
        filled = self.labels >= 0
        held = [np.flatnonzero(filled.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        if len(held[0]) == 0:
            raise InputError(f"phantom '{self.name}' has no voxel with a tissue", key="labels")
        ends = [np.array([indices[end] for indices in held])[::-1] + half for end, half in ((0, -0.5), (-1, 0.5))]
        middle = np.array(self.voxels.shape[::-1]) // 2
        corners = [
            (np.choose(which, ends) - middle) * self.voxels.spacing for which in itertools.product((0, 1), repeat=3)
        ]
        there = (self.voxels.to_world(np.array(corners)) - np.asarray(grid.centre)) @ grid.axes
        return np.array([there.min(axis=0), there.max(axis=0)])

    def fractions(self, grid: Grid) -> dict[str, Array]:
        """Return the (z, y, x) volume fraction of each tissue."""
        return {tissue.name: part for tissue, part in zip(self.tissues, self._tissue_fractions(grid), strict=True)}

    def _tissue_fractions(self, grid: Grid) -> Array:
        """Return the (tissue, z, y, x) volume fraction of each tissue."""
        parts = np.zeros((len(self.tissues), *grid.shape))
        np.add.at(parts, [segment.tissue for segment in self.segments], self.region_fractions(grid))
        return parts

    def region_fractions(self, grid: Grid) -> Array:
        """Return the (segment, z, y, x) volume fraction of each segment."""
        if grid.gap:
            return np.concatenate([self.region_fractions(grid.slice(i)) for i in range(grid.shape[0])], axis=1)
        turn = self.voxels.axes.T @ grid.axes
        order = np.argmax(np.abs(turn), axis=1)
        if np.allclose(np.abs(turn), np.eye(3)[order], atol=1e-9):
            return self._overlaps(grid, order)
        offsets = (np.arange(PARTS) + 0.5) / PARTS - 0.5
        counted = np.zeros((len(self.segments) + 1, *grid.shape))
        for shift in itertools.product(offsets, repeat=3):
            place = places(grid) + grid.axes @ (np.array(shift) * np.asarray(grid.spacing))
            found = self._at(place)
            np.put_along_axis(
                counted, found[None], np.take_along_axis(counted, found[None], axis=0) + 1 / PARTS**3, axis=0
            )
        return np.asarray(counted[:-1])

    def contents(
        self, grid: Grid, subsamples: int = SUBSAMPLES, merge: bool = False
    ) -> tuple[Integers, Integers, Array]:
        """Return the list (voxel, segment, fraction), or (voxel, tissue, fraction) if merged; ordered, each pair once.

        `subsamples` have no meaning here.
        """
        parts = self._tissue_fractions(grid) if merge else self.region_fractions(grid)
        held = parts.reshape(len(parts), -1).T
        cell, tissue = np.nonzero(held)
        return cell, tissue, held[cell, tissue]

    @property
    def labels_by_region(self) -> dict[str, int]:
        """The number of every segment in label maps."""
        return {segment.name: segment.label for segment in self.segments}

    def part(self, tissues: NDArray[np.bool_]) -> VoxelPhantom:
        """Return the voxels of some tissues alone; `tissues` says which."""
        mine = [tissues[segment.tissue] for segment in self.segments]
        kept = np.append(mine, False)[self.labels]  # -1 is the last
        return replace(self, labels=np.where(kept, self.labels, self.labels.dtype.type(-1)))

    def filled(self, grid: Grid) -> NDArray[np.bool_]:
        """Return the (z, y, x) voxels whose centre lies in a tissue."""
        layers = (self._at(places(grid.slice(layer))) for layer in range(grid.shape[0]))
        return np.concatenate(list(layers)) < len(self.segments)

    def sample(self, grid: Grid) -> Spins:
        """Return the spins of every voxel of a grid: one row per tissue that the voxel holds."""
        held = self._tissue_fractions(grid).reshape(len(self.tissues), -1).T
        cell, tissue = np.nonzero(held > SLIVER)
        z, y, x = np.unravel_index(cell, grid.shape)
        position = np.stack([grid.coordinates(a)[i] for a, i in enumerate((x, y, z))], axis=1)
        world = grid.to_world(position)
        fields = [
            np.asarray(f.at(world, key), dtype=np.float64) if isinstance(f, FieldMap) else np.full(len(cell), float(f))
            for key, f in (("offset", self.offset), ("b1", self.b1))
        ]
        return Spins(
            position=position,
            volume=held[cell, tissue] * grid.voxel_volume,
            tissue=tissue.astype(np.int32),
            cell=cell.astype(np.int64),
            offset=fields[0],
            b1=fields[1],
            pools=tuple(tissue.pools(self.field) for tissue in self.tissues),
            diffusion=tuple(compartments(tissue, self.field) for tissue in self.tissues),
            tissues=tuple(tissue.name for tissue in self.tissues),
            motion=tuple(OnGrid(motion=motion, grid=grid) for motion in self.motion),
        )

    def rois(self, grid: Grid, erode: bool = True) -> RoiMasks:
        """Return a mask (z, y, x) of the pure voxels of each segment; see `Phantom.rois`."""
        from scipy.ndimage import binary_erosion

        cross = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], dtype=bool)
        masks, kept = RoiMasks(), []
        for segment, part in zip(self.segments, self.region_fractions(grid), strict=True):
            name, mask = segment.name, part >= PURE
            smaller = binary_erosion(mask, cross) if erode else mask
            if erode and not smaller.any():
                kept.append(name)
                smaller = mask
            masks[name] = smaller
        masks.not_eroded = tuple(kept)
        return masks

    def _overlaps(self, grid: Grid, order: NDArray[np.int64]) -> Array:
        """Return the fractions of cells whose axes are the voxels' own, in another order or sense."""
        weights = []
        shift = (np.asarray(grid.centre) - np.asarray(self.voxels.centre)) @ self.voxels.axes
        turn = self.voxels.axes.T @ grid.axes
        for axis in range(3):
            sign, other = np.sign(turn[axis, order[axis]]), int(order[axis])
            centre = shift[axis] + sign * grid.coordinates(other)
            weights.append(
                _overlap(centre, grid.spacing[other], self.voxels.coordinates(axis), self.voxels.spacing[axis])
            )
        back = [2 - int(np.flatnonzero(order == 2 - k)[0]) for k in range(3)]
        parts = []
        few_first = sorted(range(3), key=lambda axis: len(weights[axis]))
        for segment in range(len(self.segments)):
            share: Array | NDArray[np.bool_] = self.labels == segment
            for axis in few_first:
                share = _along(weights[axis], share, 2 - axis)
            parts.append(share.transpose(back))
        return np.asarray(np.clip(np.array(parts), 0.0, 1.0))

    def _at(self, world: Array) -> NDArray[np.int64]:
        """Return the label at (..., 3) places; the number of segments where there is none."""
        place = (world - np.asarray(self.voxels.centre)) @ self.voxels.axes / np.asarray(self.voxels.spacing)
        index = np.rint(place).astype(np.int64)[..., ::-1] + np.array(self.voxels.shape) // 2
        inside = np.all((index >= 0) & (index < self.voxels.shape), axis=-1)
        z, y, x = np.moveaxis(np.where(inside[..., None], index, 0), -1, 0)
        found = np.where(inside, self.labels[z, y, x], -1)
        return np.where(found < 0, len(self.segments), found)


def _along(weights: Array, values: Array | NDArray[np.bool_], axis: int) -> Array:
    """Return values whose `axis` went from voxels to cells by (cell, voxel) weights, few layers of voxels at a time."""
    shape = [*values.shape]
    shape[axis] = len(weights)
    total = np.moveaxis(np.zeros(shape), axis, 0)
    layers = np.moveaxis(values, axis, 0)
    for begin in range(0, len(layers), LAYERS):
        part = weights[:, begin : begin + LAYERS]
        seen = np.flatnonzero(part.any(axis=1))
        if len(seen):
            first, last = int(seen[0]), int(seen[-1]) + 1
            held = layers[begin : begin + LAYERS].astype(np.float64)
            total[first:last] += np.tensordot(part[first:last], held, axes=1)
    return np.moveaxis(total, 0, axis)


def voxel_phantom(
    name: str, labels: NDArray[np.signedinteger[Any]], grid: Grid, tissues: tuple[Tissue, ...], field: float,
    offset: float | FieldMap = 0.0, segments: tuple[Segment, ...] = (),
) -> VoxelPhantom:  # fmt: skip
    """Return a phantom of (z, y, x) labels, indices into the segments, by default one per tissue; -1 for none."""
    each = tuple(Segment(name=tissue.name, label=i + 1, tissue=i) for i, tissue in enumerate(tissues))
    return VoxelPhantom(
        name=name, description=f"voxels of {name}", field=field, grade=None, tissues=tissues, regions=(),
        rois_defined=(), offset=offset, segments=segments or each, labels=labels, voxels=grid,
        history={"field": field, "grade": None},
    )  # fmt: skip


def _overlap(centre: Array, size: float, voxels: Array, step: float) -> Array:
    """Return the (cell, voxel) share of each cell's length that each voxel covers."""
    low = np.maximum(centre[:, None] - size / 2, voxels - step / 2)
    high = np.minimum(centre[:, None] + size / 2, voxels + step / 2)
    return np.asarray(np.maximum(high - low, 0.0) / size)
