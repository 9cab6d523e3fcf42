"""Radio-frequency power: rms B1+, specific absorption rate, duty cycle.

SAR = c (B0 / 3 T)^2 <B1^2>: the quadratic law of the quasi-static regime, with one coefficient c for the body and one
for the head (`Absorption`). It holds to about 3 T; above, waves in the body make hot spots that no single coefficient
knows, and the estimate says so. Limits of IEC 60601-2-33 for averages over 6 minutes: whole body 2 W/kg (normal
operating mode) and 4 W/kg (first level), head 3.2 W/kg (both). Over any 10 s twice as much is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sequence.events import NS
from ..sequence.sequence import Sequence

Array = NDArray[np.float64]
LONG, SHORT = 360.0, 10.0
"""Averaging windows of IEC 60601-2-33, s."""
SHORT_FACTOR = 2.0
"""How much more than the 6-minute limit a 10-s average may reach."""
BODY_NORMAL, BODY_FIRST, HEAD = 2.0, 4.0, 3.2
"""W/kg over 6 minutes."""
QUADRATIC_TO = 3.0
"""Field up to which SAR grows with its square, T."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RfLoad:
    """The pulses of a scan as energies in time."""

    time: Array
    """(pulse,) middle, s."""
    energy: Array
    """(pulse,) integral of B1^2, T^2 s."""
    on: Array
    """(pulse,) length, s."""
    block: NDArray[np.int64]
    """(pulse,)."""
    duration: float
    """Of the scan, s."""

    def worst(self, load: Array, window: float) -> tuple[float, int]:
        """Return the largest mean of `load` (pulse,) per second over any window, and the block it begins with.

        A scan shorter than the window is averaged over its own length: it may be repeated without a pause.
        """
        if len(self.time) == 0:
            return 0.0, 0
        length = min(window, self.duration)
        summed = np.concatenate([[0.0], np.cumsum(load)])
        last = np.searchsorted(self.time, self.time + length, side="left")
        mean = (summed[last] - summed[:-1]) / length
        at = int(np.argmax(mean))
        return float(mean[at]), int(self.block[at])


def rf_load(sequence: Sequence) -> RfLoad:
    """Return the pulses of a sequence as energies in time."""
    known: dict[tuple[int, int], float] = {}
    rows: list[tuple[float, float, float, int]] = []
    for index, (start, block) in enumerate(zip(sequence.starts().tolist(), sequence.blocks, strict=True)):
        pulse = block.rf
        if pulse is None:
            continue
        key = (id(pulse.signal), pulse.dwell)
        if key not in known:
            known[key] = float(np.sum(np.abs(pulse.signal) ** 2)) * pulse.dwell / NS
        middle = (start + pulse.delay + pulse.duration / 2) / NS
        rows.append((middle, known[key], pulse.duration / NS, index))
    table = np.array(rows).reshape(-1, 4)
    return RfLoad(
        time=table[:, 0],
        energy=table[:, 1],
        on=table[:, 2],
        block=table[:, 3].astype(np.int64),
        duration=sequence.duration,
    )


def specific_absorption(mean_square_b1: float, coefficient: float, b0: float) -> float:
    """Return the SAR, W/kg, of a mean squared B1+, T^2, with a coefficient at 3 T, W/kg/T^2, at b0, T."""
    return coefficient * (b0 / 3.0) ** 2 * mean_square_b1


def operating_mode(whole_body: float, head: float, stimulation: float) -> str:
    """Return the IEC operating mode.

    Parameters
    ----------
    whole_body, head : float
        SAR over 6 minutes, W/kg; a mean over 10 s counts half.
    stimulation : float
        Nerve stimulation over its threshold.
    """
    if whole_body <= BODY_NORMAL and head <= HEAD and stimulation <= 0.8:
        return "normal"
    if whole_body <= BODY_FIRST and head <= HEAD and stimulation <= 1.0:
        return "first level controlled"
    return "second level controlled"
