"""Spin by spin: every spin travels the whole timeline. No reuse, no assumption about the sequence.

The engine uses it where the slice cannot be reused, and the tests hold the reuse to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from ..sequence.timeline import RF, Timeline
from .classes import SpinColumns, TissueClass
from .long_windows import LONGEST, in_pieces, joined
from .sampling import SampleForms
from .steps import TimeTable, pulse_table, rotation_series, turn_series

CHUNK = 4096
"""Spins whose signal is summed together; the unit of parallel work, so that sums do not depend on threads."""


def direct_signal(
    timeline: Timeline,
    classes: list[TissueClass],
    position: NDArray[np.float64],
    volume: NDArray[np.float64],
    *,
    dtype: RealType,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
    state: NDArray[np.float64] | None = None,
    sensitivity: NDArray[np.complex128] | None = None,
) -> NDArray[np.complex128]:
    """Return the (readout, sample) signal, m^3, of all spins of all classes; with coils (readout, coil, sample).

    Parameters
    ----------
    timeline : Timeline
        The scan.
    classes : list of TissueClass
        `members` index `position` and `volume`.
    position : (n, component) array
        m, grid axes: x, y, z, and behind them the displacements of a motion whose moments the timeline holds
        (`motion_moments`).
    volume : (n,) array
        m^3.
    dtype : type
        numpy.float64 or numpy.float32.
    threads : int
        Worker threads; the result does not depend on it.
    progress : callable, optional
        Called with (spins done, spins in all).
    state : (3, spin) array, optional
        Magnetisation over M0 of the members of all classes, one after another; changed in place. None: equilibrium.
    sensitivity : (coil, n) array, optional
        What each coil hears of the places that `position` lists; the spins travel once for all of them.
    """
    windows, samples = timeline.readouts.k.shape[:2]
    if dtype is np.float32 and samples > LONGEST:
        carried = direct_signal(
            in_pieces(timeline), classes, position, volume, dtype=dtype, threads=threads, progress=progress,
            state=state, sensitivity=sensitivity,
        )  # fmt: skip
        return joined(carried, samples, windows)
    spins = SpinColumns.of(classes, volume)
    members, group, offset, b1, weight = spins.members, spins.group, spins.offset, spins.b1, spins.weight
    tables = _Tables(timeline, classes, position, (offset, b1), dtype)
    place = position[members].T
    shape = (len(timeline.readouts.k), 1 if sensitivity is None else len(sensitivity), timeline.readouts.k.shape[1])

    def work(begin: int) -> NDArray[np.floating]:
        part = slice(begin, begin + CHUNK)
        heard = (
            np.zeros((0, len(weight[part]))) if sensitivity is None else sensitivity[:, members[part]] * weight[part]
        )
        parts = np.stack([heard.real, heard.imag], axis=1)
        columns = (weight[part], parts, place[:, part], offset[part], b1[part])
        each = (v.astype(dtype, order="C") for v in columns)
        m: NDArray[np.floating] = np.zeros((3, len(group[part])), dtype)
        m[2] = 1
        if state is not None:
            m[:] = state[:, part]
        out = _evolve(m, each, group[part], tables, shape, dtype)
        if state is not None:
            state[:, part] = m
        return out

    total = np.zeros((shape[0], shape[1], 2, shape[2]))
    with ThreadPoolExecutor(threads) as pool:
        for done, out in enumerate(pool.map(work, range(0, len(weight), CHUNK)), 1):
            total += out
            if progress:
                progress(min(done * CHUNK, len(weight)), len(weight))
    signal = np.asarray(total[:, :, 0] + 1j * total[:, :, 1])
    return signal[:, 0] if sensitivity is None else signal


def _evolve(
    state: NDArray[np.floating],
    spins: Iterable[NDArray[Any]],
    group: NDArray[np.int32],
    tables: _Tables,
    shape: tuple[int, ...],
    dtype: RealType,
) -> NDArray[np.floating]:
    """Carry one chunk of spins, in place, through the scan; return its (readout, coil, 2, sample) signal."""
    from ._kernels import bloch as kernels

    evolve: Any = kernels.evolve
    out: NDArray[np.floating] = np.zeros((shape[0], shape[1], 2, shape[2]), dtype)
    evolve(state, *spins, group, *tables.arguments, out)
    return out


class _Tables:
    """The arguments of the evolve kernel that all chunks share."""

    __slots__ = ("arguments",)

    def __init__(
        self,
        timeline: Timeline,
        classes: list[TissueClass],
        position: NDArray[np.float64],
        fields: tuple[NDArray[np.float64], NDArray[np.float64]],
        dtype: RealType,
    ) -> None:
        times, table = TimeTable(), timeline.readouts
        reach = np.abs(position).max(axis=0, initial=0.0)
        pulses = pulse_table(
            timeline.pulses,
            timeline.gamma_bar,
            reach,
            float(np.abs(fields[0]).max(initial=0.0)),
            float(np.abs(fields[1]).max(initial=0.0)),
            times,
            dtype,
        )
        seconds = timeline.duration * 1e-9
        row = np.array([times.row(t) for t in seconds], dtype=np.int64)
        dwell = float(table.dwell[0]) if len(table.dwell) else 0.0
        dwell_row = np.array([times.row(dwell), times.row(dwell / 2)], dtype=np.int64)
        phase = np.where(timeline.kind == RF, timeline.phase, 0.0)
        forms = SampleForms.of(table.moment, reach, dtype)
        time = (np.arange(table.k.shape[1]) + 0.5) * dwell
        self.arguments = (
            timeline.kind,
            timeline.event,
            row,
            timeline.moment.astype(dtype),
            seconds.astype(dtype),
            np.stack([np.cos(phase), np.sin(phase)], axis=1).astype(dtype),
            times.decay(np.array([c.r1 for c in classes]), dtype),
            times.decay(np.array([c.r2 for c in classes]), dtype),
            pulses.pulse_run,
            pulses.runs.astype(dtype),
            pulses.b1,
            pulses.gradient,
            dwell_row,
            forms.form,
            forms.moment,
            forms.stride,
            forms.bends,
            time.astype(dtype),
            rotation_series(dtype),
            turn_series(dtype),
        )
