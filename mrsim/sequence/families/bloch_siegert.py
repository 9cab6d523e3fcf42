"""Gradient echo with an off-resonant pulse behind the excitation, whose frequency shift maps the transmit field.

The pulse plays with all gradients off, after the slice's rephaser and before any encoding: once with the offset above
and once below the resonance (Sacolick 2010, doi:10.1002/mrm.22357). The sheet holds its envelope.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...core.units import Angle, FieldStrength, Frequency, Time
from .. import rf
from ..events import NS, RfPulse
from ..scanner import Scanner, to_ns
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve
from .cartesian import finished
from .interleave import interleave
from .protocol import flip_angle, positive, pulse_name
from .recalled import Echoes, Recalled, echoes


@dataclass(frozen=True, kw_only=True, slots=True)
class BlochSiegert(Recalled):
    """A gradient echo per line; one image per sign of the offset."""

    name: ClassVar[str] = "bloch-siegert"

    excitation_duration: Time = 2e-3
    """Length of the excitation, s."""
    flip: Angle = 30.0 * math.pi / 180.0
    """Excitation flip angle, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = 0.2
    """Repetition time, s."""
    offset: Frequency = 4000.0
    """Distance of the off-resonant pulse from the resonance, Hz."""
    pulse_duration: Time = 8e-3
    """Length of the off-resonant pulse, s."""
    peak: FieldStrength = 8e-6
    """Largest B1 of the off-resonant pulse, T."""

    def __post_init__(self) -> None:
        """Refuse impossible flip angles and pulses."""
        Recalled.__post_init__(self)
        flip_angle("flip", self.flip)
        for key in ("offset", "pulse_duration", "peak"):
            positive(key, getattr(self, key))

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        parts = echoes(self, scanner, self.flip, 1, False)
        pulses = [rf.fermi(scanner, self.pulse_duration, sign * self.offset, self.peak) for sign in (1, -1)]
        limits, side = parts.plan.limits, parts.excitation.side
        ahead = limits.up(to_ns(scanner.rf_dead_time))
        pulses = [replace(pulse, delay=ahead) for pulse in pulses]
        alone = limits.up(ahead + pulses[0].duration + to_ns(scanner.rf_ringdown))
        need = {**parts.lead(), "the off-resonant pulse": alone, "the prephaser and phase encoding": side}
        te, (pause,) = solve("te", self.te, (need,), limits, "pulse_duration, or shorten the excitation")
        turns = interleave(self, self.tr, {"the echo time": te, **parts.tail()}, limits, "shorten te")
        blocks: list[Block] = []
        excitation = 0
        for image, pulse in enumerate(pulses):
            for group, average, line in self.repetitions(turns.groups):
                labels = {"contrast": image, "average": average, "repetition": 0}
                phase = self.spoil_phase(excitation)
                modules = []
                for i in group:
                    whole = parts.blocks(line, ({**labels, "slice": i},), (pause, 0), phase, self.position(i))
                    modules.append(_with_pulse(whole, parts, line, pulse, alone))
                blocks += turns.repetition(modules)
                excitation += 1
        contrast = {"te": te / NS, "tr": turns.tr / NS, "flip": self.flip, "offset": (self.offset, -self.offset)}
        sheet = {"excitation_profile": pulse_name(self), **_envelope(scanner, pulses[0])}
        facts = {"te": te / NS, "tr": turns.tr / NS, **turns.facts()}
        return finished(self, parts.plan, blocks, contrast, sheet, facts)


def _with_pulse(blocks: list[Block], parts: Echoes, line: int, pulse: RfPulse, duration: int) -> list[Block]:
    """Return a repetition with the pulse between the excitation's rephaser and the in-plane lobes."""
    place = next(i for i, block in enumerate(blocks) if block.name == "excite")
    bare = replace(blocks[place], gx=None, gy=None)
    encode = Block(
        duration=parts.excitation.side, gx=parts.prephaser, gy=parts.plan.phase(line), name="prephase and encode"
    )
    return [*blocks[:place], bare, Block(duration=duration, rf=pulse, name="off-resonant pulse"), encode,
            *blocks[place + 1 :]]  # fmt: skip


def _envelope(scanner: Scanner, pulse: RfPulse) -> dict[str, object]:
    """Return the pulse's amplitude at its offset, Hz, the time between samples and K_BS at the nominal field, rad."""
    dwell = pulse.dwell / NS
    amplitude = np.abs(pulse.signal) * abs(scanner.gamma_bar)
    constant = 2 * np.pi * float(np.sum(amplitude**2)) * dwell / (2 * abs(pulse.frequency))
    return {"off_resonant_pulse": amplitude, "off_resonant_dwell": dwell, "bloch_siegert_constant": constant}
