"""What gradient-echo families share: a small flip, one or more readouts, RF and gradient spoiling.

The phase of excitation n grows quadratically, increment n (n + 1) / 2 (Zur 1991, doi:10.1002/mrm.1910210210), and
the receiver follows it. The slice axis collects the same whole number of cycles from one excitation to the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...core.units import Angle
from ..events import Gradient, RfPulse
from ..gradients import moments, shifted, trapezoid
from ..readout import Readout
from ..scanner import Scanner
from ..selection import Selection, excite
from ..sequence import Block
from .cartesian import Plan, longest, plan, slice_gradient, spoil_lobe
from .protocol import at_least
from .slice2d import Slice2D


@dataclass(frozen=True, kw_only=True, slots=True)
class Recalled(Slice2D):
    """Fields of all gradient-echo families."""

    phase_increment: Angle = 117.0 * math.pi / 180.0
    """Increment of the RF phase's increment, rad."""
    spoiler_cycles: float = 4.0
    """Cycles across the slice from one excitation to the next."""

    def __post_init__(self) -> None:
        """Refuse a negative spoiler."""
        Slice2D.__post_init__(self)
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)

    def spoil_phase(self, excitation: int) -> float:
        """Return the RF and receiver phase of an excitation, counted from 0, rad in [0, 2 pi)."""
        return quadratic_phase(self.phase_increment, excitation)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Echoes:
    """The played parts of one repetition with one excitation pulse."""

    plan: Plan
    excitation: Selection
    readouts: tuple[Readout, ...]
    flyback: Gradient | None
    """Between two readouts of equal sign; None where readouts alternate."""
    prephaser: Gradient
    """Read axis, minus half a lobe, from the end of the excitation."""
    rewinder: Gradient
    """Read axis: brings k back to zero after the last readout."""
    spoiler: Gradient | None

    def lead(self) -> dict[str, int]:
        """Return what lies between the excitation and the first echo, ns."""
        first = self.excitation
        return {
            "half the excitation": first.after - first.side,
            "the rephaser, prephaser and phase encoding": first.side,
            "half the readout": self.readouts[0].echo,
        }

    def gap(self) -> dict[str, int]:
        """Return what lies between two echoes, ns."""
        return {"a readout": self.readouts[0].duration, "the flyback": longest(self.flyback)}

    def tail(self) -> dict[str, int]:
        """Return what a repetition holds besides the times up to its last echo, ns."""
        last = self.readouts[-1]
        return {
            "the start of the excitation": self.excitation.before,
            "half the readout": last.duration - last.echo,
            "the spoiler": self.spoil_time,
            **self.plan.preparation_time(self.excitation.before),
        }

    @property
    def spoil_time(self) -> int:
        """Length of the last block, ns."""
        return max(longest(self.rewinder, self.spoiler), self.plan.phase_time)

    def blocks(
        self,
        line: int,
        labels: tuple[dict[str, int], ...],
        waits: tuple[int, int],
        phase: float,
        position: float = 0.0,
        encode: tuple[Block, ...] = (),
        pulse: RfPulse | None = None,
        purpose: str = "imaging",
    ) -> list[Block]:
        """Return one repetition up to its spoiler.

        Parameters
        ----------
        line : int
            Line to encode; -1 for a dummy, which plays no phase encoding and no ADC.
        labels : tuple of dict
            Labels of each readout.
        waits : (int, int)
            Waits before the first readout and between readouts, ns.
        phase : float
            RF spoiling phase, rad.
        position : float
            Of the slice along z from the grid's origin, m.
        encode : tuple of Block
            Played between the excitation and what leads to the first readout.
        pulse : RfPulse, optional
            Instead of the one that selects the slice at `position`.
        purpose : str
            Group of raw data that the readouts belong to.
        """
        excite = self._excite(line, phase, pulse or self.excitation.at(position))
        blocks = [*self.plan.prepare(position, self.excitation.before), excite, *encode]
        for echo, (readout, label) in enumerate(zip(self.readouts, labels, strict=True)):
            blocks += self._between(echo, waits)
            adc = replace(readout.adc, phase=phase, purpose=purpose) if line >= 0 else None
            played = {"line": line, **label} if adc else {}
            name = f"read {echo + 1}"
            blocks.append(Block(duration=readout.duration, gx=readout.gradient, adc=adc, labels=played, name=name))
        return [*blocks, self._spoil(line)]

    def _excite(self, line: int, phase: float, pulse: RfPulse) -> Block:
        part = self.excitation
        pulse = replace(pulse, phase=math.fmod(pulse.phase + phase, 2 * math.pi))
        encode = self.plan.phase(line)
        return Block(
            duration=part.duration,
            rf=pulse,
            gx=shifted(self.prephaser, part.free),
            gy=shifted(encode, part.free) if encode else None,
            gz=part.gradient,
            name="excite",
        )

    def _between(self, echo: int, waits: tuple[int, int]) -> list[Block]:
        pause = waits[0] if echo == 0 else waits[1]
        if echo == 0 or self.flyback is None:
            return [Block(duration=pause, name="wait")] if pause else []
        return [Block(duration=longest(self.flyback) + pause, gx=self.flyback, name="fly back")]

    def _spoil(self, line: int) -> Block:
        return Block(
            duration=self.spoil_time, gx=self.rewinder, gy=self.plan.phase(line, -1), gz=self.spoiler, name="spoil"
        )


def echoes(protocol: Recalled, scanner: Scanner, flip: float, count: int, alternating: bool) -> Echoes:
    """Return the parts of a gradient-echo family for one flip angle, rad."""
    parts = plan(protocol, scanner)
    pulse = protocol.shaped(scanner, flip, protocol.excitation_duration)
    half = parts.readout.area / 2
    prephaser = trapezoid(parts.limits, -half)
    side = max(longest(prephaser), parts.phase_time)
    excitation = excite(scanner, parts.limits, pulse, slice_gradient(protocol, parts, pulse), side)
    back = parts.readout.reversed()
    readouts = tuple(back if alternating and echo % 2 else parts.readout for echo in range(count))
    collected = half if readouts[-1] is parts.readout else -half
    return Echoes(
        plan=parts,
        excitation=excitation,
        readouts=readouts,
        flyback=None if alternating or count == 1 else trapezoid(parts.limits, -parts.readout.area),
        prephaser=prephaser,
        rewinder=trapezoid(parts.limits, -collected),
        spoiler=spoil_lobe(parts, protocol.spoiler_cycles, slice_area(excitation)),
    )


def slice_area(selection: Selection) -> float:
    """Return what an excitation block collects on the slice axis before the pulse's centre, T s/m."""
    if selection.gradient is None:
        return 0.0
    return float(moments(selection.gradient, np.array([selection.before], dtype=np.int64))[0])


def quadratic_phase(increment: float, excitation: int) -> float:
    """Return increment n (n + 1) / 2 for excitation n, counted from 0, rad in (-2 pi, 2 pi)."""
    return math.fmod(increment * (excitation * (excitation + 1) // 2), 2 * math.pi)
