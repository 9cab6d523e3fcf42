"""Bloch-McConnell: pools that exchange magnetisation, as matrices (McConnell 1958, doi:10.1063/1.1744152).

With k_p the rate from pool p to water and f_p its fraction,

    dM_p/dt = gamma M_p x B - R_p (M_p - M0_p) - k_p M_p + f_p k_p M_water,

and water loses and gains the opposite. Semisolid pools have a longitudinal component alone, which RF saturates
(`absorption`). A state is x of all liquid pools, then y, then z of all pools, liquid before semisolid, water first;
matrices carry one more column for the recovery towards equilibrium, so that one exponential is the exact step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..phantom.exchange import ExchangePool
from ..sequence.timeline import Pulse
from .absorption import absorption

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ExchangeSystem:
    """Water and its pools at one field strength."""

    shift: Array
    """(liquid,) Hz, relative to water."""
    transverse: Array
    """(liquid, liquid) relaxation and exchange of x and of y, 1/s."""
    longitudinal: Array
    """(pool, pool) relaxation and exchange of z, 1/s."""
    equilibrium: Array
    """(pool,) over that of water."""
    recovery: Array
    """(pool,) 1/s."""
    semisolid: tuple[ExchangePool, ...]
    frequency: float
    """Larmor frequency, Hz."""

    @classmethod
    def of(cls, r1: float, r2: float, pools: Sequence[ExchangePool], frequency: float) -> ExchangeSystem:
        """Return the system of a water pool (r1, r2 in 1/s) and its neighbours at a Larmor frequency, Hz."""
        liquid = [pool for pool in pools if pool.line == "liquid"]
        semisolid = tuple(pool for pool in pools if pool.line != "liquid")
        longitudinal = _mixing(liquid + list(semisolid)) - np.diag([r1, *(1 / p.t1 for p in [*liquid, *semisolid])])
        equilibrium = np.array([1.0, *(p.fraction for p in [*liquid, *semisolid])])
        return cls(
            shift=np.array([0.0, *(pool.shift * frequency for pool in liquid)]),
            transverse=_mixing(liquid) - np.diag([r2, *(1 / pool.t2 for pool in liquid)]),
            longitudinal=longitudinal,
            equilibrium=equilibrium,
            recovery=np.array([r1, *(1 / p.t1 for p in [*liquid, *semisolid])]) * equilibrium,
            semisolid=semisolid,
            frequency=frequency,
        )

    @property
    def liquids(self) -> int:
        """Number of liquid pools, water included."""
        return len(self.shift)

    @property
    def size(self) -> int:
        """Length of a state."""
        return 2 * self.liquids + len(self.equilibrium)

    def rest(self) -> Array:
        """Return the (size,) state in equilibrium."""
        return np.concatenate([np.zeros(2 * self.liquids), self.equilibrium])

    def saturation(self, nutation: ArrayLike, offset: ArrayLike) -> Array:
        """Return the (..., semisolid) rates, 1/s, of RF of amplitude gamma B1, rad/s, at an offset from water, Hz."""
        w1, away = np.broadcast_arrays(np.asarray(nutation, np.float64), np.asarray(offset, np.float64))
        rates = [np.pi * w1**2 * absorption(p.line, p.t2, away - p.shift * self.frequency) for p in self.semisolid]
        return np.stack(rates, axis=-1) if rates else np.zeros((*w1.shape, 0))

    def generator(self, nutation: ArrayLike, offset: ArrayLike, carrier: ArrayLike) -> Array:
        """Return the (..., size + 1, size + 1) generators, 1/s, in the frame of RF along x.

        Parameters
        ----------
        nutation : array
            gamma B1, rad/s.
        offset : array
            Of water from the carrier of the RF, Hz.
        carrier : array
            Of the RF from water, where semisolid pools absorb, Hz.
        """
        w1, df, f = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (nutation, offset, carrier)))
        n, size = self.liquids, self.size
        matrix = np.zeros((*w1.shape, size + 1, size + 1))
        x, y, z = np.arange(n), n + np.arange(n), 2 * n + np.arange(n)
        matrix[..., :n, :n] = matrix[..., n : 2 * n, n : 2 * n] = self.transverse
        matrix[..., 2 * n : size, 2 * n : size] = self.longitudinal
        matrix[..., 2 * n : size, size] = self.recovery
        turn = 2 * np.pi * (df[..., None] + self.shift)
        matrix[..., x, y] += turn
        matrix[..., y, x] -= turn
        matrix[..., y, z] += w1[..., None]
        matrix[..., z, y] -= w1[..., None]
        solid = 3 * n + np.arange(len(self.semisolid))
        matrix[..., solid, solid] -= self.saturation(w1, f)
        return matrix

    def turned(self, angle: ArrayLike) -> Array:
        """Return the (..., size + 1, size + 1) matrices that multiply the transverse magnetisation by exp(-i angle)."""
        n, turn = self.liquids, np.asarray(angle, np.float64)[..., None]
        matrix = np.broadcast_to(np.eye(self.size + 1), (*turn.shape[:-1], *2 * (self.size + 1,))).copy()
        x, y = np.arange(n), n + np.arange(n)
        matrix[..., x, x] = matrix[..., y, y] = np.cos(turn)
        matrix[..., x, y], matrix[..., y, x] = np.sin(turn), -np.sin(turn)
        return matrix


def _mixing(pools: Sequence[ExchangePool]) -> Array:
    """Return the exchange between water (first) and the pools, 1/s; every column sums to zero."""
    matrix = np.zeros((len(pools) + 1, len(pools) + 1))
    for p, pool in enumerate(pools, 1):
        matrix[0, p] += pool.rate
        matrix[p, p] -= pool.rate
        matrix[p, 0] += pool.fraction * pool.rate
        matrix[0, 0] -= pool.fraction * pool.rate
    return matrix


def matrix_exponential(matrix: Array) -> Array:
    """Return exp of each (..., n, n) matrix: Taylor's series of the matrix over a power of two, squared back."""
    largest = float(np.abs(matrix).sum(axis=-1).max(initial=0.0))
    squarings = max(0, math.ceil(math.log2(max(largest, 1e-300) / 0.5)))
    small = matrix / 2.0**squarings
    unit = np.broadcast_to(np.eye(matrix.shape[-1]), matrix.shape)
    result = unit.copy()
    for order in range(14, 0, -1):  # 0.5^15 / 15! = 2e-17
        result = unit + small @ result / order
    for _ in range(squarings):
        result = result @ result
    return np.asarray(result)


