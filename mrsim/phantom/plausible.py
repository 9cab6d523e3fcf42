"""What imported voxels can be: how large they are, and what they hold.

The bounds are wide: they let through bone and contrast agent, microscopes and whole bodies, and stop what a wrong unit
makes, such as seconds that were read as milliseconds, micrometres as millimetres, or per cent as fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid

Array = NDArray[np.float64]
VOXEL = (5e-6, 0.5)
"""Edges of a voxel, m: from microscopy to a slab."""
EXTENT = (1e-3, 3.0)
"""Longest side of the whole grid, m: from a biopsy to a body and its surroundings."""
AWAY = 5.0
"""Distance of the grid's centre from the origin, m."""
NO_RELAXATION = 1e6
"""KomaMRI's T1, T2 and T2* of spins that do not relax, s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What the values of a map may be, SI."""

    low: float
    high: float
    top: float
    """The largest value of a map is at least this, unless its unit was stated."""
    unit: str
    """As messages show it."""
    scale: float
    """From SI to that unit."""


BOUNDS = {
    "t1": Bounds(low=1e-3, high=20.0, top=10e-3, unit="ms", scale=1e3),
    "t2": Bounds(low=5e-6, high=10.0, top=5e-3, unit="ms", scale=1e3),
    "t2_star": Bounds(low=5e-6, high=10.0, top=1e-3, unit="ms", scale=1e3),
    "pd": Bounds(low=0.0, high=1.5, top=0.02, unit="of water", scale=1.0),
    "offset": Bounds(low=-1e5, high=1e5, top=-np.inf, unit="Hz", scale=1.0),
}
"""Cerebrospinal fluid has T1 4.5 s and T2 2 s, doped water T1 20 ms, collagen T2 10 us, air between metal 50 kHz."""


def check_grid(grid: Grid, file: Path) -> None:
    """Refuse voxels of a size that no object for magnetic resonance has."""
    edges, remedy = np.asarray(grid.spacing), "correct the affine, or the unit of length that the file states"
    for low, high, value, words in (
        (*VOXEL, edges.min(), "voxels of {}"), (*VOXEL, edges.max(), "voxels of {}"),
        (*EXTENT, (edges * grid.shape[::-1]).max(), "a longest side of {}"),
        (0.0, AWAY, np.linalg.norm(grid.centre), "its centre {} from the origin"),
    ):  # fmt: skip
        if not low <= value <= high:
            raise InputError(
                f"has {words.format(_length(float(value)))}; plausible are {_length(low)} to {_length(high)}: {remedy}",
                key="affine", file=file,
            )  # fmt: skip


def check_maps(
    maps: Mapping[str, Array], file: Path, key: str = "", remedy: str = "", stated: tuple[str, ...] = ()
) -> None:
    """Refuse maps with values that no tissue has.

    Parameters
    ----------
    maps : mapping of str to (z, y, x) array
        ``pd``, 0 where nothing is, and perhaps ``t1``, ``t2``, ``t2_star`` (s), ``offset`` (Hz).
    file : Path
        Where they come from.
    key : str
        What stands before a map's name in messages.
    remedy : str
        What to do about a wrong unit.
    stated : tuple of str
        Maps whose unit was stated: they may be small throughout.
    """
    for name in ("pd", *(name for name in maps if name != "pd")):
        if name not in maps or name not in BOUNDS:
            continue
        values, limits = maps[name], BOUNDS[name]
        held = np.ones(values.shape, dtype=bool) if name == "pd" else maps.get("pd", values) > 0
        relaxing = values != NO_RELAXATION if name.startswith("t") else np.ones(values.shape, dtype=bool)
        with np.errstate(invalid="ignore"):
            wrong = held & relaxing & ~((values >= limits.low) & (values <= limits.high))
        if wrong.any():
            raise _refusal(name, values, wrong, limits, file, key, remedy)
        seen = values[held & relaxing]
        if name not in stated and seen.size and seen.max() < limits.top:
            most, least = limits.scale * float(seen.max()), limits.scale * limits.top
            raise InputError(
                f"nowhere exceeds {most:.4g} {limits.unit}; some voxel of an object has at least {least:g} "
                f"{limits.unit}: {remedy}", key=f"{key}{name}", file=file,
            )  # fmt: skip


def _refusal(
    name: str, values: Array, wrong: NDArray[np.bool_], limits: Bounds, file: Path, key: str, remedy: str
) -> InputError:
    """Return an error that shows the first wrong value and where it is."""
    z, y, x = (int(i) for i in np.argwhere(wrong)[0])
    value, more = float(values[z, y, x]), int(np.count_nonzero(wrong)) - 1
    shown = f"{limits.scale * value:.4g} {limits.unit}" if np.isfinite(value) else f"{value}"
    if not np.isfinite(value):
        remedy = "give every voxel with pd > 0 a value, and voxels without tissue pd = 0"
    others = f" and {more:,} more voxels" if more else ""
    return InputError(
        f"{shown} at voxel x, y, z = {x}, {y}, {z}{others}; plausible are {limits.scale * limits.low:g} to "
        f"{limits.scale * limits.high:g} {limits.unit}: {remedy}", key=f"{key}{name}", file=file,
    )  # fmt: skip


def _length(value: float) -> str:
    return f"{1e6 * value:.4g} um" if 0 < value < 1e-3 else f"{1e3 * value:.4g} mm" if value < 1 else f"{value:.4g} m"
