"""Small motion on the road by class: the phase that the played gradients give it, to first order.

A spin that moves by u(r, t) = sum_j u_j(r) f_j(t) from its place of rest collects, from its excitation on, the phase

    psi = -2 pi sum_j u_j . m_j,    m_j = gamma_bar integral of G f_j dt,

with the sign of G turned by a refocusing pulse, whatever else happens to it. So the response of its class serves every
place, and its pencils carry exp(i psi): exact at the sample nearest to the centre of k-space, where psi may be many
turns. What the read gradient adds over the window is small (k.u) and enters as 1 - i 2 pi u_j . (m_j - m_j there).
Every cell has a phase of its own, so that a voxel dephases as the motion varies within it.

Neglected: what motion changes during pulses (the slice moves by u), second order over the window, and echoes of earlier
excitations, which carry earlier phases; hence one pathway, and displacements below `SMALL` of a voxel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..phantom.motion import Course, Power, Trace
from ..sequence.b_matrix import pulse_times
from ..sequence.timeline import READOUT, Timeline
from .classes import BALANCED, TissueClass
from .job import Job
from .motion_moments import NS, course_moments, moving_components
from .plane import TOGETHER, Plane, Windows, plane_of, turned_shape
from .program import Program
from .slice_reuse import Response
from .steps import turn_series
from .waves import Wave

Array = NDArray[np.float64]
HELD = 1 << 29
"""Largest sums over y that are held for the classes that lie alike, bytes."""
SMALL = 0.05
"""Largest displacement over the smallest side of a voxel that counts as small."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SmallMotion:
    """What the gradients of a scan make of the time courses of a motion."""

    moment: Array
    """(readout, part) from the excitation to the sample nearest to the centre of k-space, 1/m times a course's unit;
    parts are x, y, z of each course."""
    change: Array
    """(readout, sample, seen part) of it over the window."""
    seen: NDArray[np.int64]
    """(seen part,) the parts that change during windows."""
    facts: dict[str, float] = field(default_factory=dict)
    """Bounds of what is lost as motion varies within a layer or a cell, the worst of all tissues met."""

    @classmethod
    def in_job(cls, job: Job) -> SmallMotion:
        """Return the moments of the motion of a job's object."""
        courses, _ = moving_components(job.spins.motion, job.spins.position[:1])
        return cls.of(job.timeline, courses)

    @classmethod
    def of(cls, timeline: Timeline, courses: tuple[Course, ...]) -> SmallMotion:
        """Return the moments of some courses."""
        windows = np.flatnonzero(timeline.kind == READOUT)
        rows, table = timeline.event[windows], timeline.readouts
        seen = (np.arange(table.k.shape[1]) + 0.5) * table.dwell[rows, None]
        samples = timeline.start[windows, None] * NS + np.minimum(seen, (table.samples * table.dwell)[rows, None])
        centres, uses = pulse_times(timeline)
        edges = np.asarray(np.unique(np.concatenate([centres * NS, samples.ravel()])), dtype=np.float64)
        total = np.concatenate([np.zeros((1, 3 * len(courses))), course_moments(timeline, courses, edges)]).cumsum(0)
        held, origin = _since(np.asarray(centres * NS, np.float64), uses, edges, total)
        life = np.searchsorted(centres * NS, samples[:, 0]) - 1
        found = held[life, None] + total[np.searchsorted(edges, samples)] - origin[life, None]
        nearest = np.argmin(np.round(np.linalg.norm(table.k[rows], axis=-1), 6), axis=1)
        moment = np.zeros((len(table.dwell), found.shape[-1]))
        moment[rows] = found[np.arange(len(rows)), nearest]
        change = np.zeros((*table.k.shape[:2], found.shape[-1]))
        change[rows] = found - moment[rows, None]
        parts = np.flatnonzero(np.abs(change).max(axis=(0, 1), initial=0.0) > 0)
        return cls(moment=moment, change=np.ascontiguousarray(change[..., parts]), seen=parts)


