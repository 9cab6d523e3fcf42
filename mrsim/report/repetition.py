"""One stretch of a sequence laid out on a single time axis: its events, its gradients and its path through k-space.

The path is k(t) = gamma_bar * integral of G since the centre of the last excitation; a refocusing pulse turns its
sign at the pulse's centre. Inversions and saturations act on longitudinal magnetisation and leave it alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.events import NS, Gradient, RfPulse
from ..sequence.sequence import Block, Sequence

Array = NDArray[np.float64]
ALIKE = 0.9
"""Repetitions that play at least this part of the largest gradient energy count as equally active."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Repetition:
    """Successive blocks with their starts, counted from the first of them."""

    blocks: tuple[Block, ...]
    starts: NDArray[np.int64]
    """(block,) ns."""
    gamma_bar: float
    """Hz/T."""

    @property
    def duration(self) -> int:
        """Length, ns."""
        return int(self.starts[-1] + self.blocks[-1].duration)

    def pulses(self) -> list[tuple[int, Block, RfPulse]]:
        """Return (start of the first sample ns, block, pulse) of every RF pulse."""
        return [
            (int(start) + block.rf.delay, block, block.rf)
            for start, block in zip(self.starts, self.blocks, strict=True)
            if block.rf is not None
        ]

    def centres(self, use: str) -> list[int]:
        """Return the effective centres, ns, of all pulses of one use."""
        return [start + pulse.centre for start, _, pulse in self.pulses() if pulse.use == use]

    def windows(self) -> list[tuple[int, int, Block]]:
        """Return (start ns, end ns, block) of every ADC window."""
        return [
            (int(start) + block.adc.delay, int(start) + block.adc.delay + block.adc.duration, block)
            for start, block in zip(self.starts, self.blocks, strict=True)
            if block.adc is not None
        ]

    def gradient(self, axis: int) -> tuple[NDArray[np.int64], Array]:
        """Return the knots (n,), ns, and amplitudes (n,), T/m, of grid axis 0 = x, 1 = y, 2 = z."""
        times, amplitudes = [0], [0.0]
        for start, block in zip(self.starts, self.blocks, strict=True):
            played = block.gradients[axis]
            if played is None:
                continue
            first, last = int(start + played.times[0]), int(start + played.times[-1])
            times += [max(times[-1], first), *(int(start + t) for t in played.times), last]
            amplitudes += [0.0, *played.amplitudes.tolist(), 0.0]
        return np.array([*times, max(times[-1], self.duration)], dtype=np.int64), np.array([*amplitudes, 0.0])

    def path(self, times: NDArray[np.int64]) -> Array:
        """Return k (n, 3), 1/m in grid axes, at `times` ns."""
        turns = sorted((s + p.centre, p.use) for s, _, p in self.pulses() if p.use in ("excitation", "refocusing"))
        moment = np.stack([self._moment(axis, times) for axis in range(3)], axis=1)
        at_turns = np.stack([self._moment(axis, np.array([t for t, _ in turns])) for axis in range(3)], axis=1)
        k = moment.copy()
        shift = np.zeros(3)
        for (time, use), there in zip(turns, at_turns, strict=True):
            # before the pulse k = moment + shift; after an excitation 0, after a refocusing the opposite
            shift = -there if use == "excitation" else -(there + shift) - there
            later = times >= time
            k[later] = moment[later] + shift
        return k

    def _moment(self, axis: int, times: NDArray[np.int64]) -> Array:
        """Return gamma_bar * integral of G from the start, exact for piecewise-linear gradients, 1/m."""
        knots, amplitude = self.gradient(axis)
        steps = np.diff(knots) / NS
        area = np.concatenate([[0.0], np.cumsum(steps * (amplitude[1:] + amplitude[:-1]) / 2)])
        piece = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(steps) - 1)
        since = (times - knots[piece]) / NS
        length = np.where(steps[piece] > 0, steps[piece], 1.0)
        slope = (amplitude[piece + 1] - amplitude[piece]) / length
        return np.asarray(self.gamma_bar * (area[piece] + since * (amplitude[piece] + slope * since / 2)))

    def sample_times(self) -> NDArray[np.int64]:
        """Return the times, ns, of all ADC samples."""
        parts = [
            start + block.adc.dwell * np.arange(block.adc.samples) + block.adc.dwell // 2
            for start, _, block in self.windows()
            if block.adc is not None
        ]
        return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, dtype=np.int64)


