"""The cells in which an engine sees the object: finer than the voxels, and all of the object, not only the FOV."""

from __future__ import annotations

import math

import numpy as np

from ..core.acquisition import Encoding
from ..core.errors import InputError
from ..core.grid import Grid
from ..phantom.motion import varies_along_z
from ..phantom.phantom import Phantom
from ..sequence.timeline import FREE, Timeline
from .options import Bloch
from .slab import selected_thickness, slab_thickness, slice_positions

IN_SHAPES, IN_SOLIDS = 4, 2
"""Cells per voxel along each in-plane axis, of plane shapes and of solids, whose cells cost more."""
ALIASED = 0.02
"""Cycles from a whole number within which a moment counts as winding whole cycles from spin to spin."""


def sampling_grid(timeline: Timeline, phantom: Phantom, engine: Bloch) -> Grid:
    """Return the fine grid of cells on which the object becomes spins: all of the object, not only the FOV."""
    encoded = timeline.encoding.grid
    dx, dy, _ = encoded.spacing
    lower, upper = phantom.extent(encoded)
    subsamples = engine.subsamples or (IN_SOLIDS if varies(phantom) else IN_SHAPES)
    fine = (dx / subsamples, dy / subsamples)
    reach = np.maximum(np.abs(lower), np.abs(upper))
    if not np.all(np.isfinite(reach[:2])):
        raise InputError(
            f"phantom '{phantom.name}' is endless in the image plane; give its file a length, e.g. length = \"50 mm\""
        )
    nx, ny = (2 * math.ceil(reach[a] / fine[a]) + 1 for a in range(2))
    stack = slice_positions(timeline)
    if engine.ideal_slice:
        thickness = selected_thickness(timeline) + 2 * float(np.abs(stack).max())
    else:
        thickness = slab_thickness(timeline, (lower[2], upper[2]), engine)
    half = np.array([*reach[:2], thickness / 2])
    if engine.layers or (
        phantom.uniform_through(encoded, thickness) and not varies_along_z(phantom.motion, encoded, half)
    ):
        layers = engine.layers or 1
    elif timeline.encoding.kind == "3d":
        layers = 2 * encoded.shape[0] + 1
    else:
        # an ideal slice weighs all of its thickness alike, and a cell of solids holds what lies anywhere in it
        layers = (1 if engine.ideal_slice and phantom.solid else 9) * (2 * (len(stack) // 2) + 1)
    step = thickness / layers
    # layer n // 2 lies at a grid's origin; the slab lies around that of the encoded grid
    x, y, z = encoded.to_world(np.array([0.0, 0.0, 0.0 if layers % 2 else step / 2]))
    centre = (float(x), float(y), float(z))
    return Grid(shape=(layers, ny, nx), spacing=(*fine, step), centre=centre, axes=encoded.axes)


def varies(phantom: Phantom) -> bool:
    """Return True if the object has regions that vary along all three axes."""
    return bool(getattr(phantom, "solid", False))


def outside_field_of_view(encoding: Encoding, phantom: Phantom) -> tuple[str, ...]:
    """Return one warning per in-plane direction in which the object is larger than the field of view."""
    grid = encoding.grid
    if encoding.kind == "spectrum":  # one voxel, selected and not encoded
        return ()
    lower, upper = phantom.extent(grid)
    warnings = []
    for axis, name in enumerate(("readout", "phase-encoding")):
        n, d = grid.shape[2 - axis], grid.spacing[axis]
        low, high = (-(n // 2) - 0.5) * d, (n - n // 2 - 0.5) * d
        if lower[axis] < low - 1e-9 or upper[axis] > high + 1e-9:
            warnings.append(
                f"the object reaches from {1e3 * lower[axis]:.1f} to {1e3 * upper[axis]:.1f} mm along the {name} "
                f"direction, the field of view from {1e3 * low:.1f} to {1e3 * high:.1f} mm: it will alias; "
                "enlarge fov or matrix"
            )
    return tuple(warnings)


def aliased_spoilers(timeline: Timeline, spacing: tuple[float, float, float]) -> tuple[str, ...]:
    """Return one warning per axis along which spins at `spacing` (x, y, z), m, see a spoiler as if it were none.

    A moment that winds whole cycles from spin to spin leaves them all in phase, whatever it is meant to spoil.
    """
    starts = timeline.tr_start[timeline.tr_start < len(timeline.kind)]
    whole = np.add.reduceat(timeline.moment, starts, axis=0)
    moments = np.concatenate([whole, timeline.moment[timeline.kind == FREE]])
    warnings = []
    for axis, distance in enumerate(spacing):
        cycles = np.abs(moments[:, axis]) * distance
        near = np.abs(cycles - np.rint(cycles)) < ALIASED
        bad = cycles[near & (np.rint(cycles) >= 1)]
        if len(bad):
            warnings.append(
                f"a gradient moment of {bad[0] / distance:.0f} 1/m along {'xyz'[axis]} winds {bad[0]:.2f} cycles from "
                f"spin to spin, {1e3 * distance:.3g} mm apart: it spoils nothing; change "
                f"{'sub_slices' if axis == 2 else 'subsamples'} or the moment"
            )
    return tuple(warnings)
