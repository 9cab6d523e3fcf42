"""What elastography families share: directions, polarities and phase offsets, and what their headers tell.

The vibration runs on; every repetition starts at the same phase of it (tr is a whole number of its periods), and the
images of a series see it at `offsets` phases, spread evenly over a period by a wait before each. A trigger at the start
of each repetition lets the driver follow.

The header tells the encoding twice. Per image: the efficiency |xi| of the motion-encoding gradients alone, rad/m (phase
= -Re(xi . U), see `motion_encoding`), its direction, polarity, and the phase of xi for the first slice that is played.
Per image and slice, in the sheet's `motion_encoding`: the vector xi of all nominal gradients up to the centre of
k-space. Slice, crusher and read gradients encode the vibration as well, by some per cent, and their part does not turn
with the polarity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.units import Frequency, GradientStrength
from ..discretize import discretize
from ..events import NS, Gradient, Trigger
from ..gradients import Limits, scaled
from ..motion_encoding import encoding_of_image, motion_gradient
from ..sequence import Block, Sequence
from .cartesian import longest
from .protocol import at_least, positive, within

HADAMARD = ((1.0, 1.0, 1.0), (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))
"""Four combinations of the axes, each at full amplitude on all three."""
MOST_CYCLES, MOST_OFFSETS = 10_000, 1000
"""What no elastography needs more of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """One image of an elastography series."""

    direction: tuple[float, float, float]
    polarity: int
    offset: int
    blips: int = 1


@dataclass(frozen=True, kw_only=True)
class MotionEncoded:
    """Fields of all elastography families; mixed into a family, hence without slots of its own."""

    __slots__ = ()

    vibration: Frequency = 60.0
    """Frequency of the vibration, Hz."""
    gradient_frequency: Frequency = 0.0
    """Frequency of the motion-encoding gradient, Hz; 0 matches the vibration, a higher one encodes a fraction."""
    shape: Literal["sinusoid", "trapezoid", "flow-compensated"] = "trapezoid"
    """Shape of the motion-encoding gradient."""
    cycles: int = 1
    """Its cycles (on each side of the refocusing pulse, if there is one)."""
    amplitude: GradientStrength = 30e-3
    """Its amplitude on one axis, T/m."""
    encoding: Literal["x", "y", "z", "axes", "hadamard"] = "axes"
    """Axes that encode: one, the three in turn, or four combinations of all three."""
    offsets: int = 4
    """Phases of the vibration at which each direction is measured."""
    polarity_reversal: bool = True
    """Measure each image with the gradient reversed too: static phases cancel in the difference."""

    def check_motion(self) -> None:
        """Refuse what encodes nothing."""
        positive("vibration", self.vibration)
        positive("amplitude", self.amplitude)
        at_least("gradient_frequency", self.gradient_frequency, 0.0)
        within("cycles", self.cycles, 1, MOST_CYCLES)
        within("offsets", self.offsets, 1, MOST_OFFSETS)

    def images_of(self, blips: tuple[int, ...] = (1,)) -> tuple[Encoded, ...]:
        """Return the images in the order of acquisition; `blips` are the directions of an echo-planar train."""
        axes = {"axes": np.eye(3).tolist(), "hadamard": HADAMARD}
        rows = axes.get(self.encoding) or [np.eye(3)["xyz".index(self.encoding)].tolist()]
        return tuple(
            Encoded(direction=(row[0], row[1], row[2]), polarity=polarity, offset=offset, blips=blip)
            for row in rows
            for polarity in ((1, -1) if self.polarity_reversal else (1,))
            for offset in range(self.offsets)
            for blip in blips
        )

    def gradient(self, limits: Limits) -> Gradient:
        """Return the motion-encoding gradient."""
        frequency = self.gradient_frequency or self.vibration
        return motion_gradient(limits, self.shape, frequency, self.cycles, self.amplitude, self.vibration)

    def delay(self, offset: int, limits: Limits) -> int:
        """Return the wait, ns, that shifts the repetitions by a number of offsets; on the raster."""
        return round(offset / self.offsets / self.vibration * NS / limits.raster) * limits.raster

    def header(self, images: tuple[Encoded, ...], xi: complex, begin: int, limits: Limits) -> dict[str, Any]:
        """Return the contrast columns of the motion-encoding gradients alone.

        Parameters
        ----------
        images : tuple of Encoded
        xi : complex
            Their efficiency on the clock of the excitation's centre, rad/m.
        begin : int
            From the start of a repetition to the first excitation's centre, ns.
        limits : Limits
        """
        turn = 2 * np.pi * self.vibration / NS
        phases = [np.angle(xi) + turn * (begin + self.delay(image.offset, limits)) for image in images]
        directions = np.array([image.direction for image in images])
        table: dict[str, Any] = {"encoding": abs(xi), "vibration_phase": np.mod(phases, 2 * np.pi)}
        table |= {"motion_polarity": [image.polarity for image in images]}
        table |= {"vibration_offset": [image.offset for image in images]}
        return table | {f"direction_{axis}": directions[:, i] for i, axis in enumerate("xyz")}

    def told(
        self,
        sequence: Sequence,
        images: tuple[Encoded, ...],
        alone: Callable[[Encoded], list[Block]],
        slots: NDArray[np.int64],
        limits: Limits,
    ) -> Sequence:
        """Return the sequence whose sheet tells the encoding of each image and slice by all nominal gradients.

        Parameters
        ----------
        sequence : Sequence
        images : tuple of Encoded
        alone : callable
            Image -> the blocks of one slice's turn that reads the centre of k-space.
        slots : (slice,) array
            Start of each slice's turn within its repetition, ns.
        limits : Limits
        """
        turn = 2j * np.pi * self.vibration / NS
        found: dict[Encoded, NDArray[np.complex128]] = {}
        table = np.zeros((len(images), len(slots), 3), dtype=np.complex128)
        for index, image in enumerate(images):
            still = replace(image, offset=0)
            if still not in found:
                timeline = discretize(replace(sequence, blocks=tuple(alone(still))))
                found[still] = encoding_of_image(timeline, self.vibration)
            table[index] = np.exp(turn * (slots + self.delay(image.offset, limits)))[:, None] * found[still]
        sheet = sequence.encoding.sheet | {"motion_encoding": table}
        return replace(sequence, encoding=replace(sequence.encoding, sheet=sheet))


def motion_block(gradient: Gradient, image: Encoded, sign: float = 1.0) -> Block:
    """Return a motion-encoding gradient along an image's direction."""
    parts = [scaled(gradient, sign * image.polarity * part) if part else None for part in image.direction]
    return Block(duration=longest(gradient), gx=parts[0], gy=parts[1], gz=parts[2], name="encode motion")


def triggered(blocks: Iterable[Block], limits: Limits) -> list[Block]:
    """Return the blocks of a repetition, the first with a trigger for the driver."""
    first, *rest = blocks
    signal = Trigger(kind="output", channel=3, delay=0, duration=limits.raster)
    return [replace(first, starts_tr=True, trigger=signal), *rest]
