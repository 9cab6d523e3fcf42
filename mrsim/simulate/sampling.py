"""How the gradient of each readout moves, and so which recurrence samples it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType

ANY, SMOOTH, CONSTANT, VERY_SMOOTH = 0, 1, 2, 3
"""Forms of a readout's gradient: one sine and cosine per sample; two recurrences; one; two with shorter series."""
LARGEST_BEND = 1 / 32
"""Largest second difference of the phase, turns, at which the series of the smooth recurrence is exact to 1e-14."""

SLIGHT_BEND: dict[RealType, float] = {np.float64: 1 / 64, np.float32: 1 / 256}
"""The same for series of four terms in double precision and of two in single: errors of 2e-15 and 2e-9 a sample."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SampleForms:
    """The moments of all readouts with their differences, taken in double precision."""

    form: NDArray[np.int64]
    """(readout,)."""
    moment: NDArray[np.floating]
    """(readout, sample, 3) from the window's start to each sample, 1/m."""
    stride: NDArray[np.floating]
    """(readout, sample, 3) to the next sample, 1/m; zero for the last."""
    bends: NDArray[np.floating]
    """(readout, sample, 3) change of the stride to the next sample, 1/m; zero for the last two."""

    @classmethod
    def of(cls, moment: NDArray[np.float64], reach: NDArray[np.float64], dtype: RealType) -> SampleForms:
        """Classify (readout, sample, 3) moments for spins within `reach` (3,), m, of the origin."""
        stride, bends = np.zeros_like(moment), np.zeros_like(moment)
        stride[:, :-1] = np.diff(moment, axis=1)
        bends[:, :-2] = np.diff(moment, n=2, axis=1)
        largest = (np.abs(bends) @ reach).max(axis=1, initial=0.0)
        round_off = 1e-12 * np.abs(moment).max(initial=1.0) * max(float(reach.max()), 1e-3)
        form = np.select(
            [largest <= round_off, largest <= SLIGHT_BEND[dtype], largest <= LARGEST_BEND],
            [CONSTANT, VERY_SMOOTH, SMOOTH], ANY,
        )  # fmt: skip
        return cls(
            form=form.astype(np.int64),
            moment=moment.astype(dtype),
            stride=stride.astype(dtype),
            bends=bends.astype(dtype),
        )
