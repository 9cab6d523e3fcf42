"""PRESS (Bottomley 1987, doi:10.1111/j.1749-6632.1987.tb32915.x): one excitation, two refocusing pulses, an axis each.

The first echo is not read; the second is read at te. With MEGA editing a narrow pulse
stands behind each refocusing pulse, half an echo time apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ...core.units import Time
from ..events import NS
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, wait
from .crushers import across
from .edited import SECOND, Edited, editing_block, editing_part
from .localised import readout_room, selecting, spectroscopy, voxel_parts
from .protocol import positive, pulse_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Press(Edited):
    """Point-resolved spectroscopy."""

    name: ClassVar[str] = "press"

    te: TimeOrMinimum = 35e-3
    """Echo time, s."""
    first_echo: TimeOrMinimum = "minimum"
    """Time of the first echo, s: half of te makes both halves alike."""
    refocusing_duration: Time = 7e-3
    """Length of a refocusing pulse, s."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        Edited.__post_init__(self)
        positive("refocusing_duration", self.refocusing_duration)

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        parts = voxel_parts(self, scanner)
        pulse = self.shaped(scanner, math.pi, self.refocusing_duration, "refocusing", 0.0)
        # Unequal crushers: the stimulated echo of the three pulses is not refocused.
        first = parts.excitation(0)
        (second, beside), (third, besides) = across(parts, pulse, 1, 1.0), across(parts, pulse, 2, 1.6)
        one = replace(selecting(1, second, "refocus 1"), gx=beside)
        two = replace(selecting(2, third, "refocus 2"), gx=besides)
        edit, room = editing_part(parts, self), readout_room(parts)
        narrow = edit.duration if edit else 0
        behind = max(second.after, third.after)
        half = {"half the excitation": first.after, "half the refocusing pulse": second.before}
        early, (lead, _) = solve("first_echo", self.first_echo, (half, half), parts.limits, "shorten the pulses")
        needs = (
            {"half the first echo": early // 2, "half the refocusing pulse": behind,
             "the editing pulse": narrow, "the start of the readout": room},
            {"half the refocusing pulse": behind, "the editing pulse": narrow, "half the next": third.before},
        )  # fmt: skip
        te, (late, between) = solve("te", self.te, needs, parts.limits, "shorten the pulses")
        late += behind - third.after
        between += behind - second.after

        def localise(image: int) -> list[Block]:
            blocks = [selecting(0, first, "excite"), *wait(lead), one]
            pauses = (behind - second.after, between - (behind - second.after))
            if edit is None:
                middle, end = wait(between), wait(late)
            else:
                narrows = [editing_block(parts, edit, self.editing[image], share) for share in (1.0, SECOND)]
                middle = (*wait(pauses[0]), narrows[0], *wait(pauses[1]))
                end = (*wait(behind - third.after), narrows[1], *wait(late - (behind - third.after)))
            return [*blocks, *middle, two, *end]

        # half an echo time lies between refocusing pulses, and costs as much again
        contrast: dict[str, Any] = {"te": te / NS, "unrecovered": te / NS, "flip": self.flip}
        contrast |= {"editing": self.editing} if self.editing else {}
        facts: dict[str, float | str] = {"te": te / NS, "first_echo": early / NS}
        sheet = {"excitation_profile": pulse_name(self), "refocusing_profile": pulse_name(self)}
        return spectroscopy(parts, first.before, localise, contrast, facts, sheet)
