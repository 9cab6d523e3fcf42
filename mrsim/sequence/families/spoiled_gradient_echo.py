"""Spoiled gradient echo: a small flip per line, RF and gradient spoiling; one image per flip angle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...core.errors import InputError
from ...core.units import Angles, Time
from ..events import NS
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .recalled import Recalled, echoes
from .slice2d import finished, flip_angle, pulse_name


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

    def __post_init__(self) -> None:
        """Refuse impossible flip angles."""
        Recalled.__post_init__(self)
        if not self.flip:
            raise InputError("has no value", key="flip")
        for angle in self.flip:
            flip_angle("flip", angle)

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = [echoes(self, scanner, flip, 1, False) for flip in self.flip]
        limits = played[0].plan.limits
        te, (pause,) = solve("te", self.te, (played[0].lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        tr, (rest,) = solve("tr", self.tr, ({"the echo time": te, **played[0].tail()},), limits, "shorten te")
        blocks: list[Block] = []
        excitation = 0
        for image, parts in enumerate(played):
            for average, line in self.lines():
                labels = {"contrast": image, "average": average, "slice": 0, "repetition": 0}
                phase = self.spoil_phase(excitation)
                blocks += starting([*parts.blocks(line, (labels,), (pause, 0), phase), *wait(rest)])
                excitation += 1
        contrast = {"te": te / NS, "tr": tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "phase_increment": self.phase_increment}
        facts: dict[str, float | str] = {"te": te / NS, "tr": tr / NS}
        return finished(self, played[0].plan, blocks, contrast, sheet, facts)
