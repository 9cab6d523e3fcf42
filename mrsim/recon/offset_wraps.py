"""Phases that turn by more than half a turn from one offset of a vibration to the next.

A voxel does not show it: at an even number of offsets such steps come in opposite pairs, which close the period and
leave a first harmonic without residual, off by half a turn in one of its parts. Neighbours show it: where a true step
passes half a turn, the step that is seen leaps by nearly a whole one. So the voxels fall into parts that are joined
without such leaps, and all steps of a part are right or off alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
HARMONICS = 2
"""Highest harmonic of the vibration that a motion may hold unless it is told otherwise."""
HELD = 0.05
"""Share of all voxels that a part must hold to be taken as the one that is right."""


def check_count(offsets: int, harmonics: int = HARMONICS) -> None:
    """Refuse so few phases of the vibration that one of its harmonics is taken for the first."""
    if offsets < harmonics + 2:
        cannot = {
            1: "1 phase of the vibration does not tell its motion from what rests",
            2: "2 phases of the vibration tell one part of its motion, not the other, a quarter of a period on",
        }.get(offsets, f"{offsets} phases of the vibration fold its harmonic {offsets - 1} onto the first")
        raise InputError(
            f"{cannot}: a motion with {harmonics} harmonics needs {harmonics + 2} offsets or more", key="offsets"
        )


def largest_amplitude(offsets: int) -> float:
    """Return the amplitude of a phase, rad, that steps by half a turn at most whatever its timing."""
    return float(np.pi / (2 * np.sin(np.pi / offsets)))


def leaping_parts(steps: Array, inside: Mask) -> Mask:
    """Return the voxels in parts whose steps between offsets may be off by a turn.

    Of the parts that hold `HELD` of the voxels (or else of all) that with the smallest steps is taken as right.

    Parameters
    ----------
    steps : (offset, z, y, x) array
        Wrapped differences of neighbouring offsets, the last one back to the first, rad.
    inside : (z, y, x) array of bool
    """
    from scipy.ndimage import label
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = np.cumsum(inside.ravel()).reshape(inside.shape) - 1
    count = int(inside.sum())
    ends: list[NDArray[np.int64]] = []
    for axis in range(3):
        both = np.delete(inside, -1, axis) & np.delete(inside, 0, axis)
        joined = both & (np.abs(np.diff(steps, axis=axis + 1)) <= np.pi).all(axis=0)
        ends.append(np.stack([np.delete(number, at, axis)[joined] for at in (-1, 0)]))
    low, high = np.concatenate(ends, axis=1)
    links = coo_array((np.ones(len(low)), (low, high)), shape=(count, count))
    _, part = connected_components(links, directed=False)
    bodies, lost = label(inside)[0][inside], np.zeros(inside.shape, bool)
    size, largest = np.bincount(part), np.abs(steps[:, inside]).max(axis=0)
    wrong = np.zeros(count, bool)
    for body in np.unique(bodies):
        own = np.unique(part[bodies == body])
        if len(own) > 1:
            big = own[size[own] >= HELD * size[own].sum()]
            right = min(big if len(big) else own, key=lambda each: float(np.median(largest[part == each])))
            wrong |= (bodies == body) & (part != right)
    lost[inside] = wrong
    return lost


def left_out(lost: Mask, inside: Mask, grid: Grid, efficiencies: list[NDArray[np.complex128]], offsets: int) -> str:
    """Return what is left out and where, and the amplitude up to which no phase wraps.

    efficiencies : (slice, 3) of each direction, rad/m.
    """
    places = []
    for axis, at in enumerate(np.nonzero(lost)[::-1]):
        low, high = grid.coordinates(axis)[[at.min(), at.max()]] * 1e3
        places.append(f"{'xyz'[axis]} {low:.4g} to {high:.4g}")
    most = largest_amplitude(offsets) / max(float(np.linalg.norm(each, axis=-1).max()) for each in efficiencies)
    return (
        f"{lost.sum()} of {inside.sum()} voxels are wrapped beyond recovery and left out ({', '.join(places)} mm from "
        "the middle of the grid): phases step by more than half a turn between neighbouring offsets or voxels; along "
        f"its encoding the protocol follows amplitudes up to {most * 1e6:.3g} um"
    )
