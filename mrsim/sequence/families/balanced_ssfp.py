"""Balanced steady-state free precession: every axis returns to zero within each repetition, the echo in its middle.

The RF phase advances by a fixed increment per repetition (180 degrees puts the pass band on resonance); several
increments give phase-cycled images. Without catalysation the approach to the steady state oscillates for several T1;
a pulse of half the flip, half a repetition earlier, starts on the steady state's axis (Deimling 1994). Signal:
Freeman and Hill 1971, doi:10.1016/0022-2364(71)90002-9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from ...core.errors import InputError
from ...core.units import Angle, Angles, Frequency, Time
from ..events import NS, Gradient
from ..gradients import area, bridge, joined, shifted
from ..preparations.series import prepared_series
from ..scanner import Scanner, to_ns
from ..selection import Selection
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .cartesian import finished
from .protocol import flip_angle, pulse_name
from .slice2d import Slice2D
from .steady_state import SteadyState, steady_state


@dataclass(frozen=True, kw_only=True, slots=True)
class BalancedSSFP(Slice2D):
    """One slice after the other; one image per phase increment."""

    name: ClassVar[str] = "balanced-ssfp"

    excitation_duration: Time = 1e-3
    """Length of the excitation, s."""
    pixel_bandwidth: Frequency = 1000.0
    """Readout bandwidth per pixel, Hz."""
    flip: Angle = 40.0 * math.pi / 180.0
    """Flip angle, rad."""
    tr: TimeOrMinimum = "minimum"
    """Repetition time, s; the echo time is half of it."""
    phase_cycle: Angles = (math.pi,)
    """RF phase from one excitation to the next, rad; one image each."""
    catalysation: Literal["half-flip", "none"] = "half-flip"
    """How each image starts."""

    def __post_init__(self) -> None:
        """Refuse impossible flip angles."""
        Slice2D.__post_init__(self)
        flip_angle("flip", self.flip)
        if not self.phase_cycle:
            raise InputError("has no value", key="phase_cycle")

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        pulse = self.shaped(scanner, self.flip, self.excitation_duration)
        played = steady_state(self, scanner, pulse)
        tail = {k: v for k, v in played.tail().items() if k != "the preparation"}
        lead, first = played.lead(), self._catalysing(played)
        room = {"room for the pulse of half the flip": 0}
        if first:
            room = dict.fromkeys(room, max(0, first.duration - sum(tail.values())))
        halves = (lead, {**tail, **room})
        tr, (pause, rest) = solve("tr", self.tr, halves, played.plan.limits, "pixel_bandwidth, or shorten the pulse")
        start = (first, *wait(tr // 2 - first.duration)) if first else ()
        rest += sum(room.values())
        blocks: list[Block] = []
        for image, turn in enumerate(self.phase_cycle):
            for index in self.order():
                where = self.position(index)
                blocks += played.plan.prepare(where, sum(block.duration for block in start) + played.excitation.before)
                blocks += _placed(start, played.excitation, where, -turn)
                for count, (average, line) in enumerate(self.lines()):
                    labels = {"contrast": image, "average": average, "repetition": 0, "slice": index}
                    phase = math.fmod(turn * count, 2 * math.pi)
                    repetition = replace(played, plan=replace(played.plan, preparation=()))
                    module = repetition.blocks((line, -1), (labels,), pause, phase, where)
                    blocks += starting([*module, *wait(rest)])
        contrast = {"te": tr / NS / 2, "tr": tr / NS, "flip": self.flip, "phase_cycle": self.phase_cycle}
        sheet = {"excitation_profile": pulse_name(self), "catalysation": self.catalysation}
        facts: dict[str, float | str] = {"te": tr / NS / 2, "tr": tr / NS}
        return finished(self, played.plan, blocks, contrast, sheet, facts)

    def _catalysing(self, played: SteadyState) -> Block | None:
        """Return the pulse of half the flip, balanced by itself.

        What precedes its centre precedes that of the next pulse as well: the block's length is what half a repetition
        must hold.
        """
        if self.catalysation == "none":
            return None
        part, limits = played.excitation, played.plan.limits
        pulse = replace(part.pulse, signal=part.pulse.signal / 2, flip=self.flip / 2, use="preparation")
        gradient, end = None, part.free + limits.up(to_ns(played.plan.scanner.rf_ringdown))
        if part.gradient is not None:
            kept = part.gradient.times <= part.free
            plateau = Gradient(times=part.gradient.times[kept], amplitudes=part.gradient.amplitudes[kept])
            tail = bridge(limits, float(plateau.amplitudes[-1]), 0.0, -area(plateau))
            gradient = joined(plateau, shifted(tail, part.free))
            end = max(end, part.free + int(tail.times[-1]))
        return Block(duration=end, rf=pulse, gz=gradient, name="catalyse")


def _placed(start: tuple[Block, ...], excitation: Selection, position: float, phase: float) -> tuple[Block, ...]:
    """Return the catalysation at a slice's position, with the phase of the excitation before the first."""
    if not start or start[0].rf is None:
        return start
    at = excitation.at(position)
    pulse = replace(start[0].rf, frequency=at.frequency, phase=math.fmod(at.phase + phase, 2 * math.pi))
    return (replace(start[0], rf=pulse, starts_tr=False), *start[1:])
