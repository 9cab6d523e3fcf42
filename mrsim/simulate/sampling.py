"""How the gradient of each readout moves, and so which recurrence samples it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType

ANY, SMOOTH, CONSTANT, VERY_SMOOTH = 0, 1, 2, 3
"""Forms of a readout's gradient: one sine and cosine per sample; two recurrences; one; two with shorter series."""
LARGEST_BEND = 1 / 32
"""Largest second difference of the phase, turns, at which the series of the smooth recurrence is exact to 1e-14."""

SLIGHT_BEND: dict[RealType, float] = {np.float64: 1 / 64, np.float32: 1 / 96}
"""Largest change of the phase between samples, turns, over three samples of a very smooth readout."""
SLIGHT_SHIFT: dict[RealType, float] = {np.float64: 1 / 192, np.float32: 1 / 288}
"""Largest phase, turns, by which two samples lie off equal steps between those around them."""


def sine_of_shift(dtype: RealType) -> float:
    """Return the first term of sin(2 pi p) / p for |p| up to SLIGHT_SHIFT: in single precision all of it.

    Of a line through the origin that is interpolated where p^2 is half its largest, in error by at most 9e-7.
    """
    middle = SLIGHT_SHIFT[dtype] / math.sqrt(2)
    return 2 * math.pi if dtype is np.float64 else math.sin(2 * math.pi * middle) / middle


AT_ONCE = 2**14
"""Numbers that are classified together: few enough to stay in a cache."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SampleForms:
    """The moments of all readouts with their differences, taken in double precision."""

    form: NDArray[np.int64]
    """(readout,)."""
    moment: NDArray[np.floating]
    """(readout, sample, 3) from the window's start to each sample, 1/m."""
    stride: NDArray[np.floating]
    """(readout, sample, 3) to the next sample, 1/m; zero for the last. Very smooth: at every third sample, a third of
    what leads to the next third sample."""
    bends: NDArray[np.floating]
    """(readout, sample, 3) change of the stride to the next sample, 1/m; zero for the last two. Very smooth: at every
    third sample the change of its stride to the next such; at the two in between what they lie off that stride, times
    `sine_of_shift`."""

    @classmethod
    def of(cls, moment: NDArray[np.float64], reach: NDArray[np.float64], dtype: RealType) -> SampleForms:
        """Classify (readout, sample, 3) moments for spins within `reach` (3,), m, of the origin."""
        count = len(moment)
        if count > 1 and np.array_equal(moment[1:], moment[:-1]):
            one = cls.of(moment[:1], reach, dtype)
            parts = (np.repeat(part, count, axis=0) for part in (one.form, one.moment, one.stride, one.bends))
            return cls(**dict(zip(("form", "moment", "stride", "bends"), parts, strict=True)))
        largest = max(float(moment.max(initial=1.0)), -float(moment.min(initial=0.0)))
        round_off = 1e-12 * largest * max(float(reach.max()), 1e-3)
        form = np.empty(count, np.int64)
        stride, bends = np.empty(moment.shape, dtype), np.empty(moment.shape, dtype)
        some = max(1, AT_ONCE // max(1, moment[0].size)) if count else 1
        for first in range(0, count, some):
            part = slice(first, first + some)
            form[part], stride[part], bends[part] = _classified(moment[part], reach, round_off, dtype)
        return cls(form=form, moment=moment.astype(dtype), stride=stride, bends=bends)


def _classified(
    moment: NDArray[np.float64], reach: NDArray[np.float64], round_off: float, dtype: RealType
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return form, stride and bends of some readouts; phases below `round_off` turns are none."""
    stride, bends = np.zeros_like(moment), np.zeros_like(moment)
    np.subtract(moment[:, 1:], moment[:, :-1], out=stride[:, :-1])
    np.subtract(stride[:, 1:-1], stride[:, :-2], out=bends[:, :-2])
    largest = (np.abs(bends) @ reach).max(axis=1, initial=0.0)
    form = np.where(largest <= round_off, CONSTANT, np.where(largest <= LARGEST_BEND, SMOOTH, ANY))
    smooth = np.flatnonzero(form == SMOOTH)
    if len(smooth):
        every = len(smooth) == len(form)
        thirds, shifts = _by_three(*((moment, stride) if every else (moment[smooth], stride[smooth])))
        turns = np.abs(shifts) @ reach
        turned = turns[:, ::3].max(axis=1, initial=0.0)
        turns[:, ::3] = 0
        shifts[:, 1::3] *= sine_of_shift(dtype)
        shifts[:, 2::3] *= sine_of_shift(dtype)
        very = (turned <= SLIGHT_BEND[dtype]) & (turns.max(axis=1, initial=0.0) <= SLIGHT_SHIFT[dtype])
        if every and very.all():
            return np.full_like(form, VERY_SMOOTH), thirds, shifts
        slight = smooth[very]
        form[slight], stride[slight], bends[slight] = VERY_SMOOTH, thirds[very], shifts[very]
    return form, stride, bends


def _by_three(
    moment: NDArray[np.float64], stride: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (readout, sample, 3) the strides and bends of a very smooth readout, which goes on straight at its end."""
    rows, samples, components = moment.shape
    threes = -(-samples // 3)
    beyond = np.empty((rows, 3 * threes + 6, components))
    beyond[:, :samples] = moment
    more = np.arange(1, 3 * threes + 7 - samples)[:, None]
    beyond[:, samples:] = moment[:, -1:] + more * stride[:, max(samples - 2, 0), None]
    three = beyond.reshape(rows, threes + 2, 3, components)
    step = np.diff(three[:, :, 0], axis=1) / 3
    bends = np.empty((rows, threes, 3, components))
    np.subtract(step[:, 1:], step[:, :-1], out=bends[:, :, 0])
    np.subtract(three[:, :threes, 1], three[:, :threes, 0] + step[:, :threes], out=bends[:, :, 1])
    np.subtract(three[:, :threes, 2], three[:, :threes, 0] + 2 * step[:, :threes], out=bends[:, :, 2])
    thirds = stride.copy()
    thirds[:, ::3] = step[:, :threes]
    return thirds, bends.reshape(rows, 3 * threes, components)[:, :samples]
