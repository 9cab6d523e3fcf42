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
    content: NDArray[np.int64]
    """(block,) blocks of equal number play equal gradients; 0 plays none."""
    duration: float
    """Of the scan, s."""

    def block(self, time: float) -> int:
        """Return the index of the block that plays at a time, s."""
        return max(int(np.searchsorted(self.starts, round(time * NS), side="right")) - 1, 0)

    def sampled(self, first: float, dt: float, count: int) -> Array:
        """Return (count, 3) amplitudes at the centres of `count` steps of `dt` from `first`, T/m."""
        at = first + (np.arange(count) + 0.5) * dt
        begin, end = np.searchsorted(self.times, [at[0], at[-1]], side="right")
        near = slice(max(int(begin) - 1, 0), int(end) + 1)
        times = self.times[near]
        return np.stack([np.interp(at, times, column) for column in self.amplitudes[near].T], axis=1)

    def contents(self, begins: Array, length: float) -> list[bytes]:
        """Return what tells the gradients in stretches of a length, s, from others; empty where none is played."""
        since = np.round(begins * NS).astype(np.int64)
        first = np.maximum(np.searchsorted(self.starts, since, side="right") - 1, 0)
        last = np.searchsorted(self.starts, since + round(length * NS), side="right")
        found = []
        for when, low, high in zip(since, first.tolist(), last.tolist(), strict=True):
            content = self.content[low:high]
            found.append(content.tobytes() + (self.starts[low:high] - when).tobytes() if content.any() else b"")
        return found

    def cut(self, begin: float, end: float, length: float) -> list[float]:
        """Return the bounds of stretches between two times, s, none longer than `length`, that begin with a block
        where they can: what is repeated is cut alike.
        """
        bounds = [begin]
        while end - bounds[-1] > length:
            block = float(self.starts[self.block(bounds[-1] + length)]) / NS
            bounds.append(block if block > bounds[-1] + length / 2 else bounds[-1] + length)
        return [*bounds, end]

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
    known: dict[tuple[object, ...], tuple[int, NDArray[np.int64], Array]] = {}
    content = np.zeros(len(sequence.blocks), dtype=np.int64)
    times, amplitudes = [np.zeros(1)], [np.zeros((1, 3))]
    for place, (start, block) in enumerate(zip(starts.tolist(), sequence.blocks, strict=True)):
        turn = None if block.rotation is None else block.rotation.tobytes()
        key = (tuple(id(gradient) for gradient in block.gradients), turn)
        if key not in known:
            at, values = physical_knots(block, sequence.encoding.grid.axes)
            known[key] = (len(known) + 1 if len(at) else 0), at, values
        content[place], at, values = known[key]
        if len(at):
            times.append((at + start) / NS)
            amplitudes.append(values)
    times.append(np.array([sequence.duration]))
    amplitudes.append(np.zeros((1, 3)))
    return Waveform(
        times=np.concatenate(times),
        amplitudes=np.concatenate(amplitudes),
        starts=starts,
        content=content,
        duration=sequence.duration,
    )
