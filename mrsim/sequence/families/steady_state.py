"""One repetition of a steady-state gradient echo, in two or three dimensions.

Whatever the line and partition, each axis collects the same moment from one excitation to the next: zero on the phase
axes, and on the read and slice axes what the family wants (zero if balanced, whole cycles if not). With a net read
moment M the free induction decay is read where the moment since the excitation is 0, and the echo of earlier
excitations (PSIF) where it is M, since that configuration runs from -M to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..events import NS, Gradient, RfPulse
from ..gradients import Limits, bridge, joined, shifted, trapezoid
from ..readout import Readout
from ..scanner import Scanner
from ..selection import Selection, excite
from ..sequence import Block
from .cartesian import Cartesian, Plan, longest, plan, slice_gradient
from .recalled import slice_area


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SteadyState:
    """The played parts of one repetition with one excitation pulse; index 0 of the tables stands for a dummy."""

    plan: Plan
    excitation: Selection
    """With the least side that all axes fit into; its own gradient is that of partition k = 0."""
    prephaser: Gradient | None
    """Read axis, behind the pulse."""
    between: Gradient | None
    """Read axis, between two readouts."""
    ending: Gradient | None
    """Read axis, at the end."""
    readouts: int
    """One or two."""
    phase: tuple[tuple[Gradient | None, Gradient | None], ...]
    """Per line + 1: lobe and rewinder."""
    slices: tuple[tuple[Gradient | None, Gradient | None], ...]
    """Per partition + 1: the excitation block's slice axis, and the lobe at the end."""
    end_time: int = field(init=False)
    """Length of the last block, ns: a repetition asks for it, and a scan has many of them."""

    def __post_init__(self) -> None:
        """Find the latest end of all lines' and partitions' lobes."""
        ends = (lobe for pair in (*self.phase, *self.slices) for lobe in pair[1:])
        object.__setattr__(self, "end_time", max(longest(self.ending, *ends), self.plan.limits.raster))

    @property
    def readout(self) -> Readout:
        """The readout lobe."""
        return self.plan.readout

    def unphased(self, lines: int) -> SteadyState:
        """Return the repetition without phase encoding, for `lines` readouts that differ by a rotation."""
        return replace(self, phase=((None, None),) * (lines + 1))

    def lead(self) -> dict[str, int]:
        """Return what lies between the excitation and the first echo, ns."""
        return {
            "half the excitation": self.excitation.after - self.excitation.side,
            "the rephaser, prephaser and phase encoding": self.excitation.side,
            "half the readout": self.readout.echo,
        }

    def gap(self) -> int:
        """Return the time between two echoes, ns; 0 if there is one."""
        return (self.readout.duration + longest(self.between)) if self.readouts > 1 else 0

    def tail(self) -> dict[str, int]:
        """Return what lies between the last echo and the next excitation, ns."""
        before = self.excitation.before
        return {
            "half the readout": self.readout.duration - self.readout.echo,
            "the rewinders and spoilers": self.end_time,
            "the start of the excitation": before,
            **self.plan.preparation_time(before),
        }

    def blocks(
        self,
        encoded: tuple[int, int],
        labels: tuple[dict[str, int], ...],
        pause: int,
        phase: float,
        position: float,
    ) -> list[Block]:
        """Return one repetition up to its last lobe.

        Parameters
        ----------
        encoded : (int, int)
            Line and partition; -1 for a dummy, which plays no phase encoding and no ADC.
        labels : tuple of dict
            Labels of each readout.
        pause : int
            Wait before the first readout, ns.
        phase : float
            Phase of excitation and receiver on top of the nominal one, rad.
        position : float
            Of the slice or slab along z, m.
        """
        line, partition = encoded
        blocks = [*self.plan.prepare(position, self.excitation.before), self._excite(encoded, phase, position)]
        if pause:
            blocks.append(Block(duration=pause, name="wait"))
        for echo, label in enumerate(labels):
            if echo and self.between is not None:
                blocks.append(Block(duration=longest(self.between), gx=self.between, name="dephase"))
            adc = replace(self.readout.adc, phase=phase) if line >= 0 else None
            where = {"line": line} if self.plan.partition_lobe is None else {"line": line, "partition": partition}
            name, played = f"read {echo + 1}", {**where, **label} if adc else {}
            blocks.append(
                Block(duration=self.readout.duration, gx=self.readout.gradient, adc=adc, labels=played, name=name)
            )
        gy, gz = self.phase[line + 1][1], self.slices[partition + 1][1]
        return [*blocks, Block(duration=self.end_time, gx=self.ending, gy=gy, gz=gz, name="rewind")]

    def _excite(self, encoded: tuple[int, int], phase: float, position: float) -> Block:
        part = self.excitation
        pulse = part.at(position)
        encode = self.phase[encoded[0] + 1][0]
        return Block(
            duration=part.duration,
            rf=replace(pulse, phase=math.fmod(pulse.phase + phase, 2 * math.pi)),
            gx=shifted(self.prephaser, part.free) if self.prephaser else None,
            gy=shifted(encode, part.free) if encode else None,
            gz=self.slices[encoded[1] + 1][0],
            name="excite",
        )


