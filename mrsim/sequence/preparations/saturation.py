"""Saturation: the longitudinal magnetisation is set to zero and recovers for a known time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...core.errors import InputError
from ...core.units import Angle, Time, Times
from .. import rf
from ..events import RfPulse
from ..sequence import Block
from .preparation import Preparation, Stage
from .spoiled import delayed, played, selective, spoil


@dataclass(frozen=True, kw_only=True, slots=True)
class Saturation(Preparation):
    """A saturation pulse and its spoiler; one image per recovery time."""

    name: ClassVar[str] = "saturation"

    recovery: Times
    """Recovery times, s: from the centre of the pulse to the centre of the excitation."""
    pulse: Literal["bir4", "hard", "slr"] = "bir4"
    """Shape: adiabatic and B1-independent, rectangular, or slab-selective with quadratic phase."""
    flip: Angle = math.pi / 2
    """Flip angle, rad."""
    duration: Time = 8e-3
    """Length of the pulse, s."""
    width: float = 0.0
    """Saturated slab over the slice thickness (slr); 0 saturates everything."""
    time_bandwidth: float = 12.0
    """Duration times bandwidth (slr)."""
    spoiler_cycles: float = 12.0
    """Cycles across the slice after the pulse."""

    def __post_init__(self) -> None:
        """Refuse what cannot be saturated."""
        if not self.recovery or min(self.recovery) <= 0:
            raise InputError("must hold positive times", key="recovery")
        if bool(self.width) != (self.pulse == "slr"):
            raise InputError("a slab needs pulse = 'slr' and the other pulses width = 0", key="width")

    def settings(self) -> tuple[Saturation, ...]:
        """Return one module per recovery time."""
        return self.each("recovery")

    def facts(self) -> dict[str, float]:
        """Return the nominal recovery time, s, and flip, rad."""
        return {"recovery": self.recovery[0], "saturation_flip": self.flip}

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the saturation, its spoiler and the wait."""
        pulse = self._pulse(stage)
        first = selective(stage, pulse, self.width * stage.thickness, "saturate") if self.width else None
        parts = (first or played(stage, pulse, "saturate"), *spoil(stage, self.spoiler_cycles, "spoil saturation"))
        return delayed(stage, parts, "recovery", self.recovery[0])

    def _pulse(self, stage: Stage) -> RfPulse:
        scanner = stage.scanner
        if self.pulse == "bir4":
            return rf.bir4(scanner, self.flip, self.duration, use="saturation")
        if self.pulse == "hard":
            return rf.hard(scanner, self.flip, self.duration, use="saturation")
        return rf.slr(
            scanner, self.flip, self.duration, self.time_bandwidth, kind="sat", filter_type="quad", use="saturation"
        )
