"""One simulation of the Bloch engine: everything that its two roads, by class and by spin, are given."""

from __future__ import annotations

from dataclasses import dataclass

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
    on_cuda: bool = False
    """True where the spins travel on a graphics processor."""
