"""Elastography by spoiled gradient echo: a motion-encoding gradient between each excitation and its echo.

One line per repetition, and tr is a whole number of periods of the vibration, so that all lines of an image see the
same phase of it (Muthupillai 1995, doi:10.1126/science.7569924). Images follow one another with a wait that shifts
them against the vibration, and with `dummies` of their own, so that the steady state is there again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.units import Angle, Time
from ..b_matrix import Course
from ..events import NS
from ..gradients import Limits
from ..motion_encoding import efficiency, locked_period
from ..scanner import Scanner, to_ns
from ..sequence import Block, Sequence
from ..timing import MINIMUM, TimeOrMinimum, solve, wait
from .cartesian import finished, longest
from .interleave import Interleave, interleave
from .motion_encoded import Encoded, MotionEncoded, motion_block, triggered
from .protocol import flip_angle, pulse_name
from .recalled import Echoes, Recalled, echoes

MOST_UNREAD = 20_000
"""Repetitions without readout in a series: more is a mistake, and takes longer than seconds to build."""
_Module = Callable[[Encoded, int, dict[str, int], float, float], list[Block]]
"""(image, line, labels, RF phase in rad, position of the slice in m) -> blocks of one slice's turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MreGradientEcho(Recalled, MotionEncoded):
    """A gradient echo per line behind a motion-encoding gradient."""

    name: ClassVar[str] = "mre-gre"

    excitation_duration: Time = 2e-3
    """Length of the excitation, s."""
    flip: Angle = 25.0 * math.pi / 180.0
    """Excitation flip angle, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = 50e-3
    """Repetition time, s: rounded up to a whole number of periods of the vibration."""

    def __post_init__(self) -> None:
        """Refuse impossible flip angles and what encodes nothing."""
        Recalled.__post_init__(self)
        flip_angle("flip", self.flip)
        self.check_motion()

    def images_of(self, blips: tuple[int, ...] = (1,)) -> tuple[Encoded, ...]:
        """Return the images in the order of acquisition; refuse more dummies before them than a scan has time for."""
        images = MotionEncoded.images_of(self, blips)
        if self.dummies * len(images) > MOST_UNREAD:
            raise InputError(
                f"is {self.dummies:,} before each of {len(images)} images, {self.dummies * len(images):,} repetitions "
                f"without readout; at most {MOST_UNREAD // len(images):,}",
                key="dummies",
            )
        return images

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        parts, images = echoes(self, scanner, self.flip, 1, False), self.images_of()
        limits, gradient = parts.plan.limits, self.gradient(parts.plan.limits)
        need = {**parts.lead(), "the motion-encoding gradient": longest(gradient)}
        remedy = "amplitude's ramps with max_slew, lower cycles, or raise gradient_frequency"
        te, (pause,) = solve("te", self.te, (need,), limits, remedy)
        turns = self._turns(te, parts, limits)

        def module(image: Encoded, line: int, labels: dict[str, int], phase: float, position: float) -> list[Block]:
            encode = motion_block(gradient, image)
            return parts.blocks(line, (labels,), (pause, 0), phase, position, (encode,))

        blocks = self._scan(images, turns, module, limits)
        begin = sum(parts.plan.preparation_time(parts.excitation.before).values()) + parts.excitation.before
        course = Course(
            times=gradient.times + parts.excitation.after,
            gradient=np.stack([gradient.amplitudes, *np.zeros((2, len(gradient.times)))], axis=-1),
        )
        xi = complex(efficiency(course, scanner.gamma_bar, self.vibration)[-1, 0])
        times = {"te": te / NS, "tr": turns.tr / NS}
        contrast = {**times, "flip": self.flip, **self.header(images, xi, begin, limits)}
        sheet = {"excitation_profile": pulse_name(self), "phase_increment": self.phase_increment}
        sheet |= {"vibration_frequency": self.vibration, "shape": self.shape}
        facts = {**times, "vibration_frequency": self.vibration, "motion_gradient": self.amplitude, **turns.facts()}
        sequence = finished(self, parts.plan, blocks, contrast, sheet, facts)
        middle = self.matrix[1] // 2
        return self.told(sequence, images, lambda i: module(i, middle, {}, 0.0, 0.0), _slots(turns), limits)

    def _turns(self, te: int, parts: Echoes, limits: Limits) -> Interleave:
        """Return how the slices share a repetition that is locked to the vibration."""
        content = {"the echo time": te, **parts.tail()}
        wanted = sum(content.values()) * self.slices if self.tr == MINIMUM else to_ns(float(self.tr))
        tr = locked_period(self.vibration, limits.raster, limits.up(wanted))
        return interleave(self, tr / NS, content, limits, "shorten te")

    def _scan(self, images: tuple[Encoded, ...], turns: Interleave, module: _Module, limits: Limits) -> list[Block]:
        """Return the blocks of the scan; every repetition begins with a trigger for the driver."""
        blocks: list[Block] = []
        shift, period, excitation = 0, locked_period(self.vibration, limits.raster, limits.raster), 0
        for number, image in enumerate(images):
            due = self.delay(image.offset, limits)
            blocks.extend(wait((due - shift) % period, "shift against the vibration"))
            shift = due
            for group, average, line in self.repetitions(turns.groups):
                labels = {"contrast": number, "average": average, "repetition": 0}
                phase = self.spoil_phase(excitation)
                played = [module(image, line, {**labels, "slice": i}, phase, self.position(i)) for i in group]
                blocks.extend(triggered(turns.repetition(played), limits))
                excitation += 1
        return blocks


def _slots(turns: Interleave) -> NDArray[np.int64]:
    """Return the (slice,) start of each slice's turn within its repetition, ns."""
    found = np.zeros(sum(len(group) for group in turns.groups), dtype=np.int64)
    for group in turns.groups:
        slot = turns.tr // len(group) // turns.raster * turns.raster
        found[list(group)] = slot * np.arange(len(group))
    return found
