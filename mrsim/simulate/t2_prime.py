"""Reversible dephasing T2' as a small set of resonance offsets.

A Lorentzian line of offsets gives exp(-|t| / T2'). The line is replaced by a few offsets on a geometric scale whose
non-negative weights are fitted to that curve over the times at which the scan looks at it; the largest
deviation is returned, so that the caller can state it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=256)
def offsets(t2_prime: float, horizon: float, accuracy: float) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return offsets and weights that reproduce exp(-|t|/T2') for |t| up to `horizon`.

    Parameters
    ----------
    t2_prime : float
        s; infinity gives one offset of zero.
    horizon : float
        Longest dephasing time that a readout sees, s.
    accuracy : float
        Largest deviation wanted.

    Returns
    -------
    offset : (n,) array, Hz
    weight : (n,) array, summing to 1
    error : float
        Largest deviation reached, over 0 <= t <= horizon.
    """
    single = -math.expm1(-horizon / t2_prime)
    if single <= accuracy:
        return np.zeros(1), np.ones(1), single
    t = horizon * np.linspace(0, 1, 601) ** 3
    target = np.exp(-t / t2_prime)
    best: tuple[NDArray[np.float64], NDArray[np.float64], float] | None = None
    for positive in (1, 2, 3, 4, 6, 8, 11, 16, 24, 32, 48):
        growth = 3.0 / positive
        frequency = np.sinh(growth * np.arange(positive + 1)) / growth / (3.0 * horizon)
        basis = np.cos(2 * np.pi * np.outer(t, frequency))
        weight = nonnegative(np.vstack([basis, np.full((1, len(frequency)), 1e3)]), np.append(target, 1e3))
        weight /= weight.sum()
        error = float(np.abs(basis @ weight - target).max())
        if best is None or error < best[2]:
            both = np.concatenate([-frequency[:0:-1], frequency])
            best = both, np.concatenate([weight[:0:-1] / 2, weight[:1], weight[1:] / 2]), error
        if error <= accuracy:
            break
    assert best is not None
    keep = best[1] > 0
    return best[0][keep], best[1][keep], best[2]


def nonnegative(matrix: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the x >= 0 of least |matrix x - target| by the active sets of Lawson and Hanson.

    It stands here because loading scipy's takes longer than all that it solves.

    Parameters
    ----------
    matrix : (m, n) array
    target : (m,) array
    """
    count = matrix.shape[1]
    x, free = np.zeros(count), np.zeros(count, dtype=bool)
    scale = float(np.abs(matrix).sum(axis=0).max()) * max(1.0, float(np.abs(target).max()))
    small = 10 * float(np.finfo(np.float64).eps) * scale
    for _ in range(3 * count):
        slope = np.where(free, -np.inf, matrix.T @ (target - matrix @ x))
        if slope.max() <= small:
            break
        free[int(np.argmax(slope))] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
            bad = free & (trial < 0)
            if not bad.any():
                break
            steps = np.where(bad, x, np.inf) / np.where(bad, x - trial, 1.0)
            last = int(np.argmin(steps))
            x = np.maximum(x + steps[last] * (trial - x), 0.0)
            x[last] = 0.0
            free = x > 0
        x = trial
    return x
