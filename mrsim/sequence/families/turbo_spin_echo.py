"""Turbo spin echo: a CPMG train per shot, a line per echo; the echo that reads the central line sets the contrast.

Lines are dealt to the echoes in bands of k-space, one band per echo and one line of each band per shot. The effective
echo time is that of the echo whose band holds the central line:

    te = echo number * echo spacing

FLAIR and STIR are this family with an inversion as its preparation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.units import Angle, Angles, FieldStrength
from ..events import NS
from ..preparations.series import prepared_series
from ..scanner import Scanner
from ..sequence import Block, Sequence
from ..timing import TimeOrMinimum, solve, text
from .cartesian import finished
from .interleave import interleave
from .protocol import MOST_ECHOES, flip_angle, within
from .refocused import Refocused, Train, refocused_sheet, train


@dataclass(frozen=True, kw_only=True, slots=True)
class TurboSpinEcho(Refocused):
    """A train of echoes per shot, each with its own line; one image."""

    name: ClassVar[str] = "turbo-spin-echo"

    te: TimeOrMinimum = "minimum"
    """Effective echo time, s: a multiple of the echo spacing; the minimum is the first that the ordering allows."""
    echo_train: int = 16
    """Echoes per shot; where there are more than lines are left, the rest of the train reads nothing."""
    echo_spacing: TimeOrMinimum = 14e-3
    """Time between echoes, s."""
    tr: TimeOrMinimum = 3.0
    """Repetition time, s."""
    ordering: Literal["shifted", "linear", "centric"] = "shifted"
    """Which echo reads which band of lines. linear: from one edge of k-space to the other, so that te falls in the
    middle of the train; shifted: the same, wrapped around so that te may be any echo; centric: outwards from the
    centre, so that te is the first echo."""
    refocusing_flips: Angles = ()
    """Flip angles of the first refocusing pulses, rad; the last one holds for the rest. Empty: refocusing_flip."""
    refocusing_flip_at: Mapping[FieldStrength, Angle] = field(default_factory=dict)
    """refocusing_flip at some field strengths, T -> rad, where power asks for less than elsewhere."""

    def __post_init__(self) -> None:
        """Refuse an empty train and impossible flip angles."""
        Refocused.__post_init__(self)
        within("echo_train", self.echo_train, 1, MOST_ECHOES)
        for angle in self.refocusing_flips:
            flip_angle("refocusing_flips", angle)
        for angle in self.refocusing_flip_at.values():
            flip_angle("refocusing_flip_at", angle)
        if len(self.refocusing_flips) > self.echo_train:
            count = len(self.refocusing_flips)
            raise InputError(f"has {count} values; use at most the {self.echo_train} echoes", key="refocusing_flips")

    @property
    def shots(self) -> int:
        """Number of trains per image."""
        return -(-len(self.read_lines) // self.echo_train)

    def lines(self) -> Iterator[tuple[int, int]]:
        """Yield (average, shot) in the order of acquisition; shot -1 stands for a dummy."""
        for _ in range(self.dummies):
            yield 0, -1
        for average in range(self.averages):
            for shot in range(self.shots):
                yield average, shot

    def flips(self, b0: float) -> tuple[float, ...]:
        """Return the flip angle of every refocusing pulse at a field strength, rad."""
        nearby = [flip for at, flip in self.refocusing_flip_at.items() if abs(at - b0) < 0.05 * b0]
        given = self.refocusing_flips or ((nearby[0],) if nearby else (self.refocusing_flip,))
        return given + (given[-1],) * (self.echo_train - len(given))

    @prepared_series
    def build(self, scanner: Scanner) -> Sequence:
        """Return the sequence on this scanner."""
        flips = self.flips(scanner.b0)
        played = train(self, scanner, flips)
        limits = played.plan.limits
        remedy = "pixel_bandwidth, or shorten the pulses"
        spacing, waits = solve("echo_spacing", self.echo_spacing, played.halves(), limits, remedy)
        effective = self._effective(spacing)
        content = {"the echo train": self.echo_train * spacing, **played.tail()}
        prepared = played.plan.prepare(0.0, played.excitation.before)
        turns = interleave(self, self.tr, content, limits, "take fewer echoes", prepared)
        table = self.line_table(effective)
        blocks: list[Block] = []
        for group, average, shot in self.repetitions(turns.groups):
            shots = [self._shot(played, table, shot, average, i, (waits[0], waits[1])) for i in group]
            blocks += turns.repetition(shots)
        te = (effective + 1) * spacing / NS
        contrast = {"te": te, "tr": turns.tr / NS, "flip": self.flip}
        facts = {"te": te, "echo_spacing": spacing / NS, "tr": turns.tr / NS, "shots": float(self.shots)}
        sheet = refocused_sheet(self, played, flips, spacing / NS)
        sheet |= {"ordering": self.ordering, "echo_of_line": _echo_of_line(table, self.matrix[1])}
        return finished(self, played.plan, blocks, contrast, sheet, {**facts, **turns.facts()})

    def line_table(self, effective: int) -> NDArray[np.int64]:
        """Return the (shot, echo) line to read, -1 where there is none left, with the centre at echo `effective`."""
        lines, shots, echoes = len(self.read_lines), self.shots, self.echo_train
        table = np.full((shots, echoes), -1, dtype=np.int64)
        rank, middle = np.arange(lines), self._central_rank()
        line, turn = rank, 0
        if self.ordering == "centric":
            line = np.argsort(np.abs(rank - middle), kind="stable")
        else:
            turn = effective - middle // shots
        table[rank % shots, (rank // shots + turn) % echoes] = np.array(self.read_lines)[line]
        return table

    def _central_rank(self) -> int:
        """Return the number of the central line among those that are read."""
        return self.read_lines.index(self.matrix[1] // 2)

    def _effective(self, spacing: int) -> int:
        """Return the number, from 0, of the echo that reads the central line."""
        fixed = {"linear": self._central_rank() // self.shots, "centric": 0}.get(self.ordering)
        if self.te == "minimum":
            return fixed or 0
        wanted = round(float(self.te) * NS)
        if fixed is not None and wanted != (fixed + 1) * spacing:
            problem = (
                f"{text(wanted)} is not echo {fixed + 1}, which reads the central line in {self.ordering} ordering: "
                f"use {text((fixed + 1) * spacing)}, or ordering = shifted"
            )
            raise InputError(problem, key="te")
        nearest = min(max(round(wanted / spacing), 1), self.echo_train)
        if nearest * spacing != wanted:
            problem = f"{text(wanted)} is no echo of the train; the nearest is {text(nearest * spacing)}"
            raise InputError(f"{problem} (echo {nearest}, {text(spacing)} apart)", key="te")
        return nearest - 1

    def _shot(
        self,
        played: Train,
        table: NDArray[np.int64],
        shot: int,
        average: int,
        index: int,
        waits: tuple[int, int],
    ) -> list[Block]:
        """Return one train of the slice `index`; shot -1 is a dummy."""
        lines = table[shot].tolist() if shot >= 0 else [-1] * self.echo_train
        common = {"contrast": 0, "average": average, "slice": index, "repetition": 0}
        labels = [{**common, "echo": echo} for echo in range(self.echo_train)]
        return played.blocks(lines, labels, waits, self.position(index))


def _echo_of_line(table: NDArray[np.int64], lines: int) -> NDArray[np.int64]:
    """Return the (line,) number of the echo, from 0, that reads each line."""
    shot, echo = np.nonzero(table >= 0)
    found = np.zeros(lines, dtype=np.int64)
    found[table[shot, echo]] = echo
    return found
