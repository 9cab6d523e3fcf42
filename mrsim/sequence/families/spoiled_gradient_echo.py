"""Spoiled gradient echo: a small flip per line, RF and gradient spoiling; one image per flip angle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...core.errors import InputError
from ...core.units import Angles, Time
from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve
from .bands import check_bands, together
from .cartesian import finished
from .interleave import interleave
from .protocol import flip_angle, pulse_name
from .recalled import Recalled, echoes


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoiledGradientEcho(Recalled):
    """A gradient echo per line; one image per flip angle, each with its own dummies."""

    name: ClassVar[str] = "spoiled-gradient-echo"

    excitation_duration: Time = 2e-3
    """Length of the excitation, s."""
    flip: Angles = (15.0 * math.pi / 180.0,)
    """Excitation flip angles, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = 20e-3
    """Repetition time, s."""

    bands: int = 1
    """Slices excited together: as many groups as there are, slices a whole number of groups apart share a readout."""
    band_shift: float = 0.5
    """Of each band's image against that of the band before, in fields of view along the lines (CAIPIRINHA)."""

    def __post_init__(self) -> None:
        """Refuse impossible flip angles, and bands that cannot be told apart."""
        Recalled.__post_init__(self)
        if self.bands != 1:
            check_bands(self)
        if not self.flip:
            raise InputError("has no value", key="flip")
        for angle in self.flip:
            flip_angle("flip", angle)

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = [echoes(self, scanner, flip, 1, False) for flip in self.flip]
        limits = played[0].plan.limits
        te, (pause,) = solve("te", self.te, (played[0].lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        content = {"the echo time": te, **played[0].tail()}
        if self.bands > 1:
            return together(self, played, (te, pause), content)
        turns = interleave(self, self.tr, content, limits, "shorten te")
        blocks: list[Block] = []
        excitation = 0
        for image, parts in enumerate(played):
            for group, average, line in self.repetitions(turns.groups):
                labels = {"contrast": image, "average": average, "repetition": 0}
                phase = self.spoil_phase(excitation)
                blocks += turns.repetition(
                    [parts.blocks(line, ({**labels, "slice": i},), (pause, 0), phase, self.position(i)) for i in group]
                )
                excitation += 1
        contrast = {"te": te / NS, "tr": turns.tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "phase_increment": self.phase_increment}
        facts = {"te": te / NS, "tr": turns.tr / NS, **turns.facts()}
        return finished(self, played[0].plan, blocks, contrast, sheet, facts)
