"""From configuration states to the signal of a class: every state at its own moment and dephasing time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .pathways_classes import PathwayClass
from .pathways_sights import Sight, least
from .pathways_space import Transforms, Waves
from .pathways_states import Complex
from .pathways_steps import UNITS, Glance, Repetitions
from .pathways_walk import Walk


class Geometry:
    """Where a tissue lies, and the readouts that look at it."""

    def __init__(
        self,
        timeline: Timeline,
        repetitions: Repetitions,
        spins: Spins,
        members: NDArray[np.int64],
        cells: Grid,
        waves: Waves,
    ) -> None:
        self.transforms = Transforms(spins, members, cells, waves)
        self.waves, self.cells = waves, cells
        self.shape = timeline.readouts.k.shape[:2]
        self.glances = repetitions.glances()
        self.range = waves.range()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _View:
    """The states that matter to readouts that look at one record after the same time."""

    plane: NDArray[np.float64]
    """(state, 2) in-plane moment right after the pulse, 1/m."""
    weight: Complex
    """(state, layer, sample) over M0."""
    bound: float
    """Largest signal by states dropped on the way or left out here, over M0."""


def _view(geometry: Geometry, sight: Sight, glance: Glance, kind: PathwayClass, allowed: float) -> _View:
    """Weigh what a readout sees at its samples; states with the least signal are left out."""
    path, course = glance.path, int(geometry.waves.course[glance.row])
    born, tau = sight.names[:, :3] * UNITS[:3], sight.names[:, 3] * UNITS[3] + path.time
    k = born + path.moment
    nearest = _nearest(k[:, 0], *geometry.range[course, :, 0].tolist())
    size = np.abs(sight.value).sum(axis=2).max(axis=(1, 2))
    size /= np.maximum(np.pi * nearest * geometry.cells.spacing[0], 1)
    t = geometry.waves.time
    weak = least(size * np.exp(-kind.r2_prime * _nearest(tau, float(t[0]), float(t[-1]))), allowed)
    in_time = _in_time(geometry, course, k[weak.keep], tau[weak.keep], kind)
    rate, _, _ = kind.pools().modes()
    through = np.sum(sight.value[weak.keep] * np.exp(rate[:, None] * t), axis=2)
    weight = through * in_time[:, None, :]
    return _View(plane=born[weak.keep, :2], weight=weight, bound=sight.bound + weak.left_out)


def _nearest(value: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Return how near to 0 each value comes when anything between `low` and `high` is added to it."""
    ends = np.abs(value + low), np.abs(value + high)
    return np.where((value + low) * (value + high) <= 0, 0.0, np.minimum(*ends))


def class_signal(geometry: Geometry, walk: Walk, kind: PathwayClass, accuracy: float) -> tuple[Complex, float]:
    """Return the (readout, sample) signal of a class, m^3, and the bound on what was left out, over M0."""
    out = np.zeros(geometry.shape, dtype=np.complex128)
    views: dict[tuple[float, ...], _View] = {}
    looks: list[tuple[int, int, _View, NDArray[np.float64]]] = []
    for glance in geometry.glances:
        number, course = int(walk.sight[glance.row]), int(geometry.waves.course[glance.row])
        moment = glance.path.moment
        key: tuple[float, ...] = (number, course, moment[0], moment[1] if kind.diffusion is not None else 0.0)
        if key not in views:
            views[key] = _view(geometry, walk.sights[number], glance, kind, accuracy / 8)
        looks.append((glance.row, course, views[key], views[key].plane + moment[:2]))
    courses = [np.full(len(start), course) for _, course, _, start in looks]
    geometry.transforms.prepare(np.concatenate(courses), np.concatenate([start for *_, start in looks]))
    for row, course, view, start in looks:
        if len(start):
            out[row] = np.einsum("nls,nls->s", view.weight, geometry.transforms.at(course, start))
    return kind.pd * out, walk.unsettled + max((view.bound for view in views.values()), default=0.0)


def _in_time(
    geometry: Geometry, course: int, k: NDArray[np.float64], tau: NDArray[np.float64], kind: PathwayClass
) -> Complex:
    """Return the (state, sample) dephasing and diffusion since the window's start, of k (n, 3) at tau (n,).

    A state dephased for tau has the phase exp(-i 2 pi df tau) and the line's decay exp(-|tau| / T2').
    """
    t = geometry.waves.time
    away = tau[:, None] + t
    value = np.exp(-2j * np.pi * kind.offset * away - kind.r2_prime * np.abs(away))
    if kind.diffusion is not None:
        # the moments at the samples, joined by straight lines from the window's start
        moment = np.concatenate([np.zeros((1, 3)), geometry.waves.moment[course]])
        turned = moment @ kind.diffusion
        dt = np.diff(t, prepend=0.0)[:, None]
        first = np.cumsum((turned[1:] + turned[:-1]) / 2 * dt, axis=0)
        square = np.sum(moment * turned, axis=1)
        cross = np.sum(moment[1:] * turned[:-1], axis=1)
        second = np.cumsum((square[1:] + square[:-1] + cross) / 3 * dt[:, 0])
        rest = np.sum(k @ kind.diffusion * k, axis=1)
        value *= np.exp(-4 * np.pi**2 * (rest[:, None] * t + 2 * k @ first.T + second))
    return np.asarray(value)
