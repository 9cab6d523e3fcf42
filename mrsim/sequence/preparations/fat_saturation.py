"""Fat saturation: a pulse at the chemical shift of fat, narrow enough to spare water, and a spoiler.

Its band is given in ppm, so that one protocol serves every field: the pulse is as long as the band asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from ...core.errors import InputError
from ...core.units import Angle, ChemicalShift
from .. import rf
from ..events import NS
from ..sequence import Block
from .preparation import Preparation, Stage
from .spoiled import played, spoil


@dataclass(frozen=True, kw_only=True, slots=True)
class FatSaturation(Preparation):
    """A chemical-shift-selective pulse and its spoiler, right before the excitation."""

    name: ClassVar[str] = "fat-saturation"

    shift: ChemicalShift = -3.4e-6
    """Centre of the band relative to water, fraction."""
    band: ChemicalShift = 2.4e-6
    """Width of the band, fraction."""
    flip: Angle = math.pi / 2
    """Flip angle, rad; a little above 90 deg allows for T1 recovery."""
    time_bandwidth: float = 4.0
    """Duration times bandwidth of the Hamming sinc."""
    spoiler_cycles: float = 12.0
    """Cycles across the slice after the pulse."""

    def __post_init__(self) -> None:
        """Refuse a band that holds water."""
        if not 0 < self.band < 2 * abs(self.shift):
            limit = 2 * abs(self.shift) * 1e6
            raise InputError(f"is {self.band * 1e6:g} ppm; make it positive and below {limit:g} ppm", key="band")

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """Return the pulse and its spoiler."""
        scanner = stage.scanner
        larmor = abs(scanner.gamma_bar) * scanner.b0
        step = 2 * scanner.timing_raster
        length = math.ceil(self.time_bandwidth / (self.band * larmor) * NS / step) * step
        pulse = rf.sinc(scanner, self.flip, length / NS, self.time_bandwidth, use="saturation")
        block = played(stage, replace(pulse, frequency=self.shift * larmor), "saturate fat")
        return (block, *spoil(stage, self.spoiler_cycles, "spoil fat"))
