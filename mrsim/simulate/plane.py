"""From the response of a class to its signal: the sum over the plane.

Where phase encoding stands still during a readout, the sum over the phase direction is taken first, once
per encoding step (a pencil per readout position); otherwise every place is summed by itself. Both are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..phantom.spins import Spins
from ..sequence.timeline import ReadoutTable
from .classes import TissueClass
from .program import Program
from .sampling import CONSTANT, SampleForms
from .slice_reuse import Response
from .stages import Stage
from .steps import turn_series
from .waves import DRIFT, Wave

REACH = np.ones(3)
"""How far spins may lie when the form of a gradient is judged, m: farther than any."""
SHARED = 32
"""Sums per course of the moment from which one matrix of phasors serves all; it takes sines and cosines anew."""
TOGETHER = 64
"""Readouts whose sums are one matrix product: their weights in eight coils stay in the second-level cache."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plane:
    """The places of one tissue in the plane: a density per layer on the cells' regular grid."""

    x: NDArray[np.float64]
    """(nx,) m."""
    y: NDArray[np.float64]
    """(ny,) m."""
    density: NDArray[np.float64] | NDArray[np.complex128]
    """(layer, ny, nx) volume, m^3, or (coil, layer, ny, nx), times what each coil hears of it."""
    cell: NDArray[np.int64]
    """(member,) flat index of (layer, ny, nx) of each spin."""

    def times(self, share: NDArray[np.float64] | NDArray[np.complex128]) -> Plane:
        """Return the plane with a (member,) share of each spin; where a cell holds several spins they share alike."""
        dense: NDArray[Any] = np.zeros(self.density.shape[-3:], dtype=share.dtype)
        dense.ravel()[self.cell] = share
        return replace(self, density=self.density * dense)


def plane_of(
    spins: Spins,
    members: NDArray[np.int64],
    shape: tuple[int, int, int],
    volume: NDArray[np.float64] | NDArray[np.complex128] | None = None,
) -> Plane:
    """Gather some spins on the cells of the sampling grid of `shape` (z, y, x), cropped to them.

    volume : (member,) m^3 or (coil, member), complex if coils weigh it; None takes all of theirs.
    """
    iz, iy, ix = np.unravel_index(spins.cell[members], shape)
    x_first, y_first = ix.min(), iy.min()
    nx, ny = int(ix.max() - x_first) + 1, int(iy.max() - y_first) + 1
    held: NDArray[Any] = spins.volume[members] if volume is None else volume
    density: NDArray[Any] = np.zeros((*held.shape[:-1], shape[0], ny, nx), dtype=held.dtype)
    cell = np.ravel_multi_index((iz, iy - y_first, ix - x_first), (shape[0], ny, nx))
    for coil in np.ndindex(held.shape[:-1]):
        density[coil] = _sums(cell, held[coil], shape[0] * ny * nx).reshape(shape[0], ny, nx)
    x, y = np.zeros(nx), np.zeros(ny)
    x[ix - x_first] = spins.position[members, 0]
    y[iy - y_first] = spins.position[members, 1]
    step_x = _spacing(x, ix - x_first)
    step_y = _spacing(y, iy - y_first)
    i, j = int(ix[0] - x_first), int(iy[0] - y_first)
    return Plane(
        x=x[i] + (np.arange(nx) - i) * step_x, y=y[j] + (np.arange(ny) - j) * step_y, density=density, cell=cell
    )


