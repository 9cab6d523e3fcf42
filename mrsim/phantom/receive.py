"""Receive arrays of loops: what each coil hears, and how the body's noise reaches several of them at once.

By reciprocity a coil hears M+ with the sensitivity B_x - i B_y of its own field per current. The noise that the coils
share is the power that their electric fields -dA/dt would lose together in the conducting body; each loop's own copper
adds to the diagonal (Roemer 1990, doi:10.1002/mrm.1910160203):

    R_ij = sigma omega^2 integral A_i A_j dV + R_copper delta_ij,    R_copper = mean(R_ii) / (Q_unloaded / Q_loaded - 1)

Neighbours also couple by mutual inductance, which their preamplifiers suppress by a factor kappa:
V = (1 + i kappa M / L)^-1 V_alone, for signal and noise alike. Charges on the body's surface are left out, as for loops
that lie along it.

Sensitivities are scaled so that the best combination of all coils has, at the array's reference place, the SNR of the
scanner's calibration.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.coils import Coils
from ..core.errors import InputError, did_you_mean
from ..core.field_map import FieldMap
from ..core.grid import Grid
from .loops import Loop

Array = NDArray[np.float64]
NOISE_STEP = 8e-3
"""Step of the sum over the body, m."""
NEAREST = 8e-3
"""Least distance between wire and body that the step can still sum, m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """An elliptic cylinder of conducting tissue along z, or an ellipsoid, that loads the coils."""

    centre: tuple[float, float, float]
    """World, m."""
    semi_axes: tuple[float, float, float]
    """Along x, y and z, m."""
    cylinder: bool
    """True for a cylinder, False for an ellipsoid."""

    def points(self, step: float) -> Array:
        """Return the (n, 3) centres of the cubes of side `step` inside it, m."""
        counts = [math.ceil(2 * s / step) for s in self.semi_axes]
        axes = [(np.arange(n) - (n - 1) / 2) * step for n in counts]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        ratio = (grid / np.asarray(self.semi_axes)) ** 2
        inside = ratio[:, :2].sum(axis=1) <= 1 if self.cylinder else ratio.sum(axis=1) <= 1
        return np.asarray(grid[inside] + np.asarray(self.centre))


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopArray:
    """Loops around a body."""

    loops: tuple[Loop, ...]
    body: Body
    reference: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where the scanner's SNR calibration holds, world, m."""
    quality_ratio: float = 5.0
    """Unloaded over loaded quality factor of one loop."""
    decoupling: float = 0.05
    """What the preamplifiers leave of the inductive coupling, kappa."""


TORSO = Body(centre=(0.0, 0.035, 0.0), semi_axes=(0.17, 0.11, 0.25), cylinder=True)
"""An adult's waist around a lumbar disc at the origin, 75 mm under the skin of the back; compiled default."""
HEAD = Body(centre=(0.0, 0.0, 0.0), semi_axes=(0.075, 0.095, 0.085), cylinder=False)
"""An adult's head around the origin; compiled default."""


def spine_array(columns: int, rows: int, width: float, height: float) -> LoopArray:
    """Return loops in a plane 15 mm behind the back, overlapping by a quarter of their radius."""
    back = TORSO.centre[1] - TORSO.semi_axes[1] - 15e-3
    radius = 0.57 * max(width / columns, height / rows)
    places = itertools.product(range(rows), range(columns))
    loops = tuple(
        Loop(
            centre=((c - (columns - 1) / 2) * width / columns, back, (r - (rows - 1) / 2) * height / rows),
            normal=(0.0, 1.0, 0.0),
            radius=radius,
        )
        for r, c in places
    )
    return LoopArray(loops=loops, body=TORSO)


def head_array(rings: tuple[tuple[float, int], ...], radius: float) -> LoopArray:
    """Return loops on an ellipsoid 25 mm outside the head: per ring its elevation, rad, and its count."""
    shell = np.asarray(HEAD.semi_axes) + 25e-3
    loops = []
    for elevation, count in rings:
        for angle in 2 * math.pi * np.arange(count) / count:
            ray = [math.cos(elevation) * math.sin(angle), math.cos(elevation) * math.cos(angle), math.sin(elevation)]
            inward = -np.asarray(ray) / shell
            inward /= np.linalg.norm(inward)
            x, y, z = shell * ray
            n = tuple(float(v) for v in inward)
            loops.append(Loop(centre=(float(x), float(y), float(z)), normal=(n[0], n[1], n[2]), radius=radius))
    return LoopArray(loops=tuple(loops), body=HEAD)


