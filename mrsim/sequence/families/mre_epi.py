"""Elastography by spin-echo EPI: a motion-encoding gradient on each side of the refocusing pulse.

The two gradients stand a whole number of half periods of the vibration apart: at an odd number they have the same sign,
at an even one opposite signs, so that both encodings add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...core.errors import InfeasibleError, InputError
from ..b_matrix import Course
from ..events import NS, Gradient
from ..gradients import Limits
from ..motion_encoding import efficiency, locked_period
from ..scanner import Scanner, to_ns
from ..sequence import Block, Sequence
from ..timing import MINIMUM, TimeOrMinimum, text, wait
from .cartesian import longest
from .echo_planar import Shot
from .echo_planar_refocused import RefocusedEpi, RefocusingParts, refocused_epi_sheet, refocusing_parts
from .echo_planar_train import EpiTrain, all_shots, echo_planar_sequence, epi_train
from .motion_encoded import Encoded, MotionEncoded, motion_block, triggered


@dataclass(frozen=True, kw_only=True, slots=True)
class MrePlan:
    """Timing of a repetition, ns."""

    te: int
    first: int
    """From the excitation's centre to the first gradient."""
    apart: int
    """From one gradient's start to the other's."""
    sign: float
    """Of the second gradient."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MreEpi(RefocusedEpi, MotionEncoded):
    """Spin-echo EPI with motion-encoding gradients."""

    name: ClassVar[str] = "mre-epi"

    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = 1.0
    """Repetition time, s: rounded up to a whole number of periods of the vibration."""

    def __post_init__(self) -> None:
        """Refuse what encodes nothing."""
        RefocusedEpi.__post_init__(self)
        self.check_motion()

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        train, shots = epi_train(self, scanner), all_shots(self)
        limits, pulses = train.plan.limits, refocusing_parts(self, train.plan, scanner)
        first, second = pulses.excitation, pulses.refocusing
        gradient = self.gradient(limits)
        lead, length = max(map(train.lead, shots)), longest(gradient)
        plan = mre_timing(self, limits, first.after, (second.before, second.after), lead, length)
        played = _Played(train=train, pulses=pulses, gradient=gradient, plan=plan)
        prepared = sum(train.plan.preparation_time(first.before).values())
        content = prepared + first.before + plan.te + max(map(train.tail, shots))
        tr = self._repetition_time(limits.up(content) * self.slices, limits)
        images = self.images_of(self.polarities())
        blocks = self._scan(images, played.module, tr, limits)
        course = mre_course(gradient, plan)
        xi = complex(efficiency(course, scanner.gamma_bar, self.vibration)[-1, 0])
        contrast = {"te": plan.te / NS, "tr": tr / NS, "flip": self.flip} | self.header(
            images, xi, prepared + first.before, limits
        )
        contrast |= {"polarity": [image.blips for image in images]}
        sheet = refocused_epi_sheet(self) | {"vibration_frequency": self.vibration, "shape": self.shape}
        facts: dict[str, float | str] = {"te": plan.te / NS, "tr": tr / NS, "vibration_frequency": self.vibration}
        facts |= {"motion_gradient": self.amplitude}
        sequence = echo_planar_sequence(self, train, blocks, contrast, sheet, facts)
        slots = np.argsort(self.order()) * self._slot(tr, limits)

        def alone(image: Encoded) -> list[Block]:
            shots = self.imaging_shots(image.blips)
            return played.module(image, next(s for s in shots if self.matrix[1] // 2 in s.lines), {}, 0.0)

        return self.told(sequence, images, alone, slots, limits)

    def _repetition_time(self, least: int, limits: Limits) -> int:
        """Return the wanted repetition time, ns, rounded up to whole periods; `least` holds all slices."""
        wanted = 0 if self.tr == MINIMUM else to_ns(float(self.tr))
        if wanted and wanted < least:
            need = text(least)
            problem = f"tr {text(wanted)} is shorter than the {need} of {self.slices} slices; raise tr to {need}"
            raise InfeasibleError(problem)
        return locked_period(self.vibration, limits.raster, max(wanted, least))

    def _slot(self, tr: int, limits: Limits) -> int:
        """Return how long each slice's turn lasts within a repetition of `tr` ns; the last one takes the rest."""
        return tr // self.slices // limits.raster * limits.raster

    def _scan(self, images: tuple[Encoded, ...], module: Any, tr: int, limits: Limits) -> list[Block]:
        """Return the blocks of the scan; every repetition begins with a trigger for the driver."""
        blocks: list[Block] = []
        shift, period = 0, locked_period(self.vibration, limits.raster, limits.raster)
        slot = self._slot(tr, limits)

        def repetition(image: Encoded, shot: Shot, labels: dict[str, int] | None) -> None:
            start = len(blocks)
            for turn, index in enumerate(self.order()):
                own = None if labels is None else {**labels, "slice": index}
                played = module(image, shot, own, self.position(index))
                room = slot if turn + 1 < self.slices else tr - slot * (self.slices - 1)
                blocks.extend([*played, *wait(room - sum(block.duration for block in played))])
            blocks[start:] = triggered(blocks[start:], limits)

        for _ in range(self.dummies):
            repetition(images[0], self.imaging_shots(images[0].blips)[0], None)
        for shot in self.calibration_shots():
            repetition(images[0], shot, {"contrast": 0, "average": 0, "repetition": 0})
        for number, image in enumerate(images):
            due = self.delay(image.offset, limits)
            blocks.extend(wait((due - shift) % period, "shift against the vibration"))
            shift = due
            for average in range(self.averages):
                for part, shot in enumerate(self.imaging_shots(image.blips)):
                    repetition(image, shot, {"contrast": number, "average": average, "repetition": 0, "shot": part})
        return blocks


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Played:
    """One repetition of one slice."""

    train: EpiTrain
    pulses: RefocusingParts
    gradient: Gradient
    plan: MrePlan

    def module(self, image: Encoded, shot: Shot, labels: dict[str, int] | None, position: float) -> list[Block]:
        """Return the blocks from the preparation to the spoiler."""
        plan, first, second = self.plan, self.pulses.excitation, self.pulses.refocusing
        length, late = longest(self.gradient), plan.first + plan.apart
        pauses = (plan.te // 2 - second.before - plan.first - length, late - plan.te // 2 - second.after)
        blocks = [*self.train.plan.prepare(position, first.before), self.pulses.excite(position)]
        blocks += [*wait(plan.first - first.after), motion_block(self.gradient, image), *wait(pauses[0])]
        blocks += [self.pulses.refocus(position), *wait(pauses[1]), motion_block(self.gradient, image, plan.sign)]
        end = plan.te - self.train.lead(shot) - late - length
        return [*blocks, *wait(end), *self.train.blocks(shot, labels)]


def mre_timing(protocol: MreEpi, limits: Limits, lead: int, pulse: tuple[int, int], tail: int, length: int) -> MrePlan:
    """Return the shortest (or the wanted) echo time whose gradients stand half periods apart."""
    step, half = 2 * limits.raster, NS / (2 * protocol.vibration)
    least = 2 * max(lead + length + pulse[0], pulse[1] + length + tail)
    te = -(-least // step) * step
    wanted = None if protocol.te == MINIMUM else to_ns(float(protocol.te))
    if wanted is not None and wanted % step:
        near = round(wanted / step) * step
        raise InputError(f"{text(wanted)} is not a multiple of {step / 1e3:g} us; use {text(near)}", key="te")
    found = None
    while found is None or (wanted is not None and te < wanted):
        te = te if wanted is None or te >= wanted else wanted
        late = (te // 2 + pulse[1], te - tail - length)
        early = (lead, te // 2 - pulse[0] - length)
        count = int(np.ceil((late[0] - early[1]) / half - 1e-9))
        apart = round(count * half / limits.raster) * limits.raster
        if late[0] - early[1] <= apart <= late[1] - early[0]:
            first = min(early[1], late[1] - apart)
            found = MrePlan(te=te, first=first, apart=apart, sign=-1.0 if count % 2 == 0 else 1.0)
        te += step
    if wanted is not None and found.te != wanted:
        raise InfeasibleError(
            f"te {text(wanted)} is shorter than {text(found.te)}, the shortest in which the motion-encoding gradients "
            "stand half periods apart; raise te, or lower cycles or partial_fourier"
        )
    return found


def mre_course(gradient: Gradient, plan: MrePlan) -> Course:
    """Return the effective course of the two gradients on the clock of the excitation's centre, along x."""
    late = plan.first + plan.apart
    times = np.unique(np.concatenate([[0, plan.te // 2, plan.te], gradient.times + plan.first, gradient.times + late]))
    height = np.interp(times, gradient.times + plan.first, gradient.amplitudes, left=0.0, right=0.0)
    height += plan.sign * np.interp(times, gradient.times + late, gradient.amplitudes, left=0.0, right=0.0)
    waves = np.stack([height, np.zeros_like(height), np.zeros_like(height)], axis=-1)
    return Course(times=times.astype(np.int64), gradient=waves, turns=((plan.te // 2, "refocusing"),))
