"""Long windows in single precision, opened piece by piece.

The decay from one sample to the next is multiplied as often as there are samples: rounded to 3e-8 in single precision,
it is off by 3e-4 after ten thousand. Phases that a window winds up are rounded likewise. Every piece begins with a
state that has decayed and turned by what is worked out for the whole piece before, so that nothing adds up for longer
than a piece.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import READOUT, ReadoutTable, Timeline

LONGEST = 1024
"""Samples of a piece."""


def in_pieces(timeline: Timeline) -> Timeline:
    """Return the scan, of windows of one kind, with windows of at most `LONGEST` samples end to end.

    Pieces have as many samples each; the last ones go on straight behind the window, to be left out (`joined`).
    """
    table = timeline.readouts
    count, samples, components = table.moment.shape
    pieces = -(-samples // LONGEST)
    each = -(-samples // pieces)
    beyond = np.arange(1, pieces * each - samples + 1)[:, None]
    last = table.moment[:, -1:] + beyond * (table.moment[:, -1:] - table.moment[:, -2:-1])
    moment = np.concatenate([table.moment, last], axis=1).reshape(count, pieces, each, components)
    starts = np.zeros((count, pieces, components))
    starts[:, 1:] = (moment[:, 1:, 0] + moment[:, :-1, -1]) / 2  # phases add up: any place between two samples will do
    windows = moment - starts[:, :, None]

    times = 1 if timeline.kind.size == 0 else np.where(timeline.kind == READOUT, pieces, 1)
    segment = np.repeat(np.arange(len(timeline.kind)), times)
    piece = np.arange(len(segment)) - np.repeat(np.cumsum(times) - times, times)
    read = timeline.kind[segment] == READOUT
    event = timeline.event[segment]
    duration, whole = timeline.duration[segment], timeline.moment[segment]
    for s in np.flatnonzero(read):
        row, begin = event[s], _begin(table, int(event[s]), int(piece[s]), each)
        final = piece[s] == pieces - 1
        duration[s] = (duration[s] if final else _begin(table, int(row), int(piece[s]) + 1, each)) - begin
        whole[s] = (whole[s] if final else starts[row, piece[s] + 1]) - starts[row, piece[s]]
    event[read] = event[read] * pieces + piece[read]
    rows = np.repeat(np.arange(count), pieces)
    pieced = replace(
        table, samples=np.full(len(rows), each), purpose=tuple(table.purpose[r] for r in rows), dwell=table.dwell[rows],
        phase=table.phase[rows], frequency=table.frequency[rows], moment=windows.reshape(-1, each, components),
        k=np.zeros((len(rows), each, 3)), t=np.zeros((len(rows), each)), labels={}, received=None, quadratic=None,
    )  # fmt: skip
    return replace(
        timeline, kind=timeline.kind[segment], start=timeline.start[segment], duration=duration, moment=whole,
        event=event, phase=timeline.phase[segment], readouts=pieced,
    )  # fmt: skip


def _begin(table: ReadoutTable, row: int, piece: int, each: int) -> int:
    """Return when a piece begins, ns from the start of its window."""
    return round(piece * each * float(table.dwell[row]) * 1e9)


def joined(signal: NDArray[np.complex128], samples: int, count: int) -> NDArray[np.complex128]:
    """Return the (readout, ..., sample) signal of `count` windows of so many samples from that of their pieces."""
    pieces = len(signal) // max(1, count)
    apart = signal.reshape(count, pieces, *signal.shape[1:])
    moved = np.moveaxis(apart, 1, -2)
    return np.ascontiguousarray(moved.reshape(*moved.shape[:-2], -1)[..., :samples])