def pulse_matrix(
    system: ExchangeSystem, pulse: Pulse, gamma_bar: float, *, offset: ArrayLike = 0.0, b1: ArrayLike = 1.0
) -> Array:
    """Return the (..., size + 1, size + 1) exact maps of a pulse without gradient.

    Steps of equal amplitude share one exponential, taken in the frame of the carrier: a pulse of constant amplitude
    costs one, whatever its length and offset.

    Parameters
    ----------
    system : ExchangeSystem
    pulse : Pulse
        Played without phase offset.
    gamma_bar : float
        Hz/T.
    offset, b1 : array
        Resonance offset of water, Hz, and relative transmit field.
    """
    df, relative = np.broadcast_arrays(np.asarray(offset, np.float64), np.asarray(b1, np.float64))
    middle = np.cumsum(pulse.dt) - pulse.dt / 2
    envelope = pulse.b1 * np.exp(2j * np.pi * pulse.frequency * middle)
    scale = max(float(np.abs(envelope).max(initial=0.0)), 1e-30)
    level = np.round(np.abs(envelope) / scale, 12)
    angle = np.where(level > 0, np.round(-np.angle(envelope), 12), 0.0)
    kinds, kind = np.unique(np.stack([level, pulse.dt]), axis=1, return_inverse=True)
    kind = kind.ravel()
    column = (-1, *(1,) * df.ndim)
    w1 = 2 * np.pi * gamma_bar * scale * kinds[0].reshape(column) * relative
    generator = system.generator(w1, df - pulse.frequency, pulse.frequency - df)
    steps = matrix_exponential(generator * kinds[1].reshape(*column, 1, 1))
    edges = np.flatnonzero((np.diff(kind) != 0) | (np.diff(angle) != 0)) + 1
    first, last = np.concatenate([[0], edges]), np.concatenate([edges, [len(level)]])
    stretches = list(zip(kind[first].tolist(), (last - first).tolist(), strict=True))
    powers = {stretch: np.linalg.matrix_power(steps[stretch[0]], stretch[1]) for stretch in set(stretches)}
    parts = np.stack([powers[stretch] for stretch in stretches])
    turn = system.turned(angle[first]).reshape(-1, *[1] * df.ndim, system.size + 1, system.size + 1)
    result = _product(turn @ parts @ np.swapaxes(turn, -1, -2))
    return np.asarray(system.turned(2 * np.pi * pulse.frequency * float(pulse.dt.sum())) @ result)


def _product(parts: Array) -> Array:
    """Return the product of (part, ..., n, n) matrices, the last one leftmost: neighbours are joined two by two."""
    while len(parts) > 1:
        even = len(parts) // 2 * 2
        joined = parts[1:even:2] @ parts[0:even:2]
        parts = joined if even == len(parts) else np.concatenate([joined, parts[even:]])
    return np.asarray(parts[0])
