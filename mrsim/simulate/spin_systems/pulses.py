"""Pulses of finite length on coupled spins: shift, gradient and coupling go on during the pulse.

Without couplings every spin turns by itself, exactly, step by step. The couplings follow in the frame of those
rotations, where they are small and vary as slowly as the spins turn apart:

    U = prod over pieces of U0 exp(-i (P + i [P, Q])),   P = int H~ dt,   Q = 1/h int (t - h/2) H~ dt,

Magnus to fourth order (Blanes 2009, doi:10.1016/j.physrep.2008.11.001) with H~ = 2 pi sum J_ij I_i R_i^T R_j I_j
integrated by Simpson's rule over each sample of the pulse. R_i(t) is the rotation of spin i since the piece began.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ...sequence.timeline import Pulse
from .operators import Matrix, embedded, product, spin_matrices
from .shot import Play
from .subspaces import Subspace

MOST_APART = 0.2
"""Largest angle by which two coupled spins turn apart within a piece, rad."""
MOST_COUPLED = 0.1
"""Largest 2 pi sum |J| h of a piece, rad."""
TERMS = 9
"""Terms of the exponential's series: 0.1^10 / 10! is below rounding."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Turns:
    """Rotations of spins 1/2, [[a, b], [-b*, a*]]."""

    a: NDArray[np.complex128]
    b: NDArray[np.complex128]

    def of_spin(self, spin: float) -> Matrix:
        """Return the (..., 2 I + 1, 2 I + 1) rotation of a spin I."""
        if spin == 0.5:
            upper, lower = np.stack([self.a, self.b], -1), np.stack([-self.b.conj(), self.a.conj()], -1)
            return np.asarray(np.stack([upper, lower], axis=-2))
        axis = np.stack([self.b.imag, self.b.real, self.a.imag], axis=-1)
        half = np.linalg.norm(axis, axis=-1)
        unit = axis / np.where(half > 0, half, 1)[..., None]
        angle = 2 * np.arctan2(half, self.a.real)
        e, v = np.linalg.eigh(np.einsum("...k,kab->...ab", unit, np.stack(spin_matrices(spin))))
        return np.asarray((v * np.exp(1j * angle[..., None] * e)[..., None, :]) @ np.swapaxes(v, -1, -2).conj())


def propagator(space: Subspace, event: Play, gamma_bar: float) -> Matrix:
    """Return the (state, state) propagator of a pulse without its gradient, product basis."""
    return np.asarray(propagators(space, event, gamma_bar, np.zeros((1, 3)))[0])


def propagators(space: Subspace, event: Play, gamma_bar: float, position: NDArray[np.float64]) -> Matrix:
    """Return the (position, state, state) propagators of a pulse at (position, 3) places, m, in the product basis."""
    return np.asarray(reduce(lambda whole, piece: piece @ whole, pieces(space, event, gamma_bar, position)))


def pieces(
    space: Subspace, event: Play, gamma_bar: float, position: NDArray[np.float64], least: int = 1
) -> Iterator[Matrix]:
    """Yield the (position, state, state) propagators of at least `least` pieces of a pulse, product basis."""
    table = _coupling_table(space)
    for first, last in _cuts(space, event.pulse, least):
        turns, p, q = _piece(space, event, gamma_bar, position, first, last)
        whole = product([Turns(a=turns.a[:, i], b=turns.b[:, i]).of_spin(s) for i, s in enumerate(space.spins)])
        if table is not None:
            whole = whole @ _exponential(_hermitian(p, q, table))
        yield whole


def piece_lengths(space: Subspace, pulse: Pulse, least: int = 1) -> list[float]:
    """Return the durations of the pieces, s."""
    return [float(pulse.dt[first:last].sum()) for first, last in _cuts(space, pulse, least)]


def _cuts(space: Subspace, pulse: Pulse, least: int) -> list[tuple[int, int]]:
    """Return first and last step of each piece."""
    total = float(pulse.dt.sum())
    apart = 2 * np.pi * (max(space.offsets) - min(space.offsets)) * total if space.couplings else 0.0
    strength = 2 * np.pi * sum(abs(j) for _, _, j in space.couplings) * max(space.spins) * total
    count = min(len(pulse.dt), max(least, int(np.ceil(max(apart / MOST_APART, strength / MOST_COUPLED)))))
    edges = np.unique(np.rint(np.linspace(0, len(pulse.dt), count + 1)).astype(int))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _piece(
    space: Subspace, event: Play, gamma_bar: float, position: NDArray[np.float64], first: int, last: int
) -> tuple[Turns, NDArray[np.float64], NDArray[np.float64]]:
    """Return the rotations of the spins over a piece, and (position, pair, 3, 3) moments of R_i^T R_j, s."""
    from .._kernels import coupled_turns

    pulse, steps, pairs = event.pulse, slice(first, last), len(space.couplings)
    left, right = (np.array([each[side] for each in space.couplings], dtype=np.int64) for side in (0, 1))
    change = np.zeros_like(pulse.gradient) if pulse.change is None else pulse.change
    a, b = np.empty((2, len(position), len(space.spins)), np.complex128)
    p, q = np.zeros((2, len(position), pairs, 3, 3))
    coupled_turns.turn_through(
        np.ascontiguousarray(position), np.array(space.offsets, dtype=np.float64), gamma_bar, pulse.dt[steps],
        pulse.b1[steps] * np.exp(-1j * event.phase), pulse.gradient[steps], change[steps], left, right, a, b, p, q,
    )  # fmt: skip
    return Turns(a=a, b=b), p, q


def _coupling_table(space: Subspace) -> Matrix | None:
    """Return (pair * 9, state, state) 2 pi J I_ib I_jc; None without couplings."""
    if not space.couplings:
        return None
    table = []
    for i, j, value in space.couplings:
        left = [embedded(space, i, matrix) for matrix in spin_matrices(space.spins[i])]
        right = [embedded(space, j, matrix) for matrix in spin_matrices(space.spins[j])]
        table += [2 * np.pi * value * (a @ b) for a in left for b in right]
    return np.stack(table)


def _hermitian(p: NDArray[np.float64], q: NDArray[np.float64], table: Matrix) -> Matrix:
    """Return P + i [P, Q]."""
    flat = table.reshape(len(table), -1)
    shape = (len(p), *table.shape[1:])
    one, two = (np.asarray(m.reshape(len(m), -1) @ flat).reshape(shape) for m in (p, q))
    mixed = one @ two
    return np.asarray(one + 1j * (mixed - np.swapaxes(mixed, -1, -2).conj()))


def _exponential(h: Matrix) -> Matrix:
    """Return exp(-i h) of small (..., state, state) matrices."""
    identity = np.eye(h.shape[-1])
    series = identity + -1j / TERMS * h
    for term in range(TERMS - 1, 0, -1):
        series = identity + (-1j / term) * (h @ series)
    return np.asarray(series)


__all__ = ["Turns", "piece_lengths", "pieces", "propagator", "propagators"]
