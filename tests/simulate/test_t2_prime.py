"""Offsets in place of a Lorentzian line, and the non-negative weights that they get."""

import numpy as np
from scipy.optimize import nnls

from mrsim.simulate.t2_prime import nonnegative, offsets


def test_weights_are_those_of_an_independent_solver():
    rng = np.random.default_rng(0)
    for _ in range(100):
        rows, columns = rng.integers(3, 40), rng.integers(1, 12)
        matrix, target = rng.standard_normal((rows, columns)), rng.standard_normal(rows)
        found = nonnegative(matrix, target)
        assert np.all(found >= 0)
        assert np.linalg.norm(matrix @ found - target) <= nnls(matrix, target)[1] * (1 + 1e-9) + 1e-12


def test_offsets_dephase_as_told():
    where, weight, error = offsets(0.05, 0.02, 5e-3)
    t = np.linspace(0, 0.02, 333)
    seen = np.exp(2j * np.pi * t[:, None] * where) @ weight
    assert error <= 5e-3
    assert np.abs(seen - np.exp(-t / 0.05)).max() <= 1.01 * error + 1e-9
