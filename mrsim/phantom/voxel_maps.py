"""Phantoms of maps: relaxation times and proton density per voxel, voxels that are alike made one ideal tissue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid
from .tissue import Tissue
from .tissue_facts import Fact, FactEntry
from .tissue_file import FractionEntry, TimeEntry, WaterTable
from .voxels import VoxelPhantom, voxel_phantom

Array = NDArray[np.float64]
MOST_TISSUES = 256
"""Distinct tissues that maps of parameters may make."""


def phantom_of_maps(
    name: str, maps: dict[str, Array], grid: Grid, field: float, tolerance: float = 1e-3, source: str = ""
) -> VoxelPhantom:
    """Return a phantom of maps of parameters.

    Parameters
    ----------
    name : str
        Of the phantom.
    maps : dict
        (z, y, x) arrays ``t1``, ``t2`` (s) and ``pd``, perhaps ``t2_star`` (s) and ``offset`` (Hz); pd 0 is background.
    grid : Grid
        Where they lie.
    field : float
        T.
    tolerance : float
        Values closer than this, relative, become one tissue, with their mean.
    source : str
        Where the maps come from.
    """
    missing = [key for key in ("t1", "t2", "pd") if key not in maps]
    if missing:
        raise InputError(f"no map of {', '.join(missing)}", key="maps")
    held = maps["pd"] > 0
    rows = np.stack([maps.get(key, maps["t2"])[held] for key in ("t1", "t2", "t2_star", "pd")], axis=1)
    if not np.all(np.isfinite(rows) & (rows > 0)):
        raise InputError("has voxels with pd > 0 whose t1, t2 or t2_star is not positive and finite", key="maps")
    if np.any(rows[:, 1] > 2 * rows[:, 0] * (1 + 1e-6)) or np.any(rows[:, 2] > rows[:, 1] * (1 + 1e-6)):
        raise InputError("has voxels with t2 > 2 t1 or t2_star > t2, which physics forbids", key="maps")
    _, which = np.unique(np.round(np.log(rows) / tolerance), axis=0, return_inverse=True)
    count = int(which.max(initial=-1)) + 1
    if count > MOST_TISSUES:
        raise InputError(f"{count:,} distinct tissues, more than {MOST_TISSUES}; raise the tolerance", key="tolerance")
    size = np.bincount(which.ravel(), minlength=count)
    means = np.stack([np.bincount(which.ravel(), column, count) / size for column in rows.T], axis=1)
    labels = np.full(grid.shape, -1, dtype=np.int64)
    labels[held] = which.ravel()
    offset = maps.get("offset")
    varies = offset is not None and bool(np.ptp(offset[held]) > 0)
    level = float(offset[held].mean()) if offset is not None and not varies else 0.0
    return voxel_phantom(
        name, labels, grid, tuple(ideal_tissue(f"tissue-{i + 1}", row, source) for i, row in enumerate(means)), field,
        FieldMap(values=offset, grid=grid) if offset is not None and varies else level,
    )  # fmt: skip


def ideal_tissue(name: str, row: Array, source: str) -> Tissue:
    """Return a tissue of (t1, t2, t2_star, pd), s and a pure number, the same at every field strength."""
    origin: Any = {"source": (source or "imported",), "provenance": ("chosen by definition",), "spread": (0.0,)}
    t1, t2, t2_star = (TimeEntry(value=(float(v),), **origin) for v in row[:3])
    pd = FractionEntry(value=(float(row[3]),), **origin)
    water = WaterTable(t1=t1, t2=t2, t2_star=t2_star, pd=pd)
    entry = FactEntry(value="0 ppm", source="imported without one", provenance="compiled default")
    chi = Fact(values=(0.0,), spreads=(0.0,), unit="ppm", entry=entry)
    return Tissue(
        name=name, description=name, grade=None, fields=(), water=water, fat=None, facts={"susceptibility": chi}
    )
