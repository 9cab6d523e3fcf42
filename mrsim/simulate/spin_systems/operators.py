"""Spin operators and the Hamiltonian between pulses, diagonal in blocks of equal F_z.

H / hbar = -2 pi sum_i offset_i I_iz + 2 pi sum_ij J_ij I_i . I_j, so that <I_+> turns as exp(-i 2 pi offset t). States
are ordered by falling F_z; everything is kept in the eigenbasis of H, where waiting is a phase on each element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .subspaces import Subspace

Matrix = NDArray[np.complex128]


@cache
def spin_matrices(spin: float) -> tuple[Matrix, Matrix, Matrix]:
    """Return I_x, I_y, I_z of one spin, states m = spin, spin - 1, ..., -spin."""
    m = spin - np.arange(round(2 * spin) + 1)
    raising = np.diag(np.sqrt(spin * (spin + 1) - m[1:] * (m[1:] + 1)), 1).astype(np.complex128)
    lowering = raising.T
    return (raising + lowering) / 2, (raising - lowering) / 2j, np.diag(m).astype(np.complex128)


def embedded(space: Subspace, which: int, matrix: Matrix) -> Matrix:
    """Return an operator of one spin in the product space."""
    sizes = [round(2 * spin + 1) for spin in space.spins]
    before, after = np.prod(sizes[:which], dtype=int), np.prod(sizes[which + 1 :], dtype=int)
    return np.asarray(np.kron(np.kron(np.eye(before), matrix), np.eye(after)))


def product(factors: list[Matrix]) -> Matrix:
    """Return the direct product of (..., n_i, n_i) operators of the single spins, spin by spin."""
    whole = factors[0]
    for factor in factors[1:]:
        n, m = whole.shape[-1], factor.shape[-1]
        whole = (whole[..., :, None, :, None] * factor[..., None, :, None, :]).reshape(
            *np.broadcast_shapes(whole.shape[:-2], factor.shape[:-2]), n * m, n * m
        )
    return whole


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Levels:
    """Eigenstates of a space without pulses."""

    space: Subspace
    energy: NDArray[np.float64]
    """(state,) rad/s."""
    vectors: NDArray[np.float64]
    """(product state, eigenstate)."""
    m: NDArray[np.int64]
    """(eigenstate,) F_z, less than its largest value by so many: 0, 1, 2, ..."""
    raising: NDArray[np.float64]
    """(state, state) F_+ in the eigenbasis."""
    fz: NDArray[np.float64]
    """(state,) F_z of each eigenstate."""

    @property
    def order(self) -> NDArray[np.int64]:
        """(state, state) coherence order of |a><b|: F_z of a less F_z of b. The receiver sees order -1."""
        return self.m[None, :] - self.m[:, None]

    def turned(self, operator: Matrix) -> Matrix:
        """Return (..., state, state) operators of the product basis in the eigenbasis."""
        return np.asarray(self.vectors.T @ operator @ self.vectors)


def levels(space: Subspace) -> Levels:
    """Return the eigenstates of a space, found block by block."""
    fz = sum(np.real(np.diag(embedded(space, i, spin_matrices(s)[2]))) for i, s in enumerate(space.spins))
    total = np.asarray(fz)
    h = hamiltonian(space)
    m = np.rint(total.max() - total).astype(np.int64)
    energy, vectors, states = np.empty(len(m)), np.zeros((len(m), len(m))), np.empty(len(m), np.int64)
    filled = 0
    for value in np.unique(m):
        members = np.flatnonzero(m == value)
        e, v = np.linalg.eigh(h[np.ix_(members, members)])
        columns = slice(filled, filled + len(members))
        energy[columns], states[columns] = e, value
        vectors[members, columns] = v
        filled += len(members)
    raising = sum(np.real(embedded(space, i, _raising(s))) for i, s in enumerate(space.spins))
    return Levels(
        space=space,
        energy=energy,
        vectors=vectors,
        m=states,
        raising=np.asarray(vectors.T @ raising @ vectors),
        fz=total.max() - states,
    )


def _raising(spin: float) -> Matrix:
    x, y, _ = spin_matrices(spin)
    return np.asarray(x + 1j * y)


def hamiltonian(space: Subspace) -> NDArray[np.float64]:
    """Return H / hbar without pulses in the product basis, rad/s; it is real."""
    h = np.zeros((space.dimension, space.dimension))
    for i, (spin, offset) in enumerate(zip(space.spins, space.offsets, strict=True)):
        h -= 2 * np.pi * offset * np.real(embedded(space, i, spin_matrices(spin)[2]))
    return h + coupling(space)


def coupling(space: Subspace) -> NDArray[np.float64]:
    """Return 2 pi sum J I . I in the product basis, rad/s."""
    h = np.zeros((space.dimension, space.dimension))
    for i, j, value in space.couplings:
        a, b = spin_matrices(space.spins[i]), spin_matrices(space.spins[j])
        for axis in range(3):
            h += 2 * np.pi * value * np.real(embedded(space, i, a[axis]) @ embedded(space, j, b[axis]))
    return h
