"""Inversion: everything, or a slab around the slice, is turned to -z, a time TI before the excitation; or a pair."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...core.errors import InputError
from ...core.units import Frequency, Time, Times
from .. import rf
from ..events import RfPulse
from ..sequence import Block
from .preparation import Preparation, Stage
from .spoiled import delayed, played, selective, spoil


@dataclass(frozen=True, kw_only=True, slots=True)
class Inversion(Preparation):
    """An inversion and its spoiler; one image per inversion time."""

    name: ClassVar[str] = "inversion"

    ti: Times
    """Inversion times, s: from the centre of the inversion to the centre of the excitation."""
    pulse: Literal["hyperbolic-secant", "hard"] = "hyperbolic-secant"
    """Shape: adiabatic, or rectangular."""
    duration: Time = 12.8e-3
    """Length of the pulse, s."""
    bandwidth: Frequency = 900.0
    """Inverted band of an adiabatic pulse, Hz."""
    width: float = 0.0
    """Inverted slab over the slice thickness; 0 inverts everything."""
    spoiler_cycles: float = 8.0
    """Cycles across the slice after the pulse."""
    gap: Time = 0.0
    """From the centre of another inversion before this one, s (DIR); 0: no other."""

    def __post_init__(self) -> None:
        """Refuse what cannot be inverted."""
        if not self.ti or min(self.ti) <= 0:
            raise InputError("must hold positive times", key="ti")
        if self.gap < 0:
            raise InputError(f"is {self.gap:g} s; it must not be negative", key="gap")
        if self.width and self.pulse == "hard":
            raise InputError("a hard pulse selects no slab; use hyperbolic-secant or width = 0", key="width")

    def settings(self) -> tuple[Inversion, ...]:
        """Return one module per inversion time."""
        return self.each("ti")

    def facts(self) -> dict[str, float]:
        """Return the nominal inversion time, s."""
        return {"ti": self.ti[0]}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the inversion, its spoiler and the wait."""
        one = self.alone(stage)
        between = dataclasses.replace(stage, lead=one[0].rf.delay + one[0].rf.centre if one[0].rf is not None else 0)
        first = delayed(between, one, "gap", self.gap) if self.gap else ()
        return (*first, *delayed(stage, one, "ti", self.ti[0]))

    def alone(self, stage: Stage) -> tuple[Block, ...]:
        """Return the inversion and its spoiler, without the wait."""
        pulse = self._pulse(stage)
        first = selective(stage, pulse, self.width * stage.thickness, "invert") if self.width else None
        return (first or played(stage, pulse, "invert"), *spoil(stage, self.spoiler_cycles, "spoil inversion"))

    def _pulse(self, stage: Stage) -> RfPulse:
        if self.pulse == "hard":
            return rf.hard(stage.scanner, math.pi, self.duration, use="inversion")
        return rf.hyperbolic_secant(stage.scanner, self.duration, self.bandwidth)