ARRAYS = {
    "spine-8": lambda: spine_array(2, 4, 0.20, 0.40),
    "spine-16": lambda: spine_array(2, 8, 0.20, 0.50),
    "spine-32": lambda: spine_array(4, 8, 0.32, 0.50),
    "head-8": lambda: head_array(((0.0, 8),), 45e-3),
    "head-32": lambda: head_array(((-0.35, 10), (0.15, 10), (0.65, 8), (1.15, 4)), 33e-3),
}
"""Arrays of loops by name; ``"volume"`` is a birdcage that hears everything alike."""


def receive_coils(name: str, grid: Grid) -> Coils:
    """Return an array by name, its sensitivities on a grid.

    Parameters
    ----------
    name : str
        A key of `ARRAYS`, or ``"volume"``.
    grid : Grid
        Where the sensitivities are tabulated; it must hold every place with spins.
    """
    if name == "volume":
        one = Grid(shape=(1, 1, 1), spacing=grid.spacing)
        return Coils(maps=(FieldMap(values=np.ones((1, 1, 1), dtype=np.complex128), grid=one),))
    if name not in ARRAYS:
        known = ["volume", *ARRAYS]
        raise InputError(f"unknown array '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}", key="receive")
    return array_coils(ARRAYS[name](), grid)


def array_coils(array: LoopArray, grid: Grid) -> Coils:
    """Return the coils of an array of loops, coupled, scaled to the scanner's calibration, tabulated on a grid."""
    resistance = noise_resistance(array)
    mixing = coupling(array)
    noise = mixing @ resistance @ mixing.conj().T
    noise /= np.mean(np.diag(noise).real)
    noise = (noise + noise.conj().T) / 2
    x, y, z = (grid.coordinates(a) for a in range(3))
    place = grid.to_world(np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]), axis=-1))
    heard = np.tensordot(mixing, sensitivities(array, place), axes=1)
    there = mixing @ sensitivities(array, np.asarray(array.reference))
    best = math.sqrt(float(np.real(there.conj() @ np.linalg.solve(noise, there))))
    return Coils(maps=tuple(FieldMap(values=one / best, grid=grid) for one in heard), covariance=noise)


def sensitivities(array: LoopArray, world: Array) -> NDArray[np.complex128]:
    """Return the (coil, ...) B_x - i B_y per current, T/A, of uncoupled loops at (..., 3) places, m."""
    fields = np.array([loop.field(world) for loop in array.loops])
    return np.asarray(fields[..., 0] - 1j * fields[..., 1])


def noise_resistance(array: LoopArray, step: float = NOISE_STEP) -> Array:
    """Return the (coil, coil) noise resistance of uncoupled loops over sigma omega^2, T^2 m^5/A^2."""
    points = array.body.points(step)
    for index, loop in enumerate(array.loops):
        nearest = float(np.min(loop.distance(points)))
        if nearest < NEAREST:
            raise InputError(f"loop {index} comes within {1e3 * nearest:.0f} mm of the body; keep 15 mm", key="receive")
    potential = np.array([loop.potential(points) for loop in array.loops]).reshape(len(array.loops), -1)
    body = potential @ potential.T * step**3
    if array.quality_ratio <= 1:
        raise InputError(f"{array.quality_ratio:g} must be above 1", key="quality_ratio")
    copper = np.mean(np.diag(body)) / (array.quality_ratio - 1)
    return np.asarray(body + copper * np.eye(len(array.loops)))


def coupling(array: LoopArray) -> NDArray[np.complex128]:
    """Return the (coil, coil) matrix by which neighbours mix, the identity without coupling."""
    count = len(array.loops)
    share = np.zeros((count, count))
    for i, j in itertools.combinations(range(count), 2):
        one, other = array.loops[i], array.loops[j]
        scale = math.sqrt(one.self_inductance * other.self_inductance)
        share[i, j] = share[j, i] = one.mutual_inductance(other) / scale
    return np.asarray(np.linalg.inv(np.eye(count) + 1j * array.decoupling * share))
