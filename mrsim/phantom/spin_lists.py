"""Tissues of spins that share places: water, and fat as several lines of one relaxation, as lists of spins hold them.

Where one spin stands alone, it is water and its offset is that of the field. Of several at one place those that share
T1, T2 and T2* are the lines of a fat; a single one beside them is water, whose offset is that of the field there.
Where fat stands alone, field and chemical shift cannot be told apart: all is taken for shift.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid
from ..core.nuclei import WATER_PPM, nucleus
from .tissue import Tissue
from .tissue_facts import Fact, FactEntry
from .tissue_file import FatTable, FractionEntry, SpectrumEntry, TimeEntry, WaterTable
from .voxel_maps import MOST_TISSUES
from .voxels import VoxelPhantom, voxel_phantom

Array = NDArray[np.float64]
TOLERANCE = 1e-3
"""Values closer than this, relative, are the same."""
SAME_SHIFT = 2e-8
"""Shifts closer than this, 0.02 ppm, are the same."""


def phantom_of_lines(
    name: str, values: Mapping[str, Array], place: NDArray[np.int64], grid: Grid, field: float, source: str
) -> VoxelPhantom:
    """Return the voxels that a list of spins fills, several of them at some places.

    Parameters
    ----------
    name : str
        Of the phantom.
    values : mapping
        (n,) ``t1, t2, t2_star`` (s), ``pd`` and ``offset`` (Hz).
    place : (n,) array
        Flat index of each spin's voxel.
    grid : Grid
        The voxels.
    field : float
        T.
    source : str
        Where the spins come from.
    """
    frequency = nucleus("1H").gamma_bar * field
    order = np.lexsort((values["offset"], place))
    place = place[order]
    times = np.stack([values[key][order] for key in ("t1", "t2", "t2_star")], axis=1)
    pd, offset = values["pd"][order], values["offset"][order]
    held, first, count = np.unique(place, return_index=True, return_counts=True)
    relaxation = np.unique(np.round(np.log(times) / TOLERANCE), axis=0, return_inverse=True)[1].ravel()
    labels, offsets = np.full(grid.shape, -1, dtype=np.int64), np.zeros(grid.shape)
    made: dict[tuple[Any, ...], tuple[int, Tissue]] = {}
    for cell, start, many in zip(held.tolist(), first.tolist(), count.tolist(), strict=True):
        mine = slice(start, start + many)
        water = _water(relaxation[mine])
        local = float(offset[mine][water]) if water is not None else 0.0
        shift = (offset[mine] - local) / frequency
        key = (*relaxation[mine].tolist(), *np.round(np.log(pd[mine]) / TOLERANCE).astype(int).tolist(),
               *np.round(shift / SAME_SHIFT).astype(int).tolist())  # fmt: skip
        if key not in made:
            tissue = _tissue(f"tissue-{len(made) + 1}", times[mine], pd[mine], shift, water, source)
            made[key] = len(made), tissue
        labels.flat[cell], offsets.flat[cell] = made[key][0], local
        if len(made) > MOST_TISSUES:
            raise InputError(f"more than {MOST_TISSUES} distinct sets of spins share places", key="spins")
    varies = bool(np.ptp(offsets.flat[held]) > 0)
    local_field = FieldMap(values=offsets, grid=grid) if varies else float(offsets.flat[held[0]])
    return voxel_phantom(name, labels, grid, tuple(tissue for _, tissue in made.values()), field, local_field)


def _water(relaxation: NDArray[np.int64]) -> int | None:
    """Return which spin of a place is water; None where it holds fat alone."""
    if len(relaxation) == 1:
        return 0
    kinds, count = np.unique(relaxation, return_counts=True)
    if len(kinds) == 1:
        return None
    if len(kinds) == 2 and 1 in count:
        # of two single spins that of the higher shift is water; spins are ordered by their offset
        return int(np.flatnonzero(relaxation == kinds[count == 1][0])[0]) if count.max() > 1 else 1
    raise InputError(
        f"holds {len(relaxation)} spins of {len(kinds)} relaxations at one place; water and the lines of one fat can "
        "share a place", key="spins",
    )  # fmt: skip


def _tissue(name: str, times: Array, pd: Array, shift: Array, water: int | None, source: str) -> Tissue:
    """Return the tissue of the spins of one place; compartments keep the densities that the spins have."""
    origin: Any = {"source": (source,), "provenance": ("chosen by definition",), "spread": (0.0,)}

    def times_of(row: int) -> tuple[TimeEntry, TimeEntry, TimeEntry]:
        t1, t2, t2_star = (TimeEntry(value=(float(v),), **origin) for v in times[row])
        return t1, t2, t2_star

    def part(value: float) -> FractionEntry:
        return FractionEntry(value=(value,), **origin)

    lines = np.array([i for i in range(len(pd)) if i != water], dtype=np.int64)
    total, fat = float(pd.sum()), None
    if len(lines):
        spectrum = SpectrumEntry(
            name=tuple(f"line {i + 1}" for i in range(len(lines))),
            shift=tuple((shift[lines] + WATER_PPM * 1e-6).tolist()), amplitude=tuple(pd[lines].tolist()),
            source=source, provenance="chosen by definition",
        )  # fmt: skip
        share = float(pd[lines].sum()) / total
        t1, t2, t2_star = times_of(int(lines[0]))
        fraction = part(share) if share < 1 else None
        fat = FatTable(t1=t1, t2=t2, t2_star=t2_star, pd=part(total), spectrum=spectrum, fraction=fraction)
    entry = FactEntry(value="0 ppm", source="imported without one", provenance="compiled default")
    chi = Fact(values=(0.0,), spreads=(0.0,), unit="ppm", entry=entry)
    own = None
    if water is not None:
        t1, t2, t2_star = times_of(water)
        own = WaterTable(t1=t1, t2=t2, t2_star=t2_star, pd=part(total))
    return Tissue(name=name, description=name, grade=None, fields=(), water=own, fat=fat, facts={"susceptibility": chi})
