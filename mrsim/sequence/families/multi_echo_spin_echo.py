"""Multi-echo spin echo (CPMG): one excitation, a train of equally spaced refocusing pulses, one line per repetition.

Every echo of a repetition reads the same line, so that each echo time has an image of its own. The refocusing
pulses' imperfect profile mixes stimulated echoes into all but the first: the known source of bias of T2 maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve
from .cartesian import finished
from .interleave import interleave
from .protocol import MOST_ECHOES, within
from .refocused import Refocused, refocused_sheet, train


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiEchoSpinEcho(Refocused):
    """A CPMG train per line."""

    name: ClassVar[str] = "multi-echo-spin-echo"

    echoes: int = 8
    """Number of echoes."""
    echo_spacing: TimeOrMinimum = 16e-3
    """Time between echoes, s; the first echo comes after one spacing."""
    tr: TimeOrMinimum = 1.5
    """Repetition time, s."""

    def __post_init__(self) -> None:
        """Refuse an empty train."""
        Refocused.__post_init__(self)
        within("echoes", self.echoes, 1, MOST_ECHOES)

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        flips = (self.refocusing_flip,) * self.echoes
        played = train(self, scanner, flips)
        limits = played.plan.limits
        remedy = "pixel_bandwidth, or shorten the pulses"
        spacing, waits = solve("echo_spacing", self.echo_spacing, played.halves(), limits, remedy)
        content = {"the echo train": self.echoes * spacing, **played.tail()}
        turns = interleave(self, self.tr, content, limits, "take fewer echoes")
        blocks: list[Block] = []
        for group, average, line in self.repetitions(turns.groups):
            modules = []
            for i in group:
                common = {"average": average, "slice": i, "repetition": 0}
                labels = tuple({"contrast": e, **common} for e in range(self.echoes))
                modules.append(played.blocks((line,) * self.echoes, labels, (waits[0], waits[1]), self.position(i)))
            blocks += turns.repetition(modules)
        times = spacing / NS * np.arange(1, self.echoes + 1)
        contrast = {"te": times, "tr": turns.tr / NS, "flip": self.flip}
        facts = {"te": spacing / NS, "echo_spacing": spacing / NS, "tr": turns.tr / NS, **turns.facts()}
        sheet = refocused_sheet(self, played, flips, spacing / NS)
        return finished(self, played.plan, blocks, contrast, sheet, facts)
