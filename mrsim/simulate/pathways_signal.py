"""From configuration states to the signal of a class: every state at its own moment and dephasing time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .pathways_classes import PathwayClass
from .pathways_space import Transforms, Waves, box
from .pathways_states import Complex, transverse_b
from .pathways_steps import UNITS, Glance, Step
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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _View:
    """The states that matter to readouts that look at one record after the same time."""

    plane: NDArray[np.float64]
    """(state, 2) in-plane moment right after the pulse, 1/m."""
    weight: Complex
    """(state, layer, sample) over M0."""
    bound: float
    """Largest signal by states dropped on the way or left out here, over M0."""


def _view(
    geometry: Geometry, record: Record, glance: Glance, kind: PathwayClass, slab: Slab, per_layer: int, allowed: float
) -> _View:
    """Weigh the states of a record at the samples of a readout; those with the least signal are left out."""
    path, course = glance.path, int(geometry.waves.course[glance.row])
    born = record.names[:, :3] * UNITS[:3]
    decay = np.full(len(born), np.exp(-kind.r2 * path.relaxing))
    if kind.diffusion:
        decay *= np.exp(-kind.diffusion * transverse_b(born, path))
    faint = _least(np.abs(record.value).mean(axis=1) * decay, allowed / 2)
    born, tau = born[faint.keep], record.names[faint.keep, 3] * UNITS[3] + path.time
    value, k = record.value[faint.keep] * decay[faint.keep, None], born + path.moment
    through = _through_slice(geometry, course, k, value, slab, per_layer)
    in_time = _in_time(geometry, course, k, tau, kind)
    low, high = geometry.range[course, 0, 0], geometry.range[course, 1, 0]
    within = (k[:, 0] + low) * (k[:, 0] + high) <= 0
    nearest = np.where(within, 0.0, np.minimum(np.abs(k[:, 0] + low), np.abs(k[:, 0] + high)))
    size = np.abs(through).max(axis=(1, 2)) * np.abs(in_time).max(axis=1)
    size /= np.maximum(np.pi * nearest * geometry.cells.spacing[0], 1)
    weak = _least(size, allowed / 2)
    weight = through[weak.keep] * in_time[weak.keep, None, :]
    return _View(plane=born[weak.keep, :2], weight=weight, bound=record.bound + faint.left_out + weak.left_out)


class _Kept(NamedTuple):
    keep: NDArray[np.int64]
    left_out: float


def _least(size: NDArray[np.float64], allowed: float) -> _Kept:
    """Return which states to keep if the smallest, that sum up to no more than `allowed`, are left out."""
    order = np.argsort(size, kind="stable")
    count = int(np.searchsorted(np.cumsum(size[order]), allowed, "right"))
    return _Kept(np.sort(order[count:]), float(size[order[:count]].sum()))


def class_signal(
    geometry: Geometry, walk: Walk, kind: PathwayClass, slab: Slab, per_layer: int, accuracy: float
) -> tuple[Complex, float]:
    """Return the (readout, sample) signal of a class, m^3, and the bound on what was left out, over M0."""
    out = np.zeros(geometry.shape, dtype=np.complex128)
    views: dict[tuple[float, ...], _View] = {}
    looks: list[tuple[int, int, _View, NDArray[np.float64]]] = []
    for glance in geometry.glances:
        number, course = int(walk.record[glance.row]), int(geometry.waves.course[glance.row])
        moment = glance.path.moment
        key: tuple[float, ...] = (number, course, glance.path.time, glance.path.relaxing, moment[0], moment[2])
        if kind.diffusion:
            key += (moment[1], *glance.path.first, glance.path.second)
        if key not in views:
            views[key] = _view(geometry, walk.records[number], glance, kind, slab, per_layer, accuracy / 2)
        looks.append((glance.row, course, views[key], views[key].plane + moment[:2]))
    courses = [np.full(len(start), course) for _, course, _, start in looks]
    geometry.transforms.prepare(np.concatenate(courses), np.concatenate([start for *_, start in looks]))
    for row, course, view, start in looks:
        if len(start):
            out[row] = np.einsum("nls,nls->s", view.weight, geometry.transforms.at(course, start))
    return kind.pd * out, max((view.bound for view in views.values()), default=0.0)


def _through_slice(
    geometry: Geometry, course: int, k: NDArray[np.float64], value: Complex, slab: Slab, per_layer: int
) -> Complex:
    """Return the (state, layer, sample or 1) mean over each layer's thickness of states k (n, 3), value (n, lane)."""
    moment = geometry.waves.moment[course][:, 2]
    if not np.any(moment):
        moment = np.zeros(1)
    kz = k[:, 2, None] + moment
    if slab.ideal:
        phase = np.exp(-2j * np.pi * kz[:, None, :] * geometry.layer_z[:, None])
        return np.asarray(value[:, :, None] * phase * box(kz, geometry.cells.spacing[2])[:, None, :])
    z = slab.positions(per_layer).reshape(slab.layers, per_layer)
    lanes = value.reshape(len(kz), slab.layers, per_layer)
    mean = [np.einsum("nlz,nlz->nl", lanes, np.exp(-2j * np.pi * q[:, None, None] * z)) / per_layer for q in kz.T]
    return np.asarray(np.stack(mean, axis=-1) * box(kz, geometry.cells.spacing[2] / per_layer)[:, None, :])


def _in_time(
    geometry: Geometry, course: int, k: NDArray[np.float64], tau: NDArray[np.float64], kind: PathwayClass
) -> Complex:
    """Return the (state, sample) relaxation, dephasing and diffusion since the window's start, of k (n, 3) at tau (n,).

    A state dephased for tau has the phase exp(-i 2 pi df tau) and the line's decay exp(-|tau| / T2').
    """
    t = geometry.waves.time
    away = tau[:, None] + t
    value = np.exp(-kind.r2 * t - 2j * np.pi * kind.offset * away - kind.r2_prime * np.abs(away))
    if kind.diffusion:
        # the moments at the samples, integrated by trapezes from the window's start
        moment = np.concatenate([np.zeros((1, 3)), geometry.waves.moment[course]])
        dt = np.diff(t, prepend=0.0)[:, None]
        first = np.cumsum((moment[1:] + moment[:-1]) / 2 * dt, axis=0)
        square = np.sum(moment * moment, axis=1)
        cross = np.sum(moment[1:] * moment[:-1], axis=1)
        second = np.cumsum((square[1:] + square[:-1] + cross) / 3 * dt[:, 0])
        weight = np.sum(k**2, axis=1)[:, None] * t + 2 * k @ first.T + second
        value *= np.exp(-4 * np.pi**2 * kind.diffusion * weight)
    return np.asarray(value)
