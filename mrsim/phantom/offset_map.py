"""The off-resonance that a phantom's own tissues and what surrounds them make.

Susceptibilities are those of the tissues relative to water, weighted by their volume fractions; what no tissue fills
is water (``"water"``), air (``"air"``), or the rest of a torso in air (``"torso"``). The torso is an elliptic cylinder
of water with two lungs and pockets of gas, on a coarse grid of its own; fields of small susceptibilities add up. Around
the phantom lies a margin without tissue, so that the field is known where spins of the outermost voxels are. Voxels are
cut into `parts` along each axis for the sum of dipoles, and their field is the mean over the parts: the staircase of a
surface then errs by 0.5 % of the field of a sphere of 8 voxels' radius, surface voxels counted, and by 2.4 % uncut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid
from ..core.nuclei import nucleus
from ..core.units import Length
from .field_laws import STRICT
from .phantom import Phantom
from .susceptibility import dipole_field

Array = NDArray[np.float64]
Surroundings = Literal["water", "air", "torso"]
"""What lies where the phantom has no tissue."""
AIR = 9.41e-6
"""Susceptibility of air relative to water: 0.36 - (-9.05) ppm (Schenck 1996, doi:10.1118/1.597854)."""
LUNG = 0.7 * AIR
"""Of a lung at rest, 70 % air; compiled default."""
TORSO_STEP = 8e-3
"""Voxel of the torso's grid, m."""
TORSO = ((0.0, 0.035, 0.05), (0.17, 0.11, 0.32))
"""Centre and half sizes (x, y, half length), m: the origin is a lumbar disc 75 mm under the skin; compiled default."""
POCKETS = (
    ((-0.085, 0.045, 0.26), (0.06, 0.07, 0.11), LUNG),
    ((0.085, 0.045, 0.26), (0.06, 0.07, 0.11), LUNG),
    ((-0.06, 0.09, 0.02), (0.02, 0.02, 0.03), AIR),
    ((0.07, 0.08, 0.06), (0.025, 0.02, 0.025), AIR),
)
"""Ellipsoids of gas: centre, half axes, m; susceptibility. Lungs, ascending and descending colon; compiled default."""
MARGIN = 6e-3
"""Around the phantom, m: cells of the outermost spins reach beyond it."""
ACROSS = 0.1
"""How far fields that vary along an endless phantom are tabulated to either side, m."""
MOST_VOXELS = 40_000_000
"""Of the padded grid: 2 GiB of work space."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SusceptibilityTable:
    """The [susceptibility] table of a phantom file: its tissues disturb the main field."""

    __pydantic_config__ = STRICT
    surroundings: Surroundings = "water"
    spacing: Length = 2e-3
    """Voxel of the field's map."""
    parts: Literal[1, 2, 3, 4] = 2
    """Into how many each voxel is cut along each axis, where that many fit into memory."""


def magnetised(phantom: Phantom, table: SusceptibilityTable) -> Phantom:
    """Return the phantom with the field of its own susceptibility on top of its offset."""
    grid = field_grid(phantom, table.spacing)
    parts = max(n for n in range(1, table.parts + 1) if n == 1 or 8 * math.prod(_cut(grid, n).shape) <= MOST_VOXELS)
    own = offset_map(phantom, table.spacing, table.surroundings, parts=parts)
    before = phantom.offset
    there = before.at(places(own.grid), "offset") if isinstance(before, FieldMap) else before
    values = np.asarray(own.values + there, dtype=np.float64)
    history = phantom.history | {"susceptibility": table.surroundings, "susceptibility_parts": parts}
    return replace(phantom, offset=replace(own, values=values), history=history)


def places(grid: Grid) -> Array:
    """Return the (z, y, x, 3) world positions of a grid's voxels, m."""
    x, y, z = (grid.coordinates(a) for a in range(3))
    return grid.to_world(np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]), axis=-1))


