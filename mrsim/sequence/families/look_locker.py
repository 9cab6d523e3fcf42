"""Look-Locker: an inversion, then a train of small flips that reads the same line again and again as it recovers.

The train drives the magnetisation to a steady state with the apparent time T1*, 1 / T1* = 1 / T1 - ln(cos flip) /
spacing (Deichmann 1992, doi:10.1016/0022-2364(92)90134-M); one image per echo of the train.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.errors import InputError
from ...core.units import Angle, Time
from ..events import NS
from ..preparations.inversion import Inversion
from ..preparations.preparation import Stage
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .cartesian import finished
from .protocol import MOST_ECHOES, flip_angle, pulse_name, within
from .recalled import Recalled
from .steady_state import SteadyState, steady_state


@dataclass(frozen=True, kw_only=True, slots=True)
class LookLocker(Recalled):
    """A slice, one line per inversion; one image per echo of the train."""

    name: ClassVar[str] = "look-locker"

    excitation_duration: Time = 1e-3
    """Length of the excitation, s."""
    flip: Angle = 5.0 * math.pi / 180.0
    """Flip angle of the train, rad."""
    ti: Time = 50e-3
    """First inversion time, s: from the centre of the inversion to the centre of the first excitation."""
    echoes: int = 20
    """Excitations of the train."""
    echo_spacing: TimeOrMinimum = 100e-3
    """Time between excitations, s."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = 5.0
    """Repetition time, s: from inversion to inversion."""
    inversion_duration: Time = 12.8e-3
    """Length of the adiabatic inversion, s."""

    def __post_init__(self) -> None:
        """Refuse an empty train, several slices and preparations besides the inversion."""
        Recalled.__post_init__(self)
        flip_angle("flip", self.flip)
        within("echoes", self.echoes, 2, MOST_ECHOES)
        if self.slices != 1:
            raise InputError(f"is {self.slices}; the inversion takes everything, use 1", key="slices")
        if self.preparation:
            raise InputError("this family plays its own inversion; use none", key="preparation")

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        pulse = self.shaped(scanner, self.flip, self.excitation_duration)
        played = steady_state(self, scanner, pulse, slice_cycles=self.spoiler_cycles)
        limits = played.plan.limits
        te, (pause,) = solve("te", self.te, (played.lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        content = {"the echo time": te, **played.tail()}
        spacing, (rest,) = solve("echo_spacing", self.echo_spacing, (content,), limits, "shorten te")
        inversion = self._inversion(played)
        length = sum(block.duration for block in inversion)
        tr, (idle,) = solve(
            "tr", self.tr, ({"the inversion": length, "the train": self.echoes * spacing},), limits, "take fewer echoes"
        )
        blocks: list[Block] = []
        excitation = 0
        for average, line in self.lines():
            shot = [*inversion]
            for image in range(self.echoes):
                labels = {"contrast": image, "average": average, "repetition": 0, "slice": 0}
                module = played.blocks((line, -1), (labels,), pause, self.spoil_phase(excitation), 0.0)
                shot += [*module, *wait(rest)]
                excitation += 1
            blocks += starting([*shot, *wait(idle)])
        times = self.ti + spacing / NS * np.arange(self.echoes)
        contrast = {"te": te / NS, "ti": times, "tr": tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "echo_spacing": spacing / NS, "train_length": self.echoes}
        facts: dict[str, float | str] = {"te": te / NS, "ti": self.ti, "tr": tr / NS, "echo_spacing": spacing / NS}
        return finished(self, played.plan, blocks, contrast, sheet, facts)

    def _inversion(self, played: SteadyState) -> tuple[Block, ...]:
        """Return the inversion, its spoiler and the wait for the first excitation."""
        parts = played.plan
        stage = Stage(scanner=parts.scanner, limits=parts.limits, thickness=parts.thickness, position=0.0,
                      lead=played.excitation.before)  # fmt: skip
        return Inversion(ti=(self.ti,), duration=self.inversion_duration).blocks(stage)
