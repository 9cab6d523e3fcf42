"""Diffusion-weighted EPI: lobes around the refocusing pulses of a spin echo, or in a stimulated echo.

The lobes of `diffusion.py` fill the echo time that the largest b-value needs. Images are measured in the order of
`b`: one without weighting for b = 0, one per direction for every other value. Directions are those of the grid's
axes: x along the read, y along the phase, z along the slice direction.

The header tells each image's nominal b and direction, and the elements of its whole b-matrix with the imaging
gradients and their cross terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.units import BValues, Time
from ..b_matrix import b_of_contrasts
from ..diffusion import Lobes, Room, solve_lobes
from ..directions import directions_of, is_table
from ..discretize import discretize
from ..events import NS, Gradient
from ..preparations.series import prepared_series
from ..scanner import Scanner, to_ns
from ..sequence import Block, Sequence
from ..timing import MINIMUM, TimeOrMinimum, wait
from .echo_planar import Shot
from .echo_planar_refocused import RefocusedEpi, RefocusingParts, refocused_epi_sheet, refocusing_parts
from .echo_planar_train import EpiTrain, all_shots, echo_planar_sequence, epi_train, series
from .interleave import interleave

ELEMENTS = ("xx", "yy", "zz", "xy", "xz", "yz")


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighting:
    """One image."""

    b: float
    """s/m^2."""
    direction: tuple[float, float, float]
    polarity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionEpi(RefocusedEpi):
    """Diffusion-weighted images, one train (or several shots) each."""

    name: ClassVar[str] = "diffusion-epi"

    b: BValues = (0.0, 800e6)
    """b-values, s/m^2; each is measured in all directions, 0 once per time it is named."""
    directions: str | int = 6
    """Number of directions spread evenly, a list of axes (``"x y z"``), or the path of a bvec file. Rows of a bvec file
    with as many rows as `b` has values belong to them one by one."""
    scheme: Literal["monopolar", "bipolar", "steam"] = "monopolar"
    """Arrangement of the lobes."""
    mixing_time: Time = 50e-3
    """From the storing to the recalling pulse, s (steam alone)."""
    te: TimeOrMinimum = "minimum"
    """Echo time, s; the shortest reaches the largest b at full amplitude."""
    tr: TimeOrMinimum = 4.0
    """Repetition time of a slice, s."""

    def __post_init__(self) -> None:
        """Refuse what is no weighting."""
        RefocusedEpi.__post_init__(self)
        if not self.b or min(self.b) < 0 or max(self.b) <= 0:
            raise InputError("needs b-values of at least 0, one of them positive", key="b")

    def weightings(self) -> tuple[Weighting, ...]:
        """Return the images in the order of acquisition."""
        spread = directions_of(self.directions)
        paired = is_table(self.directions) and len(spread) == len(self.b)
        if not paired and not np.all(np.any(spread, axis=1)):
            problem = f"has {len(spread)} rows with zeros among them, but b has {len(self.b)} values"
            raise InputError(f"{problem}; a bvec file with zeros needs one row per b-value", key="directions")
        none = np.zeros((1, 3))
        pairs = (
            zip(self.b, spread, strict=True) if paired else [(b, n) for b in self.b for n in (spread if b else none)]
        )
        return tuple(
            Weighting(b=b, direction=(float(n[0]), float(n[1]), float(n[2])), polarity=polarity)
            for b, n in pairs
            for polarity in self.polarities()
        )

    def lobes(self, scanner: Scanner, b: float | None = None) -> Lobes:
        """Return the encoding that a largest b-value, s/m^2, needs; `te` is the shortest for any but its own."""
        protocol = self if b is None else replace(self, b=(0.0, b), te="minimum", directions="x")
        return protocol._played(scanner).lobes()

    def _played(self, scanner: Scanner) -> _Played:
        train = epi_train(self, scanner)
        pulses = refocusing_parts(self, train.plan, scanner, np.pi / 2 if self.scheme == "steam" else None)
        return _Played(protocol=self, train=train, pulses=pulses, lead=max(map(train.lead, all_shots(self))))

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        played = self._played(scanner)
        train, pulses, shots, steam = played.train, played.pulses, all_shots(self), self.scheme == "steam"
        lobes = played.lobes()
        limits, first = train.plan.limits, pulses.excitation
        mixing = lobes.turns[1][0] - lobes.turns[0][0] if steam else 0
        rest = {
            "the echo time": lobes.te,
            "the mixing time": mixing,
            "the start of the excitation": first.before,
            "the train behind its centre": max(map(train.tail, shots)),
            **train.plan.preparation_time(first.before),
        }
        turns = interleave(self, self.tr, rest, limits, "shorten te, or lower b, partial_fourier or the matrix")
        images = self.weightings()
        shapes = [played.shapes(lobes, image) for image in images]

        def play(image: int, shot: Shot, labels: dict[str, int] | None, position: float) -> list[Block]:
            return played.blocks(lobes, shapes[image], shot, labels, position)

        blocks = series(self, turns, tuple(image.polarity for image in images), play)
        facts = {"te": lobes.te / NS, "tr": turns.tr / NS, "lobe_amplitude": lobes.amplitude, **turns.facts()}
        facts |= {"mixing_time": mixing / NS} if steam else {}
        sheet = refocused_epi_sheet(self) | {"scheme": self.scheme, "mixing_time": mixing / NS}
        contrast = {"te": lobes.te / NS, "tr": turns.tr / NS, "flip": self.flip}
        header = contrast | _weights(images)
        sequence = echo_planar_sequence(self, train, blocks, header, sheet, facts)
        return _weighed(sequence, images, [play(i, _central(self, image), {}, 0.0) for i, image in enumerate(images)])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Played:
    """One repetition: pulses, lobes and train on the clock of the excitation's centre."""

    protocol: DiffusionEpi
    train: EpiTrain
    pulses: RefocusingParts
    lead: int
    """Longest time from the start of a train to its echo, ns."""

    def lobes(self) -> Lobes:
        """Return the encoding that the largest b-value needs."""
        protocol, plan, part = self.protocol, self.train.plan, self.pulses.refocusing
        mixing = to_ns(protocol.mixing_time)
        room = Room(
            lead=self.pulses.excitation.after,
            side=max(part.before, part.after),
            tail=self.lead,
            mixing=max(plan.limits.up(mixing), part.before + part.after),
        )
        te = None if protocol.te == MINIMUM else to_ns(float(protocol.te))
        if te is not None and te % (4 * plan.limits.raster):
            step = 4 * plan.limits.raster
            near = round(te / step) * step
            problem = f"{te / 1e6:.6g} ms is not a multiple of {step / 1e6:g} ms; use {near / 1e6:.6g} ms"
            raise InputError(problem, key="te")
        b = max(protocol.b)
        return solve_lobes(protocol.scheme, b, room, plan.limits, plan.scanner.gamma_bar, te)

    def shapes(self, lobes: Lobes, image: Weighting) -> list[tuple[Gradient | None, ...]]:
        """Return the three axes of every lobe of an image."""
        scale = float(np.sqrt(image.b / lobes.b))
        axes = range(len(lobes.starts))
        return [tuple(lobes.lobe(index, scale * part) for part in image.direction) for index in axes]

    def blocks(
        self,
        lobes: Lobes,
        shapes: list[tuple[Gradient | None, ...]],
        shot: Shot,
        labels: dict[str, int] | None,
        position: float,
    ) -> list[Block]:
        """Return one repetition of one slice."""
        first, part = self.pulses.excitation, self.pulses.refocusing
        events = [(time - part.before, self.pulses.refocus(position, use)) for time, use in lobes.turns]
        for start, length, (gx, gy, gz) in zip(lobes.starts, lobes.lengths, shapes, strict=True):
            events.append((start, Block(duration=length, gx=gx, gy=gy, gz=gz, name="diffusion lobe")))
        blocks = [*self.train.plan.prepare(position, first.before), self.pulses.excite(position)]
        now = first.after
        for start, block in sorted(events, key=lambda event: event[0]):
            blocks += [*wait(start - now), block]
            now = start + block.duration
        mixing = lobes.turns[1][0] - lobes.turns[0][0] if self.protocol.scheme == "steam" else 0
        pause = lobes.te + mixing - self.train.lead(shot) - now
        return [*blocks, *wait(pause), *self.train.blocks(shot, labels)]


