"""Random walkers between walls: the phase that a gradient gives to each, without any approximation of its distribution.

Where the Gaussian phase approximation (`core.restriction`) ends, at strong short pulses and at walls that water passes,
walkers still hold. A walker makes normal steps of variance 2 D dt, is reflected by the wall it meets, and goes through
with the chance

    p = kappa sqrt(pi dt / D),

the flux kappa c through a wall over the rate c sqrt(D dt / pi) at which such walkers of density c meet it; steps are
made so short that p stays below `CHANCE` and a step below `STEP` of what walls enclose. The phase is that of a
position which is a straight line from step to step under a gradient that is linear from knot to knot.

Planes that water passes stand at all multiples of their distance; cylinders and spheres stand on a square or cubic
lattice, and the water between them walks too, as it does in the tissue: walkers start anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.restriction import Restriction

Array = NDArray[np.float64]
STEP = {"planes": 0.1, "cylinder": 0.02, "sphere": 0.02}
"""Standard deviation of a step over the size of what walls enclose, or the gaps between them. Planes reflect a normal
step exactly however long it is; a bent wall does so for short ones."""
CHANCE = 0.02
"""Largest chance to cross a wall when it is met."""
CHUNK, BLOCK = 1000, 64
"""Walkers that walk together, and steps whose random numbers are drawn at once."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Walk:
    """What walkers found."""

    phase: Array
    """(knot, walker) phase up to each knot that was asked for, rad, less that which encodes the place there."""
    inside: float
    """Share of the walkers inside at the end."""
    travelled: float
    """Mean square distance along a confined axis, mean over them, m^2."""

    def left(self) -> tuple[Array, Array]:
        """Return what is left of the signal, (knot,), and its standard error."""
        kept = np.cos(self.phase)
        return kept.mean(axis=1), kept.std(axis=1, ddof=1) / np.sqrt(kept.shape[1])


