"""A phantom as a simulator wants it: a struct of arrays with one row per voxel and tissue in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.shown import Shown, counted, listing
from .diffusion import Compartment, turned
from .lamellae import FibreCourse, Turn, rotation
from .motion import Motion
from .tissue import Pool

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spins(Shown):
    """Isochromats: a volume of one tissue at one place."""

    position: NDArray[np.float64]
    """(n, 3) voxel centre in grid axes x, y, z relative to the grid's centre, m."""
    volume: NDArray[np.float64]
    """(n,) volume of the tissue in the voxel, m^3."""
    tissue: NDArray[np.int32]
    """(n,) index into `tissues` and `pools`."""
    cell: NDArray[np.int64]
    """(n,) flat index of the voxel in the grid's shape (z, y, x)."""
    offset: NDArray[np.float64]
    """(n,) local field offset, Hz."""
    b1: NDArray[np.float64]
    """(n,) transmit field relative to the nominal one."""
    pools: tuple[tuple[Pool, ...], ...]
    """Per tissue, its pools."""
    tissues: tuple[str, ...]
    """Names of the tissues."""
    diffusion: tuple[tuple[Compartment, ...], ...] = ()
    """Per tissue, how its water diffuses, world axes; empty for a tissue of which it is not known, or for all."""
    fibres: FibreCourse | None = None
    """How the fibres of some tissues turn, with which their diffusion does; None where they run alike everywhere."""
    motion: tuple[Motion, ...] = ()
    """How the spins move from their positions, in grid axes; empty for an object at rest."""

    def where(self, chosen: NDArray[np.bool_]) -> Spins:
        """Return the spins that are chosen by (n,)."""
        per_spin = ("position", "volume", "tissue", "cell", "offset", "b1")
        picked = {name: getattr(self, name)[chosen] for name in per_spin}
        return replace(self, **picked)

    def alike(self, tissue: int, members: Indices) -> list[tuple[Turn | None, Indices]]:
        """Return the spins of a tissue in parts whose fibres run alike, each with their turn; None where none turn.

        members : (n,) indices of the spins.
        """
        if self.fibres is None or tissue not in self.fibres.tissues:
            return [(None, members)]
        return [(turn, members[places]) for turn, places in self.fibres.groups(self.position[members])]

    def compartments(self, tissue: int, turn: Turn | None = None) -> tuple[Compartment, ...]:
        """Return how the water of a tissue diffuses where its fibres are turned, world axes."""
        return self.diffusion[tissue] if turn is None else turned(self.diffusion[tissue], rotation(turn))

    def _facts(self) -> dict[str, str]:
        return {"": counted(len(self.position), "spin"), "tissues": listing(self.tissues)}
