"""A phantom as a simulator wants it: a struct of arrays with one row per voxel and tissue in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.shown import Shown, counted, listing
from .diffusion import Compartment
from .motion import Motion
from .tissue import Pool


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
    motion: tuple[Motion, ...] = ()
    """How the spins move from their positions, in grid axes; empty for an object at rest."""

    def where(self, chosen: NDArray[np.bool_]) -> Spins:
        """Return the spins that are chosen by (n,)."""
        per_spin = ("position", "volume", "tissue", "cell", "offset", "b1")
        picked = {name: getattr(self, name)[chosen] for name in per_spin}
        return replace(self, **picked)

    def _facts(self) -> dict[str, str]:
        return {"": counted(len(self.position), "spin"), "tissues": listing(self.tissues)}
