"""What the receiver makes of the transverse magnetisation: windows of one kind together, demodulated, by purpose.

Windows may differ in length and in dwell time. Kernels want equal ones, so engines take the windows of a scan
kind by kind; what leaves is grouped by purpose, and each group is homogeneous.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.coils import Coils
from ..core.errors import InputError
from ..sequence.timeline import FREE, READOUT, ReadoutTable, Timeline


def check_readouts(timeline: Timeline) -> None:
    """Raise an `InputError` unless there is something to receive, the image among it."""
    table = timeline.readouts
    if len(table.dwell) == 0:
        raise InputError("the sequence has no readout: nothing to simulate")
    if "imaging" not in table.purpose:
        raise InputError(f"no readout has the purpose 'imaging', only {', '.join(sorted(set(table.purpose)))}")
    if np.any(table.dwell <= 0) or np.any(table.samples < 1):
        raise InputError("every readout needs at least one sample and a positive dwell time")


def window_kinds(table: ReadoutTable) -> list[NDArray[np.int64]]:
    """Return the rows of the windows of each kind (dwell time and number of samples), the commonest first."""
    both = np.stack([table.dwell, table.samples.astype(np.float64)])
    _, kind = np.unique(both, axis=1, return_inverse=True)
    rows = [np.flatnonzero(kind.ravel() == index) for index in range(int(kind.max()) + 1)]
    return sorted(rows, key=lambda row: (-len(row), int(row[0])))


def windows_of(table: ReadoutTable, rows: NDArray[np.int64]) -> ReadoutTable:
    """Return the windows `rows`, all of one kind, without padding."""
    count = int(table.samples[rows[0]])
    return ReadoutTable(
        samples=table.samples[rows],
        purpose=tuple(table.purpose[r] for r in rows),
        dwell=table.dwell[rows],
        phase=table.phase[rows],
        frequency=table.frequency[rows],
        moment=table.moment[rows, :count],
        k=table.k[rows, :count],
        t=table.t[rows, :count],
        labels={name: values[rows] for name, values in table.labels.items()},
        received=None if table.received is None else table.received[rows, :count],
        quadratic=None if table.quadratic is None else table.quadratic[rows, :count],
    )


def by_kind(timeline: Timeline, run: Callable[[Timeline], NDArray[np.complex128]]) -> NDArray[np.complex128]:
    """Return the (readout, ..., sample) signal of an engine that takes windows of one kind only.

    The scan is run once for each kind, with the other windows closed; behind its last sample a window reads zero.
    """
    kinds = window_kinds(timeline.readouts)
    if len(kinds) == 1:
        return run(replace(timeline, readouts=windows_of(timeline.readouts, kinds[0])))
    parts = [run(with_windows(timeline, rows)) for rows in kinds]
    readouts, samples = timeline.readouts.t.shape
    signal = np.zeros((readouts, *parts[0].shape[1:-1], samples), dtype=np.complex128)
    for rows, part in zip(kinds, parts, strict=True):
        signal[rows, ..., : part.shape[-1]] = part
    return signal


def with_windows(timeline: Timeline, rows: NDArray[np.int64]) -> Timeline:
    """Return the timeline with the windows `rows`, all of one kind, open and all others closed."""
    new = np.full(len(timeline.readouts.dwell), -1, dtype=np.int32)
    new[rows] = np.arange(len(rows))
    kind, event = timeline.kind.copy(), timeline.event.copy()
    windows = np.flatnonzero(kind == READOUT)
    event[windows] = new[event[windows]]
    kind[windows[event[windows] < 0]] = FREE
    return replace(timeline, kind=kind, event=event, readouts=windows_of(timeline.readouts, rows))


def acquisition(
    timeline: Timeline, signal: NDArray[np.complex128], facts: dict[str, Any], coils: Coils | None = None
) -> Acquisition:
    """Demodulate with each window's receiver phase and group the (readout, coil, sample) signal by purpose."""
    table, groups = timeline.readouts, {}
    purposes, start = np.array(table.purpose), _start(timeline)
    for name, rows in _groups(table, purposes).items():
        part = windows_of(table, rows)
        time = (np.arange(part.t.shape[1]) + 0.5) * part.dwell[:, None]
        receiver = np.exp(1j * (part.phase[:, None] + 2 * np.pi * part.frequency[:, None] * time))
        receiver = receiver if part.received is None else receiver * part.received
        groups[name] = Readouts(
            data=signal[rows, :, : part.t.shape[1]] * receiver[:, None, :],
            k=part.k,
            t=part.t,
            labels=part.labels,
            dwell=float(part.dwell[0]),
            start=start[rows],
        )
    return Acquisition(
        groups=groups,
        encoding=timeline.encoding,
        noise_density=(
            np.array([[timeline.noise_density]], dtype=np.complex128)
            if coils is None
            else coils.noise_density(timeline.noise_density)
        ),
        history=facts,
    )


def imperfect_reception(timeline: Timeline) -> dict[str, NDArray[np.complex128]]:
    """Return per group of readouts the (readout, sample) factors of an imperfect scanner; none of a perfect one."""
    table = timeline.readouts
    groups = _groups(table, np.array(table.purpose))
    parts = {name: windows_of(table, rows).received for name, rows in groups.items()}
    return {name: received for name, received in parts.items() if received is not None}


def _start(timeline: Timeline) -> NDArray[np.float64]:
    """Return the (readout,) times at which the windows open, s since the start of the scan."""
    start = np.zeros(len(timeline.readouts.dwell))
    windows = np.flatnonzero(timeline.kind == READOUT)
    start[timeline.event[windows]] = timeline.start[windows] * 1e-9
    return start


def _groups(table: ReadoutTable, purposes: NDArray[np.str_]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of every group: a purpose, or, where its windows differ, purpose, samples and dwell."""
    groups: dict[str, NDArray[np.int64]] = {}
    for purpose in dict.fromkeys(table.purpose):
        mine = np.flatnonzero(purposes == purpose)
        kinds = [mine[np.isin(mine, rows)] for rows in window_kinds(table)]
        kinds = sorted((rows for rows in kinds if len(rows)), key=lambda rows: -len(rows))
        for index, rows in enumerate(kinds):
            first = rows[0]
            name = f"{purpose}-{int(table.samples[first])}x{1e9 * table.dwell[first]:.0f}ns"
            groups[purpose if index == 0 else name] = rows
    return groups
