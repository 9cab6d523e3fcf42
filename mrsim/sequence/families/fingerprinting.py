"""Fingerprinting: an inversion, then a train of unbalanced gradient echoes whose flips and spacings vary (FISP).

Flips rise and fall in lobes of different height, spacings scatter between two times; one image per excitation, line by
line, every line with the same train after the magnetisation has recovered (Jiang 2015, doi:10.1002/mrm.25559, with a
Cartesian readout instead of an undersampled spiral).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.units import Angle, Angles, Time, Times
from ..events import NS
from ..gradients import Limits
from ..preparations.inversion import Inversion
from ..preparations.preparation import Stage
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, wait
from .cartesian import finished
from .protocol import at_least, flip_angle, pulse_name
from .slice2d import Slice2D
from .steady_state import SteadyState, steady_state

GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples, taken modulo 1, fill the range of spacings evenly and without order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprinting(Slice2D):
    """A slice, one line per inversion; one image per excitation of the train."""

    name: ClassVar[str] = "fingerprinting"

    excitation_duration: Time = 2e-3
    """Length of the excitation, s."""
    flip: Angles = (math.pi / 6, math.pi / 3, math.pi / 9, math.pi / 4)
    """Highest flip angle of each lobe of the train, rad; the lobes are equally long."""
    least_flip: Angle = 5.0 * math.pi / 180.0
    """Flip angle between the lobes, rad."""
    excitations: int = 24
    """Excitations of the train."""
    spacing: Times = (12e-3, 15e-3)
    """Shortest and longest time between excitations, s; one time if they are all alike."""
    ti: Time = 25e-3
    """From the centre of the inversion to the centre of the first excitation, s."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = 8.0
    """Repetition time, s: from inversion to inversion; long enough for all to recover."""
    inversion_duration: Time = 12.8e-3
    """Length of the adiabatic inversion, s."""
    spoiler_cycles: float = 4.0
    """Cycles across the slice from one excitation to the next."""

    def __post_init__(self) -> None:
        """Refuse empty trains, several slices and preparations besides the inversion."""
        Slice2D.__post_init__(self)
        if not self.flip:
            raise InputError("has no value", key="flip")
        for angle in (*self.flip, self.least_flip):
            flip_angle("flip", angle)
        at_least("excitations", self.excitations, max(2, len(self.flip)))
        at_least("spoiler_cycles", self.spoiler_cycles, 0.0)
        if len(self.spacing) not in (1, 2) or list(self.spacing) != sorted(self.spacing) or self.spacing[0] <= 0:
            raise InputError("must hold one positive time, or the shortest and the longest", key="spacing")
        if self.slices != 1:
            raise InputError(f"is {self.slices}; the inversion takes everything, use 1", key="slices")
        if self.preparation:
            raise InputError("this family plays its own inversion; use none", key="preparation")

    def flips(self) -> NDArray[np.float64]:
        """Return the (excitation,) flip angles, rad."""
        number = np.arange(self.excitations)
        lobe = number * len(self.flip) // self.excitations
        first = -(-np.arange(len(self.flip) + 1) * self.excitations // len(self.flip))
        along = (number - first[lobe] + 0.5) / np.diff(first)[lobe]
        return np.asarray(self.least_flip + (np.array(self.flip)[lobe] - self.least_flip) * np.sin(np.pi * along))

    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        flips = self.flips()
        played = [
            steady_state(self, scanner, self.shaped(scanner, flip, self.excitation_duration),
                         slice_cycles=self.spoiler_cycles)
            for flip in flips
        ]  # fmt: skip
        limits = played[0].plan.limits
        te, (pause,) = solve("te", self.te, (played[0].lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        spacings, rests = self._spacings({"the echo time": te, **played[0].tail()}, limits)
        inversion = self._inversion(played[0])
        length = sum(block.duration for block in inversion)
        tr, (idle,) = solve(
            "tr", self.tr, ({"the inversion": length, "the train": int(spacings.sum())},), limits, "take fewer"
        )
        blocks: list[Block] = []
        for average, line in self.lines():
            shot = [*inversion]
            for image, (parts, rest) in enumerate(zip(played, rests, strict=True)):
                labels = {"contrast": image, "average": average, "repetition": 0, "slice": 0}
                shot += [*parts.blocks((line, -1), (labels,), pause, 0.0, 0.0), *wait(rest)]
            blocks += starting([*shot, *wait(idle)])
        contrast = {"te": te / NS, "tr": spacings / NS, "flip": flips}
        largest = int(np.argmax(flips))
        sheet = {
            "excitation_profile": pulse_name(self), "excitation_flip": float(flips[largest]),
            "pulses": {"excitation": played[largest].excitation.sheet(scanner.gamma_bar)},
            "inversion_time": self.ti, "train_length": self.excitations,
        }  # fmt: skip
        facts: dict[str, float | str] = {"te": te / NS, "ti": self.ti, "tr": tr / NS}
        return finished(self, played[0].plan, blocks, contrast, sheet, facts)

    def _spacings(self, content: dict[str, int], limits: Limits) -> tuple[NDArray[np.int64], list[int]]:
        """Return the time from every excitation to the next, ns, and the wait that it leaves."""
        low, high = self.spacing[0], self.spacing[-1]
        share = np.arange(self.excitations) * GOLDEN % 1.0
        raster = limits.raster
        wanted = np.round((low + (high - low) * share) * NS / raster).astype(np.int64) * raster
        rests = [
            solve("spacing", float(time) / NS, (content,), limits, "pixel_bandwidth, or shorten te")[1][0]
            for time in wanted
        ]
        return wanted, rests

    def _inversion(self, played: SteadyState) -> tuple[Block, ...]:
        """Return the inversion, its spoiler and the wait for the first excitation."""
        parts = played.plan
        stage = Stage(scanner=parts.scanner, limits=parts.limits, thickness=parts.thickness, position=0.0,
                      lead=played.excitation.before)  # fmt: skip
        return Inversion(ti=(self.ti,), duration=self.inversion_duration).blocks(stage)