def walk(
    walls: Restriction, times: Array, after: Array, before: Array, gamma_bar: float, wanted: NDArray[np.int64],
    walkers: int, rng: np.random.Generator,
) -> Walk:  # fmt: skip
    """Walk through one life of the magnetisation.

    Parameters
    ----------
    walls : Restriction
    times : (knot,) array
        s.
    after, before : (knot, k) arrays
        Effective gradient behind and before each knot along the k confined axes, T/m; linear in between.
    gamma_bar : float
        Hz/T.
    wanted : (m,) array
        Knots at which the phase is wanted, ascending.
    walkers : int
    rng : numpy.random.Generator
    """
    steps = _steps(walls, times, after, before, gamma_bar)
    parts = [
        _chunk(walls, steps, wanted, min(CHUNK, walkers - begin), rng.spawn(1)[0]) for begin in range(0, walkers, CHUNK)
    ]
    return Walk(
        phase=np.concatenate([phase for phase, _, _ in parts], axis=1),
        inside=float(np.concatenate([inside for _, inside, _ in parts]).mean()),
        travelled=float(np.concatenate([far for _, _, far in parts]).mean()),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Steps:
    """The steps of a walk."""

    length: Array
    """(step,) standard deviation, m."""
    chance: Array
    """(step,)."""
    first: Array
    """(k,) weight of the place at the start, rad/m."""
    weight: Array
    """(step, k) weight of the place at the end of each step, from both of its neighbours, rad/m."""
    begun: Array
    """(step, k) the part of it that belongs to the next step."""
    ends: NDArray[np.int64]
    """(knot,) steps done at each knot."""
    wound: Array
    """(knot, k) q, rad/m."""


def longest_step(walls: Restriction) -> float:
    """Return the longest time of one step, s."""
    gap = walls.size if walls.spacing is None else min(walls.size, walls.spacing - walls.size)
    longest = (STEP[walls.shape] * gap) ** 2 / (2 * walls.diffusivity)
    if walls.permeability > 0:
        longest = min(longest, (CHANCE / walls.permeability) ** 2 * walls.diffusivity / np.pi)
    return float(longest)


def _steps(walls: Restriction, times: Array, after: Array, before: Array, gamma_bar: float) -> _Steps:
    span = np.diff(times)
    count = np.maximum(1, np.ceil(span / longest_step(walls))).astype(np.int64) * (span > 0)
    dt = np.repeat(span / np.maximum(count, 1), count)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    share = (place / np.repeat(np.maximum(count, 1), count))[:, None]
    begin, end = np.repeat(after[:-1], count, axis=0), np.repeat(before[1:], count, axis=0)
    rise = (end - begin) / np.repeat(np.maximum(count, 1), count)[:, None]
    low = begin + (end - begin) * share
    high, rate = low + rise, 2 * np.pi * gamma_bar * dt[:, None]
    # the integral of a linear gradient times a linear place, by the places at both ends
    own, ahead = rate * (low / 6 + high / 3), rate * (low / 3 + high / 6)
    area = np.concatenate([np.zeros((1, low.shape[1])), np.cumsum(rate * (low + high) / 2, axis=0)])
    ends = np.concatenate([[0], np.cumsum(count)])
    begun = np.concatenate([ahead[1:], np.zeros((1, low.shape[1]))])
    return _Steps(
        length=np.sqrt(2 * walls.diffusivity * dt),
        chance=walls.permeability * np.sqrt(np.pi * dt / walls.diffusivity),
        first=ahead[0],
        weight=own + begun,
        begun=begun,
        ends=ends,
        wound=area[ends],
    )


def _chunk(
    walls: Restriction, steps: _Steps, wanted: NDArray[np.int64], walkers: int, rng: np.random.Generator
) -> tuple[Array, NDArray[np.bool_], Array]:
    """Return the (m, walker) phases, who is inside at the end, and the squared distances."""
    place = _started(walls, walkers, rng)
    origin, phase = place.copy(), steps.first @ place
    found, done = np.empty((len(wanted), walkers)), 0
    for row, knot in enumerate(wanted):
        last = int(steps.ends[knot])
        while done < last:
            part = slice(done, min(done + BLOCK, last))
            _advance(walls, steps, part, place, phase, rng)
            done = part.stop
        begun = steps.begun[last - 1] if last else steps.first
        found[row] = phase - (begun + steps.wound[knot]) @ place
    return found, _inside(walls, place), np.mean((place - origin) ** 2, axis=0)


def _advance(
    walls: Restriction, steps: _Steps, part: slice, place: Array, phase: Array, rng: np.random.Generator
) -> None:
    from ._kernels import walls as kernels

    dimensions, walkers = place.shape
    draws = np.empty((part.stop - part.start, dimensions + 1, walkers))
    draws[:, :dimensions] = rng.standard_normal((len(draws), dimensions, walkers))
    draws[:, dimensions] = rng.random((len(draws), walkers)) if walls.permeability > 0 else 1.0
    given = draws, steps.length[part], steps.chance[part], steps.weight[part]
    planes: Any = kernels.between_planes
    spheres: Any = kernels.between_spheres
    if walls.shape == "planes":
        planes(place, phase, *given, walls.size)
    else:
        spheres(place, phase, *given, walls.size / 2, walls.spacing or 0.0)


def _started(walls: Restriction, walkers: int, rng: np.random.Generator) -> Array:
    """Return (k, walker) places evenly between the walls, or evenly inside and outside where walls let water pass."""
    dimensions = len(walls.confined())
    if walls.shape == "planes":
        return np.asarray(walls.size * rng.random((1, walkers)))
    if walls.spacing is not None:
        return np.asarray(walls.spacing * (rng.random((dimensions, walkers)) - 0.5))
    direction = rng.standard_normal((dimensions, walkers))
    radius = walls.size / 2 * rng.random(walkers) ** (1 / dimensions)
    return np.asarray(radius * direction / np.linalg.norm(direction, axis=0))


def _inside(walls: Restriction, place: Array) -> NDArray[np.bool_]:
    if walls.shape == "planes":
        return np.ones(place.shape[1], dtype=np.bool_)
    away = place if walls.spacing is None else place - walls.spacing * np.round(place / walls.spacing)
    return np.asarray(np.sum(away**2, axis=0) <= (walls.size / 2) ** 2)
