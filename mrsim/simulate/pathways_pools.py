"""Pools of one class: how they relax and exchange between pulses, and what pulses do to a bound pool.

dF/dt = (K - diag(r2 + i 2 pi df)) F and dZ/dt = K Z - r1 (Z - M0) with K the exchange: K_ij is the rate from pool j
to pool i, columns sum up to 0 and K M0 = 0. A bound pool (no transverse part) is saturated by a pulse by
exp(-integral of pi w1^2 g dt) with its line g; what it does during a pulse besides is ignored. Relaxation and
exchange during a pulse belong to the intervals around its centre. Malik et al., MRM 80:767 (2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..phantom.exchange import ExchangePool
from ..sequence.timeline import Pulse
from .absorption import absorption
from .pathways_steps import Path

Complex = NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evolution:
    """What an interval does to the pools."""

    transverse: Complex
    """(pool, pool)."""
    longitudinal: NDArray[np.float64]
    """(pool, pool)."""
    recovery: NDArray[np.float64]
    """(pool,)."""
    shrinks: float
    """What the sum of the pools' amplitudes shrinks by at least."""

    def parts(self) -> tuple[NDArray[np.float64], ...]:
        """Return what the kernel needs."""
        both = np.stack([self.transverse.real, self.transverse.imag], axis=-1)
        return np.ascontiguousarray(both), self.longitudinal, self.recovery


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pools:
    """The pools of a class, free water first."""

    r1: NDArray[np.float64]
    """(pool,) 1/s."""
    r2: NDArray[np.float64]
    """(pool,) 1/s; 0 where bound."""
    fraction: NDArray[np.float64]
    """(pool,) M0 over that of water."""
    offset: NDArray[np.float64]
    """(pool,) Hz, from free water."""
    rates: NDArray[np.float64]
    """(pool, pool) K, 1/s."""
    bound: tuple[ExchangePool | None, ...]
    """Per pool, what a bound one is; None where free."""
    _known: dict[float, Evolution] = field(default_factory=dict)

    @classmethod
    def single(cls, r1: float, r2: float) -> Pools:
        """Return one pool."""
        zero, one = np.zeros(1), np.ones(1)
        return cls(r1=r1 * one, r2=r2 * one, fraction=one, offset=zero, rates=np.zeros((1, 1)), bound=(None,))

    @classmethod
    def exchanging(cls, r1: float, r2: float, others: tuple[ExchangePool, ...], frequency: float) -> Pools:
        """Return free water with its exchange partners; frequency, Hz, turns shifts into offsets."""
        fraction = np.array([1.0, *(p.fraction for p in others)])
        rates = np.zeros((len(fraction), len(fraction)))
        for i, pool in enumerate(others, 1):
            rates[[i, 0], [0, i]] = pool.fraction * pool.rate, pool.rate
            rates[0, 0] -= pool.fraction * pool.rate
            rates[i, i] -= pool.rate
        bound = [p.line != "liquid" for p in others]
        return cls(
            r1=np.array([r1, *(1 / p.t1 for p in others)]),
            r2=np.array([r2, *(0.0 if b else 1 / p.t2 for p, b in zip(others, bound, strict=True))]),
            fraction=fraction,
            offset=np.array([0.0, *(p.shift * frequency for p in others)]),
            rates=rates,
            bound=(None, *(p if b else None for p, b in zip(others, bound, strict=True))),
        )

    @property
    def count(self) -> int:
        """Number of pools."""
        return len(self.fraction)

    @property
    def free(self) -> NDArray[np.bool_]:
        """True for the pools that have transverse magnetisation."""
        return np.array([pool is None for pool in self.bound])

    def elapsed(self, path: Path) -> float:
        """Return for how long a path relaxes, s: a single pool's pulses do their part themselves."""
        return path.relaxing if self.count == 1 else path.time

    def along(self, path: Path) -> Evolution:
        """Return what a path does."""
        time = self.elapsed(path)
        if time not in self._known:
            self._known[time] = self._evolution(time)
        return self._known[time]

    def _evolution(self, time: float) -> Evolution:
        if self.count == 1:
            e1, e2 = np.exp(-self.r1 * time), np.exp(-self.r2 * time)
            return Evolution(
                transverse=e2[None].astype(complex),
                longitudinal=e1[None],
                recovery=1 - e1,
                shrinks=float(max(e1[0], e2[0])),
            )
        rate, modes, inverse = self.modes()
        transverse = modes * np.exp(rate * time) @ inverse
        value, vector = np.linalg.eig(self.rates - np.diag(self.r1))
        longitudinal = np.ascontiguousarray((vector * np.exp(value * time) @ np.linalg.inv(vector)).real)
        slowest = min(float(self.r1.min()), float(self.r2[self.free].min()))
        return Evolution(
            transverse=transverse,
            longitudinal=longitudinal,
            recovery=self.fraction - longitudinal @ self.fraction,
            shrinks=math.exp(-slowest * time),
        )

    def modes(self) -> tuple[Complex, Complex, Complex]:
        """Return the (mode,) complex rates, 1/s, the (pool, mode) modes of the transverse part, and their inverse."""
        if self.count == 1:
            one = np.ones((1, 1), dtype=np.complex128)
            return -self.r2 - 2j * np.pi * self.offset, one, one
        free = self.free.astype(np.float64)
        among = self.rates * np.outer(free, free)
        # the loss to a bound pool counts as part of the free pool's T2
        among -= np.diag(among.sum(axis=0))
        value, vector = np.linalg.eig(np.diag(-self.r2 - 2j * np.pi * self.offset) + among)
        return value, vector, np.linalg.inv(vector)


def saturation(pulse: Pulse, b1: float, pool: ExchangePool, offset: float, gamma_bar: float) -> float:
    """Return what a pulse leaves of a bound pool's magnetisation: exp(-integral of pi w1^2 g dt).

    Parameters
    ----------
    pulse : Pulse
        One constant carrier; how it changes within the pulse's band is left out.
    b1 : float
        Relative transmit field.
    pool : ExchangePool
        With its line.
    offset : float
        Of the pool, Hz.
    gamma_bar : float
        Hz/T.
    """
    power = (2 * np.pi * gamma_bar * b1 * np.abs(pulse.b1)) ** 2 * pulse.dt
    turn = np.angle(pulse.b1[1:] * pulse.b1[:-1].conj())
    # B1 = b exp(-i 2 pi f t); a change of sign between the lobes of a pulse is no offset
    steady = np.abs(turn) < np.pi / 2
    carrier = -turn / (np.pi * (pulse.dt[1:] + pulse.dt[:-1]))
    centre = float(np.median(carrier[steady])) if np.any(steady) else 0.0
    line = float(absorption(pool.line, pool.t2, centre - offset))
    return math.exp(-math.pi * float(power.sum()) * line)
