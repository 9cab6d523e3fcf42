"""Spin echo: one line and one echo per repetition; several echo times are measured one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, TimesOrMinimum, several, solve
from .cartesian import finished
from .interleave import interleave
from .refocused import Refocused, refocused_sheet, train


@dataclass(frozen=True, kw_only=True, slots=True)
class SpinEcho(Refocused):
    """A spin echo per line; one image per echo time."""

    name: ClassVar[str] = "spin-echo"

    te: TimesOrMinimum = (20e-3,)
    """Echo times, s."""
    tr: TimeOrMinimum = 2.0
    """Repetition time, s."""

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = train(self, scanner, (self.refocusing_flip,))
        limits = played.plan.limits
        remedy = "pixel_bandwidth, or shorten the pulses"
        times = [solve("te", te, played.halves(), limits, remedy) for te in several("te", self.te)]
        content = {"the echo time": max(te for te, _ in times), **played.tail()}
        turns = interleave(self, self.tr, content, limits, "shorten te")
        longest_te = max(te for te, _ in times)
        blocks: list[Block] = []
        for image, (te, waits) in enumerate(times):
            for group, average, line in self.repetitions(turns.groups):
                labels = {"contrast": image, "average": average, "repetition": 0}
                echoes = [
                    played.blocks((line,), ({**labels, "slice": i},), (waits[0], waits[1]), self.position(i))
                    for i in group
                ]
                blocks += turns.repetition(echoes, longest_te - te)
        contrast = {"te": [te / NS for te, _ in times], "tr": turns.tr / NS, "flip": self.flip}
        facts = {"te": times[0][0] / NS, "tr": turns.tr / NS, **turns.facts()}
        return finished(
            self,
            played.plan,
            blocks,
            contrast,
            refocused_sheet(self, played, (self.refocusing_flip,), times[0][0] / NS),
            facts,
        )
