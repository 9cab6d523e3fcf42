"""Actual flip angle imaging (Yarnykh 2007, doi:10.1002/mrm.21120): a slab with two repetition times in turn.

The ratio of the two signals depends on the flip angle alone if nothing transverse survives a repetition. Gradient
spoiling in proportion to the times, and an RF phase that grows quadratically with the pulses (Nehrke 2009,
doi:10.1002/mrm.21592), see to that. At 60 degrees, 30 and 150 ms an increment of 32.5 degrees leaves b1 within 0.9 %
for T1 from 0.37 to 1.2 s and b1 from 0.8 to 1.2, without the help of diffusion (by configuration states); the 117
degrees of other gradient echoes err by 5 to 35 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...core.errors import InputError
from ...core.units import Angle, Time
from ..events import NS
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .cartesian import finished
from .protocol import at_least, flip_angle, pulse_name, within
from .recalled import quadratic_phase
from .slab3d import Slab3D
from .steady_state import steady_state

MOST_RATIO = 20
"""Largest ratio of the repetition times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActualFlip(Slab3D):
    """A gradient echo before each of two repetition times; one image each."""

    name: ClassVar[str] = "actual-flip"

    excitation_duration: Time = 2e-3
    """Length of the excitation, s."""
    flip: Angle = 60.0 * math.pi / 180.0
    """Excitation flip angle, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = 30e-3
    """First repetition time, s."""
    tr_ratio: int = 5
    """Second repetition time over the first."""
    phase_increment: Angle = 32.5 * math.pi / 180.0
    """Increment of the RF phase's increment, rad."""
    spoiler_cycles: float = 2.0
    """Cycles across a partition in the first repetition time; tr_ratio times as many in the second."""

    def __post_init__(self) -> None:
        """Refuse impossible flip angles and ratios."""
        Slab3D.__post_init__(self)
        flip_angle("flip", self.flip)
        within("tr_ratio", self.tr_ratio, 2, MOST_RATIO)
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)
        if self.preparation:
            raise InputError("would disturb the steady state of two repetition times; use none", key="preparation")

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        pulse = self.shaped(scanner, self.flip, self.excitation_duration)
        played = [
            steady_state(self, scanner, pulse, slice_cycles=self.spoiler_cycles * ratio) for ratio in (1, self.tr_ratio)
        ]
        limits = played[0].plan.limits
        te, (pause,) = solve("te", self.te, (played[0].lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        content = [{"the echo time": te, **parts.tail()} for parts in played]
        short, (rest,) = solve("tr", self.tr, (content[0],), limits, "shorten te")
        long, (pause_2,) = solve("tr", short * self.tr_ratio / NS, (content[1],), limits, "lower spoiler_cycles")
        blocks: list[Block] = []
        excitation = 0
        for average, partition, line in self.encodings():
            pair: list[Block] = []
            for image, (parts, idle) in enumerate(zip(played, (rest, pause_2), strict=True)):
                labels = {"contrast": image, "average": average, "repetition": 0, "slice": 0}
                phase = quadratic_phase(self.phase_increment, excitation)
                module = parts.blocks((line, partition), (labels,), pause, phase, self.slab_position)
                pair += [*module, *wait(idle)]
                excitation += 1
            blocks += starting(pair)
        times = (short / NS, long / NS)
        contrast = {"te": te / NS, "tr": times, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "phase_increment": self.phase_increment}
        facts: dict[str, float | str] = {"te": te / NS, "tr": sum(times), "first_tr": times[0], "second_tr": times[1]}
        return finished(self, played[0].plan, blocks, contrast, sheet, facts)
