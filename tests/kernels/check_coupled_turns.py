"""Rotations through a pulse, and how far spins turn apart, against matrix exponentials step by step."""

import numpy as np
import pytest
from scipy.linalg import expm

from mrsim.simulate._kernels import coupled_turns as kernels

GAMMA = 42.577e6
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]) / 2


def magnetisation(u):
    """The (3, 3) rotation of <I> by a propagator."""
    return np.array([[2 * np.trace(PAULI[i] @ u @ PAULI[j] @ u.conj().T).real for j in range(3)] for i in range(3)])


def half_step(place, offset, h, b1, gradient, change, half):
    """exp of the fourth-order Magnus expansion of half a step whose gradient changes linearly."""
    w0 = (
        np.array([b1.real, b1.imag, place @ (gradient + (half - 0.5) * change / 2) + offset / GAMMA])
        * np.pi
        * h
        * GAMMA
    )
    w1 = np.array([0, 0, place @ change / 2]) * np.pi * h * GAMMA  # by which w0 changes over the half
    w = w0 - np.cross(w1, w0) / 12
    return expm(1j * np.einsum("k,kab->ab", w, PAULI))


@pytest.mark.parametrize(("changing", "pairs"), [(False, 1), (False, 3), (True, 3)])
def test_rotations_and_their_moments_are_those_of_matrix_exponentials(changing, pairs):
    rng = np.random.default_rng(4)
    steps, places, offsets = 5, rng.uniform(-5e-3, 5e-3, (3, 3)), np.array([0.0, -120.0, 310.0])
    dt = rng.uniform(5e-6, 3e-5, steps)
    b1 = 1e-5 * (rng.standard_normal(steps) + 1j * rng.standard_normal(steps))
    gradient, change = rng.uniform(-0.02, 0.02, (2, steps, 3))
    change = change * changing
    left, right = np.array([0, 0, 1])[:pairs], np.array([1, 2, 2])[:pairs]
    a, b = np.empty((2, 3, 3), complex)
    p, q = np.zeros((2, 3, pairs, 3, 3))
    kernels.turn_through(places, offsets, GAMMA, dt, b1, gradient, change, left, right, a, b, p, q)
    for n, place in enumerate(places):
        u = [np.eye(2, dtype=complex) for _ in offsets]
        first, elapsed = np.zeros((2, pairs, 3, 3)), 0.0
        for step in range(steps):
            weights = (1 / 6, 4 / 6, 1 / 6)
            for at, weight in enumerate(weights):
                if at:
                    field = (dt[step], b1[step], gradient[step], change[step], at - 1)
                    u = [half_step(place, w, *field) @ each for w, each in zip(offsets, u, strict=True)]
                r = [magnetisation(each) for each in u]
                apart = np.array([r[i].T @ r[j] for i, j in zip(left, right, strict=True)]) * dt[step] * weight
                late = (elapsed + at * dt[step] / 2) / dt.sum() - 0.5
                first = first + np.stack([apart, late * apart])
            elapsed += dt[step]
        for s, each in enumerate(u):
            np.testing.assert_allclose([[a[n, s], b[n, s]], [-b[n, s].conj(), a[n, s].conj()]], each, atol=1e-12)
        np.testing.assert_allclose(np.stack([p[n], q[n]]), first, atol=1e-12 * dt.sum())


def test_a_spin_at_rest_is_not_turned():
    a, b = kernels.turn_half(0.0, 0.0, 0.0, 1.0 + 0j, 0j)
    assert (a, b) == (1.0, 0.0)