def _central(protocol: DiffusionEpi, image: Weighting) -> Shot:
    """Return the shot that reads the centre of k-space."""
    shots = protocol.imaging_shots(image.polarity)
    return next(shot for shot in shots if protocol.matrix[1] // 2 in shot.lines)


def _weights(images: tuple[Weighting, ...]) -> dict[str, Any]:
    directions = np.array([image.direction for image in images])
    found: dict[str, Any] = {"b": [image.b for image in images], "polarity": [image.polarity for image in images]}
    return found | {f"direction_{axis}": directions[:, i] for i, axis in enumerate("xyz")}


def _weighed(sequence: Sequence, images: tuple[Weighting, ...], repetitions: list[list[Block]]) -> Sequence:
    """Return the sequence with the whole b-matrix of every image in its header, s/m^2."""
    matrices: list[NDArray[np.float64]] = []
    for blocks in repetitions:
        alone = replace(sequence, blocks=tuple(blocks))
        matrices.append(b_of_contrasts(discretize(alone))[0])
    found = np.array(matrices)
    elements = {f"b_{name}": found[:, "xyz".index(name[0]), "xyz".index(name[1])] for name in ELEMENTS}
    return replace(sequence, encoding=replace(sequence.encoding, contrast={**sequence.encoding.contrast, **elements}))
