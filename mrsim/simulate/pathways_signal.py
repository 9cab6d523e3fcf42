"""From configuration states to the signal of a class: every state at its own moment and dephasing time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .pathways_classes import PathwayClass
from .pathways_space import Transforms, Waves, box
from .pathways_states import Complex, transverse_b
from .pathways_steps import UNITS, Glance, Path, Step
from .pathways_walk import Record, Walk
from .walker import Slab


class Geometry:
    """Where a tissue lies, and the readouts that look at it."""

    def __init__(
        self,
        timeline: Timeline,
        steps: list[list[Step]],
        spins: Spins,
        members: NDArray[np.int64],
        cells: Grid,
        waves: Waves,
    ) -> None:
        self.transforms = Transforms(spins, members, cells, waves)
        self.waves, self.cells = waves, cells
        self.shape = timeline.readouts.k.shape[:2]
        self.glances: list[Glance] = [g for repetition in steps for step in repetition for g in step.glances]
        self.range = waves.range()
        self.layer_z: NDArray[np.float64] = np.asarray(cells.coordinates(2), dtype=np.float64)


class _View:
    """One glance's states at the window's start, the weak ones left out."""

    def __init__(self, geometry: Geometry, record: Record, glance: Glance, kind: PathwayClass, allowed: float) -> None:
        course = int(geometry.waves.course[glance.row])
        path = glance.path
        low, high = geometry.range[course, 0], geometry.range[course, 1]
        k = record.names[:, :3] * UNITS[:3] + path.moment
        tau = record.names[:, 3] * UNITS[3] + path.time
        times = geometry.waves.time
        decay = np.exp(-kind.r2 * path.relaxing) * np.ones(len(k))
        if kind.diffusion:
            decay *= np.exp(-kind.diffusion * transverse_b(record.names[:, :3] * UNITS[:3], path))
        crosses = (tau + times[0]) * (tau + times[-1]) <= 0
        nearest = np.where(crosses, 0.0, np.minimum(np.abs(tau + times[0]), np.abs(tau + times[-1])))
        size = np.abs(record.value).mean(axis=1) * decay * np.exp(-kind.r2_prime * nearest)
        width = (geometry.cells.spacing[0], geometry.cells.spacing[1])
        for axis, d in enumerate(width):
            within = (k[:, axis] + low[axis]) * (k[:, axis] + high[axis]) <= 0
            least = np.minimum(np.abs(k[:, axis] + low[axis]), np.abs(k[:, axis] + high[axis]))
            turns = np.pi * np.where(within, 0.0, least) * d
            size *= 1 / np.maximum(turns, 1)
        order = np.argsort(size, kind="stable")
        count = int(np.searchsorted(np.cumsum(size[order]), allowed, "right"))
        self.keep = np.sort(order[count:])
        self.left_out = float(size[order[:count]].sum())
        self.course, self.k, self.tau = course, k[self.keep], tau[self.keep]
        self.value = record.value[self.keep] * decay[self.keep, None]


def class_signal(
    geometry: Geometry, walk: Walk, kind: PathwayClass, slab: Slab, per_layer: int, accuracy: float
) -> tuple[Complex, float]:
    """Return the (readout, sample) signal of a class, m^3, and the bound on what was left out, over M0."""
    out = np.zeros(geometry.shape, dtype=np.complex128)
    views, seen = [], {}
    bound = 0.0
    for glance in geometry.glances:
        record = walk.records[walk.record[glance.row]]
        view = _View(geometry, record, glance, kind, accuracy / 2)
        bound = max(bound, record.bound + view.left_out)
        views.append(view)
    if views:
        courses = np.concatenate([np.full(len(v.k), v.course) for v in views])
        geometry.transforms.prepare(courses, np.concatenate([v.k[:, :2] for v in views]))
    for glance, view in zip(geometry.glances, views, strict=True):
        if not len(view.k):
            continue
        path = glance.path
        key = (int(walk.record[glance.row]), view.course, path.time, path.relaxing, path.moment[2], tuple(view.keep))
        if kind.diffusion or key not in seen:
            through = _through_slice(geometry, view, slab, per_layer)
            seen[key] = through * _in_time(geometry, view, kind, path)[:, None, :]
        out[glance.row] = np.einsum("nls,nls->s", seen[key], geometry.transforms.at(view.course, view.k[:, :2]))
    return kind.pd * out, bound


def _through_slice(geometry: Geometry, view: _View, slab: Slab, per_layer: int) -> Complex:
    """Return the (state, layer, sample or 1) mean of each state over the layers' thickness."""
    moment = geometry.waves.moment[view.course][:, 2]
    if not np.any(moment):
        moment = np.zeros(1)
    kz = view.k[:, 2, None] + moment
    if slab.ideal:
        phase = np.exp(-2j * np.pi * kz[:, None, :] * geometry.layer_z[:, None])
        return np.asarray(view.value[:, :, None] * phase * box(kz, geometry.cells.spacing[2])[:, None, :])
    z = slab.positions(per_layer).reshape(slab.layers, per_layer)
    value = view.value.reshape(len(kz), slab.layers, per_layer)
    mean = [np.einsum("nlz,nlz->nl", value, np.exp(-2j * np.pi * k[:, None, None] * z)) / per_layer for k in kz.T]
    return np.asarray(np.stack(mean, axis=-1) * box(kz, geometry.cells.spacing[2] / per_layer)[:, None, :])


def _in_time(geometry: Geometry, view: _View, kind: PathwayClass, path: Path) -> Complex:
    """Return the (state, sample) relaxation, dephasing and diffusion of each state since the window's start.

    A state dephased for tau has the phase exp(-i 2 pi df tau) and the line's decay exp(-|tau| / T2').
    """
    t = geometry.waves.time
    tau = view.tau[:, None] + t
    value = np.exp(-kind.r2 * t - 2j * np.pi * kind.offset * tau - kind.r2_prime * np.abs(tau))
    if kind.diffusion:
        # the moments at the samples, integrated by trapezes from the window's start
        moment = np.concatenate([np.zeros((1, 3)), geometry.waves.moment[view.course]])
        dt = np.diff(t, prepend=0.0)[:, None]
        first = np.cumsum((moment[1:] + moment[:-1]) / 2 * dt, axis=0)
        square = np.sum(moment * moment, axis=1)
        cross = np.sum(moment[1:] * moment[:-1], axis=1)
        second = np.cumsum((square[1:] + square[:-1] + cross) / 3 * dt[:, 0])
        weight = np.sum(view.k**2, axis=1)[:, None] * t + 2 * view.k @ first.T + second
        value *= np.exp(-4 * np.pi**2 * kind.diffusion * weight)
    return np.asarray(value)
