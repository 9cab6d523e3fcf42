"""Multi-dynamic multi-echo (MDME, QRAPMASTER; Warntjes 2008, doi:10.1002/mrm.21635): T1, T2, PD and B1 at once.

The repetition time is shared evenly by the slices, or by more slots than there are slices. In its slot each slice is
excited and read by a train of spin echoes, right after another slice has been saturated: with the shift k the slice
whose turn comes k slots later. So

    delay from saturation to excitation = k tr / slots + d,

where d is what lies between the two pulses of one slot. One dynamic per shift samples the recovery; within a train
the echoes are dealt to several images, each with an effective echo time of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InfeasibleError, InputError
from ...core.units import Angle, FieldStrength, Time
from ..events import NS
from ..gradients import trapezoid
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..selection import Selection, excite
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, starting, text, wait
from .cartesian import finished, longest, slice_gradient
from .protocol import MOST_ECHOES, at_least, flip_angle, positive, ratio, within
from .refocused import Refocused, Train, refocused_sheet, train


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiDynamicMultiEcho(Refocused):
    """One image per saturation delay and echo time; dynamics one after the other."""

    name: ClassVar[str] = "multi-dynamic-multi-echo"

    slices: int = 12
    """Number of parallel slices: they share the repetition time, all of them in one concatenation."""
    slots: int = 0
    """Slots that share the repetition time; those beyond the slices stay empty. 0: as many as slices."""
    shifts: tuple[int, ...] = (1, 2, 5, 11)
    """Slots from the saturation of a slice to its excitation, one per dynamic."""
    saturation_flip: Angle = 2 * np.pi / 3
    """Flip angle of the saturation, rad; 120 degrees lets B1 be told from T1."""
    saturation_duration: Time = 3e-3
    """Length of the saturation, s."""
    saturation_width: float = 1.0
    """Nominal width of the saturated slice over that of the excited one."""
    saturation_spoiler_cycles: float = 12.0
    """Cycles across the slice after the saturation."""
    echo_train: int = 10
    """Echoes per excitation, dealt evenly to the images."""
    effective_echoes: tuple[int, ...] = (2, 9)
    """Per image the number, from 1, of the echo that reads its central line."""
    echo_spacing: TimeOrMinimum = 13e-3
    """Time between echoes, s."""
    tr: TimeOrMinimum = 4.2
    """Repetition time, s."""
    refocusing_flip_at: Mapping[FieldStrength, Angle] = field(default_factory=dict)
    """refocusing_flip at some field strengths, T -> rad, where power asks for less than elsewhere."""
    dummies: int = 1
    """Repetitions without readout before each dynamic: the saturation must reach its steady state."""

    def __post_init__(self) -> None:
        """Refuse shifts and echoes that do not exist."""
        Refocused.__post_init__(self)
        flip_angle("saturation_flip", self.saturation_flip)
        positive("saturation_duration", self.saturation_duration)
        ratio("saturation_width", self.saturation_width)
        at_least("saturation_spoiler_cycles", self.saturation_spoiler_cycles, 0.0)
        within("echo_train", self.echo_train, 1, MOST_ECHOES)
        for angle in self.refocusing_flip_at.values():
            flip_angle("refocusing_flip_at", angle)
        if self.slots and self.slots < self.slices:
            raise InputError(f"is {self.slots}; {self.slices} slices need as many slots, or 0", key="slots")
        if not self.shifts or min(self.shifts) < 0 or max(self.shifts) >= self.shared_by:
            problem = (
                f"is {self.shifts}; use numbers from 0 to {self.shared_by - 1}, below the number of slices or slots"
            )
            raise InputError(problem, key="shifts")
        images = len(self.effective_echoes)
        if images == 0 or self.echo_train % images:
            problem = (
                f"names {images} images, which {self.echo_train} echoes do not divide into; lower or raise echo_train"
            )
            raise InputError(problem, key="effective_echoes")
        share = self.echo_train // images
        for image, echo in enumerate(self.effective_echoes):
            if not image * share < echo <= (image + 1) * share:
                problem = f"is {echo} for image {image + 1}; use {image * share + 1} to {(image + 1) * share}"
                raise InputError(problem, key="effective_echoes")

    @property
    def shared_by(self) -> int:
        """Slots of a repetition."""
        return self.slots or self.slices

    @property
    def share(self) -> int:
        """Echoes of a train that belong to one image."""
        return self.echo_train // len(self.effective_echoes)

    def lines(self) -> Iterator[tuple[int, int]]:
        """Yield (average, shot) in the order of acquisition; shot -1 stands for a dummy."""
        for _ in range(self.dummies):
            yield 0, -1
        for average in range(self.averages):
            for shot in range(-(-len(self.read_lines) // self.share)):
                yield average, shot

    def line_table(self) -> NDArray[np.int64]:
        """Return the (shot, echo) line to read, -1 where there is none: a band of k-space per echo of an image."""
        lines, echoes = len(self.read_lines), self.share
        shots = -(-lines // echoes)
        table = np.full((shots, self.echo_train), -1, dtype=np.int64)
        rank, read = np.arange(lines), np.array(self.read_lines)
        before = self.read_lines.index(self.matrix[1] // 2) // shots
        for image, echo in enumerate(self.effective_echoes):
            turn = echo - 1 - image * echoes - before
            table[rank % shots, image * echoes + (rank // shots + turn) % echoes] = read
        return table

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        at = [flip for b0, flip in self.refocusing_flip_at.items() if abs(b0 - scanner.b0) < 0.05 * scanner.b0]
        flips = (at[0] if at else self.refocusing_flip,) * self.echo_train
        played = train(self, scanner, flips)
        limits = played.plan.limits
        remedy = "pixel_bandwidth, or shorten the pulses"
        spacing, waits = solve("echo_spacing", self.echo_spacing, played.halves(), limits, remedy)
        slot = _Slot(protocol=self, played=played, saturation=_saturation(self, played), waits=(waits[0], waits[1]))
        content = {**slot.content(), "the echo train": self.echo_train * spacing, **played.tail()}
        need = limits.up(sum(content.values()))
        tr, _ = solve("tr", self.tr, ({"all slices": need * self.shared_by},), limits, "take fewer slices or echoes")
        step = limits.raster * self.shared_by
        if tr % step:
            problem = f"{text(tr)} cannot be shared evenly by {self.shared_by} slots; use {text(-(-tr // step) * step)}"
            raise InputError(problem, key="tr")
        blocks = slot.scan(tr // self.shared_by, sum(content.values()))
        contrast = self._contrast(tr, spacing, slot.inner)
        first = self.effective_echoes[0] * spacing / NS
        facts: dict[str, float | str] = {"te": first, "echo_spacing": spacing / NS, "tr": tr / NS}
        sheet = refocused_sheet(self, played, flips, spacing / NS)
        sheet |= {"saturation_flip": self.saturation_flip, "effective_echoes": np.array(self.effective_echoes)}
        sheet["pulses"] |= {"saturation": slot.saturation.sheet(scanner.gamma_bar)}
        return finished(self, played.plan, blocks, contrast, sheet, {**facts, "slices": float(self.slices)})

    def _contrast(self, tr: int, spacing: int, inner: int) -> dict[str, Any]:
        """Return the table of the images: echo times within saturation delays."""
        pairs = [(k, echo) for k in self.shifts for echo in self.effective_echoes]
        return {
            "te": [echo * spacing / NS for _, echo in pairs],
            "td": [(k * (tr // self.shared_by) + inner) / NS for k, _ in pairs],
            "tr": tr / NS,
            "flip": self.flip,
        }


def _saturation(protocol: MultiDynamicMultiEcho, played: Train) -> Selection:
    parts = played.plan
    pulse = protocol.shaped(parts.scanner, protocol.saturation_flip, protocol.saturation_duration)
    pulse = replace(pulse, use="saturation")
    amplitude = slice_gradient(protocol, parts, pulse, protocol.saturation_width)
    return excite(parts.scanner, parts.limits, pulse, amplitude)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Slot:
    """What is played in the slot of one slice."""

    protocol: MultiDynamicMultiEcho
    played: Train
    saturation: Selection
    waits: tuple[int, int]

    def content(self) -> dict[str, int]:
        """Return what a slot holds before the preparation, ns."""
        return {"the saturation": self.saturation.duration, "its spoiler": longest(self._spoiler())}

    @property
    def inner(self) -> int:
        """From the centre of the saturation to that of the excitation in the same slot, ns."""
        prepared = sum(self.played.plan.preparation_time(self.played.excitation.before).values())
        return self.saturation.after + longest(self._spoiler()) + prepared + self.played.excitation.before

    def _spoiler(self) -> Any:
        cycles = self.protocol.saturation_spoiler_cycles
        return trapezoid(self.played.plan.limits, cycles * self.played.plan.crossings) if cycles else None

    def blocks(self, turn: int, shift: int, read: list[Block]) -> list[Block]:
        """Return the slot of the slice that is `turn`-th in the order, with its train `read`."""
        later = (turn + shift) % self.protocol.shared_by
        if later >= self.protocol.slices:
            return [*wait(sum(self.content().values())), *read]
        spoiled = self.protocol.position(self.protocol.order()[later])
        saturate = Block(
            duration=self.saturation.duration,
            rf=self.saturation.at(spoiled),
            gz=self.saturation.gradient,
            name="saturate",
        )
        lobe = self._spoiler()
        spoil = (Block(duration=longest(lobe), gz=lobe, name="spoil saturation"),) if lobe else ()
        return [saturate, *spoil, *read]

    def train(self, turn: int, average: int, shot: int, dynamic: int) -> list[Block]:
        """Return the train of the slice that is `turn`-th in the order."""
        protocol, order = self.protocol, self.protocol.order()
        lines = protocol.line_table()[shot].tolist() if shot >= 0 else [-1] * protocol.echo_train
        images = len(protocol.effective_echoes)
        common = {"average": average, "slice": order[turn], "repetition": 0}
        labels = [
            {**common, "contrast": dynamic * images + echo // protocol.share, "echo": echo}
            for echo in range(protocol.echo_train)
        ]
        return self.played.blocks(lines, labels, self.waits, protocol.position(order[turn]))

    def scan(self, slot: int, content: int) -> list[Block]:
        """Return all dynamics; `slot` and what is played in it in ns."""
        if slot < content:
            raise InfeasibleError(
                f"a slot of {text(slot)} is shorter than its {text(content)}; raise tr or lower slices"
            )
        blocks: list[Block] = []
        protocol, quiet = self.protocol, [*wait(content - sum(self.content().values()))]
        for dynamic, shift in enumerate(protocol.shifts):
            for average, shot in protocol.lines():
                repetition: list[Block] = []
                for turn in range(protocol.shared_by):
                    read = self.train(turn, average, shot, dynamic) if turn < protocol.slices else quiet
                    repetition += [*self.blocks(turn, shift, read), *wait(slot - content)]
                blocks += starting(repetition)
        return blocks
