"""A phantom: regions of tissue in the world, whose true content of every voxel is known.

Regions are plane shapes extruded along one world axis, or solids, painted in order (later ones cover earlier ones).
Everything that a voxel holds follows from its contents; truth, regions of interest and spins are read off them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid
from ..core.maps import Maps
from ..core.shown import Shown, listing
from .contents import SUBSAMPLES, Integers, Region, contents, filled_fraction, fractions_of, region_fractions
from .diffusion import compartments, true_diffusion
from .field_values import check_fields, field_at, on_grid
from .lamellae import FibreCourse, Lamellae
from .motion import Affine, Displacement, Flow, OnGrid, Rotation, Vibration
from .origins import truth_history
from .solids import FRAMES, Solid
from .spins import Spins
from .tissue import Tissue

Array = NDArray[np.float64]
PURE = 0.99
"""Volume fraction from which a voxel counts as one tissue."""
DIFFUSION = {
    **dict.fromkeys(("md", "adc", "d", "ad", "rd", "d_star"), "m^2/s"),
    **dict.fromkeys(("fa", "mk", "ak", "rk", "f"), ""),
}
"""Truths of diffusion and their units; see `diffusion.true_diffusion`."""
SLIVER = 1e-9
"""Volume fraction below which a tissue is not sampled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Roi:
    """A region of interest: the pure voxels of some painted regions within a box of the plane."""

    name: str
    regions: tuple[str, ...]
    """Names of the painted regions."""
    low: tuple[float, float] = (-np.inf, -np.inf)
    """Lower corner of the box, m."""
    high: tuple[float, float] = (np.inf, np.inf)
    """Upper corner of the box, m."""
    side: Solid | None = None
    """Voxels whose centre lies outside this solid are left out."""


