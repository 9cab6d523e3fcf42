"""A voxel's scan from one repetition to the next: its longitudinal magnetisation as a sum of products.

A slice leaves edges in it, the next repetition's pulses wind phases up across them, and what crushers wound and a pulse
stored is part of it: the next repetition's crushers meet it again. Two states that are played alike come closer to each
other by exp(-t / T1) everywhere, at least; where less is left than is wanted, what was seen before is seen again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..sequence.timeline import Timeline
from .pulse_maps import Relaxation
from .steps import TimeTable, cut_pulse, cut_steps, rotation_series, tabulated
from .voxel_points import Points
from .voxel_products import Products, Step
from .voxel_program import FREE, PULSE, SAMPLE, Operation, VoxelProgram
from .voxel_program import Stretch as Operations

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
ALONG = np.diag([0.0, 0.0, 1.0, 1.0])[None]
"""Takes what is transverse away."""
BEHIND = 100.0
"""How much more is left out of what a repetition leaves to the next ones: most of it is wound up and cancels."""
Maps = tuple[int | None, Array]
"""Axis along which (point, 4, 4) maps of (x, y, z, 1) depend on the place."""
PERIODS = 4
"""Repetitions after which a scan may repeat itself, e.g. an edited pair after two."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stretch:
    """A stretch as steps and windows; it begins and ends with longitudinal magnetisation."""

    steps: tuple[Step | None, ...]
    """None: a window opens."""
    duration: float
    """s."""


@dataclass(slots=True, eq=False)
class Course:
    """One class at one offset, from repetition to repetition."""

    points: Points
    volume: Complex
    """(coil, z, y, x) m^3 times what each coil hears."""
    stretches: list[Stretch]
    rate: float
    """1 / T1, 1/s."""
    least: float
    """Largest change of a signal, m^3, by what one step may leave out."""
    left_out: float = 0.0
    """Sum of the sizes of all that was left out, m^3: a bound that nothing wound up comes near to."""
    heard: float = field(init=False)
    """Root of the squared volume that is heard, over that of the voxel's volume: m^3 per unit of what is left out."""

    def __post_init__(self) -> None:
        """Weigh the volume."""
        x, y, z = (self.points.widths(axis) for axis in range(3))
        box = z[:, None, None] * y[:, None] * x
        self.heard = float(np.sqrt((np.abs(self.volume) ** 2 / box).sum(axis=(1, 2, 3)).max(initial=0.0)))

    def signals(self, repetitions: tuple[tuple[int, ...], ...], steady: float) -> list[Complex]:
        """Return per repetition (window, coil) what is seen; one that changes less than `steady` is seen once."""
        found, states = list[Complex](), [Products.rest(self.points)]
        apart = np.full(PERIODS, 2.0)  # bound on the distance of the state from that so many repetitions before
        for now, played in enumerate(repetitions):
            before = [p for p in range(1, PERIODS + 1) if p <= now and repetitions[now - p] == played]
            again = next((p for p in before if apart[p - 1] <= steady), None)
            if again is None:
                state, seen = self._played(states[-1], played)
            else:
                state, seen = states[-again], found[-again]
            found.append(seen)
            states = [*states[-PERIODS:], state]
            left = math.exp(-self.rate * sum(self.stretches[number].duration for number in played))
            for p in range(1, PERIODS + 1):
                apart[p - 1] = apart[p - 1] * left if p in before else 2.0
        return found

    def _played(self, state: Products, played: tuple[int, ...]) -> tuple[Products, Complex]:
        least, seen = self.least / self.heard if self.heard else math.inf, list[Complex]()
        for number in played:
            for step in self.stretches[number].steps:
                if step is None:
                    seen.append(state.transverse(self.points, self.volume))
                    continue
                state, lost = state.after(step, self.points, least)
                self.left_out += lost * self.heard
        state, lost = state.fewest(BEHIND * least)
        self.left_out += lost * self.heard
        return state, np.array(seen, dtype=np.complex128).reshape(-1, len(self.volume))


