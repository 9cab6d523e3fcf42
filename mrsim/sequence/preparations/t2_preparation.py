"""T2 preparation: tip down, refocus, tip back: the longitudinal magnetisation keeps exp(-TE / T2).

The refocusing pulses stand at TE / (2 n) (2 i + 1), i = 0 .. n - 1, each a composite 90x 180y 90x with the signs of
MLEV (Brittain 1995, doi:10.1002/mrm.1910330515), or an adiabatic pair of hyperbolic secants between BIR-4 tips
(Nezafat 2006, doi:10.1002/mrm.20835). What is not brought back is spoiled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from ...core.errors import InfeasibleError, InputError
from ...core.units import Time, Times
from .. import rf
from ..events import RfPulse
from ..scanner import to_ns
from ..sequence import Block
from ..timing import text
from .preparation import Preparation, Stage
from .spoiled import played, spoil


@dataclass(frozen=True, kw_only=True, slots=True)
class T2Preparation(Preparation):
    """A spin-echo train that ends along z; one image per echo time."""

    name: ClassVar[str] = "t2-preparation"

    te: Times
    """Times in the transverse plane, s: from the centre of the tip down to the centre of the tip back."""
    pulse: Literal["composite", "adiabatic"] = "composite"
    """Hard composite pulses, or BIR-4 and hyperbolic secants."""
    refocusings: int = 4
    """Number of refocusing pulses; even."""
    tip_duration: Time = 0.5e-3
    """Length of a hard 90 degree pulse, s; the composite refocusing lasts four of them."""
    spoiler_cycles: float = 12.0
    """Cycles across the slice after the tip back."""

    def __post_init__(self) -> None:
        """Refuse an odd train."""
        if not self.te or min(self.te) <= 0:
            raise InputError("must hold positive times", key="te")
        if self.refocusings < 2 or self.refocusings % 2:
            raise InputError(f"is {self.refocusings}; use an even number from 2 on", key="refocusings")

    def settings(self) -> tuple[T2Preparation, ...]:
        """Return one module per echo time."""
        return self.each("te")

    def facts(self) -> dict[str, float]:
        """Return the nominal time in the transverse plane, s."""
        return {"te_preparation": self.te[0]}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the train and its spoiler."""
        train = [self._tip(stage, "down"), *self._refocusings(stage), self._tip(stage, "back")]
        te, count, raster = to_ns(self.te[0]), self.refocusings, stage.limits.raster
        if te % (2 * count * raster):
            below = te // (2 * count * raster) * 2 * count * raster
            raise InputError(
                f"{text(te)} does not part into {2 * count} equal pieces on the raster; use {text(below)} or "
                f"{text(below + 2 * count * raster)}",
                key="te",
            )
        centres = [0, *((2 * i + 1) * te // (2 * count) for i in range(count)), te]
        blocks = [train[0]]
        for before, block, gap in zip(train, train[1:], np.diff(centres), strict=False):
            pause = int(gap) - _after(before) - _before(block)
            if pause < 0:
                shortest = (_after(before) + _before(block)) * (2 * count if before is train[0] else count)
                raise InfeasibleError(
                    f"te {text(te)} of the T2 preparation is too short for its pulses; use at least {text(shortest)} "
                    "or fewer refocusings"
                )
            blocks += [Block(duration=pause, name="wait t2"), block] if pause else [block]
        return (*blocks, *spoil(stage, self.spoiler_cycles, "spoil t2"))

    def _tip(self, stage: Stage, which: str) -> Block:
        sign = math.pi if which == "back" else 0.0
        if self.pulse == "adiabatic":
            pulse = rf.bir4(stage.scanner, math.pi / 2, 8e-3, use="preparation", phase=sign)
        else:
            pulse = rf.hard(stage.scanner, math.pi / 2, self.tip_duration, use="preparation", phase=sign)
        return played(stage, pulse, f"tip {which}")

    def _refocusings(self, stage: Stage) -> list[Block]:
        """Return the refocusing blocks; MLEV's signs + + - - undo what imperfect pulses leave."""
        if self.pulse == "adiabatic":
            made = replace(rf.hyperbolic_secant(stage.scanner, 12.8e-3, 900.0), use="preparation")
            return [played(stage, made, f"refocus {i + 1}") for i in range(self.refocusings)]
        plus = self._composite(stage)
        pulses = [plus if i // 2 % 2 == 0 else replace(plus, phase=math.pi) for i in range(self.refocusings)]
        return [played(stage, pulse, f"refocus {i + 1}") for i, pulse in enumerate(pulses)]

    def _composite(self, stage: Stage) -> RfPulse:
        """Return 90x 180y 90x in one row of samples; the train's spins lie along y, so the 180 is about their axis."""
        tip = rf.hard(stage.scanner, math.pi / 2, self.tip_duration, use="preparation")
        quarter = tip.signal[0]
        signal = np.array([quarter, 1j * quarter, 1j * quarter, quarter])
        return replace(tip, signal=signal, flip=math.pi, centre=2 * tip.dwell, bandwidth=0.0)


def _before(block: Block) -> int:
    return block.rf.delay + block.rf.centre if block.rf is not None else 0


def _after(block: Block) -> int:
    return block.duration - _before(block)
