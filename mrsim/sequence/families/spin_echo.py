"""Spin echo: one line and one echo per repetition; several echo times are measured one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..events import NS
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, TimesOrMinimum, several, solve, starting, wait
from .refocused import Refocused, refocused_sheet, train
from .slice2d import finished


@dataclass(frozen=True, kw_only=True, slots=True)
class SpinEcho(Refocused):
    """A spin echo per line; one image per echo time."""

    name: ClassVar[str] = "spin-echo"

    te: TimesOrMinimum = (20e-3,)
    """Echo times, s."""
    tr: TimeOrMinimum = 2.0
    """Repetition time, s."""

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = train(self, scanner)
        limits = played.plan.limits
        remedy = "pixel_bandwidth, or shorten the pulses"
        times = [solve("te", te, played.halves(), limits, remedy) for te in several("te", self.te)]
        content = {"the echo time": max(te for te, _ in times), **played.tail()}
        tr, (rest,) = solve("tr", self.tr, (content,), limits, "shorten te")
        longest_te = max(te for te, _ in times)
        blocks: list[Block] = []
        for image, (te, waits) in enumerate(times):
            for average, line in self.lines():
                labels = {"contrast": image, "average": average, "slice": 0, "repetition": 0}
                spare = wait(rest + longest_te - te)
                blocks += starting([*played.blocks(line, (labels,), (waits[0], waits[1])), *spare])
        contrast = {"te": [te / NS for te, _ in times], "tr": tr / NS, "flip": self.flip}
        facts: dict[str, float | str] = {"te": times[0][0] / NS, "tr": tr / NS}
        return finished(self, played.plan, blocks, contrast, refocused_sheet(self, 1, times[0][0] / NS), facts)
