"""Classes of magnetisation for the Pathways engine: alike in relaxation, offset, line width, B1 and diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .pathways_options import Pathways


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PathwayClass:
    """One kind of magnetisation and the spins that carry it."""

    pd: float
    r1: float
    """1/s."""
    r2: float
    """1/s."""
    r2_prime: float
    """1/s; the Lorentzian line's half width over 1/(2 pi)."""
    offset: float
    """Hz."""
    b1: float
    diffusion: float
    """m^2/s."""
    members: NDArray[np.int64]
    """Indices of the spins; the same array for classes at the same places."""


def pathway_classes(spins: Spins, timeline: Timeline, engine: Pathways) -> list[PathwayClass]:
    """Sort spins into classes."""
    for name in (*engine.only, *(n for n in engine.diffusion if n != "*")):
        if name not in spins.tissues:
            raise InputError(f"no spins of '{name}' in the slice{did_you_mean(name, spins.tissues)}", key="tissue")
    frequency = timeline.gamma_bar * timeline.b0 if engine.chemical_shift else 0.0
    local = np.stack([spins.tissue.astype(np.float64), spins.offset, spins.b1])
    kinds, kind = np.unique(local, axis=1, return_inverse=True)
    classes = []
    for index, (tissue, offset, b1) in enumerate(kinds.T):
        name = spins.tissues[int(tissue)]
        if engine.only and name not in engine.only:
            continue
        members = np.flatnonzero(kind.ravel() == index)
        classes += [
            PathwayClass(
                pd=pool.pd,
                r1=1 / pool.t1,
                r2=1 / pool.t2,
                r2_prime=1 / pool.t2_prime if engine.t2_prime else 0.0,
                offset=float(offset) + pool.shift * frequency,
                b1=float(b1),
                diffusion=engine.diffusion.get(name, engine.diffusion.get("*", 0.0)),
                members=members,
            )
            for pool in spins.pools[int(tissue)]
            if pool.pd
        ]
    return classes
