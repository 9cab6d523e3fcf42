"""Multi-echo gradient echo: several readouts after one excitation, monopolar with flyback or bipolar.

Bipolar readouts are faster, but every second one runs backwards: delays of the gradients shift odd and even echoes
in opposite directions, and fat does the same. Their samples carry the label ``reverse``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ...core.units import Angle
from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve
from .cartesian import finished
from .interleave import interleave
from .protocol import MOST_ECHOES, flip_angle, pulse_name, within
from .recalled import Recalled, echoes


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiEchoGradientEcho(Recalled):
    """A train of gradient echoes per line; one image per echo."""

    name: ClassVar[str] = "multi-echo-gradient-echo"

    flip: Angle = 50.0 * math.pi / 180.0
    """Excitation flip angle, rad."""
    te: TimeOrMinimum = 6e-3
    """First echo time, s."""
    echoes: int = 6
    """Number of echoes."""
    echo_spacing: TimeOrMinimum = 8e-3
    """Time between echoes, s."""
    tr: TimeOrMinimum = 0.5
    """Repetition time, s."""
    readout: Literal["monopolar", "bipolar"] = "monopolar"
    """monopolar (all echoes in the same direction) or bipolar (alternating)."""

    def __post_init__(self) -> None:
        """Refuse an empty train and impossible flip angles."""
        Recalled.__post_init__(self)
        flip_angle("flip", self.flip)
        within("echoes", self.echoes, 1, MOST_ECHOES)

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = echoes(self, scanner, self.flip, self.echoes, self.readout == "bipolar")
        limits = played.plan.limits
        te, (pause,) = solve("te", self.te, (played.lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        remedy = "pixel_bandwidth, or read bipolar" if self.readout == "monopolar" else "pixel_bandwidth"
        spacing, (between,) = solve("echo_spacing", self.echo_spacing, (played.gap(),), limits, remedy)
        last = te + (self.echoes - 1) * spacing
        turns = interleave(self, self.tr, {"the last echo": last, **played.tail()}, limits, "take fewer echoes")
        reverse = [int(readout.area * played.readouts[0].area < 0) for readout in played.readouts]
        blocks: list[Block] = []
        for excitation, (group, average, line) in enumerate(self.repetitions(turns.groups)):
            phase = self.spoil_phase(excitation)
            modules = []
            for i in group:
                common = {"average": average, "slice": i, "repetition": 0}
                labels = tuple({"contrast": e, **common, "reverse": back} for e, back in enumerate(reverse))
                modules.append(played.blocks(line, labels, (pause, between), phase, self.position(i)))
            blocks += turns.repetition(modules)
        times = (te + spacing * np.arange(self.echoes)) / NS
        contrast = {"te": times, "tr": turns.tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "echo_spacing": spacing / NS, "readout": self.readout}
        facts = {"te": te / NS, "echo_spacing": spacing / NS, "tr": turns.tr / NS, **turns.facts()}
        return finished(self, played.plan, blocks, contrast, sheet, facts)
