"""Streamlines through the first eigenvector of fitted tensors (Basser et al. 2000, doi:10.1002/1522-2594).

From every seed a curve follows dx/ds = v1(x) to both sides by steps of second order (the midpoint rule). The tensor is
interpolated between voxel centres, its eigenvector taken afterwards: a vector has no sign, a tensor needs none. It
ends where the grid or the mask does, where the fractional anisotropy falls below a limit, or where it turns by more
than an angle per step.

Probabilistic streamlines draw the tensors of the whole grid anew from their standard errors, once for every round of
seeds, so that their spread shows what noise leaves open (and nothing else: fibres that cross within a voxel have no
single first eigenvector, and no draw of a tensor finds two). The errors of the elements are taken as those of
directions all over the sphere: the part that xx, yy and zz share turns no vector and is left out, the rest is
independent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.maps import Maps
from ..core.streamlines import Streamlines
from ..core.tensors import SECOND
from .tensor_design import UNIT

Array = NDArray[np.float64]
OUTSIDE, ISOTROPIC, SHARP, LONG = 0, 1, 2, 3  # core.streamlines.ENDS
ELEMENTS = tuple(f"d_{'xyz'[i]}{'xyz'[j]}" for i, j in SECOND)
BATCH = 4096
"""Seeds that are followed at once."""
Report = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How far a streamline goes."""

    step: float
    """m."""
    least_fa: float
    most_turn: float
    """Of one step, rad."""
    longest: float
    """Of a whole streamline, m."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Field:
    """Tensors of a grid that can be asked for anywhere."""

    tensors: Array
    """(z, y, x, 6) um^2/ms, grid axes; zero where there is none."""
    inside: NDArray[np.bool_]
    """(z, y, x) where streamlines may go."""
    grid: Grid

    def at(self, points: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return the (n, 3) first eigenvector, the (n,) anisotropy, and where the field holds (n, 3) grid points."""
        from ._kernels.tensor import tensor_scalars

        shape = np.array(self.inside.shape[::-1])
        place = points / np.asarray(self.grid.spacing) + shape // 2
        near = np.rint(place).astype(np.int64)
        held = ((near >= 0) & (near < shape)).all(axis=1)
        x, y, z = np.clip(near, 0, shape - 1).T
        held &= self.inside[z, y, x]
        low = np.floor(place).astype(np.int64)
        part, mixed = place - low, np.zeros((len(points), 6))
        total = np.zeros(len(points))
        for corner in np.ndindex(2, 2, 2):
            at = low + corner
            weight = np.prod(np.where(corner, part, 1 - part), axis=1)
            x, y, z = np.clip(at, 0, shape - 1).T
            weight = weight * (self.inside[z, y, x] & ((at >= 0) & (at < shape)).all(axis=1))
            mixed += weight[:, None] * self.tensors[z, y, x]
            total += weight
        tensor = np.ascontiguousarray((mixed / np.where(total > 0, total, 1.0)[:, None]).T)
        n = len(points)
        scalars, vectors = np.empty((10, n)), np.empty((3, 3, n))
        tensor_scalars(tensor, np.zeros((28, n)), scalars, np.empty((4, n)), vectors)
        return scalars[4:7].T, scalars[1], held