def _since(centres: Array, uses: NDArray[np.str_], edges: Array, total: Array) -> tuple[Array, Array]:
    """Return (pulse, part) what a spin holds behind each pulse, and where the sum over the scan stands there."""
    origin = total[np.searchsorted(edges, centres)]
    held = np.zeros_like(origin)
    for index, use in enumerate(uses):
        if index and use != "excitation":
            here = held[index - 1] + origin[index] - origin[index - 1]
            held[index] = -here if use == "refocusing" else here
    return held, origin


def why_not_small(job: Job) -> str | None:
    """Return why the object's motion needs every spin to travel by itself, or None."""
    courses, parts = moving_components(job.spins.motion, job.spins.position)
    last = float(job.timeline.start[-1] + job.timeline.duration[-1]) * NS
    size = np.zeros(parts.shape[1])
    for index, course in enumerate(courses):
        size += np.linalg.norm(parts[3 * index + 3 : 3 * index + 6], axis=0) * _largest(course, last)
    limit = SMALL * min(job.timeline.encoding.grid.spacing)
    if size.max(initial=0.0) > limit:
        far = f"{size.max() * 1e6:.3g} um, above {limit * 1e6:.3g} um ({SMALL:.0%} of a voxel)"
        return f"the object moves by up to {far}"
    return _several_pathways(job.timeline)


def _largest(course: Course, last: float) -> float:
    if isinstance(course, Power):
        return last**course.order
    return float(np.abs(course.values).max()) if isinstance(course, Trace) else 1.0


def _several_pathways(timeline: Timeline) -> str | None:
    """Return why what is seen may have been encoded on several pathways, or None."""
    _, uses = pulse_times(timeline)
    if np.isin(uses, ("storage", "recall")).any():
        return "the object moves while its magnetisation is stored"
    begins = np.flatnonzero(uses == "excitation")
    refocused = np.add.reduceat(uses == "refocusing", begins).astype(int) if len(begins) else np.zeros(0, int)
    if refocused.max(initial=0) > 1:
        return "the object moves and is refocused more than once"
    if len(begins) < 2 or refocused[:-1].all():
        return None
    phase = timeline.phase[np.flatnonzero(timeline.kind == 1)[begins]]
    bend = np.exp(1j * np.diff(phase, 2))
    if len(bend) and np.abs(bend - 1).max() < 1e-6:
        return "the object moves and echoes of earlier excitations are not spoiled by the pulses' phases"
    edges = timeline.start[np.flatnonzero(timeline.kind == 1)[begins]]
    total = np.cumsum(timeline.moment[:, :3], axis=0)[np.searchsorted(timeline.start, edges)]
    left = np.abs(np.diff(total, axis=0)) * timeline.encoding.grid.spacing
    return "the object moves under balanced gradients" if left.max(axis=1).min() < BALANCED else None


def displacements(job: Job, kind: TissueClass) -> Plane | None:
    """Return the (part, layer, ny, nx) displacements where a class lies, m over a course's unit; None: it rests."""
    _, parts = moving_components(job.spins.motion, job.spins.position[kind.members])
    return plane_of(job.spins, kind.members, job.cells.shape, parts[3:]) if np.any(parts[3:]) else None


def note_dephasing(motion: SmallMotion, shifts: Plane) -> None:
    """Note bounds of what is lost as motion varies within a layer and, in the plane, within a cell.

    A phase that changes by d from one side to the other takes d^2 / 24 of the signal.
    """
    weight = 2 * np.pi * np.abs(motion.moment).max(axis=0, initial=0.0)
    where = shifts.density.real
    steps = [np.abs(np.diff(where, axis=axis)).max(axis=(1, 2, 3), initial=0.0) for axis in (1, 2, 3)]
    through, across, along = (float(weight @ step) ** 2 / 24 for step in steps)
    for name, value in (("motion_layer_error", through), ("motion_cell_error", across + along)):
        motion.facts[name] = max(value, motion.facts.get(name, 0.0))


