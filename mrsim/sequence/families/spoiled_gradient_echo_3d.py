"""Spoiled gradient echo of a slab: RF and gradient spoiling; one image per flip angle (variable-flip-angle T1).

With `flip_ratio` other than 1 the flip grows along the slab (TONE), for time of flight: blood that enters at the near
end keeps its magnetisation for longer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...core.errors import InputError
from ...core.units import Angle, Angles, Time
from .. import rf
from ..events import NS, RfPulse
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .cartesian import finished
from .protocol import EXCITATION_PHASE, at_least, flip_angle, pulse_name
from .recalled import quadratic_phase
from .slab3d import Slab3D
from .steady_state import steady_state


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoiledGradientEcho3D(Slab3D):
    """A gradient echo per line and partition; one image per flip angle, each with its own dummies."""

    name: ClassVar[str] = "spoiled-gradient-echo-3d"

    excitation_duration: Time = 1e-3
    """Length of the excitation, s."""
    flip: Angles = (15.0 * math.pi / 180.0,)
    """Flip angles, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = "minimum"
    """Repetition time, s."""
    phase_increment: Angle = 117.0 * math.pi / 180.0
    """Increment of the RF phase's increment, rad."""
    spoiler_cycles: float = 2.0
    """Cycles across a partition from one excitation to the next."""
    flip_ratio: float = 1.0
    """Flip at the slab's far end (+z) over that at its near end."""

    def __post_init__(self) -> None:
        """Refuse impossible flip angles and ramps."""
        Slab3D.__post_init__(self)
        if not self.flip:
            raise InputError("has no value", key="flip")
        for angle in self.flip:
            flip_angle("flip", angle)
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)
        if self.flip_ratio != 1.0 and self.pulse != "sinc":
            raise InputError(f"is {self.flip_ratio:g}; a ramped slab needs pulse = 'sinc', or use 1", key="flip_ratio")

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = [
            steady_state(self, scanner, self._pulse(scanner, flip), slice_cycles=self.spoiler_cycles)
            for flip in self.flip
        ]
        limits = played[0].plan.limits
        te, (pause,) = solve("te", self.te, (played[0].lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        content = {"the echo time": te, **played[0].tail()}
        tr, (rest,) = solve("tr", self.tr, (content,), limits, "shorten te")
        blocks: list[Block] = []
        excitation = 0
        for image, parts in enumerate(played):
            for average, partition, line in self.encodings():
                labels = {"contrast": image, "average": average, "repetition": 0, "slice": 0}
                phase = quadratic_phase(self.phase_increment, excitation)
                module = parts.blocks((line, partition), (labels,), pause, phase, self.slab_position)
                blocks += starting([*module, *wait(rest)])
                excitation += 1
        contrast = {"te": te / NS, "tr": tr / NS, "flip": self.flip}
        sheet: dict[str, Any] = {"excitation_profile": pulse_name(self), "phase_increment": self.phase_increment}
        largest = int(np.argmax(self.flip))
        pulse = played[largest].excitation.sheet(scanner.gamma_bar)
        sheet |= {"flip_ratio": self.flip_ratio, "slab_position": self.slab_position}
        sheet |= {"excitation_flip": self.flip[largest], "pulses": {"excitation": pulse}}
        facts: dict[str, float | str] = {"te": te / NS, "tr": tr / NS}
        return finished(self, played[0].plan, blocks, contrast, sheet, facts)

    def _pulse(self, scanner: Scanner, flip: float) -> RfPulse:
        if self.flip_ratio == 1.0:
            return self.shaped(scanner, flip, self.excitation_duration)
        return rf.ramped(
            scanner, flip, self.excitation_duration, self.time_bandwidth, self.flip_ratio,
            window=self.window, phase=EXCITATION_PHASE,
        )  # fmt: skip