def stretch_of(
    timeline: Timeline, program: VoxelProgram, stretch: Operations, points: Points, spin: Relaxation, split: int = 1
) -> Stretch:
    """Return a stretch at its points; split : that every RF step is divided into."""
    last = max(i for i, op in enumerate(stretch) if op[0] != FREE)
    found, duration = list[Step | None](), 0.0
    pending: Maps = (None, ALONG)
    for index, op in enumerate(stretch):
        if op[0] == SAMPLE:
            found += [_step(pending), None]
            pending = None, np.eye(4)[None]
            continue
        if op[0] == PULSE:
            event = int(op[1])
            duration += float(timeline.pulses[event].dt.sum())
            parts = [_pulse(timeline, event, program.axes[event], points, spin, split, float(op[2]))]
        else:
            duration += float(op[1])
            near = pending[0], _next_axis(program, stretch[index + 1 :])
            parts = _wait(op, points, spin, near, index < last)
        for axis, maps in parts:
            if None not in (axis, pending[0]) and axis != pending[0]:
                found.append(_step(pending))
                pending = axis, maps
            else:
                pending = (axis if pending[0] is None else pending[0]), maps @ pending[1]
    return Stretch(steps=(*found, _step((pending[0], ALONG @ pending[1]))), duration=duration)


def _step(maps: Maps) -> Step:
    return Step.of(maps[1], maps[0])


def _about_z(angle: Array) -> Array:
    """Return (angle, 4, 4) rotations that multiply Mx + i My by exp(i angle)."""
    found = np.zeros((len(angle), 4, 4))
    found[:, 0, 0] = found[:, 1, 1] = np.cos(angle)
    found[:, 1, 0] = np.sin(angle)
    found[:, 0, 1] = -found[:, 1, 0]
    found[:, 2, 2] = found[:, 3, 3] = 1.0
    return found


def _next_axis(program: VoxelProgram, later: Operations) -> int | None:
    return next((program.axes[int(op[1])] for op in later if op[0] == PULSE), None)


def _wait(
    op: Operation, points: Points, spin: Relaxation, near: tuple[int | None, int | None], watched: bool
) -> list[Maps]:
    """Return an interval as maps, beginning and ending along the axes of its neighbours; `watched`: F still counts."""
    seconds = float(op[1])
    maps = _about_z(np.array([-2 * np.pi * spin.offset * seconds]))
    maps[:, :2] *= math.exp(-spin.r2 * seconds)
    maps[:, 2, 2] = math.exp(-spin.r1 * seconds)
    maps[:, 2, 3] = -math.expm1(-spin.r1 * seconds)
    if not watched:
        return [(None, maps)]
    moved = [axis for axis in range(3) if op[2 + axis]]
    found: list[Maps] = [
        (axis, _about_z(-2 * np.pi * float(op[2 + axis]) * points.place[axis]))
        for axis in sorted(moved, key=lambda axis: (axis != near[0], axis == near[1]))
    ]
    return [(None, maps), *found]


def _pulse(
    timeline: Timeline, event: int, axis: int | None, points: Points, spin: Relaxation, split: int, phase: float
) -> Maps:
    """Return a pulse's maps: what it does at phase 0, between rotations by its phase and back."""
    from ._kernels import bloch as kernels

    dtype: RealType = np.float64
    along = np.zeros(1) if axis is None else points.place[axis]
    position = np.zeros((3, len(along)))
    position[axis or 0] = along
    times = TimeTable()
    reach, pulse = np.abs(position).max(axis=1), cut_pulse(timeline.pulses[event], split)
    cut = cut_steps(pulse, timeline.gamma_bar, reach, abs(spin.offset), abs(spin.b1))
    table = tabulated((pulse,), timeline.gamma_bar, (cut,), times, dtype)
    e1, e2 = times.decay(np.array([spin.r1]), dtype), times.decay(np.array([spin.r2]), dtype)
    maps = np.zeros((3, 4, len(along)))
    fields = (table.b1, table.gradient, rotation_series(dtype))
    kernels.propagators(position, dtype(spin.offset), dtype(spin.b1), e1, e2, table.runs, *fields, maps)
    whole = np.zeros((len(along), 4, 4))
    whole[:, :3], whole[:, 3, 3] = maps.transpose(2, 0, 1), 1.0
    turn = _about_z(np.array([phase]))
    return axis, turn.transpose(0, 2, 1) @ whole @ turn