def track(
    maps: Maps,
    *,
    seeds: ArrayLike | None = None,
    per_voxel: int = 1,
    mask: NDArray[np.bool_] | None = None,
    step: float | None = None,
    least_fa: float = 0.15,
    most_turn: float = np.pi / 6,
    shortest: float = 0.0,
    longest: float = 0.3,
    probabilistic: bool = False,
    rng: int | np.random.Generator | None = None,
    report: Report | None = None,
) -> Streamlines:
    """Return the streamlines of a tensor fit.

    Parameters
    ----------
    maps : Maps
        With the six elements of the tensor (any ``dti-`` or ``dki-`` fit).
    seeds : (z, y, x) array of bool or (n, 3) array, optional
        Voxels to begin in, or points in the world, m; by default all voxels whose anisotropy reaches the limit.
    per_voxel : int
        Seeds of each voxel, or rounds over the points: the first in its centre, more at random places within it.
    mask : (z, y, x) array of bool, optional
        Where streamlines may go; all voxels with a tensor by default.
    step : float, optional
        m; half the shortest side of a voxel by default.
    least_fa, most_turn : float
        Anisotropy below which, and angle of one step, rad, beyond which a streamline ends.
    shortest, longest : float
        Lengths of what is kept, m.
    probabilistic : bool
        Draw the tensors from their standard errors in every round of seeds.
    rng : int or numpy.random.Generator, optional
        Needed for random places and draws.
    report : callable, optional
        Told (rounds done, rounds in all).
    """
    missing = [name for name in ELEMENTS if name not in maps.values]
    if missing:
        raise InputError(f"hold no {', '.join(missing)}: track what a tensor fit such as dti-wls gives", key="maps")
    if per_voxel < 1:
        raise InputError(f"is {per_voxel}; give at least 1", key="per_voxel")
    if rng is None and (probabilistic or per_voxel > 1):
        raise InputError("is missing: random seeds and draws of tensors need it", key="rng")
    generator = np.random.default_rng(0 if rng is None else rng)
    rules = _rules(maps.grid, step, least_fa, most_turn, longest)
    tensors, inside = _tensors(maps, mask)
    begin = _seeds(maps, seeds, inside, least_fa)
    found: list[tuple[Array, NDArray[np.int8]]] = []
    for turn in range(per_voxel):
        places = begin if turn == 0 else begin + _within(maps.grid, begin.shape, seeds, generator)
        drawn = tensors + _draw(maps, generator) if probabilistic else tensors
        ground = Field(tensors=drawn, inside=inside, grid=maps.grid)
        for start in range(0, len(places), BATCH):
            found += _both_ways(ground, places[start : start + BATCH], rules)
        if report is not None:
            report(turn + 1, per_voxel)
    least = max(shortest, rules.step)
    kept = [(points, ends) for points, ends in found if rules.step * (len(points) - 1) >= least * (1 - 1e-9)]
    history = {"maps": maps.model, "step": rules.step, "least_fa": least_fa, "most_turn": most_turn,
               "probabilistic": probabilistic, "seeds": len(begin) * per_voxel}  # fmt: skip
    points = np.concatenate([np.zeros((0, 3)), *(p for p, _ in kept)])
    return Streamlines(
        points=maps.grid.to_world(points), offsets=np.cumsum([0, *(len(p) for p, _ in kept)]),
        ends=np.array([e for _, e in kept], dtype=np.int8).reshape(-1, 2), grid=maps.grid, history=history,
    )  # fmt: skip


def _rules(grid: Grid, step: float | None, least_fa: float, most_turn: float, longest: float) -> Rules:
    chosen = 0.5 * min(grid.spacing) if step is None else float(step)
    if not 0 < chosen <= min(grid.spacing):
        raise InputError(
            f"is {1e3 * chosen:g} mm; give more than 0 and at most a voxel's side, {1e3 * min(grid.spacing):g} mm",
            key="step",
        )
    if not 0 <= least_fa < 1:
        raise InputError(f"is {least_fa:g}; give 0 to below 1", key="least_fa")
    if not 0 < most_turn <= np.pi / 2:
        raise InputError(f"is {np.degrees(most_turn):g} deg; give more than 0 and at most 90", key="most_turn")
    if not longest > chosen:
        raise InputError(f"is {1e3 * longest:g} mm; give more than a step, {1e3 * chosen:g} mm", key="longest")
    return Rules(step=chosen, least_fa=least_fa, most_turn=most_turn, longest=longest)


def _tensors(maps: Maps, mask: NDArray[np.bool_] | None) -> tuple[Array, NDArray[np.bool_]]:
    """Return the tensors, um^2/ms, and where streamlines may go."""
    tensors = UNIT * np.stack([maps.values[name] for name in ELEMENTS], axis=-1)
    inside: NDArray[np.bool_] = np.asarray(np.isfinite(tensors).all(axis=-1))
    if mask is not None:
        if np.shape(mask) != inside.shape:
            raise InputError(f"has shape {np.shape(mask)}; the maps have {inside.shape}", key="mask")
        inside = inside & np.asarray(mask, dtype=bool)
    return np.where(inside[..., None], tensors, 0.0), inside


