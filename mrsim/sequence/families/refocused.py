"""What spin-echo families share: an excitation and a train of crushed refocusing pulses.

Phases follow Carr, Purcell, Meiboom and Gill: the excitation leaves the magnetisation along the axis of the
refocusing pulses. Between the centre of the excitation and the first refocusing pulse every axis collects half of
what it collects between two refocusing pulses, so that stimulated and spin echoes coincide: on the read axis half a
lobe and a lobe, on the slice axis one crushed side and two, on the phase axis nothing (every line is rewound).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ...core.units import Angle, Time
from ..events import Gradient
from ..gradients import joined, shifted, trapezoid
from ..scanner import Scanner
from ..selection import Selection, crushed, excite
from ..sequence import Block
from ..timing import wait
from .cartesian import Plan, longest, plan, slice_gradient, spoil_lobe
from .protocol import at_least, flip_angle, positive, pulse_name, ratio
from .slice2d import Slice2D


@dataclass(frozen=True, kw_only=True, slots=True)
class Refocused(Slice2D):
    """Fields of all families with refocusing pulses."""

    flip: Angle = math.pi / 2
    """Excitation flip angle, rad."""
    refocusing_flip: Angle = math.pi
    """Flip angle of every refocusing pulse, rad."""
    refocusing_duration: Time = 4.4e-3
    """Length of a refocusing pulse, s."""
    refocusing_width: float = 1.0
    """Nominal width of the refocused slice over that of the excited one."""
    crusher_cycles: float = 4.0
    """Cycles across the slice from each crusher, on top of the slice gradient itself."""
    crusher_scheme: Literal["equal", "alternating"] = "equal"
    """equal: the same crushers at every refocusing pulse, so that stimulated echoes add to the spin echoes (CPMG);
    alternating: the sign changes from pulse to pulse and the size falls to crusher_cycles / echoes, so that nothing
    but the spin echoes is refocused (Poon 1992, doi:10.1002/jmri.1880020510)."""
    spoiler_cycles: float = 10.0
    """Cycles across the slice from the spoiler at the end of each repetition."""

    def __post_init__(self) -> None:
        """Refuse what no pulse could do."""
        Slice2D.__post_init__(self)
        flip_angle("flip", self.flip)
        flip_angle("refocusing_flip", self.refocusing_flip)
        positive("refocusing_duration", self.refocusing_duration)
        ratio("refocusing_width", self.refocusing_width)
        at_least("crusher_cycles", self.crusher_cycles, 0.0)
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Train:
    """The played parts of one repetition, echo after echo."""

    plan: Plan
    excitation: Selection
    refocusing: tuple[Selection, ...]
    """Per echo; all equally long."""
    prephaser: Gradient
    """Read axis, half a readout lobe, from the end of the excitation."""
    rewinder: Gradient
    """Read axis, minus half a lobe."""
    spoiler: Gradient | None

    def halves(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return what lies between excitation and refocusing, and between refocusing and echo, ns."""
        first, second, readout = self.excitation, self.refocusing[0], self.plan.readout
        half = second.pulse.duration // 2
        return (
            {
                "half the excitation": first.after - first.side,
                "the rephaser and prephaser": first.side,
                "the crusher and phase encoding": second.side,
                "half the refocusing pulse": half,
            },
            {
                "half the refocusing pulse": half,
                "the crusher and phase encoding": second.side,
                "half the readout": readout.duration - readout.echo,
            },
        )

    def tail(self) -> dict[str, int]:
        """Return what a repetition holds besides its echo time, ns."""
        readout = self.plan.readout
        return {
            "the start of the excitation": self.excitation.before,
            "half the readout": readout.duration - readout.echo,
            "the spoiler": self.spoil_time,
            **self.plan.preparation_time(self.excitation.before),
        }

    @property
    def spoil_time(self) -> int:
        """Length of the last block, ns."""
        return max(longest(self.rewinder, self.spoiler), self.plan.phase_time)

    def blocks(
        self, lines: Sequence[int], labels: Sequence[dict[str, int]], waits: tuple[int, int], position: float = 0.0
    ) -> list[Block]:
        """Return one repetition up to its spoiler.

        Parameters
        ----------
        lines : sequence of int
            Line that each echo encodes; -1 for a dummy, which plays no phase encoding and no ADC.
        labels : sequence of dict
            Labels of each echo's readout.
        waits : (int, int)
            Waits before the first refocusing pulse and on both sides of every readout, ns.
        position : float
            Of the slice along z from the grid's origin, m.
        """
        blocks = [*self.plan.prepare(position, self.excitation.before), self._excite(position), *wait(waits[0])]
        for echo, (line, label) in enumerate(zip(lines, labels, strict=True)):
            blocks.append(self._refocus(line, lines[echo - 1] if echo else -1, echo, position))
            blocks += [*wait(waits[1]), self._read(line, echo, label)]
            blocks += wait(waits[1]) if echo + 1 < len(lines) else ()
        return [*blocks, self._spoil(lines[-1])]

    def _excite(self, position: float) -> Block:
        part = self.excitation
        gx = shifted(self.prephaser, part.free)
        return Block(duration=part.duration, rf=part.at(position), gx=gx, gz=part.gradient, name="excite")

    def _refocus(self, line: int, before: int, echo: int, position: float) -> Block:
        part = self.refocusing[echo]
        encode = self.plan.phase(line)
        rewind = self.plan.phase(before, -1)
        gy = joined(rewind, shifted(encode, part.free) if encode else None)
        pulse = part.at(position)
        return Block(duration=part.duration, rf=pulse, gy=gy, gz=part.gradient, name=f"refocus {echo + 1}")

    def _read(self, line: int, echo: int, labels: dict[str, int]) -> Block:
        readout = self.plan.readout
        adc = readout.adc if line >= 0 else None
        played = {"line": line, **labels} if adc else {}
        return Block(duration=readout.duration, gx=readout.gradient, adc=adc, labels=played, name=f"read {echo + 1}")

    def _spoil(self, line: int) -> Block:
        return Block(
            duration=self.spoil_time, gx=self.rewinder, gy=self.plan.phase(line, -1), gz=self.spoiler, name="spoil"
        )


