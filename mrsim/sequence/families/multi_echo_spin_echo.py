"""Multi-echo spin echo (CPMG): one excitation, a train of equally spaced refocusing pulses, one line per repetition.

Every echo of a repetition reads the same line, so that each echo time has an image of its own. The refocusing
pulses' imperfect profile mixes stimulated echoes into all but the first: the known source of bias of T2 maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..events import NS
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .refocused import Refocused, refocused_sheet, train
from .slice2d import at_least, finished


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
        at_least("echoes", self.echoes, 1)

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = train(self, scanner)
        limits = played.plan.limits
        remedy = "pixel_bandwidth, or shorten the pulses"
        spacing, waits = solve("echo_spacing", self.echo_spacing, played.halves(), limits, remedy)
        content = {"the echo train": self.echoes * spacing, **played.tail()}
        tr, (rest,) = solve("tr", self.tr, (content,), limits, "take fewer echoes")
        blocks: list[Block] = []
        for average, line in self.lines():
            labels = tuple({"contrast": e, "average": average, "slice": 0, "repetition": 0} for e in range(self.echoes))
            blocks += starting([*played.blocks(line, labels, (waits[0], waits[1])), *wait(rest)])
        times = spacing / NS * np.arange(1, self.echoes + 1)
        contrast = {"te": times, "tr": tr / NS, "flip": self.flip}
        facts: dict[str, float | str] = {"te": spacing / NS, "echo_spacing": spacing / NS, "tr": tr / NS}
        sheet = refocused_sheet(self, self.echoes, spacing / NS)
        return finished(self, played.plan, blocks, contrast, sheet, facts)