def _seeds(maps: Maps, seeds: ArrayLike | None, inside: NDArray[np.bool_], least_fa: float) -> Array:
    """Return (n, 3) grid coordinates to begin at, m."""
    given = None if seeds is None else np.asarray(seeds)
    if given is not None and given.dtype != np.bool_:
        if given.ndim != 2 or given.shape[1] != 3 or not np.isfinite(given).all():
            raise InputError(f"has shape {given.shape}; give a mask of voxels or finite (n, 3) points, m", key="seeds")
        return np.asarray((given - np.asarray(maps.grid.centre)) @ maps.grid.axes)
    chosen = inside & (maps.values["fa"] >= least_fa if given is None else True)
    if given is not None:
        if given.shape != inside.shape:
            raise InputError(f"has shape {given.shape}; the maps have {inside.shape}", key="seeds")
        chosen = chosen & given
    z, y, x = np.nonzero(chosen)
    return np.stack([maps.grid.coordinates(axis)[index] for axis, index in enumerate((x, y, z))], axis=1)


def _within(grid: Grid, shape: tuple[int, ...], seeds: ArrayLike | None, rng: np.random.Generator) -> Array | float:
    """Return random places within a voxel; given points stay where they are."""
    if seeds is not None and np.asarray(seeds).dtype != np.bool_:
        return 0.0
    return np.asarray((rng.random(shape) - 0.5) * np.asarray(grid.spacing))


def _draw(maps: Maps, rng: np.random.Generator) -> Array:
    """Return what noise adds to the tensors, um^2/ms."""
    variance = np.stack([np.nan_to_num(UNIT * maps.errors[name]) ** 2 for name in ELEMENTS], axis=-1)
    shared = variance[..., :3].mean(axis=-1) - 2 * variance[..., 3:].mean(axis=-1)
    variance[..., :3] -= np.clip(shared, 0.0, variance[..., :3].min(axis=-1))[..., None]
    return np.asarray(rng.standard_normal(variance.shape) * np.sqrt(variance))


def _both_ways(field: Field, seeds: Array, rules: Rules) -> list[tuple[Array, NDArray[np.int8]]]:
    """Return the points, grid coordinates, and the ends of every streamline that begins in the field."""
    first, fa, held = field.at(seeds)
    good = held & (fa >= rules.least_fa)
    seeds, first = seeds[good], first[good]
    halves = [_follow(field, seeds, side * first, rules) for side in (-1.0, 1.0)]
    (back, count_back, end_back), (fore, count, end) = halves
    return [
        (
            np.concatenate([back[: count_back[k], k][::-1], seeds[k : k + 1], fore[: count[k], k]]),
            np.array([end_back[k], end[k]], dtype=np.int8),
        )
        for k in range(len(seeds))
    ]


def _follow(
    field: Field, seeds: Array, first: Array, rules: Rules
) -> tuple[Array, NDArray[np.int64], NDArray[np.int8]]:
    """Return (step, seed, 3) points behind each seed, how many are its own, and why it ends."""
    most = int(rules.longest / (2 * rules.step))
    count, end = np.zeros(len(seeds), np.int64), np.full(len(seeds), LONG, np.int8)
    active, here, heading, points = np.arange(len(seeds)), seeds.copy(), first.copy(), []
    for _ in range(most):
        if not len(active):
            break
        start, _, _ = field.at(here)
        start = _along(start, heading)
        middle, _, _ = field.at(here + 0.5 * rules.step * start)
        middle = _along(middle, start)
        there = here + rules.step * middle
        onward, fa, held = field.at(there)
        onward = _along(onward, middle)
        turned = np.sum(onward * start, axis=1) < np.cos(rules.most_turn)
        reason = np.where(~held, OUTSIDE, np.where(fa < rules.least_fa, ISOTROPIC, np.where(turned, SHARP, LONG)))
        going = reason == LONG
        end[active] = reason
        whole = np.full((len(seeds), 3), np.nan)
        active, here, heading = active[going], there[going], onward[going]
        whole[active] = here
        points.append(whole)
        count[active] += 1
    return np.array(points).reshape(len(points), len(seeds), 3), count, end


def _along(vectors: Array, heading: Array) -> Array:
    """Return vectors with the sign that points along another."""
    return np.asarray(vectors * np.where(np.sum(vectors * heading, axis=1) < 0, -1.0, 1.0)[:, None])
