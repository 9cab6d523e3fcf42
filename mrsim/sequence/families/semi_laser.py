"""Semi-LASER (Scheenen 2008, doi:10.1002/mrm.21302): an excitation and two pairs of adiabatic refocusing pulses.

One adiabatic pulse leaves a phase across its slice that a second one takes back. Their wide bands make the displacement
of chemical shifts small. With the pulses at t1 to t4 the echo stands at te = 2 (t2 - t1 + t4 - t3): the distance within
each pair is a quarter of te.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from ...core.units import Frequency, Time
from .. import rf
from ..events import NS, Gradient
from ..gradients import bridge, joined, shifted
from ..scanner import Scanner
from ..selection import Selection
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, wait
from .crushers import across, beside, size
from .edited import SECOND, Edited, editing_block, editing_part
from .localised import VoxelParts, readout_room, selecting, spectroscopy, voxel_parts
from .protocol import positive, pulse_name

CRUSHERS = (1.0, 1.6, 0.7, 1.3)
"""Crushers of the four pulses as shares of crusher_cycles: unequal, so that no unwanted echo is refocused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SemiLaser(Edited):
    """Localisation by adiabatic selective refocusing."""

    name: ClassVar[str] = "semi-laser"

    te: TimeOrMinimum = 40e-3
    """Echo time, s."""
    adiabatic: Literal["goia", "hyperbolic-secant"] = "goia"
    """Kind of the refocusing pulses."""
    adiabatic_duration: Time = 5e-3
    """Length of a refocusing pulse, s."""
    adiabatic_bandwidth: Frequency = 8000.0
    """Bandwidth of a refocusing pulse, Hz; a hyperbolic secant reaches a quarter of GOIA's with the same B1."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        Edited.__post_init__(self)
        positive("adiabatic_duration", self.adiabatic_duration)
        positive("adiabatic_bandwidth", self.adiabatic_bandwidth)

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        parts, axes = voxel_parts(self, scanner), (1, 1, 2, 2)
        first, room, edit = parts.excitation(0), readout_room(parts), editing_part(parts, self)
        both = [_adiabatic(parts, self, axis, share) for axis, share in zip(axes, CRUSHERS, strict=True)]
        pulses, besides = [pulse for pulse, _ in both], [beside for _, beside in both]
        narrow = edit.duration if edit else 0
        side, most = max(p.before for p in pulses), max(p.after for p in pulses)
        lead = parts.limits.up(first.after + pulses[0].before)
        quarter = {"two halves of adiabatic pulses": side + most, "the editing pulse": narrow}
        # With editing the pairs stand half an echo time apart, and so do the editing pulses within them.
        gap = 0 if edit else pulses[1].after + pulses[2].before
        outside = lead + gap + pulses[3].after + room
        least = {"the pulses outside the pairs": outside if edit else parts.limits.up(outside / 2)}
        te, _ = solve("te", self.te, (quarter, quarter, least, least), parts.limits, "shorten the pulses")
        gap = gap or te // 4
        pauses = [te // 4 - most - q.before - narrow for q in (pulses[1], pulses[3])]
        middle, end = gap - pulses[1].after - pulses[2].before, te // 2 - lead - gap - pulses[3].after - room

        def localise(image: int) -> list[Block]:
            shift = self.editing[image] if edit else 0.0
            played = [[editing_block(parts, edit, shift, share)] if edit else [] for share in (1.0, SECOND)]
            shown = [
                replace(selecting(axis, p, f"refocus {i + 1}"), gx=besides[i])
                for i, (axis, p) in enumerate(zip(axes, pulses, strict=True))
            ]
            start = [selecting(0, first, "excite"), *wait(lead - first.after - pulses[0].before)]
            level = [wait(most - p.after) for p in (pulses[0], pulses[2])]
            pairs = [shown[0], *level[0], *played[0], *wait(pauses[0]), shown[1], *wait(middle)]
            return [*start, *pairs, shown[2], *level[1], *played[1], *wait(pauses[1]), shown[3], *wait(end)]

        # half an echo time lies between refocusing pulses, and costs as much again
        contrast: dict[str, Any] = {"te": te / NS, "unrecovered": te / NS, "flip": self.flip}
        contrast |= {"editing": self.editing} if self.editing else {}
        sheet = {"excitation_profile": pulse_name(self), "refocusing_profile": self.adiabatic}
        return spectroscopy(parts, first.before, localise, contrast, {"te": te / NS}, sheet)


def _adiabatic(parts: VoxelParts, protocol: SemiLaser, axis: int, share: float) -> tuple[Selection, Gradient | None]:
    """Return one adiabatic pulse between its crushers, and those of the same size beside them along x."""
    duration, bandwidth = protocol.adiabatic_duration, protocol.adiabatic_bandwidth
    if protocol.adiabatic == "hyperbolic-secant":
        peak = 0.95 * parts.scanner.max_b1
        pulse = rf.hyperbolic_secant(parts.scanner, duration, bandwidth, peak=peak, use="refocusing")
        return across(parts, pulse, axis, share)
    made = rf.goia(parts.scanner, parts.limits, duration, bandwidth, protocol.voxel[axis])
    gradient, limits = made.gradient, parts.limits
    edge = float(gradient.amplitudes[0])
    crusher, least = size(parts, axis, share)
    area = crusher + edge * limits.ramp(edge) / NS / 2
    side = max(least, int(bridge(limits, 0.0, edge, area).times[-1]))
    lead = bridge(limits, 0.0, edge, area, side)
    tail = Gradient(times=side - lead.times[::-1], amplitudes=np.array(lead.amplitudes[::-1]))
    whole = joined(lead, shifted(gradient, side), shifted(tail, side + made.pulse.duration))
    pulse = replace(parts.tuned(made.pulse), delay=side)
    part = Selection(
        pulse=pulse,
        gradient=whole,
        before=side + pulse.centre,
        after=pulse.duration - pulse.centre + side,
        side=side,
        per_metre=0.0,
    )
    return part, beside(parts, part, axis, share)