def repetition_bounds(sequence: Sequence) -> list[tuple[int, int]]:
    """Return (first, last + 1) block of every repetition."""
    first = [index for index, block in enumerate(sequence.blocks) if block.starts_tr] or [0]
    return list(zip(first, [*first[1:], len(sequence.blocks)], strict=True))


def sampled_repetitions(sequence: Sequence) -> list[int]:
    """Return the indices of the repetitions that hold a readout."""
    return [
        index
        for index, (first, end) in enumerate(repetition_bounds(sequence))
        if any(block.adc is not None for block in sequence.blocks[first:end])
    ]


def image_repetitions(sequence: Sequence) -> dict[int, list[int]]:
    """Return the repetitions that hold an imaging readout of each image (contrast), in the order they are played."""
    found: dict[int, list[int]] = {}
    for index, (first, end) in enumerate(repetition_bounds(sequence)):
        for block in sequence.blocks[first:end]:
            if block.adc is not None and block.adc.purpose == "imaging":
                members = found.setdefault(block.labels.get("contrast", 0), [])
                if index not in members[-1:]:
                    members.append(index)
    return found


def representative_image(sequence: Sequence) -> list[int]:
    """Return the repetitions of the image that shows most of what the sequence plays.

    It is the first image whose first repetition has nearly the largest integral of G^2: of a diffusion protocol one
    with its largest lobes, otherwise the first image. Where nothing is read for an image, every repetition with a
    readout counts, and 0 where there is none.
    """
    images = list(image_repetitions(sequence).values())
    if not images:
        return sampled_repetitions(sequence) or [0]
    energies = [gradient_energy(take(sequence, members[0])) for members in images]
    return next(m for m, energy in zip(images, energies, strict=True) if energy >= ALIKE * max(energies))


def gradient_energy(part: Repetition) -> float:
    """Return the integral of G^2 over the three axes, T^2 s/m^2."""
    total = 0.0
    for played in (gradient for block in part.blocks for gradient in block.gradients if gradient is not None):
        g = played.amplitudes
        total += float(np.sum(np.diff(played.times) / NS * (g[1:] ** 2 + g[1:] * g[:-1] + g[:-1] ** 2)) / 3)
    return total


def first_slice(part: Repetition) -> Repetition:
    """Return the part up to the end of its first slice's readouts and spoilers, where it holds several slices."""
    slices = [(i, b.labels.get("slice", 0)) for i, b in enumerate(part.blocks) if b.adc is not None]
    others = [i for i, number in slices if number != slices[0][1]]
    pulses = [i for i, block in enumerate(part.blocks) if block.rf is not None and block.rf.use == "excitation"]
    last = max((i for i, _ in slices if not others or i < others[0]), default=0)
    if not others or not any(last < i < others[0] for i in pulses):
        return part
    end = last + 1
    while end < others[0] and part.blocks[end].rf is None and plays(part.blocks[end]):
        end += 1
    return Repetition(blocks=part.blocks[:end], starts=part.starts[:end], gamma_bar=part.gamma_bar)


def take(sequence: Sequence, first: int, count: int = 1) -> Repetition:
    """Return `count` repetitions from number `first`, which counts from 0."""
    bounds = repetition_bounds(sequence)
    last = min(first + count, len(bounds)) - 1
    blocks = sequence.blocks[bounds[first][0] : bounds[last][1]]
    lengths = np.array([block.duration for block in blocks], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return Repetition(blocks=blocks, starts=starts, gamma_bar=sequence.scanner.gamma_bar)


def plays(block: Block) -> bool:
    """Whether anything happens in a block."""
    return block.rf is not None or block.adc is not None or any(_moves(g) for g in block.gradients)


def _moves(gradient: Gradient | None) -> bool:
    return gradient is not None and bool(np.any(gradient.amplitudes))
