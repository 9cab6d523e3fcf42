"""The echo-planar train of a protocol on a scanner, and the series of repetitions that a scan is made of.

Each train goes to its first line, reads, and goes back to the centre of k-space before the spoiler, so that nothing but
the spoiler is left between two excitations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..epi_train import EpiLine, epi_line
from ..events import NS, Gradient
from ..gradients import logical_limits, scaled, trapezoid
from ..readout import Readout
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import MINIMUM
from .cartesian import Plan, finished, longest, plan, spoil_lobe
from .echo_planar import EchoPlanar, Shot
from .interleave import Interleave


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EpiTrain:
    """The parts of a train."""

    plan: Plan
    line: EpiLine
    lobes: tuple[Gradient, Gradient]
    """Read axis, forward and backward."""
    blips: dict[tuple[int, int], Gradient | None]
    """Phase axis of a line by the signs of the blips before and after it."""
    navigators: int
    prephaser: Gradient
    """Read axis, minus half a lobe."""
    spoiler: Gradient | None

    @property
    def phase_time(self) -> int:
        """Length of the block that goes to the first line, ns."""
        return max(longest(self.prephaser), self.plan.phase_time)

    @property
    def spoil_time(self) -> int:
        """Length of the last block, ns."""
        return max(self.phase_time, longest(self.spoiler))

    def lead(self, shot: Shot) -> int:
        """Return the time from the start of the train to its echo, ns."""
        ahead = self.phase_time + (self.plan.phase_time if self.navigators else 0)
        return ahead + (self.navigators + shot.centre) * self.line.spacing + self.line.spacing // 2

    def tail(self, shot: Shot) -> int:
        """Return the time from the echo to the end of the train with its spoiler, ns."""
        behind = len(shot.lines) - shot.centre
        return behind * self.line.spacing - self.line.spacing // 2 + self.spoil_time

    def blocks(self, shot: Shot, labels: dict[str, int] | None) -> list[Block]:
        """Return the train; without ADC where there are no labels."""
        to_line = self.plan.phase(shot.lines[0])
        first = None if self.navigators else to_line
        blocks = [Block(duration=self.phase_time, gx=self.prephaser, gy=first, name="prephase")]
        for index in range(self.navigators):
            shown = None if labels is None else {**labels, "line": self.plan.phase_steps}
            blocks.append(self._read(index, None, shown, "navigator", f"navigator {index + 1}"))
        if self.navigators:
            blocks.append(Block(duration=self.plan.phase_time, gy=to_line, name="phase encode"))
        sign = 1 if shot.step > 0 else -1
        for index, number in enumerate(shot.lines):
            gy = self.blips[sign * (index > 0), sign * (index + 1 < len(shot.lines))]
            shown = None if labels is None else {**labels, "line": number}
            blocks.append(self._read(self.navigators + index, gy, shown, shot.purpose, f"read {index + 1}"))
        return [*blocks, self._spoil(shot)]

    def _read(self, index: int, gy: Gradient | None, labels: dict[str, int] | None, purpose: str, name: str) -> Block:
        reverse = index % 2
        gx = self.lobes[reverse]
        if labels is None:
            return Block(duration=self.line.spacing, gx=gx, gy=gy, name=name)
        adc = self.line.adc if purpose == "imaging" else replace(self.line.adc, purpose=purpose)
        return Block(
            duration=self.line.spacing, gx=gx, gy=gy, adc=adc, labels={**labels, "reverse": reverse}, name=name
        )

    def _spoil(self, shot: Shot) -> Block:
        odd = (self.navigators + len(shot.lines)) % 2
        gx = self.prephaser if odd else scaled(self.prephaser, -1.0)
        return Block(
            duration=self.spoil_time, gx=gx, gy=self.plan.phase(shot.lines[-1], -1), gz=self.spoiler, name="spoil"
        )


def epi_train(protocol: EchoPlanar, scanner: Scanner) -> EpiTrain:
    """Return the train of a protocol on a scanner."""
    limits = logical_limits(scanner, protocol.grid().axes, protocol.train_slew)
    nx, fov = protocol.matrix[0], protocol.fov[0]
    bounded = min(limits.gradient, protocol.pixel_bandwidth * nx / (scanner.gamma_bar * fov))
    line = epi_line(
        scanner,
        replace(limits, gradient=bounded),
        nx,
        fov,
        protocol.acceleration * protocol.shots / (scanner.gamma_bar * protocol.fov[1]),
        ramp_sampling=protocol.ramp_sampling,
        spacing=None if protocol.echo_spacing == MINIMUM else float(protocol.echo_spacing),
    )
    half = line.spacing // 2
    lobe = Readout(gradient=line.gradient, adc=line.adc, duration=line.spacing, echo=half, area=line.area)
    parts = plan(protocol, scanner, lobe)
    return EpiTrain(
        plan=parts,
        line=line,
        lobes=(line.gradient, scaled(line.gradient, -1.0)),
        blips={(i, j): line.between(float(i), float(j)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i * j >= 0},
        navigators=protocol.navigator_lines,
        prephaser=trapezoid(parts.limits, -line.area / 2),
        spoiler=spoil_lobe(parts, protocol.spoiler_cycles),
    )


Play = Callable[[int, Shot, dict[str, int] | None, float], list[Block]]
"""(image, shot, labels or None, position of the slice in m) -> blocks of one slice from preparation to spoiler."""


def series(protocol: EchoPlanar, turns: Interleave, polarities: tuple[int, ...], play: Play) -> list[Block]:
    """Return the blocks of the whole scan: dummies, calibration, then the images of each volume.

    Parameters
    ----------
    protocol : EchoPlanar
    turns : Interleave
    polarities : tuple of int
        Direction of the blips of each image.
    play : Play
    """
    blocks: list[Block] = []

    def repetition(image: int, shot: Shot, labels: dict[str, int] | None, group: tuple[int, ...]) -> None:
        modules = [
            play(image, shot, None if labels is None else {**labels, "slice": i}, protocol.position(i)) for i in group
        ]
        length = sum(block.duration for block in modules[0])
        blocks.extend(turns.repetition(modules, turns.content - length))

    shots = {polarity: protocol.imaging_shots(polarity) for polarity in set(polarities)}
    for group in turns.groups:
        for _ in range(protocol.dummies):
            repetition(0, shots[polarities[0]][0], None, group)
        for shot in protocol.calibration_shots():
            repetition(0, shot, {"contrast": 0, "average": 0, "repetition": 0}, group)
        for volume in range(protocol.volumes):
            for image, polarity in enumerate(polarities):
                for average in range(protocol.averages):
                    labels = {"contrast": image, "average": average, "repetition": volume}
                    for number, shot in enumerate(shots[polarity]):
                        repetition(image, shot, {**labels, "shot": number}, group)
    return blocks


def all_shots(protocol: EchoPlanar) -> list[Shot]:
    """Return one of each train that a scan plays."""
    imaging = [shot for polarity in protocol.polarities() for shot in protocol.imaging_shots(polarity)]
    return [*imaging, *protocol.calibration_shots()]


def echo_planar_sequence(
    protocol: EchoPlanar,
    train: EpiTrain,
    blocks: list[Block],
    contrast: dict[str, Any],
    sheet: dict[str, Any],
    facts: dict[str, float | str],
) -> Sequence:
    """Return the sequence with what an echo-planar reconstruction must know."""
    spacing = train.line.spacing / NS
    shared = {
        "echo_spacing": spacing,
        "effective_echo_spacing": spacing / (protocol.shots * protocol.acceleration),
        "acceleration": float(protocol.acceleration),
        "shots": float(protocol.shots),
        "partial_fourier": protocol.partial_fourier,
        "ramp_sampling": float(protocol.ramp_sampling),
    }
    shown = {**facts, "echo_spacing": spacing, "samples_per_line": float(train.line.adc.samples)}
    sequence = finished(protocol, train.plan, blocks, contrast, {**shared, **sheet}, shown)
    return replace(sequence, encoding=replace(sequence.encoding, k_from="trajectory"))