class RoiMasks(dict[str, NDArray[np.bool_]]):
    """Masks (z, y, x) by region of interest; `not_eroded` names those too small to be eroded."""

    not_eroded: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Phantom(Shown):
    """Tissues in space at one field strength."""

    name: str
    description: str
    field: float
    """T."""
    grade: int | None
    """Pfirrmann grade, 1 to 5, where the phantom has one; of several discs the first."""
    tissues: tuple[Tissue, ...]
    regions: tuple[Region, ...]
    """In painter's order."""
    rois_defined: tuple[Roi, ...]
    axis: str = "x"
    """World axis of the extrusion, a key of `FRAMES`."""
    offset: float | FieldMap = 0.0
    """Local field offset, Hz: one number, or a map."""
    b1: float | FieldMap = 1.0
    """Transmit field relative to the nominal one: one number, or a map."""
    lamellae: tuple[Lamellae, ...] = ()
    """Where fibres run, and how."""
    motion: tuple[Flow | Rotation | Affine | Displacement | Vibration, ...] = ()
    """How everything moves from where it is painted, in world axes; several motions add up."""
    history: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Provenance."""

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(self._names).items() if count > 1]
        if twice:
            raise InputError(
                f"'{self.name}' has several tissues of the name {', '.join(twice)}, by which maps tell them apart; "
                "rename all but one", key="tissues",
            )  # fmt: skip
        check_fields(self.offset, self.b1)

    @property
    def extrapolated(self) -> dict[str, tuple[str, ...]]:
        """Per tissue, its properties that lie beyond the field strengths at which they are known."""
        found = {tissue.name: tissue.extrapolated(self.field) for tissue in self.tissues}
        return {name: properties for name, properties in found.items() if properties}

    @property
    def solid(self) -> bool:
        """True if any region varies along all three axes."""
        return any(isinstance(region.shape, Solid) for region in self.regions)

    def uniform_through(self, grid: Grid, thickness: float) -> bool:
        """Return True if the object does not vary along grid z within `thickness`, m, around the grid's centre."""
        if any(isinstance(field, FieldMap) and field.varies_through for field in (self.offset, self.b1)):
            return False
        along = FRAMES[self.axis][2]
        if self.solid:
            return False
        if abs(abs(grid.axes[along, 2]) - 1) > 1e-9:
            return False
        low, high = grid.centre[along] - thickness / 2, grid.centre[along] + thickness / 2
        return all(
            (s[0] <= low and high <= s[1]) or s[1] <= low or high <= s[0] for s in (r.span for r in self.regions)
        )

    def extent(self, grid: Grid) -> Array:
        """Return the (2, 3) lower and upper corner of the object's box in grid axes, m from the grid's centre.

        Where the object does not end, the corners are infinite.
        """
        boxes = [r.solid(self.axis).bounds() for r in self.regions]
        low = np.min([box[0] for box in boxes], axis=0) - np.asarray(grid.centre)
        high = np.max([box[1] for box in boxes], axis=0) - np.asarray(grid.centre)
        turn = np.where(np.abs(grid.axes) < 1e-12, 0.0, grid.axes).T  # (grid axis, world axis)
        ends = np.stack([_scaled(turn, low), _scaled(turn, high)])
        return np.asarray([ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)])

    def fractions(self, grid: Grid) -> dict[str, Array]:
        """Return the (z, y, x) volume fraction of each tissue; they sum to at most 1, the rest is background."""
        return fractions_of(self.regions, self.axis, self._names, grid)

    def region_fractions(self, grid: Grid) -> Array:
        """Return the (region, z, y, x) visible volume fraction of each painted region."""
        return region_fractions(self.regions, self.axis, grid)

    def contents(
        self, grid: Grid, subsamples: int = SUBSAMPLES, merge: bool = False
    ) -> tuple[Integers, Integers, Array]:
        """Return the list (voxel, region, fraction), or (voxel, tissue, fraction) if merged; see `contents`."""
        return contents(self.regions, self.axis, grid, subsamples, merge)

    @property
    def labels_by_region(self) -> dict[str, int]:
        """The number of every region in label maps; those of spines do not depend on grades or findings."""
        return {region.name: region.label or place + 1 for place, region in enumerate(self.regions)}

    def part(self, tissues: NDArray[np.bool_]) -> Phantom:
        """Return what is painted of some tissues alone, in space; `tissues` says which."""
        kept = tuple(dataclasses.replace(r, shape=r.solid(self.axis)) for r in self.regions if tissues[r.tissue])
        return dataclasses.replace(self, regions=kept)

    def filled(self, grid: Grid) -> NDArray[np.bool_]:
        """Return the (z, y, x) voxels of which more than half holds something, to about an eighth of a voxel."""
        return filled_fraction(self.regions, self.axis, grid, subsamples=2) > 0.5

    def box(self) -> Array:
        """Return the (2, 3) lower and upper corner of the object's box in world axes, m; infinite where it is open."""
        return self.extent(Grid(shape=(1, 1, 1), spacing=(1e-3, 1e-3, 1e-3)))

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(tissue.name for tissue in self.tissues)

    def sample(self, grid: Grid) -> Spins:
        """Return the spins of every voxel of a grid: one row per tissue that the voxel holds."""
        cell, tissue, fraction = self.contents(grid, subsamples=2, merge=True)
        held = fraction > SLIVER
        cell, tissue, fraction = cell[held], tissue[held], fraction[held]
        z, y, x = np.unravel_index(cell, grid.shape)
        axes = [grid.coordinates(a) for a in range(3)]
        position = np.stack([axes[0][x], axes[1][y], axes[2][z]], axis=1)
        return Spins(
            position=position,
            volume=fraction * grid.voxel_volume,
            tissue=tissue.astype(np.int32),
            cell=cell.astype(np.int64),
            offset=on_grid(self.offset, grid, position, "offset"),
            b1=on_grid(self.b1, grid, position, "b1"),
            pools=tuple(tissue.pools(self.field) for tissue in self.tissues),
            diffusion=tuple(compartments(tissue, self.field) for tissue in self.tissues),
            fibres=FibreCourse.of(self, grid),
            tissues=self._names,
            motion=tuple(OnGrid(motion=motion, grid=grid) for motion in self.motion),
        )

    def truth(self, grid: Grid) -> Maps:
        """Return the true maps ``t1, t2, t2_star, t1_rho`` (s), ``pd``, ``pdff``, diffusion, the fields, all fractions.

        Scalars exist where one tissue fills at least 0.99 of the voxel (status 0). Tissues of water and fat have
        ``pd`` and ``pdff`` but no single relaxation time: there the times are NaN. Mixed voxels have status 7,
        empty ones status 1. The fields, ``b1`` (relative to the nominal one) and ``off_resonance`` (Hz, without
        chemical shift), are those of the voxels' centres; the object ends where it fills less than half of a voxel.
        """
        fractions = self.fractions(grid)
        units = {"t1": "s", "t2": "s", "t2_star": "s", "t1_rho": "s", "pd": "", "pdff": ""}
        numbers = {tissue.name: true_values(tissue, self.field) for tissue in self.tissues}
        units |= {name: unit for name, unit in DIFFUSION.items() if any(name in known for known in numbers.values())}
        values = {name: np.full(grid.shape, np.nan) for name in units}
        background = 1.0 - np.sum(list(fractions.values()), axis=0)
        status = np.where(background >= PURE, 1, 7).astype(np.int8)
        for tissue in self.tissues:
            pure = fractions[tissue.name] >= PURE
            status[pure] = 0
            for name, number in numbers[tissue.name].items():
                values[name][pure] = number
        filled = background <= 0.5
        for name, field, unit in (("b1", self.b1, ""), ("off_resonance", self.offset, "Hz")):
            values[name], units[name] = np.full(grid.shape, np.nan), unit
            values[name][filled] = field_at(field, voxel_centres(grid)[filled], name)
        return Maps(
            grid=grid, values=values, errors={name: np.zeros(grid.shape) for name in units}, units=units, status=status,
            fractions=fractions, model="truth", history=truth_history(self.tissues, self.field),
        )  # fmt: skip

    def rois(self, grid: Grid, erode: bool = True) -> RoiMasks:
        """Return disjoint masks of pure voxels by region of interest.

        Parameters
        ----------
        grid : Grid
            The voxels.
        erode : bool
            Strip one voxel in the plane of the image from each mask; masks that would vanish stay whole and
            are listed in `not_eroded`.
        """
        from scipy.ndimage import binary_erosion

        regions, plane, world = self.regions, self._plane_coordinates(grid), voxel_centres(grid)
        cell, number, fraction = self.contents(grid)
        cross = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], dtype=bool)
        masks, kept = RoiMasks(), []
        for roi in self.rois_defined:
            mine = np.array([region.name in roi.regions for region in regions])[number]
            held = np.bincount(cell[mine], fraction[mine], minlength=plane[..., 0].size).reshape(grid.shape)
            mask = (held >= PURE) & np.all((plane >= roi.low) & (plane < roi.high), axis=-1)
            if roi.side is not None:
                mask[mask] = roi.side.level(world[mask]) <= 0
            smaller = binary_erosion(mask, cross) if erode else mask
            if erode and mask.any() and not smaller.any():
                kept.append(roi.name)
                smaller = mask
            masks[roi.name] = smaller
        masks.not_eroded = tuple(kept)
        return masks

    def _plane_coordinates(self, grid: Grid) -> Array:
        return voxel_centres(grid)[..., list(FRAMES[self.axis][:2])]

    def _facts(self) -> dict[str, str]:
        grade = "" if self.grade is None else str(self.grade)
        held = {"tissues": listing(t.name for t in self.tissues), "regions": f"{len(self.regions)}"}
        return {"": self.name, "field": f"{self.field:g} T", "grade": grade} | held


