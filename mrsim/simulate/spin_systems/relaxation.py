"""Relaxation of coupled spins: product operators are damped between unitary steps (Strang splitting).

Every spin relaxes by itself, as in random fields that are not correlated: a product of I_ix, I_iy, I_iz of several
spins decays with the sum of their 1/T2 and 1/T1, and F_z recovers. Equivalent spins must then be kept apart, because a
field on one of them leaves the spaces of their sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .operators import Levels, Matrix

LONGEST = 1e-3
"""Longest unitary step, s: (2 pi J h)^2 h / (12 T2) of a coupling of 15 Hz and a T2 of 50 ms is 1.5e-5 a step."""
LARGEST = 128
"""Largest dimension of a space with relaxation: seven spins 1/2."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Damping:
    """How the spins of a space relax."""

    levels: Levels
    rates: NDArray[np.float64]
    """(spin, 2) 1 / T1 and 1 / T2, 1/s."""

    @property
    def active(self) -> bool:
        """Whether anything relaxes."""
        return bool(np.any(self.rates))

    def steps(self, duration: float) -> int:
        """Return into how many unitary steps an interval is cut."""
        return max(1, int(np.ceil(duration / LONGEST))) if self.active else 1

    def damped(self, rho: Matrix, duration: float, equilibrium: float) -> Matrix:
        """Return (..., state, state) density matrices, eigenbasis, after relaxation alone.

        equilibrium : what F_z recovers to, over that of one spin system.
        """
        if not self.active or duration == 0:
            return rho
        v, n = self.levels.vectors, len(self.rates)
        rest = np.diag(self.levels.fz) * equilibrium
        plain = v @ (rho - rest) @ v.T
        shape = plain.shape
        for i, (r1, r2) in enumerate(self.rates):
            before, after = 2**i, 2 ** (n - 1 - i)
            part = plain.reshape(*shape[:-2], before, 2, after, before, 2, after)
            up, down = part[..., 0, :, :, 0, :], part[..., 1, :, :, 1, :]
            mean, half = (up + down) / 2, (up - down) / 2 * np.exp(-duration * r1)
            part = part * np.exp(-duration * r2)
            part[..., 0, :, :, 0, :], part[..., 1, :, :, 1, :] = mean + half, mean - half
            plain = part.reshape(shape)
        return np.asarray(v.T @ plain @ v + rest)


def check_relaxing(spins: int) -> None:
    """Refuse what would take hours."""
    if 2**spins > LARGEST:
        raise InputError(
            f"relaxation keeps equivalent spins apart: {2**spins} states would be damped step by step, at most "
            f"{LARGEST} are (seven spins 1/2); leave t1 and t2 of this metabolite out",
            key="t2",
        )


def waited(damping: Damping, rho: Matrix, duration: float, equilibrium: float) -> Matrix:
    """Return (..., state, state) density matrices, eigenbasis, behind an interval without pulses."""
    steps = damping.steps(duration)
    phase = np.exp(-1j * damping.levels.energy * (duration / steps))
    turn = phase[:, None] * phase.conj()[None, :]
    rho = damping.damped(rho, duration / steps / 2, equilibrium)
    for step in range(steps):
        share = 1.0 if step < steps - 1 else 0.5
        rho = damping.damped(rho * turn, share * duration / steps, equilibrium)
    return rho


def relaxing_signal(damping: Damping, rho: Matrix, dwell: float, samples: int) -> NDArray[np.complex128]:
    """Return (sample,) Tr(rho(t) F_+) while the spins relax; only coherences of order -1 are carried."""
    rho = np.where(damping.levels.order == -1, rho, 0)
    fid = np.empty(samples, np.complex128)
    for i in range(samples):
        fid[i] = np.sum(rho * damping.levels.raising.T)
        rho = waited(damping, rho, dwell, 0.0)
    return fid
