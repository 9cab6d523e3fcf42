"""STEAM (Frahm 1987, doi:10.1016/0022-2364(87)90252-3): the stimulated echo of three 90 degree pulses, one axis each.

Each pulse is rephased on its own axis within the half echo that counts; two equal crushers, before the storing and
behind the recalling pulse, and a spoiler in the mixing time leave the stimulated echo alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...core.units import Time
from ..events import NS, Gradient
from ..gradients import trapezoid
from ..scanner import Scanner
from ..selection import Selection
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, wait
from .localised import Localised, VoxelParts, readout_room, selecting, spectroscopy, voxel_parts
from .protocol import positive, pulse_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Steam(Localised):
    """Stimulated-echo spectroscopy."""

    name: ClassVar[str] = "steam"

    te: TimeOrMinimum = 20e-3
    """Echo time without the mixing time, s."""
    mixing_time: Time = 15e-3
    """From the storing to the recalling pulse, s."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        Localised.__post_init__(self)
        positive("mixing_time", self.mixing_time)

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        parts = voxel_parts(self, scanner)
        first, third, room = parts.excitation(0), parts.excitation(2), readout_room(parts)
        second = _reversed(parts.excitation(1))
        crush = _crushers(parts)
        length = sum(block.duration for block in crush)
        needs = (
            {"half the excitation": first.after, "the crusher": length, "half the storing pulse": second.before},
            {"half the recalling pulse": third.after, "the crusher": length, "the start of the readout": room},
        )
        te, waits = solve("te", self.te, needs, parts.limits, "shorten the pulses")
        spoil = list(parts.spoiler(2, self.spoiler_cycles))
        inside = {
            "half the storing pulse": second.after,
            "the spoiler": sum(block.duration for block in spoil),
            "half the recalling pulse": third.before,
        }
        mixing, (rest,) = solve("mixing_time", self.mixing_time, (inside,), parts.limits, "lower spoiler_cycles")

        def localise(image: int) -> list[Block]:
            ahead = [selecting(0, first, "excite"), *wait(waits[0]), *crush, selecting(1, second, "store", "storage")]
            recall = selecting(2, third, "recall", "recall")
            return [*ahead, *spoil, *wait(rest), recall, *crush, *wait(waits[1])]

        # the last pulse excites what recovers before it
        contrast = {"te": te / NS, "tm": mixing / NS, "unrecovered": (te / 2 + mixing) / NS, "flip": self.flip}
        facts: dict[str, float | str] = {"te": te / NS, "mixing_time": mixing / NS}
        sheet = {"excitation_profile": pulse_name(self)}
        return spectroscopy(parts, first.before, localise, contrast, facts, sheet)


def _crushers(parts: VoxelParts) -> list[Block]:
    """Return the crusher of half an echo time, along x and z at once; none for no cycles.

    The recalling pulse excites its whole slab, far beyond the voxel, and this crusher alone takes that away: along z it
    turns phases through the slab's soft edges, along x through the rest of the object.
    """
    if not parts.protocol.crusher_cycles:
        return []
    x, z = (trapezoid(parts.limits, parts.protocol.crusher_cycles * parts.crossings[axis]) for axis in (0, 2))
    return [Block(duration=max(int(x.times[-1]), int(z.times[-1])), gx=x, gz=z, name="crush")]


def _reversed(part: Selection) -> Selection:
    """Return an excitation's block backwards in time: rephased before its centre instead of after."""
    duration, pulse, gradient = part.duration, part.pulse, part.gradient
    turned = None
    if gradient is not None:
        turned = Gradient(times=duration - gradient.times[::-1], amplitudes=np.array(gradient.amplitudes[::-1]))
    delay = duration - pulse.delay - pulse.duration
    before = delay + pulse.centre
    return replace(part, pulse=replace(pulse, delay=delay), gradient=turned, before=before, after=duration - before)
