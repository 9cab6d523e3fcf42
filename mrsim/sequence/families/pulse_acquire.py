"""Pulse-acquire: a pulse without gradient and the free induction decay behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...core.units import Time
from .. import rf
from ..events import NS
from ..scanner import Scanner
from ..selection import excite
from ..sequence import Block, Sequence
from .localised import Localised, readout_room, spectroscopy, voxel_parts


@dataclass(frozen=True, kw_only=True, slots=True)
class PulseAcquire(Localised):
    """The whole sensitive volume; the voxel only says what the data are counted for."""

    name: ClassVar[str] = "pulse-acquire"

    excitation_duration: Time = 0.5e-3
    """Length of the hard pulse, s."""

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        parts = voxel_parts(self, scanner)
        part = excite(scanner, parts.limits, rf.hard(scanner, self.flip, self.excitation_duration), 0.0)
        room = readout_room(parts)
        pulse = Block(duration=part.duration, rf=parts.tuned(part.pulse), name="excite")

        def localise(image: int) -> list[Block]:
            return [pulse]

        dead = (part.after + room) / NS
        contrast = {"te": dead, "flip": self.flip}
        return spectroscopy(parts, part.before, localise, contrast, {"te": dead}, {"excitation_profile": "hard"})