def _ends(plane: Plane) -> NDArray[np.int64]:
    """Return the (layer, ny, 2) first column that holds something and one past the last."""
    filled = np.any(plane.density != 0, axis=0)
    columns = filled.shape[-1]
    first, last = np.argmax(filled, axis=-1), columns - np.argmax(filled[..., ::-1], axis=-1)
    return np.ascontiguousarray(np.stack([first, np.where(filled.any(axis=-1), last, first)], axis=-1), dtype=np.int64)


class MovingPencils:
    """The sums over y of what moves, for every readout, kept for the classes that lie alike.

    Parameters
    ----------
    plane, shifts : Plane
        (coil, layer, ny, nx) density and its `displacements`.
    motion : SmallMotion
    """

    def __init__(self, plane: Plane, shifts: Plane, motion: SmallMotion) -> None:
        self.plane, self.motion = plane, motion
        note_dephasing(motion, shifts)
        where = np.ascontiguousarray(np.moveaxis(shifts.density.real, 0, 2))
        parts = np.ascontiguousarray(plane.density.real), np.ascontiguousarray(plane.density.imag)
        self.given = *parts, where, _ends(plane)
        self.held: dict[int, NDArray[np.complex128]] = {}

    def of(self, rows: NDArray[np.int64], plan: Program) -> NDArray[np.complex128]:
        """Return the (readout, (part, coil), layer, x) sums of some readouts, m^3 and m^3 times the seen parts."""
        from ._kernels.plane import moving_pencils

        key = int(rows[0])
        if key in self.held:
            return self.held[key]
        coils, layers, _, nx = self.plane.density.shape
        motion, wind = self.motion, plan.plane_moment[rows, 1]
        out = np.zeros((len(rows), (1 + len(motion.seen)) * coils, layers, nx), dtype=np.complex128)
        series = turn_series(np.float64)
        moving_pencils(*self.given, motion.moment[rows], wind, self.plane.y, motion.seen, series, out)
        if (len(self.held) + 1) * out.nbytes <= HELD:
            self.held[key] = out
        return out


def moving_signal(
    windows: Windows, plan: Program, pencils: MovingPencils, response: Response, kind: TissueClass, dtype: type
) -> NDArray[np.complex128]:
    """Return the (readout, coil, sample) signal of one class that moves, m^3."""
    from ._kernels.plane import weigh

    plane, table = pencils.plane, windows.table
    coils, shape = len(plane.density), turned_shape(response, plane.x, plan)
    signal = np.empty((len(table.dwell), coils, table.moment.shape[1]), dtype=np.complex128)
    time = (np.arange(signal.shape[2]) + 0.5) * float(table.dwell[0])
    course = kind.pd * np.exp(-(kind.r2 + 2j * np.pi * kind.offset) * time)
    for index, model in enumerate(windows.first):
        k = windows.plane_moment[model, 0] + table.moment[model, :, 0]
        waves = Wave(plane.x, k, course, np.result_type(dtype, np.complex64))
        mine = np.flatnonzero(windows.course == index)
        for some in np.split(mine, range(TOGETHER, len(mine), TOGETHER)):
            rows = windows.rows[some]
            found = pencils.of(rows, plan)
            weight = np.zeros((*found.shape[:2], found.shape[3]), dtype=np.complex128)
            weigh(found, np.arange(len(some)), shape, response.row[rows], weight)
            sums = waves.sampled(weight).reshape(len(some), -1, coils, signal.shape[2])
            change = pencils.motion.change[rows, : signal.shape[2]]
            signal[some] = sums[:, 0] - 2j * np.pi * np.einsum("rsp,rpcs->rcs", change, sums[:, 1:])
    return signal
