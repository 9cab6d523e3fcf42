"""Pulseq's compressed shapes: run lengths of the derivative.

A shape is stored as its first differences; where two stored numbers are equal, the third says how often the value
repeats beyond the two. From version 1.4 on, a shape stored with as many numbers as it has samples is not compressed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SAMPLES = 20_000_000
"""Longest shape that is expanded: 20 s on a raster of 1 us."""
QUANTUM = 1e-7
"""Step to which a written shape's differences are rounded, so that equal slopes are equal numbers."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shape:
    """A shape as stored."""

    line: int
    samples: int
    stored: NDArray[np.float64]
    plain: bool
    """True if `stored` are the samples themselves."""


def expanded(shape: Shape) -> NDArray[np.float64] | str:
    """Return the (samples,) shape, or what is wrong with it; nothing larger than announced is allocated."""
    if shape.plain:
        return shape.stored
    values, counts, problem = _runs(shape.stored, shape.samples)
    if problem:
        return problem
    return np.asarray(np.cumsum(np.repeat(values, counts)))


def _runs(stored: NDArray[np.float64], samples: int) -> tuple[NDArray[np.float64], NDArray[np.int64], str]:
    """Return each run's difference and length, or a complaint."""
    equal = np.flatnonzero(stored[1:] == stored[:-1]) if len(stored) > 1 else np.zeros(0, dtype=np.int64)
    pieces: list[NDArray[np.float64]] = []
    lengths: list[NDArray[np.int64]] = []
    position, total = 0, 0
    for marker in equal.tolist():
        if marker < position:  # the second of a pair, or a count that happens to equal its neighbour
            continue
        if marker + 2 >= len(stored):
            return _NONE, _NO_COUNTS, "ends in a pair of equal numbers without a count"
        repeat = float(stored[marker + 2])
        if repeat != int(repeat) or not 0 <= repeat <= samples:
            return _NONE, _NO_COUNTS, f"has a repeat count of {repeat:g} in a shape of {samples} samples"
        plain = stored[position:marker]
        pieces += [plain, stored[marker : marker + 1]]
        lengths += [np.ones(len(plain), dtype=np.int64), np.array([int(repeat) + 2])]
        total += len(plain) + int(repeat) + 2
        if total > samples:
            return _NONE, _NO_COUNTS, f"expands to more than the {samples} samples that it announces"
        position = marker + 3
    rest = stored[position:]
    if total + len(rest) != samples:
        return _NONE, _NO_COUNTS, f"expands to {total + len(rest)} samples, but announces {samples}"
    values = np.concatenate([*pieces, rest])
    return values, np.concatenate([*lengths, np.ones(len(rest), dtype=np.int64)]), ""


_NONE = np.zeros(0)
_NO_COUNTS = np.zeros(0, dtype=np.int64)


def compressed(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is stored of a shape: its compressed form if that is shorter, else the samples themselves.

    Differences are rounded to `QUANTUM` with the error carried on, so that it never exceeds half of it.
    """
    if len(samples) <= 4:
        return samples
    steps = np.diff(np.rint(samples / QUANTUM), prepend=0.0)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(steps)) + 1])
    lengths = np.diff(np.append(starts, len(steps)))
    values = steps[starts] * QUANTUM
    repeats = np.where(lengths > 1, 3, 1)
    stored = np.repeat(values, repeats)
    last = np.cumsum(repeats) - 1
    stored[last[lengths > 1]] = lengths[lengths > 1] - 2
    return stored if len(stored) < len(samples) and _unambiguous(stored, samples) else samples


def _unambiguous(stored: NDArray[np.float64], samples: NDArray[np.float64]) -> bool:
    """Return True if a reader gets the samples back: a count may equal the value that follows it."""
    values, counts, problem = _runs(np.asarray([float(f"{v:.9g}") for v in stored]), len(samples))
    if problem:
        return False
    back = np.cumsum(np.repeat(values, counts))
    return bool(np.max(np.abs(back - samples), initial=0.0) <= max(QUANTUM, 1e-9 * len(samples)))
