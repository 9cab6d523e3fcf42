"""Steady-state free precession with a net gradient: FISP (the decay), PSIF (the echo of earlier pulses), DESS (both).

The net moment per repetition lies on the read axis, in whole or fractional cycles per pixel, and dephases all
configurations but one. No RF spoiling. The ratio of the two echoes of DESS tells T2 (Welsch 2009,
doi:10.1002/mrm.22036); the wanted model is the phase graph, not a closed form, unless diffusion is small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from ...core.units import Angle, Time
from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .cartesian import finished
from .protocol import flip_angle, positive, pulse_name
from .slab3d import Slab3D
from .steady_state import steady_state

PATHWAYS = {"fisp": (0,), "psif": (-1,), "dess": (0, -1)}
"""Configuration that each echo reads: 0 the decay, -1 the echo."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreePrecession(Slab3D):
    """A slab with one or two echoes per repetition; one image per echo."""

    name: ClassVar[str] = "free-precession"

    excitation_duration: Time = 1e-3
    """Length of the excitation, s."""
    kind: Literal["fisp", "psif", "dess"] = "dess"
    """Which echoes are read."""
    flip: Angle = 25.0 * math.pi / 180.0
    """Flip angle, rad."""
    te: TimeOrMinimum = "minimum"
    """Time from the excitation to the first echo, s."""
    tr: TimeOrMinimum = "minimum"
    """Repetition time, s."""
    read_cycles: float = 1.0
    """Cycles per pixel along the read axis from one excitation to the next; 1 of DESS joins its two readouts."""

    def __post_init__(self) -> None:
        """Refuse impossible flip angles and balanced gradients."""
        Slab3D.__post_init__(self)
        flip_angle("flip", self.flip)
        positive("read_cycles", self.read_cycles)

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        pulse = self.shaped(scanner, self.flip, self.excitation_duration)
        played = steady_state(self, scanner, pulse, kind=self.kind, read_cycles=self.read_cycles)
        limits = played.plan.limits
        te, (pause,) = solve("te", self.te, (played.lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        content = {"the last echo": te + played.gap(), **played.tail()}
        tr, (rest,) = solve("tr", self.tr, (content,), limits, "shorten te")
        blocks: list[Block] = []
        for average, partition, line in self.encodings():
            common = {"average": average, "repetition": 0, "slice": 0}
            labels = tuple({"contrast": echo, **common} for echo in range(played.readouts))
            module = played.blocks((line, partition), labels, pause, 0.0, self.slab_position)
            blocks += starting([*module, *wait(rest)])
        times = tuple((te + echo * played.gap()) / NS for echo in range(played.readouts))
        contrast = {"te": times, "tr": tr / NS, "flip": self.flip, "pathway": PATHWAYS[self.kind]}
        sheet = {"excitation_profile": pulse_name(self), "read_cycles": self.read_cycles}
        facts: dict[str, float | str] = {"te": te / NS, "tr": tr / NS}
        return finished(self, played.plan, blocks, contrast, sheet, facts)