def offset_map(
    phantom: Phantom, spacing: float, surroundings: Surroundings, species: str = "1H", parts: int = 1
) -> FieldMap:
    """Return the off-resonance of water around a phantom, Hz, before any shim.

    Parameters
    ----------
    phantom : Phantom
        Its tissues must state their susceptibility; it must end in all directions but along its extrusion.
    spacing : float
        Voxel of the map, m.
    surroundings : str
        ``"water"``, ``"air"`` or ``"torso"``.
    species : str
        Nucleus.
    parts : int
        Into how many a voxel is cut along each axis while dipoles are summed.
    """
    if surroundings not in get_args(Surroundings):
        raise InputError(f"'{surroundings}' is none of {', '.join(get_args(Surroundings))}", key="surroundings")
    grid = field_grid(phantom, spacing)
    outside = AIR if surroundings == "air" else 0.0
    fine = _cut(grid, parts)
    relative = dipole_field(susceptibility_map(phantom, fine, outside) - outside, fine.spacing)
    blocks = [n for pair in zip(grid.shape, (f // n for f, n in zip(fine.shape, grid.shape, strict=True)), strict=True)
              for n in pair]  # fmt: skip
    relative = relative.reshape(blocks).mean(axis=(1, 3, 5))
    if surroundings == "torso":
        relative += torso_field(grid).at(places(grid), "surroundings").real
    return FieldMap(values=nucleus(species).gamma_bar * phantom.field * relative, grid=grid)


def field_grid(phantom: Phantom, spacing: float, endless: float | None = None) -> Grid:
    """Return the grid of a map: the phantom's box and a margin.

    Parameters
    ----------
    phantom : Phantom
        The object.
    spacing : float
        Voxel, m.
    endless : float, optional
        Half the length along a direction in which the phantom does not end, m; one voxel by default.
    """
    if not spacing > 0:
        raise InputError(f"{spacing:g} m is not positive", key="spacing")
    low, high = phantom.extent(Grid(shape=(1, 1, 1), spacing=(spacing,) * 3))
    ends = np.isfinite(low) & np.isfinite(high)
    reach = ends | (endless is not None)
    low, high = (np.where(ends, edge, sign * (endless or 0.0)) for sign, edge in ((-1, low), (1, high)))
    more = 2 * math.ceil(MARGIN / spacing) + 1
    counts = [2 * math.ceil(size / spacing / 2) + more if on else 1 for size, on in zip(high - low, reach, strict=True)]
    if 8 * math.prod(counts) > MOST_VOXELS:
        raise InputError(
            f"{math.prod(counts):,} voxels of {1e3 * spacing:g} mm are too many for the field; at most "
            f"{MOST_VOXELS // 8:,}: enlarge the spacing", key="spacing",
        )  # fmt: skip
    centre = (low + high) / 2
    return Grid(
        shape=(counts[2], counts[1], counts[0]),
        spacing=(spacing, spacing, spacing),
        centre=(float(centre[0]), float(centre[1]), float(centre[2])),
    )


def _cut(grid: Grid, parts: int) -> Grid:
    """Return a grid whose voxels are cut into parts along every axis that has more than one."""
    if parts == 1:
        return grid
    cuts = [parts if n > 1 else 1 for n in grid.shape[::-1]]
    centre = []
    for axis, (n, p) in enumerate(zip(grid.shape[::-1], cuts, strict=True)):
        step, size = grid.spacing[axis] / p, grid.spacing[axis]
        centre.append(grid.centre[axis] - (n // 2 + 0.5) * size + (n * p // 2 + 0.5) * step)
    shape = tuple(n * p for n, p in zip(grid.shape, cuts[::-1], strict=True))
    x, y, z = (grid.spacing[axis] / p for axis, p in enumerate(cuts))
    return Grid(
        shape=(shape[0], shape[1], shape[2]), spacing=(x, y, z), centre=(centre[0], centre[1], centre[2])
    )  # fmt: skip


def susceptibility_map(phantom: Phantom, grid: Grid, outside: float = 0.0) -> Array:
    """Return the (z, y, x) susceptibility relative to water, a pure number; `outside` where no tissue is."""
    missing = [tissue.name for tissue in phantom.tissues if "susceptibility" not in tissue.facts]
    if missing:
        raise InputError(
            f"phantom '{phantom.name}': no susceptibility is known of {', '.join(missing)}; "
            "state it in the tissue's file under [property.susceptibility]", key="susceptibility",
        )  # fmt: skip
    fractions = phantom.fractions(grid)
    chi = np.full(grid.shape, outside)
    for tissue in phantom.tissues:
        chi += fractions[tissue.name] * (tissue.property("susceptibility", phantom.field).value - outside)
    return chi


def torso_field(around: Grid | None = None) -> FieldMap:
    """Return dB/B0 of a torso in air around the world's origin, relative to the field in air.

    Parameters
    ----------
    around : Grid, optional
        What the torso must hold: it grows until the middle of each face lies inside.
    """
    (cx, cy, cz), (rx, ry, half) = TORSO
    if around is not None:
        reach = [around.coordinates(a)[[0, -1]] + around.centre[a] for a in range(3)]
        back, front = min(cy - ry, reach[1][0]), max(cy + ry, reach[1][1])
        cy, ry = (back + front) / 2, (front - back) / 2
        rx = max(rx, float(np.abs(reach[0] - cx).max()))
        half = max(half, float(np.abs(reach[2] - cz).max()))
    shape = tuple(2 * math.ceil(1.2 * r / TORSO_STEP) + 1 for r in (half, ry, rx))
    grid = Grid(shape=(shape[0], shape[1], shape[2]), spacing=(TORSO_STEP,) * 3, centre=(cx, cy, cz))
    x, y, z = (grid.coordinates(a) for a in range(3))
    wide = np.hypot(x[None, None, :] / rx, y[None, :, None] / ry)
    inside = _covered((1 - wide) * min(rx, ry)) * _covered(half - np.abs(z))[:, None, None]
    chi = -AIR * inside
    for place, size, value in POCKETS:
        apart = (np.array(place) - np.array([cx, cy, cz]))[:, None]
        u = [(axis - d) / s for axis, d, s in zip((x, y, z), apart, size, strict=True)]
        far = np.sqrt(u[0][None, None, :] ** 2 + u[1][None, :, None] ** 2 + u[2][:, None, None] ** 2)
        chi += _covered((1 - far) * min(size)) * value
    return FieldMap(values=dipole_field(chi, grid.spacing), grid=grid)


def _covered(depth: Array) -> Array:
    """Return how much of a voxel lies inside a surface at this depth below its centre, m."""
    return np.clip(depth / TORSO_STEP + 0.5, 0.0, 1.0)