def _sums(cell: NDArray[np.int64], values: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the (count,) sums of the values in each cell."""
    if np.isrealobj(values):
        return np.bincount(cell, values, count)
    return np.bincount(cell, values.real, count) + 1j * np.bincount(cell, values.imag, count)


def _spacing(coordinate: NDArray[np.float64], index: NDArray[np.int64]) -> float:
    """Return the spacing of a regular coordinate that is filled at `index` only."""
    first, last = int(index.min()), int(index.max())
    return float((coordinate[last] - coordinate[first]) / (last - first)) if last > first else 0.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Windows:
    """Readouts of one kind: as many samples, the same dwell."""

    table: ReadoutTable
    rows: NDArray[np.int64]
    """(readout,) their rows in the timeline's table."""
    plane_moment: NDArray[np.float64]
    """(readout, 2): in-plane moment from the last pulse to the window's start, 1/m."""
    course: NDArray[np.int64]
    """(readout,) which of the distinct courses of the moment along x each one takes."""
    first: NDArray[np.int64]
    """(course,) the first readout of each course."""
    path: NDArray[np.int64]
    """(readout,) which of the distinct courses of the moment in the plane each one takes."""
    first_of_path: NDArray[np.int64]
    """(path,) the first readout of each."""
    steady: bool
    """True if the gradients of every readout are constant."""

    @property
    def moment(self) -> NDArray[np.float64]:
        """The (path, sample, 2) in-plane moment since the last pulse, 1/m."""
        first = self.first_of_path
        return np.asarray(self.plane_moment[first, None] + self.table.moment[first, :, :2])

    @classmethod
    def of(cls, table: ReadoutTable, rows: NDArray[np.int64], plan: Program) -> Windows:
        """Return the windows of `table`, which are `rows` of the timeline's."""
        start = plan.plane_moment[rows]
        k = start[:, None] + table.moment[..., :2]
        first, course = _distinct(k[..., 0])
        first_of_path, path = _distinct(k.reshape(len(k), -1))
        steady = bool(np.all(SampleForms.of(table.moment, REACH, np.float64).form == CONSTANT))
        return cls(
            table=table, rows=rows, plane_moment=start, course=course, first=first, path=path,
            first_of_path=first_of_path, steady=steady,
        )  # fmt: skip


def _distinct(course: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first of each distinct (readout, value) course, 1/m, and which of them each readout takes."""
    _, first, which = np.unique(np.rint(course / DRIFT), axis=0, return_index=True, return_inverse=True)
    return first, which.ravel()


def pencils_suffice(table: ReadoutTable, plan: Program) -> bool:
    """Return True if no readout moves along y and q lies along x; the course along x may be any (ramps of EPI)."""
    return not np.any(table.moment[..., 1]) and plan.base[1] == 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pencils:
    """A tissue's sum over the phase direction, for every phase-encoding step."""

    x: NDArray[np.float64]
    """(nx,) m."""
    value: NDArray[np.complex128]
    """(step, coil, layer, nx) m^3."""
    step: NDArray[np.int64]
    """(readout,) phase-encoding step of each readout."""


def pencils_of(plan: Program, plane: Plane) -> Pencils:
    """Sum a tissue, in each coil, along y under every phase-encoding moment of the scan."""
    steps, step = np.unique(plan.plane_moment[plan.heard, 1], return_inverse=True)
    step_of = np.zeros(len(plan.plane_moment), dtype=np.int64)
    step_of[plan.heard] = step.ravel()
    phase = np.exp(-2j * np.pi * np.outer(steps, plane.y))
    coils, layers, _, nx = plane.density.shape
    value = np.empty((len(steps), coils, layers, nx), dtype=np.complex128)
    for coil, layer in np.ndindex(coils, layers):
        density = plane.density[coil, layer]
        if np.isrealobj(density):  # two real products cost half of a complex one
            value[:, coil, layer].real, value[:, coil, layer].imag = phase.real @ density, phase.imag @ density
        else:
            value[:, coil, layer] = phase @ density
    return Pencils(x=plane.x, value=value, step=step_of)


def echo_orders(table: ReadoutTable, plan: Program) -> NDArray[np.int64]:
    """Return the (readout,) in-plane order that is rephased where each readout comes nearest to the k-space centre."""
    squared = float(plan.base @ plan.base)
    if squared == 0.0:
        return np.zeros(len(table.dwell), dtype=np.int64)
    nearest = np.argmin(np.abs(table.k[..., :2] @ plan.base), axis=1)
    wound = plan.plane_moment + table.moment[np.arange(len(nearest)), nearest, :2]
    return np.rint(wound @ plan.base / squared).astype(np.int64)


def turned_shape(response: Response, x: NDArray[np.float64], plan: Program) -> NDArray[np.complex128]:
    """Return the (row, layer, x) response at places x, m, of the plane."""
    return np.asarray(response.coefficients @ np.exp(2j * np.pi * np.outer(response.orders, x * plan.base[0])))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """A share of a class that responds alike all over the plane."""

    pencils: Pencils
    response: Response


def pencil_signal(
    windows: Windows, plan: Program, parts: list[Part], kind: TissueClass, dtype: RealType, stages: list[Stage]
) -> NDArray[np.complex128]:
    """Return the (readout, coil, sample) signal of one class, m^3, from the pencils of its parts."""
    x = parts[0].pencils.x
    shapes = [turned_shape(part.response, x, plan) for part in parts]
    table, coils = windows.table, parts[0].pencils.value.shape[1]
    signal = np.empty((len(table.dwell), coils, table.moment.shape[1]), dtype=np.complex128)
    if windows.steady and len(parts) == 1 and signal.shape[0] * coils < SHARED * len(windows.first):
        weight = _pencil_weight(windows.rows, parts, shapes, np.ones(1))
        position = np.stack([x, np.zeros_like(x)])
        start = np.stack([windows.plane_moment[:, 0], np.zeros(len(weight))], axis=1)
        for coil in range(coils):
            signal[:, coil] = _constant(table, kind, weight[:, coil], position, start, dtype)
        return signal
    time = (np.arange(signal.shape[2]) + 0.5) * float(table.dwell[0])
    course_of_time = kind.pd * np.exp(-(kind.r2 + 2j * np.pi * kind.offset) * time)
    rows = [p.response.row[windows.rows] for p in parts]
    once, alike = _alike(windows.course, parts[0].pencils.step[windows.rows], *rows)  # equal in every repetition
    for index, model in enumerate(windows.first):
        mine = once[windows.course[once] == index]
        k = windows.plane_moment[model, 0] + table.moment[model, :, 0]
        waves = Wave(x, k, course_of_time, np.result_type(dtype, np.complex64))
        for some in np.split(mine, range(TOGETHER, len(mine), TOGETHER)):
            signal[some] = 0
            for stage in stages:
                heard = waves.sampled(_pencil_weight(windows.rows[some], parts, shapes, stage.turn))
                signal[some] += heard * stage.course if len(stages) > 1 else heard
    return signal if len(once) == len(signal) else signal[once[alike]]


def _alike(*facts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first of the readouts of which all (readout,) facts are equal, and which of them each one is like."""
    alike = np.zeros(len(facts[0]), dtype=np.int64)
    for fact in facts:
        _, once, alike = np.unique(alike * (int(fact.max()) + 1) + fact, return_index=True, return_inverse=True)
    return once, alike


def _pencil_weight(
    rows: NDArray[np.int64], parts: list[Part], shapes: list[NDArray[np.complex128]], turn: NDArray[np.number]
) -> NDArray[np.complex128]:
    """Return the (readout, coil, nx) magnetisation of the readouts `rows`, m^3, each part turned by a factor."""
    from ._kernels.plane import weigh

    model = parts[0].pencils
    out = np.zeros((len(rows), model.value.shape[1], len(model.x)), dtype=np.complex128)
    for part, shape, factor in zip(parts, shapes, turn, strict=True):
        turned = shape if factor == 1 else shape * factor
        weigh(part.pencils.value, part.pencils.step[rows], turned, part.response.row[rows], out)
    return out


def _constant(
    table: ReadoutTable,
    kind: TissueClass,
    weight: NDArray[np.complex128],
    position: NDArray[np.float64],
    start: NDArray[np.float64],
    dtype: RealType,
) -> NDArray[np.complex128]:
    """Run the constant-gradient kernel over all readouts; weight : (readout, n), position : (2, n)."""
    from ._kernels import bloch as kernels

    half = table.dwell[:, None] / 2
    first = np.concatenate([start + table.moment[:, 0, :2], kind.offset * half], axis=1)
    stride = table.moment[:, 1, :2] - table.moment[:, 0, :2] if table.moment.shape[1] > 1 else np.zeros_like(start)
    step = np.concatenate([stride, kind.offset * table.dwell[:, None]], axis=1)
    dwell = float(table.dwell[0])
    decay = dtype(np.exp(-kind.r2 * dwell))
    out = np.zeros((len(table.dwell), 2, table.moment.shape[1]), dtype)
    parts = np.ascontiguousarray(np.stack([weight.real, weight.imag], axis=1).astype(dtype))
    kernels.plane_readouts(
        parts,
        position.astype(dtype),
        first.astype(dtype),
        step.astype(dtype),
        decay,
        turn_series(dtype),
        out,
    )
    # the decay over a sample was rounded, and multiplied as often as there are samples
    rounded = np.log(np.float64(decay)) + kind.r2 * dwell
    scale = kind.pd * np.exp(-kind.r2 * dwell / 2 - rounded * np.arange(out.shape[2]))
    return np.asarray(scale * (out[:, 0].astype(np.float64) + 1j * out[:, 1]))