def steady_state(
    protocol: Cartesian,
    scanner: Scanner,
    pulse: RfPulse,
    *,
    kind: str = "fisp",
    read_cycles: float = 0.0,
    slice_cycles: float = 0.0,
) -> SteadyState:
    """Return the parts of a repetition.

    Parameters
    ----------
    protocol : Cartesian
    scanner : Scanner
    pulse : RfPulse
        The excitation.
    kind : str
        ``"fisp"`` reads the free induction decay, ``"psif"`` the echo of earlier excitations, ``"dess"`` both.
    read_cycles, slice_cycles : float
        Cycles per pixel, and per partition or slice, collected from one excitation to the next.
    """
    parts = plan(protocol, scanner)
    limits, area = parts.limits, parts.readout.area
    net = read_cycles / (scanner.gamma_bar * parts.grid.spacing[0])
    lead = net - area / 2 if kind == "psif" else -area / 2
    final = net - area / 2 if kind == "fisp" else -area / 2
    prephaser = trapezoid(limits, lead) if lead else None
    amplitude = slice_gradient(protocol, parts, pulse)
    alone = excite(scanner, limits, pulse, amplitude)
    steps = _partition_areas(parts)
    rephase = -amplitude * (pulse.duration - pulse.centre) / NS
    reach = max(_shortest(limits, amplitude, rephase + step) for step in steps)
    side = max(alone.side, longest(prephaser), parts.phase_time, reach)
    excitation = excite(scanner, limits, pulse, amplitude, side)
    end_areas = [slice_cycles * parts.crossings - slice_area(excitation) - step for step in steps]
    end_time = max(_shortest(limits, 0.0, total) for total in end_areas)
    return SteadyState(
        plan=parts,
        excitation=excitation,
        prephaser=prephaser,
        between=trapezoid(limits, net - area) if kind == "dess" and net != area else None,
        ending=trapezoid(limits, final) if final else None,
        readouts=2 if kind == "dess" else 1,
        phase=tuple((parts.phase(line), parts.phase(line, -1)) for line in range(-1, protocol.matrix[1])),
        slices=tuple(
            (_selecting(limits, excitation, amplitude, rephase + step), _lobe(limits, total, end_time))
            for step, total in zip(steps, end_areas, strict=True)
        ),
    )


def _partition_areas(parts: Plan) -> list[float]:
    """Return the encoding area of a dummy and of every partition, T s/m."""
    if parts.partition_lobe is None:
        return [0.0]
    lobe = parts.partition_lobe
    whole = float(np.trapezoid(lobe.amplitudes, lobe.times / NS))
    count, half = parts.grid.shape[0], parts.partition_steps
    return [0.0, *(whole * (index - half) / max(half, 1) for index in range(count))]


def _shortest(limits: Limits, start: float, area: float) -> int:
    """Return the shortest length, ns, of a lobe from an amplitude to zero with an area."""
    return int(bridge(limits, start, 0.0, area).times[-1]) if start or area else 0


def _lobe(limits: Limits, area: float, duration: int) -> Gradient | None:
    return trapezoid(limits, area, duration) if area else None


def _selecting(limits: Limits, excitation: Selection, amplitude: float, area: float) -> Gradient | None:
    """Return the slice axis of an excitation block whose lobe behind the pulse has an area of its own."""
    if excitation.gradient is None:
        return shifted(trapezoid(limits, area, excitation.side), excitation.free) if area else None
    times, amplitudes = excitation.gradient.times, excitation.gradient.amplitudes
    kept = times <= excitation.free
    tail = bridge(limits, amplitude, 0.0, area, excitation.side)
    return joined(Gradient(times=times[kept], amplitudes=amplitudes[kept]), shifted(tail, excitation.free))
