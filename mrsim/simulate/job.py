"""One simulation of the Bloch engine: everything that its two roads, by class and by spin, are given.

The road by class takes a slab section by section, each with a job of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .classes import TissueClass
from .options import Bloch, Progress


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Job:
    """A scan, the magnetisation in it, and how it is to be simulated."""

    timeline: Timeline
    classes: list[TissueClass]
    spins: Spins
    cells: Grid
    """Where the spins lie: flat indices of its (z, y, x) shape are `Spins.cell`."""
    engine: Bloch
    workers: int
    """Threads; the result does not depend on them."""
    progress: Progress | None
    sensitivity: NDArray[np.complex128] | None = None
    """(coil, spin) what each coil hears of each spin; None: one coil that hears all alike."""
    silent: NDArray[np.bool_] | None = None
    """(segment,) where pulses were left out because they act elsewhere; None: nowhere."""
    middle: float = 0.0
    """Where the middle of the cells lies along z from the encoded grid's origin, m."""
    share: float = 1.0
    """The cells' share of the thickness of the slab."""
    on_cuda: bool = False
    """True where the spins travel on a graphics processor."""

    @property
    def coils(self) -> int:
        """The number of receive coils."""
        return 1 if self.sensitivity is None else len(self.sensitivity)

    @property
    def sub_slices(self) -> int | None:
        """The sub-slices per layer that the user asks for over the whole slab, rounded up; None: as many as needed."""
        asked = self.engine.sub_slices
        return None if asked is None else math.ceil(asked * self.share / self.cells.shape[0] - 1e-9)

    def heard(self, kind: TissueClass) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Return the (coil, member) volume of a class times what each coil hears of it, m^3."""
        volume = kind.volumes(self.spins.volume)
        return volume[None] if self.sensitivity is None else volume * self.sensitivity[:, kind.members]

    def share_of(self, kind: TissueClass) -> complex:
        """Return the share of its tissue's volume, where the tissue lies, that a class carries."""
        volume = self.spins.volume
        whole = float(volume[self.spins.tissue == self.spins.tissues.index(kind.tissue)].sum())
        return complex(kind.volumes(volume).sum() / whole)

    def seen(self, base: NDArray[np.float64]) -> int | None:
        """Return the highest in-plane order that cells can show in a section; None for a slab that is one.

        base : (2,) what one order winds, 1/m.
        """
        winding = float(np.abs(base).max())
        if self.share == 1.0 or winding == 0.0:
            return None
        finest, largest = min(self.cells.spacing[:2]), float(np.abs(self.timeline.readouts.k[..., :2]).max())
        return max(1, math.floor((0.5 / finest + largest) / winding))
