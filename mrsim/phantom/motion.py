"""Motion of spins: where a spin that rests at x0 is at time t.

    x(t) = x0 + sum_j u_j(x0) f_j(t)

Every kind of motion is such a sum of displacement fields u_j and time courses f_j, time counted from the start of
the scan. An engine needs no more than the terms: the phase that a gradient gives is the sum of u_j dotted with the
moments of f_j, which have closed forms on piecewise-linear gradients. A spin carries its tissue and its local field
offset with it; what it leaves or enters (inflow) is part of the object, not of the motion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.grid import Grid

Array = NDArray[np.float64]
Field = Callable[[Array], NDArray[np.complex128] | Array]
"""From (n, 3) places, m, to (n, 3) vectors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """t^order, s^order."""

    order: int

    def __post_init__(self) -> None:
        """Refuse orders whose moments are not implemented."""
        if self.order not in (1, 2):
            raise InputError(f"{self.order} is neither 1 (velocity) nor 2 (half the acceleration)", key="order")

    def at(self, time: ArrayLike) -> Array:
        """Return the value at times, s."""
        return np.asarray(time, dtype=np.float64) ** self.order


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """cos(2 pi f t) or, as a quarter period later, sin(2 pi f t)."""

    frequency: float
    """Hz."""
    sine: bool = False

    def at(self, time: ArrayLike) -> Array:
        """Return the value at times, s."""
        angle = 2 * math.pi * self.frequency * np.asarray(time, dtype=np.float64)
        return np.asarray(np.sin(angle) if self.sine else np.cos(angle))


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """Straight lines between points, as a respiratory belt records them; constant before and behind."""

    times: tuple[float, ...]
    """s from the start of the scan, ascending."""
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what is no function of time."""
        if len(self.times) != len(self.values) or not self.times:
            raise InputError(f"has {len(self.times)} times for {len(self.values)} values; give as many", key="times")
        if any(b <= a for a, b in zip(self.times[:-1], self.times[1:], strict=True)):
            raise InputError("must ascend", key="times")

    def at(self, time: ArrayLike) -> Array:
        """Return the value at times, s."""
        return np.asarray(np.interp(np.asarray(time, dtype=np.float64), self.times, self.values))


Course = Power | Wave | Trace
Term = tuple[Course, Array]
"""A time course and its (n, 3) displacements, in m over the unit of the course."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Uniform flow: x0 + v t + a t^2 / 2."""

    velocity: tuple[float, float, float]
    """m/s."""
    acceleration: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """m/s^2."""

    def terms(self, position: Array) -> tuple[Term, ...]:
        """Return the terms for (n, 3) places of rest, m."""
        parts = ((Power(order=1), np.array(self.velocity)), (Power(order=2), np.array(self.acceleration) / 2))
        return tuple((course, np.broadcast_to(v, position.shape)) for course, v in parts if np.any(v))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """Rotation at a constant rate, right-handed about an axis through a centre; with `Flow` any steady rigid motion."""

    axis: tuple[float, float, float]
    frequency: float
    """Turns per second."""
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """m."""

    def terms(self, position: Array) -> tuple[Term, ...]:
        """Return the terms for (n, 3) places of rest, m: x = c + n (n.r) + cos (r - n (n.r)) + sin n x r."""
        n = np.array(self.axis) / np.linalg.norm(self.axis)
        r = position - np.array(self.centre)
        across = r - np.outer(r @ n, n)
        still = Trace(times=(0.0,), values=(1.0,))
        return (
            (still, -across),
            (Wave(frequency=self.frequency), across),
            (Wave(frequency=self.frequency, sine=True), np.cross(n, r)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Affine:
    """(matrix x0 + shift) f(t): translation, stretch, shear and small rotation along any time course."""

    course: Course
    matrix: tuple[tuple[float, float, float], ...] = ((0.0,) * 3,) * 3
    """(3, 3), over the unit of the course."""
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """m over the unit of the course."""

    def terms(self, position: Array) -> tuple[Term, ...]:
        """Return the terms for (n, 3) places of rest, m."""
        return ((self.course, position @ np.array(self.matrix).T + np.array(self.shift)),)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Displacement:
    """A displacement field along a time course; with `Power(order=1)` a velocity field."""

    field: Field
    """From places of rest to displacements, m over the unit of the course."""
    course: Course

    def terms(self, position: Array) -> tuple[Term, ...]:
        """Return the terms for (n, 3) places of rest, m."""
        return ((self.course, np.real(self.field(position))),)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Vibration:
    """Re[u(x0) exp(i 2 pi f t)]: the steady state of a mechanical wave, as elastography sees it."""

    field: Field
    """From places of rest to complex amplitudes u, m."""
    frequency: float
    """Hz."""

    def terms(self, position: Array) -> tuple[Term, ...]:
        """Return the terms for (n, 3) places of rest, m."""
        u = np.asarray(self.field(position), dtype=np.complex128)
        return (Wave(frequency=self.frequency), u.real), (Wave(frequency=self.frequency, sine=True), -u.imag)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OnGrid:
    """A motion in world axes as spins in the axes of a grid see it."""

    motion: Flow | Rotation | Affine | Displacement | Vibration
    grid: Grid

    def terms(self, position: Array) -> tuple[Term, ...]:
        """Return the terms for (n, 3) places of rest, m from the grid's centre in its axes."""
        found = self.motion.terms(self.grid.to_world(position))
        return tuple((course, vectors @ self.grid.axes) for course, vectors in found)


Motion = Flow | Rotation | Affine | Displacement | Vibration | OnGrid
"""All kinds of motion; several add up."""


def places(motions: tuple[Motion, ...], position: ArrayLike, time: float) -> Array:
    """Return the (n, 3) places at a time, s, of spins that rest at `position` (n, 3), m."""
    rest = np.asarray(position, dtype=np.float64)
    moved = [course.at(time) * vectors for motion in motions for course, vectors in motion.terms(rest)]
    return np.asarray(rest + sum(moved, np.zeros_like(rest)))


def varies_along_z(motions: tuple[Motion, ...], grid: Grid, half: ArrayLike) -> bool:
    """Return True if a motion differs between places above one another, on an uneven lattice of 9 x 9 x 9 of them.

    Parameters
    ----------
    motions : tuple of Motion
        In world axes.
    grid : Grid
        Whose z is meant.
    half : (3,) array
        Half the extent of the lattice along the grid's axes, m, around its centre.
    """
    share = 2 * np.sort(np.mod(np.arange(1, 10) * (math.sqrt(5) - 1) / 2, 1.0)) - 1  # no period falls between them
    lattice = np.stack(np.meshgrid(share, share, share, indexing="ij"), axis=-1).reshape(-1, 3) * np.asarray(half)
    for motion in motions:
        for _, vectors in motion.terms(grid.to_world(lattice)):
            columns = np.asarray(vectors).reshape(81, 9, 3)
            if np.ptp(columns, axis=1).max() > 1e-9 * np.abs(columns).max():
                return True
    return False


def field_on_grid(grid: Grid, values: NDArray[np.complex128] | Array) -> Field:
    """Return the trilinear interpolation of vectors on a grid's voxel centres, constant beyond the outermost.

    Parameters
    ----------
    grid : Grid
        Places are in its axes, m from its centre.
    values : (z, y, x, 3) array
        Real or complex, m.
    """
    vectors = np.asarray(values)
    if vectors.shape != (*grid.shape, 3):
        raise InputError(f"has shape {vectors.shape}; the grid needs {(*grid.shape, 3)}", key="values")

    def interpolated(position: Array) -> NDArray[np.complex128] | Array:
        counts = np.array(grid.shape[::-1])
        index = np.clip(position / np.array(grid.spacing) + counts // 2, 0, counts - 1)
        low = np.minimum(index.astype(int), np.maximum(counts - 2, 0))
        share = index - low
        result: NDArray[Any] = np.zeros((len(position), 3), dtype=vectors.dtype)
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, share, 1 - share), axis=1)
            x, y, z = np.minimum(low + corner, counts - 1).T
            result += weight[:, None] * vectors[z, y, x]
        return result

    return interpolated
