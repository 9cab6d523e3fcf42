"""Classes of magnetisation for the Pathways engine: alike in relaxation, exchange, line, B1 and diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..phantom.exchange import ExchangePool
from ..phantom.lamellae import Turn
from ..phantom.spins import Spins
from ..phantom.tissue import Pool
from ..sequence.timeline import Timeline
from .diffusion import Diffusing, diffuses
from .pathways_options import Pathways
from .pathways_pools import Pools

ACCURACY = 1e-3
"""Loss of a single pathway's echo from which a tissue diffuses unasked."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PathwayClass:
    """One kind of magnetisation and the spins that carry it."""

    pd: float
    r1: float
    """1/s; of free water where pools exchange."""
    r2: float
    """1/s."""
    r2_prime: float
    """1/s; the Lorentzian line's half width over 1/(2 pi)."""
    offset: float
    """Hz."""
    b1: float
    diffusion: NDArray[np.float64] | None
    """(3, 3) in grid axes, m^2/s; None if nothing diffuses. Compartments of a tissue are classes of their own."""
    exchange: tuple[ExchangePool, ...]
    """What exchanges with this pool."""
    frequency: float
    """Hz; turns chemical shifts of exchanging pools into offsets."""
    members: NDArray[np.int64]
    """Indices of the spins; the same array for classes at the same places."""

    def pools(self) -> Pools:
        """Return the pools that are carried together."""
        if self.exchange:
            return Pools.exchanging(self.r1, self.r2, self.exchange, self.frequency)
        return Pools.single(self.r1, self.r2)

    def key(self, ideal: bool) -> tuple[object, ...]:
        """Return what classes share that walk alike: with ideal pulses the offset does not matter to the states."""
        tensor = None if self.diffusion is None else tuple(self.diffusion.ravel().tolist())
        return (self.r1, self.r2, self.b1, tensor, self.exchange, 0.0 if ideal else self.offset)


def pathway_classes(spins: Spins, timeline: Timeline, engine: Pathways) -> list[PathwayClass]:
    """Sort spins into classes."""
    if spins.motion:
        raise InputError(
            "the object moves, which configuration states do not follow; take the Bloch engine", key="motion"
        )
    for key in ("only", "diffusion"):
        for name in getattr(engine, key):
            if name != "*" and name not in spins.tissues:
                raise InputError(f"no spins of '{name}' in the slice{did_you_mean(name, spins.tissues)}", key=key)
    frequency = timeline.gamma_bar * timeline.b0 if engine.chemical_shift else 0.0
    local = np.stack([spins.tissue.astype(np.float64), spins.offset, spins.b1])
    kinds, kind = np.unique(local, axis=1, return_inverse=True)
    classes, diffusing = [], Diffusing(timeline=timeline, accuracy=ACCURACY, wanted=engine.diffuse)
    for index, (tissue, offset, b1) in enumerate(kinds.T):
        name = spins.tissues[int(tissue)]
        if engine.only and name not in engine.only:
            continue
        found = np.flatnonzero(kind.ravel() == index)
        classes += [
            PathwayClass(
                pd=pool.pd * share,
                r1=1 / pool.t1,
                r2=1 / pool.t2,
                r2_prime=1 / pool.t2_prime if engine.t2_prime else 0.0,
                offset=float(offset) + pool.shift * frequency,
                b1=float(b1),
                diffusion=tensor,
                exchange=pool.exchange,
                frequency=frequency,
                members=members,
            )
            for turn, members in _parts(engine, diffusing, spins, int(tissue), found)
            for pool in spins.pools[int(tissue)]
            if pool.pd
            for share, tensor in _compartments(engine, diffusing, spins, int(tissue), turn, pool)
        ]
    return classes


def _parts(
    engine: Pathways, diffusing: Diffusing, spins: Spins, tissue: int, members: NDArray[np.int64]
) -> list[tuple[Turn | None, NDArray[np.int64]]]:
    """Return the spins of a tissue in parts whose fibres run alike, as far as that matters."""
    if engine.diffusion or not diffusing.matters(spins, tissue):
        return [(None, members)]
    return spins.alike(tissue, members)


def _compartments(
    engine: Pathways, diffusing: Diffusing, spins: Spins, tissue: int, turn: Turn | None, pool: Pool
) -> list[tuple[float, NDArray[np.float64] | None]]:
    """Return the fractions of a pool and their (3, 3) tensors in grid axes, m^2/s."""
    axes, name = diffusing.timeline.encoding.grid.axes, spins.tissues[tissue]
    if engine.diffusion:
        return [(1.0, _tensor(engine, name, axes))]
    if not diffusing.matters(spins, tissue) or not diffuses(pool, spins.pools[tissue]):
        return [(1.0, None)]
    found = spins.compartments(tissue, turn)
    if any(part.walls for part in found):
        problem = f"{name} diffuses between walls, which configuration states do not follow; take the Bloch engine"
        raise InputError(problem, key="--engine")
    return [(part.fraction, axes.T @ part.tensor @ axes) for part in found]


def _tensor(engine: Pathways, tissue: str, axes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return a tissue's diffusion tensor in grid axes, m^2/s."""
    value = np.asarray(engine.diffusion.get(tissue, engine.diffusion.get("*", 0.0)), dtype=np.float64)
    if not np.any(value):
        return None
    return np.asarray(value * np.eye(3) if value.ndim == 0 else axes.T @ value @ axes)
