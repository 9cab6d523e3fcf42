"""Spin lock: the magnetisation is tipped, held along B1 for TSL, and tipped back: it keeps exp(-TSL / T1rho).

``simple``: one lock; a wrong B1 leaves spins off the axis that turn about it. ``rotary``: the lock's phase turns by
180 degrees at half time, which undoes the turn (Charagundla 2003, doi:10.1016/S1090-7807(02)00197-0). ``balanced``:
locks of a quarter, a half and a quarter of TSL with alternating sign and two opposite refocusing pulses in between,
insensitive to B1 and B0 (Gram 2021, doi:10.1002/mrm.28585). The whole train is one pulse without gaps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ...core.errors import InfeasibleError, InputError
from ...core.units import Frequency, Time, Times
from ..events import RfPulse
from ..rf import hard
from ..scanner import to_ns
from ..sequence import Block
from ..timing import text
from .preparation import Preparation, Stage
from .spoiled import played, spoil


@dataclass(frozen=True, kw_only=True, slots=True)
class SpinLock(Preparation):
    """A spin-lock pulse and its spoiler; one image per lock time."""

    name: ClassVar[str] = "spin-lock"

    tsl: Times
    """Lock times, s."""
    frequency: Frequency = 500.0
    """Lock strength gamma_bar B1, Hz."""
    mode: Literal["simple", "rotary", "balanced"] = "balanced"
    """How errors of B1 and B0 are undone."""
    tip_duration: Time = 0.5e-3
    """Length of a 90 degree pulse, s."""
    spoiler_cycles: float = 12.0
    """Cycles across the slice after the lock."""

    def __post_init__(self) -> None:
        """Refuse negative times."""
        if not self.tsl or min(self.tsl) < 0:
            raise InputError("must hold times of zero or more", key="tsl")
        if not self.frequency > 0:
            raise InputError(f"is {self.frequency:g} Hz; it must be positive", key="frequency")

    def settings(self) -> tuple[SpinLock, ...]:
        """Return one module per lock time."""
        return self.each("tsl")

    def facts(self) -> dict[str, float]:
        """Return the nominal lock time, s, and strength, Hz."""
        return {"tsl": self.tsl[0], "lock_frequency": self.frequency}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the pulse and its spoiler."""
        return (played(stage, self._pulse(stage), "spin lock"), *spoil(stage, self.spoiler_cycles, "spoil lock"))

    def _pulse(self, stage: Stage) -> RfPulse:
        """Return tip, lock and tip back in one row of samples.

        A tip about +x (B1 real and positive) takes +z to +y, the axis of the lock (B1 along +i).
        """
        scanner, step = stage.scanner, 2 * stage.scanner.timing_raster
        tip = hard(scanner, math.pi / 2, self.tip_duration, use="preparation")
        length = to_ns(self.tsl[0])
        if length % (2 * step):
            below = length // (2 * step) * 2 * step
            nearest = f"use {text(below)} or {text(below + 2 * step)}"
            raise InputError(f"{text(length)} does not part into quarters on the raster; {nearest}", key="tsl")
        level = self.frequency / scanner.gamma_bar
        if abs(level) > scanner.max_b1:
            most = scanner.max_b1 * abs(scanner.gamma_bar)
            raise InfeasibleError(
                f"a lock of {self.frequency:g} Hz needs {abs(level) * 1e6:.3g} uT, above the {scanner.max_b1 * 1e6:g} "
                f"uT of scanner {scanner.name}; use at most {most:.4g} Hz"
            )
        dwell = math.gcd(tip.dwell, length // 4)
        quarter = np.full(tip.dwell // dwell, tip.signal[0])
        fourth = np.full(length // 4 // dwell, 1j * level)
        half = np.full(length // 2 // dwell, 1j * level)
        # 180 degrees about y, the axis of the spins, and about -y.
        turn, minus = (1j * quarter, 1j * quarter), (-1j * quarter, -1j * quarter)
        parts = {
            "simple": (quarter, half, half, -quarter),
            "rotary": (quarter, half, -half, -quarter),
            "balanced": (quarter, fourth, *turn, -half, *minus, fourth, -quarter),
        }[self.mode]
        signal = np.concatenate(parts)
        return RfPulse(signal=signal, dwell=dwell, delay=0, use="preparation", centre=len(signal) * dwell // 2)
