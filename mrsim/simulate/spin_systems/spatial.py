"""Pulses as they are played, averaged over where they act (projection: Landheer 2019, doi:10.1002/nbm.4129).

Positions are three lines of points, one for each axis. An axis is opened by the first event that has a gradient along
it and averaged as soon as no later event has one. Since evolution is linear and each selective pulse depends on its
own axis alone, that is exactly the average over the full grid: PRESS never has more than one axis open, STEAM two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .coherences import Passage, ways
from .operators import Matrix
from .options import SpinSystem
from .pulses import piece_lengths, pieces, propagators
from .relaxation import Damping, waited
from .shot import Play, Shot, Wait
from .subspaces import Subspace

FEWEST = 64
"""Least number of positions along an axis."""
PER_CYCLE = {"filter": 3.0, "average": 2.0}
"""Positions per cycle of dephasing: by a pulse's own gradient, which sets how sharp a slice's edges are; without a
filter by all gradients along the axis together, so that no unwanted coherence looks refocused on the points."""
MOST_MEMORY = 4 * 2**30
"""Of the density matrices at all open positions, bytes."""
STILL = 1e-9
"""Gradients below this are none, T/m; moments below it times 1e6, 1/m."""


def spatial_state(damping: Damping, shot: Shot, engine: SpinSystem) -> Matrix:
    """Return the density matrix at the first sample, eigenbasis, summed over positions, per voxel's volume."""
    space = damping.levels.space
    if engine.crushers == "average":
        shot = replace(shot, events=_closing_first(shot.events))
    places = [_line(axis, space, shot, engine) for axis in range(3)]
    used = [_axes(event) for event in shot.events]
    last = [max((i for i, axes in enumerate(used) if axis in axes), default=-1) for axis in range(3)]
    states: States = {0: (np.diag(damping.levels.fz).astype(np.complex128)[None, None, None], True)}
    equilibrium, made = 1.0, dict[tuple[int, float], Matrix]()
    passages = ways(shot, int(damping.levels.order.max())) if engine.crushers == "filter" else {}
    early = _early(shot, last) if passages else {}
    for i, (event, every) in enumerate(zip(shot.events, used, strict=True)):
        axes = tuple(axis for axis in every if early.get(axis, i) >= i)
        _check_memory(states, axes, places, space)
        if isinstance(event, Wait):
            free = {k: waited(damping, rho, event.duration, rest * equilibrium) for k, (rho, rest) in states.items()}
            states = {k: (free[k], rest) for k, (_, rest) in states.items()}
            states = _passed(damping, states, passages[i]) if passages else states
            states = {k: (_dephased(damping, rho, event, axes, places), rest) for k, (rho, rest) in states.items()}
        else:
            play = _Playing(damping, event, axes, places, shot.gamma_bar, made)
            states = {k: (play(rho, rest * equilibrium), rest) for k, (rho, rest) in states.items()}
        for axis in (axis for axis in range(3) if early.get(axis) == i):
            states = _taken_back(states, passages[i], axis, places, shot.voxel[axis])
        for axis in (axis for axis in range(3) if early.get(axis, last[axis]) == i and engine.project):
            states = {k: (_averaged(rho, axis, places), rest) for k, (rho, rest) in states.items()}
            equilibrium *= places[axis][1] * len(places[axis][0])
    total = np.asarray(sum(rho for rho, _ in states.values()), dtype=np.complex128)
    for axis in (axis for axis in range(3) if last[axis] >= 0 and not engine.project):
        total = _averaged(total, axis, places)
    return np.asarray(total[0, 0, 0])


States = dict[int, tuple[Matrix, bool]]
"""By what they have collected from crushers (one, 0, where none filters): (x, y, z, state, state) density matrices, and
whether F_z recovers in them."""
Line = tuple[NDArray[np.float64], float]
"""Positions along an axis, m, and the weight of each."""


def _axes(event: Wait | Play) -> tuple[int, ...]:
    """Return the axes along which an event depends on the position."""
    if isinstance(event, Wait):
        return tuple(axis for axis in range(3) if abs(event.moment[axis]) > STILL * 1e6)
    return tuple(axis for axis in range(3) if np.any(np.abs(event.pulse.gradient[:, axis]) > STILL))


def _closing_first(events: tuple[Wait | Play, ...]) -> tuple[Wait | Play, ...]:
    """Return the events with gradients of a wait apart: first along axes that are averaged behind it, then others.

    Shifts, couplings and gradients of a wait commute, and an axis that is averaged early is not open with the next.
    """
    found: list[Wait | Play] = []
    for i, event in enumerate(events):
        later = {axis for other in events[i + 1 :] for axis in _axes(other)}
        moved = np.array([axis in later for axis in range(3)])
        if isinstance(event, Wait) and np.any(event.moment[moved]) and np.any(event.moment[~moved]):
            found.append(Wait(duration=event.duration, moment=np.where(moved, 0.0, event.moment)))
            event = Wait(duration=0.0, moment=np.where(moved, event.moment, 0.0))
        found.append(event)
    return tuple(found)