def train(protocol: Refocused, scanner: Scanner, flips: Sequence[float]) -> Train:
    """Return the parts of a spin-echo family on a scanner; flips : refocusing flip angle of each echo, rad."""
    parts = plan(protocol, scanner)
    limits, half = parts.limits, parts.readout.area / 2
    first = protocol.shaped(scanner, protocol.flip, protocol.excitation_duration)
    prephaser = trapezoid(limits, half)
    return Train(
        plan=parts,
        excitation=excite(scanner, limits, first, slice_gradient(protocol, parts, first), longest(prephaser)),
        refocusing=_refocusing(protocol, parts, flips),
        prephaser=prephaser,
        rewinder=trapezoid(limits, -half),
        spoiler=spoil_lobe(parts, protocol.spoiler_cycles),
    )


def _refocusing(protocol: Refocused, parts: Plan, flips: Sequence[float]) -> tuple[Selection, ...]:
    """Return one selection per echo, all as long as the longest: one pulse, scaled to each flip angle."""
    duration = protocol.refocusing_duration
    pulse = protocol.shaped(parts.scanner, max(flips), duration, "refocusing", 0.0)
    amplitude = slice_gradient(protocol, parts, pulse, protocol.refocusing_width)
    areas = [cycles * parts.crossings for cycles in _crusher_cycles(protocol, len(flips))]
    made: dict[tuple[float, float], Selection] = {}
    side = parts.phase_time
    for _ in range(2):  # the second time all get the side of the longest
        for flip, area in zip(flips, areas, strict=True):
            share = flip / pulse.flip
            scaled = pulse if share == 1.0 else replace(pulse, signal=pulse.signal * share, flip=flip)
            made[flip, area] = crushed(parts.scanner, parts.limits, scaled, amplitude, area, side)
        side = max(selection.side for selection in made.values())
    return tuple(made[flip, area] for flip, area in zip(flips, areas, strict=True))


def _crusher_cycles(protocol: Refocused, echoes: int) -> list[float]:
    if protocol.crusher_scheme == "equal":
        return [protocol.crusher_cycles] * echoes
    return [protocol.crusher_cycles * (-1) ** echo * (1 - echo / echoes) for echo in range(echoes)]


def refocused_sheet(protocol: Refocused, played: Train, flips: Sequence[float], echo_spacing: float) -> dict[str, Any]:
    """Return the nominal facts of the pulses; refocusing flips in rad, echo_spacing in s."""
    largest, gamma_bar = played.refocusing[int(np.argmax(np.abs(flips)))], played.plan.scanner.gamma_bar
    return {
        "excitation_flip": protocol.flip,
        "refocusing_flips": np.array(flips, dtype=np.float64),
        "echo_spacing": echo_spacing,
        "excitation_profile": pulse_name(protocol),
        "refocusing_profile": pulse_name(protocol),
        "refocusing_width": protocol.refocusing_width,
        "crusher_cycles": protocol.crusher_cycles,
        "crusher_scheme": protocol.crusher_scheme,
        "pulses": {
            "excitation": played.excitation.sheet(gamma_bar),
            "refocusing": largest.sheet(gamma_bar),
        },
    }
