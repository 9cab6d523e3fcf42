"""Spectral editing (MEGA; Mescher 1998, doi:10.1002/(SICI)1099-1492(199810)11:6<266::AID-NBM530>3.0.CO;2-J).

Two narrow refocusing pulses, half an echo time apart, turn the coupling of what they hit; the difference of a spectrum
with them on the partner's resonance and one with them elsewhere shows the coupled spins alone. Each stands between
crushers of opposite sign: magnetisation that a pulse does not turn is left as it was, what it turns is dephased. The
second pulse's crushers are half as strong and turned round, so that neither a coherence that both pulses turn nor one
that is stored by the first and recalled by the second is refocused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ...core.units import ChemicalShifts, Time
from .. import rf
from ..gradients import joined, scaled, shifted, trapezoid
from ..selection import Selection, excite
from ..sequence import Block
from .localised import EDIT, Localised, VoxelParts
from .protocol import positive

SECOND = -0.5
"""Crushers of the second editing pulse over those of the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edited(Localised):
    """Fields of all families with editing pulses."""

    editing: ChemicalShifts = ()
    """Carrier of the editing pulses relative to water in each spectrum of a series, fraction; none if empty."""
    editing_duration: Time = 14e-3
    """Length of an editing pulse, s."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        Localised.__post_init__(self)
        positive("editing_duration", self.editing_duration)

    def images(self) -> int:
        """Return one spectrum per carrier."""
        return max(1, len(self.editing))


def editing_part(parts: VoxelParts, protocol: Edited) -> Selection | None:
    """Return an editing pulse with crushers of opposite sign on its sides; None without editing."""
    if not protocol.editing:
        return None
    pulse = rf.sinc(parts.scanner, math.pi, protocol.editing_duration, 2.0, window="hann", use="preparation")
    lobe = trapezoid(parts.limits, protocol.crusher_cycles * parts.crossings[0])
    side = max(int(lobe.times[-1]), parts.limits.up(parts.scanner.rf_dead_time * 1e9))
    bare = excite(parts.scanner, parts.limits, pulse, 0.0)
    gradient = joined(lobe, shifted(scaled(lobe, -1.0), side + pulse.duration))
    return replace(
        bare,
        pulse=replace(pulse, delay=side),
        gradient=gradient,
        before=side + pulse.centre,
        after=pulse.duration - pulse.centre + side,
        side=side,
    )


def editing_block(parts: VoxelParts, part: Selection, shift: float, share: float = 1.0) -> Block:
    """Return the editing pulse at a carrier, its crushers a share of what they are by themselves."""
    pulse = replace(part.pulse, frequency=shift * parts.larmor)
    gradient = None if part.gradient is None else scaled(part.gradient, share)
    return Block(duration=part.duration, rf=pulse, gx=gradient, name=EDIT)
