"""Spin by spin under fields that are not linear in position: concomitant fields, gradients with curvature.

Each pulse is an affine map per spin, worked out once; between pulses a spin at r, which the gradients take to be at
u(r), turns by exp(-i 2 pi (k . u + f t + r . Q r)). Exact between pulses; during a pulse the concomitant field counts
with its mean over the pulse, which is itself where the gradient is constant.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.phasors import RealType
from ..sequence.imperfect.nonlinearity import felt_position
from ..sequence.timeline import READOUT, RF, Timeline
from .classes import TissueClass
from .steps import TimeTable, pulse_table, rotation_series

CHUNK = 1024
"""Spins whose signal is summed together; the unit of parallel work, so that sums do not depend on threads."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Terms:
    """Every phase of the scan as nine numbers per interval or sample, against nine coordinates of each spin."""

    interval: Array
    """(segment, 9) coefficients of u, and of the products of r, turns."""
    sample: Array
    """(readout, sample, 9)."""


def nonlinear_signal(
    timeline: Timeline,
    classes: list[TissueClass],
    position: NDArray[np.float64],
    volume: NDArray[np.float64],
    *,
    dtype: RealType,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
    sensitivity: NDArray[np.complex128] | None = None,
) -> NDArray[np.complex128]:
    """Return the signal, m^3, of all spins of all classes; arguments and shape as for `direct_signal`.

    `dtype` sets the precision of the pulses; everything else is in double precision.
    """
    spatial = timeline.spatial
    if spatial is None:
        raise InputError("the timeline has no field that is not linear in position")
    coordinates = _coordinates(timeline, position, spatial.nonlinearity)
    terms = _terms(timeline)
    whole = [(kind, np.arange(len(kind.members))) for kind in classes]
    work = [(kind, mine[i : i + CHUNK]) for kind, mine in whole for i in range(0, len(mine), CHUNK)]

    def carry(part: tuple[TissueClass, NDArray[np.int64]]) -> NDArray[np.complex128]:
        kind = part[0].moved(part[1], part[0].members[part[1]])
        heard: NDArray[Any] = volume[None, kind.members]
        heard = heard if sensitivity is None else heard * sensitivity[:, kind.members]
        return kind.pd * _carried(timeline, terms, kind, coordinates[kind.members], heard, dtype)

    readouts, samples = timeline.readouts.t.shape
    total = np.zeros((readouts, 1 if sensitivity is None else len(sensitivity), samples), dtype=np.complex128)
    with ThreadPoolExecutor(threads) as pool:
        for done, signal in enumerate(pool.map(carry, work), 1):
            total += signal
            if progress:
                progress(done, len(work))
    return total[:, 0] if sensitivity is None else total


def _coordinates(timeline: Timeline, position: Array, nonlinearity: tuple[float, ...]) -> Array:
    """Return (n, 9): the place that the gradients feel, and xx, yy, zz, 2xy, 2xz, 2yz of the true one in the world."""
    grid = timeline.encoding.grid
    x, y, z = grid.to_world(position).T
    felt = felt_position(position, grid, nonlinearity)
    return np.column_stack([felt, x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z])


def _terms(timeline: Timeline) -> _Terms:
    spatial, table = timeline.spatial, timeline.readouts
    whole = spatial.quadratic if spatial is not None else None
    return _Terms(
        interval=np.concatenate([timeline.moment, _six(whole, timeline.moment.shape)], axis=-1),
        sample=np.concatenate([table.moment, _six(table.quadratic, table.moment.shape)], axis=-1),
    )


def _six(matrix: Array | None, shape: tuple[int, ...]) -> Array:
    """Return the six different entries of symmetric (..., 3, 3) matrices; zeros where there are none."""
    if matrix is None:
        return np.zeros((*shape[:-1], 6))
    rows, columns = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
    return np.asarray(matrix[..., rows, columns])


def _carried(
    timeline: Timeline, terms: _Terms, kind: TissueClass, coordinates: Array, heard: NDArray[Any], dtype: RealType
) -> NDArray[np.complex128]:
    """Return the (readout, coil, sample) signal of some spins of a class, m^3 of proton density 1.

    heard : (coil, n) m^3.
    """
    table, offset = timeline.readouts, kind.offsets()
    maps: dict[int, Array] = {}
    plus, along = np.zeros(heard.shape[1], dtype=np.complex128), np.ones(heard.shape[1])
    signal = np.zeros((len(table.t), len(heard), table.t.shape[1]), dtype=np.complex128)
    since = (np.arange(table.t.shape[1]) + 0.5) * table.dwell[:, None]
    for segment, seconds in enumerate(timeline.duration * 1e-9):
        event = int(timeline.event[segment])
        if timeline.kind[segment] == RF:
            if event not in maps:
                maps[event] = _map(timeline, segment, terms, kind, coordinates, dtype)
            turn = np.exp(1j * timeline.phase[segment])
            plus, along = _played(maps[event], plus * turn, along)
            plus = plus / turn
            continue
        if timeline.kind[segment] == READOUT:
            turns = coordinates @ terms.sample[event].T + offset[:, None] * since[event]
            signal[event] = (heard * plus) @ np.exp(-kind.r2 * since[event] - 2j * np.pi * turns)
        turned = coordinates @ terms.interval[segment] + offset * seconds
        plus = plus * np.exp(-kind.r2 * seconds - 2j * np.pi * turned)
        along = 1 + (along - 1) * np.exp(-kind.r1 * seconds)
    return signal


def _played(maps: Array, plus: NDArray[np.complex128], along: Array) -> tuple[NDArray[np.complex128], Array]:
    """Return transverse and longitudinal magnetisation after a pulse; maps : (3, 4, n)."""
    before = np.stack([plus.real, plus.imag, along, np.ones_like(along)])
    x, y, z = np.einsum("rcn,cn->rn", maps, before)
    return x + 1j * y, z


def _map(
    timeline: Timeline, segment: int, terms: _Terms, kind: TissueClass, coordinates: Array, dtype: RealType
) -> Array:
    """Return the (3, 4, n) affine map of the pulse of a segment, under the mean concomitant field there."""
    from ._kernels import bloch as kernels

    seconds = timeline.duration[segment] * 1e-9
    offset = kind.offsets() + coordinates[:, 3:] @ terms.interval[segment, 3:] / seconds
    place = np.ascontiguousarray(coordinates[:, :3].T.astype(dtype))
    times = TimeTable()
    pulse = timeline.pulses[int(timeline.event[segment])]
    reach, strongest = np.abs(place).max(axis=1), float(np.abs(kind.b1s()).max())
    table = pulse_table((pulse,), timeline.gamma_bar, reach, float(np.abs(offset).max()), strongest, times, dtype)
    e1, e2 = times.decay(np.array([kind.r1]), dtype), times.decay(np.array([kind.r2]), dtype)
    n = place.shape[1]
    maps = np.zeros((3, 4, n))
    relative = kind.b1s().astype(dtype)
    for column in range(4):
        state: NDArray[np.floating] = np.zeros((3, n), dtype)
        if column < 3:
            state[column] = 1
        kernels.play_pulse(
            state,
            place,
            offset.astype(dtype),
            relative,
            np.zeros(n, np.int32),
            dtype(column == 3),
            e1,
            e2,
            table.runs.astype(dtype),
            table.b1,
            table.gradient,
            np.empty((7, n), dtype),
            rotation_series(dtype),
        )
        maps[:, column] = state
    return maps
