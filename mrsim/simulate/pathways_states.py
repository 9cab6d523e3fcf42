"""Configuration states: the Fourier components of magnetisation over everything that dephases it.

A state is named by its gradient moment on three axes and its dephasing time. M+ = sum F(k, tau)
exp(-i 2 pi (k.r + df tau)), likewise Z; conj M+ has the components conj F(-k, -tau). Each pair of
opposite names is held once, as F(name), conj F(-name) and Z(name). Pulses mix the three and leave the name;
free evolution moves F by the interval's moment and time. Weak states are dropped; at any place the other
magnetisation evolves as before and what was dropped can only shrink, so the sum of the dropped amplitudes,
decayed with the slowest relaxation, bounds the signal lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.phasors import RealType
from .pathways_pools import Pools
from .pathways_steps import NEAR, UNITS, Path

Complex = NDArray[np.complex128]
MIXER = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64)
"""Odd multipliers that make one number of four."""


class States:
    """The states of one class at every lane (sub-slice of a layer), and the bound on what was dropped.

    Parameters
    ----------
    pools : Pools
        What relaxes and exchanges.
    lanes : int
        All sub-slices; those of one layer follow each other.
    layers : int
        Layers, over each of which signals are averaged.
    share : (lane,) array, optional
        Of its layer that each lane stands for; alike if not given.
    dtype : type
        Of the values.
    """

    def __init__(
        self,
        pools: Pools,
        lanes: int,
        layers: int = 1,
        share: NDArray[np.float64] | None = None,
        dtype: RealType = np.float64,
    ) -> None:
        self.pools, self.layers, self.dtype = pools, layers, dtype
        self.share: NDArray[Any] = (np.full(lanes, layers / lanes) if share is None else share).astype(dtype)
        self.names = np.zeros((1, 4), dtype=np.int64)
        """(state, 4) moment on three axes and dephasing time in `UNITS`; 0 comes first."""
        self.values: NDArray[Any] = np.zeros((1, pools.count, 6, lanes), dtype)
        """(state, pool, 6, lane) real and imaginary F, conj F(-) and Z, over the class's M0."""
        self.values[0, :, 4] = pools.fraction[:, None]
        self.rows = np.zeros(1, dtype=np.int64)
        """(state,) of `values`, which may hold dropped states in between."""
        self.sizes: NDArray[np.float64] = np.array([pools.fraction.sum()])
        """(state,) right after a pulse: the largest contribution to the magnetisation of a layer."""
        self.bound = 0.0

    def turn(self, maps: NDArray[np.floating], phase: float) -> None:
        """Apply a pulse of an RF phase, rad: (pool, 3, 4, lane) real affine maps at phase 0."""
        from ._kernels import states as kernels

        c, s = np.cos(phase), np.sin(phase)
        axes = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        turned = np.einsum("ij,pjkl->pikl", axes, maps)
        turned[:, :, :3] = np.einsum("pijl,kj->pikl", turned[:, :, :3], axes)
        sizes: NDArray[Any] = np.zeros(len(self.values), self.dtype)
        turned = np.ascontiguousarray(turned, dtype=self.dtype)
        kernels.turn(self.values, turned, self.share, self.layers, self.dtype(0.5), sizes)
        self.sizes = sizes[self.rows].astype(np.float64)

    def evolve(self, path: Path, diffusion: NDArray[np.float64] | None = None) -> None:
        """Relax, exchange, diffuse with a (3, 3) tensor, m^2/s, and dephase along a path."""
        from ._kernels import states as kernels

        evolution = self.pools.along(path)
        count = len(self.names)
        weight = np.ones((3, count))
        if diffusion is not None:
            k = self.names[:, :3] * UNITS[:3]
            weight = np.exp(
                -np.stack([transverse(k, path, diffusion), transverse(-k, path, diffusion), stored(k, path, diffusion)])
            )
        size = 1 << int(np.ceil(np.log2(4 * count + 4)))
        table, rows = np.zeros(size, np.uint64), np.zeros(size, np.int64)
        found, slots = np.empty((3 * count + 1, 4), np.int64), np.zeros((3, count), np.int64)
        flips = np.zeros((2, count), np.bool_)
        total = int(kernels.destinations(self.names, path.key(), NEAR, MIXER, table, rows, found, slots, flips))
        out: NDArray[Any] = np.zeros((total, *self.values.shape[1:]), self.dtype)
        matrices = (part.astype(self.dtype) for part in evolution.parts())
        move: Any = kernels.spread
        move(self.values, self.rows, slots, flips, weight.astype(self.dtype), *matrices, out)
        self.names, self.values, self.rows = found[:total].copy(), out, np.arange(total)
        self.bound *= evolution.shrinks

    def prune(self, allowed: float) -> None:
        """After a pulse, drop the weakest states whose amplitudes sum up to no more than `allowed`: into the bound."""
        size = self.sizes.copy()
        size[0] = np.inf
        order = np.argsort(size, kind="stable")
        count = int(np.searchsorted(np.cumsum(size[order]), allowed, "right"))
        if count == 0:
            return
        keep = np.sort(order[count:])
        self.bound += float(size[order[:count]].sum())
        self.names, self.rows, self.sizes = self.names[keep], self.rows[keep], self.sizes[keep]

    def part(self, which: int) -> Complex:
        """Return F (0), conj F(-) (1) or Z (2) as (state, pool, lane)."""
        held = self.values[self.rows]
        return np.asarray(held[:, :, 2 * which] + 1j * held[:, :, 2 * which + 1])

    def energy(self) -> NDArray[np.float64]:
        """Return the (lane,) mean of |M|^2 over all dephasing angles, summed over the pools."""
        square = self.values[self.rows] ** 2
        both = np.sum(square[:, :, :4], axis=2) + 2 * np.sum(square[:, :, 4:], axis=2)
        both[0] /= 2
        return np.asarray(both.sum(axis=(0, 1)))

    def distance(self, other: States) -> float:
        """Return the sum of the amplitudes by which two sets of states differ."""
        from ._kernels import states as kernels

        slot = same_names(self.names, other.names)
        held = np.full((2, int(slot.max()) + 1), -1)
        held[0, slot[: len(self.names)]] = self.rows
        held[1, slot[len(self.names) :]] = other.rows
        gap: Any = kernels.apart
        return float(gap(self.values, held[0], other.values, held[1], self.share, self.layers))

    def copy(self) -> States:
        """Return an independent copy."""
        twin = States(self.pools, self.values.shape[3], self.layers, self.share, self.dtype)
        # `evolve` makes new arrays, so that these keep what they hold
        twin.names, twin.values, twin.rows, twin.bound = self.names, self.values, self.rows, self.bound
        twin.sizes = self.sizes
        return twin


def same_names(*names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one number per name (n, 4) of all the sets, equal for equal names."""
    coarse = np.floor_divide(np.concatenate(names) + NEAR * 37 // 100, NEAR).astype(np.uint64)
    _, slot = np.unique(np.sum(coarse * MIXER, axis=1, dtype=np.uint64), return_inverse=True)
    return np.asarray(slot.ravel())


def stored(k: NDArray[np.float64], path: Path, diffusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exponents (2 pi)^2 k D k t of longitudinal states k (n, 3), 1/m, with the tensor D (3, 3), m^2/s."""
    return np.asarray(4 * np.pi**2 * np.sum(k @ diffusion * k, axis=1) * path.time)


def transverse(k: NDArray[np.float64], path: Path, diffusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exponents (2 pi)^2 integral (k + q) D (k + q) dt of transverse states that start at k (n, 3), 1/m."""
    square = np.sum(k @ diffusion * k, axis=1) * path.time
    return np.asarray(4 * np.pi**2 * (square + 2 * k @ diffusion @ path.first + np.sum(diffusion * path.second)))