def voxel_centres(grid: Grid) -> Array:
    """Return the (z, y, x, 3) voxel centres in world axes, m."""
    x, y, z = (grid.coordinates(a) for a in range(3))
    position = np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]), axis=-1)
    return grid.to_world(position)


def true_values(tissue: Tissue, field: float) -> dict[str, float]:
    """Return the scalar truths of a pure voxel: ``pd``, ``pdff``, diffusion, and the times where there is one pool."""
    # T1 is what a measurement shows, which bound protons leave as it is
    pools = dataclasses.replace(tissue, transfer=False).pools(field)
    values = {"pd": sum(pool.pd for pool in pools), "pdff": tissue.fat_fraction(field)}
    if len(pools) == 1:
        pool = pools[0]
        values |= {"t1": pool.t1, "t2": pool.t2, "t2_star": 1 / (1 / pool.t2 + 1 / pool.t2_prime)}
        if not pool.exchange:
            values["t1_rho"] = pool.t2  # on resonance, whatever the lock: only exchange makes it depend on B1
    return values | true_diffusion(compartments(tissue, field))


def _scaled(turn: Array, corner: Array) -> Array:
    """Return turn * corner, where zero times infinity is zero."""
    with np.errstate(invalid="ignore"):
        return np.where(turn == 0, 0.0, turn * corner)
