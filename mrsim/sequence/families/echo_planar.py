"""What echo-planar families share: their fields, and which lines a shot reads in which order.

A shot reads every (acceleration x shots)-th line. Partial Fourier leaves out the lines that would come first, so
that the echo time shortens. With the blips ``down`` the lines are read from the other end of k-space, and an
off-resonance shifts the image the other way. Calibration lines, if any, are read before the images by shots of the
same line spacing (and thus the same distortion) that together cover the centre of k-space without gaps.

Three navigator lines without phase encoding may lead each train: what odd and even lines differ in stands in them
without the object's own phase.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ...core.errors import InputError
from ...core.units import Angle, Frequency, Lengths, SlewRate
from ..timing import TimeOrMinimum
from .protocol import at_least, flip_angle, positive
from .slice2d import Slice2D


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """The lines of one train, in the order of acquisition."""

    lines: tuple[int, ...]
    centre: int
    """Index of the line whose echo is counted as the echo time."""
    step: int
    """Lines from one to the next, negative with the blips down."""
    purpose: str = "imaging"


@dataclass(frozen=True, kw_only=True, slots=True)
class EchoPlanar(Slice2D):
    """Fields of all echo-planar families."""

    fov: Lengths = (0.192, 0.192)
    """Field of view, read x phase, m."""
    matrix: tuple[int, ...] = (64, 64)
    """Encoded points, read x phase."""
    pixel_bandwidth: Frequency = 3000.0
    """Largest readout bandwidth per pixel, Hz: bounds the read gradient's plateau. The echo spacing follows."""
    train_slew: SlewRate = 90.0
    """Largest slew rate within the train, T/m/s, where the scanner allows as much: one axis at a time stimulates less
    than the three that `max_slew` bounds elsewhere."""
    flip: Angle = math.pi / 2
    """Excitation flip angle, rad."""
    echo_spacing: TimeOrMinimum = "minimum"
    """Time between two lines, s."""
    ramp_sampling: bool = True
    """Sample on the ramps of the read gradient too."""
    shots: int = 1
    """Trains that share the lines of an image."""
    acceleration: int = 1
    """Every how many-th line is read."""
    calibration_lines: int = 0
    """Lines around the centre of k-space that are read completely before the images."""
    blips: Literal["up", "down", "both"] = "up"
    """Direction through k-space; ``"both"`` measures every image twice."""
    navigator_lines: int = 3
    """Lines without phase encoding before each train."""
    volumes: int = 1
    """How often the whole series is measured, one after the other (label ``repetition``)."""
    spoiler_cycles: float = 4.0
    """Cycles across the slice from the spoiler behind each train."""

    def __post_init__(self) -> None:
        """Refuse what no train could read."""
        Slice2D.__post_init__(self)
        flip_angle("flip", self.flip)
        positive("train_slew", self.train_slew)
        for key in ("shots", "acceleration", "volumes"):
            at_least(key, getattr(self, key), 1)
        for key in ("calibration_lines", "navigator_lines", "spoiler_cycles"):
            at_least(key, getattr(self, key), 0)
        if self.sampling != "regular":
            raise InputError(f"is '{self.sampling}'; a train's lines are one step apart: use regular", key="sampling")
        most = self.matrix[1] // 2
        if self.shots * self.acceleration > most:
            together = self.shots * self.acceleration
            problem = (
                f"times acceleration is {together}; {self.matrix[1]} lines allow at most {most}; lower one of them"
            )
            raise InputError(problem, key="shots")
        if self.calibration_lines > self.matrix[1]:
            raise InputError(
                f"is {self.calibration_lines}; it must be at most {self.matrix[1]}", key="calibration_lines"
            )

    def polarities(self) -> tuple[int, ...]:
        """Return the directions of the blips, one per image of a kind: +1 up, -1 down."""
        return {"up": (1,), "down": (-1,), "both": (1, -1)}[self.blips]

    def imaging_shots(self, polarity: int) -> tuple[Shot, ...]:
        """Return the trains of one image."""
        ny, step = self.matrix[1], self.acceleration
        covered = len(self.covered_lines)
        least, beyond = (ny - covered, ny) if polarity > 0 else (0, covered)
        lines = [line for line in range(least, beyond) if (line - ny // 2) % step == 0]
        ordered = lines if polarity > 0 else lines[::-1]
        at = ordered.index(ny // 2) // self.shots
        return tuple(
            Shot(lines=tuple(ordered[s :: self.shots]), centre=at, step=polarity * step * self.shots)
            for s in range(self.shots)
            if at < len(ordered[s :: self.shots])
        )

    def calibration_shots(self) -> tuple[Shot, ...]:
        """Return the trains that together read the calibration lines; none if there are none."""
        ny, step = self.matrix[1], self.acceleration * self.shots
        first = ny // 2 - self.calibration_lines // 2
        lines = range(first, first + self.calibration_lines)
        found = []
        for offset in range(min(step, self.calibration_lines)):
            own = tuple(lines[offset::step])
            centre = min(range(len(own)), key=lambda i: abs(own[i] - ny // 2))
            found.append(Shot(lines=own, centre=centre, step=step, purpose="calibration"))
        return tuple(found)
