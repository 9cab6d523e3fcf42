"""The gradients of the physical axes over the whole scan, as one list of knots and sampled on a raster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.check import physical_knots
from ..sequence.events import NS
from ..sequence.sequence import Sequence

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Waveform:
    """Piecewise-linear gradients of the three physical axes."""

    times: Array
    """(n,) knots, s, not descending."""
    amplitudes: Array
    """(n, 3) T/m."""
    starts: NDArray[np.int64]
    """(block,) start of each block, ns."""
    duration: float
    """Of the scan, s."""

    def block(self, time: float) -> int:
        """Return the index of the block that plays at a time, s."""
        return max(int(np.searchsorted(self.starts, round(time * NS), side="right")) - 1, 0)

    def sampled(self, first: float, dt: float, count: int) -> Array:
        """Return (count, 3) amplitudes at the centres of `count` steps of `dt` from `first`, T/m."""
        at = first + (np.arange(count) + 0.5) * dt
        return np.stack([np.interp(at, self.times, column) for column in self.amplitudes.T], axis=1)

    def busy(self, gap: float) -> Array:
        """Return the (island, 2) stretches in which a gradient changes, s; pauses shorter than `gap` are bridged."""
        changing = np.flatnonzero(np.any(np.diff(self.amplitudes, axis=0) != 0, axis=1))
        if len(changing) == 0:
            return np.zeros((0, 2))
        begin, end = self.times[changing], self.times[changing + 1]
        apart = np.flatnonzero(begin[1:] - end[:-1] > gap)
        return np.stack([begin[np.concatenate([[0], apart + 1])], end[np.concatenate([apart, [len(end) - 1]])]], axis=1)


def waveform(sequence: Sequence) -> Waveform:
    """Return the physical gradients of a sequence, in the order and with the signs of its world axes (R, A, S)."""
    starts = sequence.starts()
    known: dict[tuple[object, ...], tuple[NDArray[np.int64], Array]] = {}
    times, amplitudes = [np.zeros(1)], [np.zeros((1, 3))]
    for start, block in zip(starts.tolist(), sequence.blocks, strict=True):
        turn = None if block.rotation is None else block.rotation.tobytes()
        key = (tuple(id(gradient) for gradient in block.gradients), turn)
        if key not in known:
            known[key] = physical_knots(block, sequence.encoding.grid.axes)
        at, values = known[key]
        if len(at):
            times.append((at + start) / NS)
            amplitudes.append(values)
    times.append(np.array([sequence.duration]))
    amplitudes.append(np.zeros((1, 3)))
    return Waveform(
        times=np.concatenate(times), amplitudes=np.concatenate(amplitudes), starts=starts, duration=sequence.duration
    )
