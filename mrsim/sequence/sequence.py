"""Blocks in time order: what the scanner plays, aligned one to one with Pulseq's blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Encoding
from ..core.shown import Shown, columns, counted
from .events import Adc, Gradient, RfPulse, SoftDelay, Trigger
from .scanner import Scanner

if TYPE_CHECKING:
    from .check import Violation


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Block:
    """Events that start together; the next block starts `duration` later."""

    duration: int
    """ns; a multiple of the block raster."""
    rf: RfPulse | None = None
    gx: Gradient | None = None
    """Gradient along the readout direction (grid x)."""
    gy: Gradient | None = None
    """Gradient along the phase-encoding direction (grid y)."""
    gz: Gradient | None = None
    """Gradient along the slice direction (grid z)."""
    adc: Adc | None = None
    rotation: NDArray[np.float64] | None = None
    """(3, 3) matrix in grid axes: the gradients played are rotation @ (gx, gy, gz); None plays them as they stand."""
    trigger: Trigger | None = None
    soft_delay: SoftDelay | None = None
    """How the block's length follows an input at the console; `duration` is its present length."""
    labels: dict[str, int] = field(default_factory=dict)
    """Labels of the block's readout: line, partition, slice, contrast, average, repetition, ..."""
    starts_tr: bool = False
    """True for the first block of each repetition (Pulseq's TRID)."""
    name: str = ""
    """What the block is for, e.g. ``"refocus 3"``; shown in diagrams and messages."""

    @property
    def gradients(self) -> tuple[Gradient | None, Gradient | None, Gradient | None]:
        """The three gradients, x, y, z, before the rotation."""
        return self.gx, self.gy, self.gz


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sequence(Shown):
    """A scan, ready to be checked, drawn, discretised or exported."""

    name: str
    scanner: Scanner
    blocks: tuple[Block, ...]
    encoding: Encoding
    definitions: dict[str, float | str] = field(default_factory=dict)
    """Timings and facts worth showing: te, tr, echo spacing, scan time, ... (SI)."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the file that the sequence was read from, one sentence each."""
        return tuple(str(text) for key, text in self.definitions.items() if key.startswith("note "))

    @property
    def duration(self) -> float:
        """Scan time, s."""
        return float(sum(block.duration for block in self.blocks)) * 1e-9

    def check(self) -> tuple[Violation, ...]:
        """Return every violation of the scanner's limits; empty if the scanner can play the sequence."""
        from .check import check

        return check(self)

    def starts(self) -> NDArray[np.int64]:
        """Return the (n_blocks,) start of each block, ns."""
        lengths = np.array([block.duration for block in self.blocks], dtype=np.int64)
        return np.concatenate([[0], np.cumsum(lengths)[:-1]])

    def _facts(self) -> dict[str, str]:
        encoding = {"contrast": columns(self.encoding.contrast), "grid": self.encoding.grid.in_words()}
        time = {"scan time": f"{self.duration:.4g} s", "scanner": self.scanner.name}
        return {"": f"{self.name}, {counted(len(self.blocks), 'block')}"} | time | encoding
