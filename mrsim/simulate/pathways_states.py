"""Configuration states: the Fourier components of magnetisation over everything that dephases it.

A state is named by its gradient moment on three axes and its dephasing time. M+ = sum F(k, tau)
exp(-i 2 pi (k.r + df tau)), likewise Z; conj M+ has the components conj F(-k, -tau). Each pair of
opposite names is held once, as F(name), conj F(-name) and Z(name). Pulses mix the three and leave the name;
free evolution moves F by the interval's moment and time. Weak states are dropped; at any place the other
magnetisation evolves as before and what was dropped can only shrink, so the sum of the dropped amplitudes,
decayed with the slowest relaxation, bounds the signal lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pathways_steps import UNITS, Path

Complex = NDArray[np.complex128]
NEAR = np.array([100, 100, 100, 1000])
"""Names that differ by less, in `UNITS`, are the same state."""
MIXER = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64)
"""Odd multipliers that make one number of four."""


class States:
    """The states of one class at every lane (sub-slice of a layer), and the bound on what was dropped.

    Parameters
    ----------
    lanes : int
        All sub-slices; those of one layer follow each other.
    layers : int
        Layers, over each of which signals are averaged.
    """

    def __init__(self, lanes: int, layers: int = 1) -> None:
        self.layers = layers
        self.names = np.zeros((1, 4), dtype=np.int64)
        self.f, self.m = np.zeros((1, lanes), complex), np.zeros((1, lanes), complex)
        self.z: Complex = np.ones((1, lanes), complex)
        self.bound = 0.0

    def turn(self, matrix: Complex, recovery: Complex, phase: float) -> None:
        """Apply a pulse: matrix (3, 3, lane) on (F, conj F(-), Z) and recovery (3, lane), both at phase 0."""
        axis = np.array([np.exp(-1j * phase), np.exp(1j * phase), 1])
        a = matrix * (axis[:, None] * axis.conj()[None, :])[..., None]
        self.f, self.m, self.z = (a[i, 0] * self.f + a[i, 1] * self.m + a[i, 2] * self.z for i in range(3))
        for part, i in ((self.f, 0), (self.m, 1), (self.z, 2)):
            part[0] += axis[i] * recovery[i]

    def evolve(self, path: Path, r1: float, r2: float, diffusion: float) -> None:
        """Relax, diffuse and dephase along a path."""
        e1, e2 = np.exp(-r1 * path.relaxing), np.exp(-r2 * path.relaxing)
        self.z *= e1
        self.f *= e2
        self.m *= e2
        if diffusion:
            k = self.names[:, :3] * UNITS[:3]
            self.z *= np.exp(-diffusion * longitudinal_b(k, path))[:, None]
            self.f *= np.exp(-diffusion * transverse_b(k, path))[:, None]
            self.m *= np.exp(-diffusion * transverse_b(-k, path))[:, None]
        self.z[0] += 1 - e1
        self.bound *= max(e1, e2)
        self._shift(path.key())

    def _shift(self, by: NDArray[np.int64]) -> None:
        opposite = slice(1, None)
        names = np.concatenate([self.names + by, by - self.names[opposite], self.names])
        values = np.concatenate([self.f, self.m[opposite].conj(), self.z])
        sign = _sign(names)
        count = len(self.names)
        kind = np.repeat([0, 2], [2 * count - 1, count])  # 0: F, 1: conj F(-), 2: Z
        flipped = (sign < 0) & (kind == 0)
        kind[flipped] = 1
        values[flipped] = values[flipped].conj()
        names = np.where(sign == 0, 0, np.where(flipped, -1, 1))[:, None] * names
        coarse = np.floor_divide(names + np.rint(0.37 * NEAR).astype(np.int64), NEAR).astype(np.uint64)
        label = np.sum(coarse * MIXER, axis=1, dtype=np.uint64)
        _, first, slot = np.unique(np.append(np.uint64(0), label), return_index=True, return_inverse=True)
        # the state that is not dephased comes first
        rank = np.empty(len(first), dtype=np.int64)
        order = np.argsort(first, kind="stable")
        rank[order] = np.arange(len(first))
        slot = rank[slot][1:]
        held = np.zeros((3, len(first), values.shape[1]), complex)
        place, one = np.unique(kind * len(first) + slot, return_index=True)
        held.reshape(-1, values.shape[1])[place] = values[one]
        if len(one) < len(values):
            twice = np.ones(len(values), dtype=bool)
            twice[one] = False
            np.add.at(held, (kind[twice], slot[twice]), values[twice])
        self.names = np.concatenate([np.zeros((1, 4), np.int64), names])[first[order]]
        self.f, self.m, self.z = held
        self.m[0] = self.f[0].conj()

    def prune(self, allowed: float) -> None:
        """Drop the weakest states whose amplitudes sum up to no more than `allowed`, and add them to the bound."""
        transverse = np.abs(self.f) + np.abs(self.m)
        whole = np.hypot(transverse, 2 * np.abs(self.z))
        size = whole.reshape(len(whole), self.layers, -1).mean(axis=2).max(axis=1)
        size[0] = np.inf
        order = np.argsort(size, kind="stable")
        count = int(np.searchsorted(np.cumsum(size[order]), allowed, "right"))
        if count == 0:
            return
        keep = np.sort(order[count:])
        self.bound += float(size[order[:count]].sum())
        self.names, self.f, self.m, self.z = self.names[keep], self.f[keep], self.m[keep], self.z[keep]

    def transverse(self) -> tuple[NDArray[np.int64], Complex]:
        """Return the names (n, 4) and amplitudes (n, lane) of all transverse states."""
        return (
            np.concatenate([self.names, -self.names[1:]]),
            np.concatenate([self.f, self.m[1:].conj()]),
        )

    def energy(self) -> NDArray[np.float64]:
        """Return the (lane,) mean of |M|^2 over all dephasing angles."""
        both = np.abs(self.f) ** 2 + np.abs(self.m) ** 2 + 2 * np.abs(self.z) ** 2
        both[0] /= 2
        return np.asarray(both.sum(axis=0))

    def differs(self, other: States) -> float:
        """Return the largest difference to other states, infinite if they are not the same states."""
        if self.names.shape != other.names.shape or np.any(self.names != other.names):
            return np.inf
        pairs = ((self.f, other.f), (self.m, other.m), (self.z, other.z))
        return float(max(np.abs(a - b).max() for a, b in pairs))

    def copy(self) -> States:
        """Return an independent copy."""
        twin = States(self.f.shape[1], self.layers)
        twin.names, twin.f, twin.m, twin.z = self.names.copy(), self.f.copy(), self.m.copy(), self.z.copy()
        twin.bound = self.bound
        return twin


def _sign(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 1 or -1 by the first part of a name that is not nearly zero, and 0 if all are."""
    sign = np.zeros(len(names), dtype=np.int64)
    for part in range(3, -1, -1):
        far = np.abs(names[:, part]) > 0.3 * NEAR[part]
        sign[far] = np.sign(names[far, part])
    return sign


def longitudinal_b(k: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Return b = (2 pi)^2 k^2 t, s/m^2, of longitudinal states k (n, 3), 1/m."""
    return np.asarray(4 * np.pi**2 * np.sum(k * k, axis=1) * path.time)


def transverse_b(k: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Return b = (2 pi)^2 integral |k + q(t)|^2 dt, s/m^2, of transverse states that start at k (n, 3), 1/m."""
    return np.asarray(4 * np.pi**2 * (np.sum(k * k, axis=1) * path.time + 2 * k @ path.first + path.second))
