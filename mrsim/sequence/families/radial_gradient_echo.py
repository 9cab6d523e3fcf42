"""Radial gradient echo: full spokes through k = 0, turned from one excitation to the next.

Angles are golden (111.246 degrees, Winkelmann 2007, doi:10.1109/TMI.2006.885337), so that any number of consecutive
spokes covers the circle almost evenly, or uniform over half a turn. Spokes are the Cartesian readout under a rotation
of the block; k is taken from the nominal gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.units import Angles, Lengths, Time
from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve
from .cartesian import finished
from .interleave import interleave
from .protocol import at_least, flip_angle, pulse_name
from .recalled import Recalled
from .steady_state import steady_state

GOLDEN = math.pi * (math.sqrt(5) - 1) / 2
"""Golden angle of full spokes, rad."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RadialGradientEcho(Recalled):
    """A spoke per excitation, RF and gradient spoiling; one image per flip angle."""

    name: ClassVar[str] = "radial-gradient-echo"

    fov: Lengths = (0.16, 0.16)
    """Field of view, a square, m."""
    matrix: tuple[int, ...] = (160, 160)
    """Samples of a spoke, twice: the image is square."""
    excitation_duration: Time = 1e-3
    """Length of the excitation, s."""
    spokes: int = 252
    """Spokes of an image; pi / 2 times the matrix samples the edge of k-space fully."""
    angles: Literal["golden", "uniform"] = "golden"
    """How the spokes are turned."""
    flip: Angles = (15.0 * math.pi / 180.0,)
    """Flip angles, rad."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s."""
    tr: TimeOrMinimum = "minimum"
    """Repetition time, s."""

    def __post_init__(self) -> None:
        """Refuse a field of view or a matrix that is not square."""
        Recalled.__post_init__(self)
        at_least("spokes", self.spokes, 1)
        if self.fov[0] != self.fov[1]:
            raise InputError(f"is {self.fov[0] * 1e3:g} x {self.fov[1] * 1e3:g} mm; use a square", key="fov")
        if self.matrix[0] != self.matrix[1]:
            raise InputError(f"is {self.matrix[0]} x {self.matrix[1]}; use a square", key="matrix")
        if self.partial_fourier != 1:
            problem = f"is {self.partial_fourier:g}, must be 1: spokes have no lines to leave out; lower spokes instead"
            raise InputError(problem, key="partial_fourier")
        if self.acceleration != 1 or self.calibration_lines:
            key, least = ("acceleration", 1) if self.acceleration != 1 else ("calibration_lines", 0)
            problem = f"is {getattr(self, key)}, must be {least}: it is for lines; lower spokes instead"
            raise InputError(problem, key=key)
        if not self.flip:
            raise InputError("has no value", key="flip")
        for angle in self.flip:
            flip_angle("flip", angle)

    def lines(self) -> Iterator[tuple[int, int]]:
        """Yield (average, spoke) in the order of acquisition; spoke -1 stands for a dummy."""
        for _ in range(self.dummies):
            yield 0, -1
        for average in range(self.averages):
            for spoke in range(self.spokes):
                yield average, spoke

    def angle(self, spoke: int) -> float:
        """Return the angle of a spoke from the read axis, rad."""
        step = GOLDEN if self.angles == "golden" else math.pi / self.spokes
        return max(spoke, 0) * step

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = [
            steady_state(self, scanner, self.shaped(scanner, flip, self.excitation_duration),
                         slice_cycles=self.spoiler_cycles).unphased(self.spokes)
            for flip in self.flip
        ]  # fmt: skip
        first, limits = played[0], played[0].plan.limits
        te, (pause,) = solve("te", self.te, (first.lead(),), limits, "pixel_bandwidth, or shorten the pulse")
        turns = interleave(self, self.tr, {"the echo time": te, **first.tail()}, limits, "shorten te")
        blocks: list[Block] = []
        excitation = 0
        for image, parts in enumerate(played):
            for group, average, spoke in self.repetitions(turns.groups):
                turn, phase = about_z(self.angle(spoke)), self.spoil_phase(excitation)
                labels = {"contrast": image, "average": average, "repetition": 0}
                modules = [
                    parts.blocks((spoke, -1), ({**labels, "slice": i},), pause, phase, self.position(i)) for i in group
                ]
                blocks += turns.repetition([[turned(block, turn) for block in module] for module in modules])
                excitation += 1
        contrast = {"te": te / NS, "tr": turns.tr / NS, "flip": self.flip}
        sheet = {"excitation_profile": pulse_name(self), "phase_increment": self.phase_increment}
        sheet |= {"spokes": self.spokes, "angles": self.angles}
        facts = {"te": te / NS, "tr": turns.tr / NS, **turns.facts()}
        made = finished(self, first.plan, blocks, contrast, sheet, facts)
        return replace(made, encoding=replace(made.encoding, k_from="trajectory"))


def about_z(angle: float) -> NDArray[np.float64]:
    """Return the (3, 3) rotation about the slice axis by an angle, rad."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def turned(block: Block, rotation: NDArray[np.float64]) -> Block:
    """Return a block whose gradients in the plane play rotated; others are left as they are."""
    return block if block.gx is None and block.gy is None else replace(block, rotation=rotation)
