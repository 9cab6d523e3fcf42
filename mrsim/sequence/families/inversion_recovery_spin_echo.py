"""Inversion-recovery spin echo: a selective inversion, a wait, a spin echo; one image per inversion time.

The repetition time is the same for all inversion times, so that one signal equation with one steady state holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...core.units import Angle, Time
from ..events import NS, Gradient
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..selection import Selection, crushed
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, TimesOrMinimum, several, solve, wait
from .cartesian import finished, longest, slice_gradient, spoil_lobe
from .interleave import interleave
from .protocol import flip_angle, positive, ratio
from .refocused import Refocused, Train, refocused_sheet, train


@dataclass(frozen=True, kw_only=True, slots=True)
class InversionRecoverySpinEcho(Refocused):
    """An inversion and a spin echo per line; one image per inversion time."""

    name: ClassVar[str] = "inversion-recovery-spin-echo"

    ti: TimesOrMinimum = (50e-3, 400e-3, 1.1, 2.5)
    """Inversion times, s: from the centre of the inversion to the centre of the excitation."""
    te: TimeOrMinimum = 20e-3
    """Echo time, s."""
    tr: TimeOrMinimum = 3.0
    """Repetition time, s: from inversion to inversion."""
    inversion_flip: Angle = math.pi
    """Flip angle of the inversion, rad."""
    inversion_duration: Time = 4.4e-3
    """Length of the inversion, s."""
    inversion_width: float = 1.5
    """Nominal width of the inverted slice over that of the excited one: covers the excitation's edges."""

    def __post_init__(self) -> None:
        """Refuse what no pulse could do."""
        Refocused.__post_init__(self)
        flip_angle("inversion_flip", self.inversion_flip)
        positive("inversion_duration", self.inversion_duration)
        ratio("inversion_width", self.inversion_width)

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = train(self, scanner, (self.refocusing_flip,))
        inversion, spoiler = self._inversion(scanner, played)
        limits = played.plan.limits
        te, waits = solve("te", self.te, played.halves(), limits, "pixel_bandwidth, or shorten the pulses")
        before = {
            "half the inversion": inversion.after,
            "its spoiler": longest(spoiler),
            "the start of the excitation": played.excitation.before,
        }
        times = [solve("ti", ti, (before,), limits, "shorten the pulses") for ti in several("ti", self.ti)]
        longest_ti = max(ti for ti, _ in times)
        content = {"the inversion": inversion.before, "the inversion time": longest_ti, "the echo time": te}
        content |= {k: v for k, v in played.tail().items() if k != "the start of the excitation"}
        turns = interleave(self, self.tr, content, limits, "shorten ti")
        blocks: list[Block] = []
        for image, (ti, (pause,)) in enumerate(times):
            for group, average, line in self.repetitions(turns.groups):
                modules = []
                for i in group:
                    labels = {"contrast": image, "average": average, "slice": i, "repetition": 0}
                    echo = played.blocks((line,), (labels,), (waits[0], waits[1]), self.position(i))
                    first = _inverted(inversion, spoiler, self.position(i))
                    modules.append([*first, *wait(pause, "recover"), *echo])
                blocks += turns.repetition(modules, longest_ti - ti)
        contrast = {"te": te / NS, "ti": [ti / NS for ti, _ in times], "tr": turns.tr / NS, "flip": self.flip}
        facts = {"te": te / NS, "ti": times[0][0] / NS, "tr": turns.tr / NS, **turns.facts()}
        sheet = refocused_sheet(self, played, (self.refocusing_flip,), te / NS)
        sheet |= {"inversion_flip": self.inversion_flip, "inversion_width": self.inversion_width}
        return finished(self, played.plan, blocks, contrast, sheet, facts)

    def _inversion(self, scanner: Scanner, played: Train) -> tuple[Selection, Gradient | None]:
        """Return the inversion without crushers, and the spoiler that removes what it leaves transverse."""
        parts = played.plan
        pulse = self.shaped(scanner, self.inversion_flip, self.inversion_duration, "inversion", 0.0)
        amplitude = slice_gradient(self, parts, pulse, self.inversion_width)
        block = crushed(scanner, parts.limits, pulse, amplitude, 0.0)
        return block, spoil_lobe(parts, self.spoiler_cycles)


def _inverted(inversion: Selection, spoiler: Gradient | None, position: float) -> list[Block]:
    """Return the inversion of the slice at `position` m and its spoiler."""
    blocks = [Block(duration=inversion.duration, rf=inversion.at(position), gz=inversion.gradient, name="invert")]
    if spoiler is not None:
        blocks.append(Block(duration=longest(spoiler), gz=spoiler, name="spoil inversion"))
    return blocks