def _line(axis: int, space: Subspace, shot: Shot, engine: SpinSystem) -> Line:
    """Return the middles of equal parts of a line that holds the slice and how far its spins' shifts displace it."""
    voxel = shot.voxel[axis]
    selective = [e.pulse for e in shot.events if isinstance(e, Play) and axis in _axes(e)]
    length = voxel
    if selective:
        away = [
            max(abs(offset - pulse.frequency) for offset in space.offsets)
            / (abs(shot.gamma_bar) * float(np.abs(pulse.gradient[:, axis]).max()))
            for pulse in selective
        ]
        length = engine.extent * voxel + 2 * max(away)
    during = [abs(np.sum(p.gradient[:, axis] * p.dt) * shot.gamma_bar) for p in selective]
    between = [abs(event.moment[axis]) for event in shot.events if isinstance(event, Wait)]
    cycles = max(during, default=0.0) if engine.crushers == "filter" else sum(during + between)
    count = engine.points or max(FEWEST, math.ceil(PER_CYCLE[engine.crushers] * cycles * length))
    points = np.asarray((np.arange(count) + 0.5 - count / 2) * (length / count), dtype=np.float64)
    return points, float(length / count / voxel)


def _passed(damping: Damping, states: States, passages: tuple[Passage, ...]) -> States:
    """Return what the gradients of a wait let through, by what it has collected."""
    order = damping.levels.order
    found: States = {}
    for way in passages:
        part = np.where(order == way.order, states[way.source][0], 0)
        found[way.target] = (found[way.target][0] + part if way.target in found else part, way.plain)
    return found


def _early(shot: Shot, last: list[int]) -> dict[int, int]:
    """Return by axis the wait behind its last pulse, where more waits with gradients along it follow."""
    found = {}
    for axis in range(3):
        pulses = [i for i, event in enumerate(shot.events) if isinstance(event, Play) and axis in _axes(event)]
        behind = pulses[-1] + 1 if pulses else len(shot.events)
        if behind < last[axis] and isinstance(shot.events[behind], Wait):
            found[axis] = behind
    return found


def _taken_back(states: States, passages: tuple[Passage, ...], axis: int, places: list[Line], voxel: float) -> States:
    """Return the density matrices with what they have collected along an axis taken back."""
    collected = {way.target: way.collected[axis] for way in passages}
    turns = {k: np.exp(-2j * np.pi * collected[k] * places[axis][0] / voxel)[:, None, None] for k in states}
    return {k: (rho * _along(turns[k], axis), rest) for k, (rho, rest) in states.items()}


def _dephased(damping: Damping, rho: Matrix, event: Wait, axes: tuple[int, ...], places: list[Line]) -> Matrix:
    """Return the density matrices with order p turned by 2 pi p moment r."""
    order = damping.levels.order
    for axis in axes:
        turn = np.exp(2j * np.pi * event.moment[axis] * places[axis][0])
        powers = np.stack([turn**p for p in range(order.min(), order.max() + 1)], axis=-1)
        rho = rho * _along(powers[:, order - order.min()], axis)
    return rho


def _along(values: Matrix, axis: int) -> Matrix:
    """Return (place, state, state) values with the places on one of three axes."""
    shape = [1, 1, 1, *values.shape[1:]]
    shape[axis] = len(values)
    return values.reshape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class _Playing:
    """A pulse at the positions along the axes of its gradient; its propagators are made once for all matrices."""

    damping: Damping
    event: Play
    axes: tuple[int, ...]
    places: list[Line]
    gamma_bar: float
    made: dict[tuple[int, float], Matrix]

    def __call__(self, rho: Matrix, equilibrium: float) -> Matrix:
        """Return the density matrices behind the pulse."""
        damping, event, space = self.damping, self.event, self.damping.levels.space
        points = [self.places[axis][0] if axis in self.axes else np.zeros(1) for axis in range(3)]
        position = np.stack(np.meshgrid(*points, indexing="ij"), axis=-1).reshape(-1, 3)
        shape = tuple(len(line) for line in points)
        if not damping.active:
            key = (id(event.pulse), event.phase)
            if key not in self.made:
                self.made[key] = self._seen(propagators(space, event, self.gamma_bar, position), shape)
            return _turned(rho, self.made[key])
        least = damping.steps(float(event.pulse.dt.sum())) * 4
        lengths = piece_lengths(space, event.pulse, least)
        for u, length in zip(pieces(space, event, self.gamma_bar, position, least), lengths, strict=True):
            rho = damping.damped(rho, length / 2, equilibrium)
            rho = damping.damped(_turned(rho, self._seen(u, shape)), length / 2, equilibrium)
        return rho

    def _seen(self, u: Matrix, shape: tuple[int, ...]) -> Matrix:
        v = self.damping.levels.vectors
        return np.asarray((v.T @ u @ v).reshape(*shape, *u.shape[1:]))


def _turned(rho: Matrix, u: Matrix) -> Matrix:
    return np.asarray(u @ rho @ np.swapaxes(u, -1, -2).conj())


def _averaged(rho: Matrix, axis: int, places: list[Line]) -> Matrix:
    """Return the sum over an axis in units of the voxel's length."""
    if rho.shape[axis] == 1:
        return rho * (places[axis][1] * len(places[axis][0]))
    return np.asarray(rho.sum(axis=axis, keepdims=True) * places[axis][1])


def _check_memory(states: States, axes: tuple[int, ...], places: list[Line], space: Subspace) -> None:
    """Refuse an event that would open more positions than memory holds."""
    shape = next(iter(states.values()))[0].shape
    points = math.prod(len(places[a][0]) if a in axes else shape[a] for a in range(3))
    memory = (2 + len(states)) * 16.0 * points * space.dimension**2
    if memory > MOST_MEMORY:
        raise InputError(
            f"density matrices of {space.dimension} states at {points:,} positions at once would need "
            f"{memory / 2**30:.3g} GiB; at most {MOST_MEMORY / 2**30:g} GiB are used: set fewer points or take ideal "
            "pulses",
            key="points",
        )
