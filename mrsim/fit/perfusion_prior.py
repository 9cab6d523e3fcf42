"""The most likely perfusion and diffusion under a prior, many voxels at once.

Looked for are ln M0, the log odds of f, ln D and ln D*, the last three with a normal prior: the sum of squares that is
least holds the residuals over the noise and the deviations from the prior over its spread. Standard errors are those of
the posterior's curvature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .method import CONVERGED, LIMIT

Array = NDArray[np.float64]
ROUNDS = 100
PART = 4096
LONGEST = 2.0
"""Largest step of a logarithm."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Likely:
    """Most likely parameters."""

    values: Array
    """(4, voxel) m0, f, d, d_star."""
    errors: Array
    """(4, voxel)."""
    status: NDArray[np.int8]
    rounds: NDArray[np.int64]


def most_likely(b: Array, data: Array, noise: Array, centre: Array, width: Array) -> Likely:
    """Return the most likely parameters.

    Parameters
    ----------
    b : (n,) array
        s/m^2.
    data, noise : (n, voxel) array
        Magnitudes and their standard deviations.
    centre, width : (3,) array
        Of the prior of f, d, d_star: centres as they are, widths of log odds and logarithms.
    """
    middle = np.array([np.log(centre[0] / (1 - centre[0])), np.log(centre[1]), np.log(centre[2])])
    parts = [
        _search(b, data[:, k : k + PART], noise[:, k : k + PART], middle, width) for k in range(0, data.shape[1], PART)
    ]
    if not parts:
        parts = [_search(b, data, noise, middle, width)]
    return Likely(
        values=np.concatenate([p.values for p in parts], axis=1),
        errors=np.concatenate([p.errors for p in parts], axis=1),
        status=np.concatenate([p.status for p in parts]),
        rounds=np.concatenate([p.rounds for p in parts]),
    )


def _model(b: Array, point: Array) -> tuple[Array, Array]:
    """Return the (n, voxel) signal and its (4, n, voxel) derivatives by the transformed parameters."""
    m0, f, d, d_star = np.exp(point[0]), 1 / (1 + np.exp(-point[1])), np.exp(point[2]), np.exp(point[3])
    fast, slow = np.exp(-b[:, None] * d_star), np.exp(-b[:, None] * d)
    signal = m0 * (f * fast + (1 - f) * slow)
    slopes = [
        signal,
        m0 * f * (1 - f) * (fast - slow),
        -m0 * (1 - f) * b[:, None] * d * slow,
        -m0 * f * b[:, None] * d_star * fast,
    ]
    return signal, np.stack(slopes)


def _misfit(signal: Array, data: Array, noise: Array, point: Array, middle: Array, width: Array) -> Array:
    prior = np.sum(((point[1:] - middle[:, None]) / width[:, None]) ** 2, axis=0)
    return np.asarray(np.sum(((data - signal) / noise) ** 2, axis=0) + prior)


def _search(b: Array, data: Array, noise: Array, middle: Array, width: Array) -> Likely:
    from ._kernels.normal import solve_packed

    voxels = data.shape[1]
    point = np.concatenate([np.log(np.maximum(data[np.argmin(b)], 1e-300))[None], np.tile(middle[:, None], voxels)])
    damping, rounds, done = np.full(voxels, 1e-2), np.zeros(voxels, dtype=np.int64), np.zeros(voxels, dtype=np.bool_)
    signal, slope = _model(b, point)
    misfit = _misfit(signal, data, noise, point, middle, width)
    row, column = np.tril_indices(4)
    inverse = np.empty((10, voxels))
    for number in range(ROUNDS + 1):
        scaled = slope / noise
        gram = np.sum(scaled[row] * scaled[column], axis=1)
        right = np.sum(scaled * ((data - signal) / noise), axis=1)
        at = np.arange(1, 4)
        gram[at * (at + 3) // 2] += 1 / width[:, None] ** 2
        right[1:] += (middle[:, None] - point[1:]) / width[:, None] ** 2
        step, regular = np.empty((4, voxels)), np.empty(voxels, dtype=np.bool_)
        if number == ROUNDS or done.all():
            solve_packed(gram, right, 1e-14, inverse, step, regular)
            break
        every = np.arange(4)
        gram[every * (every + 3) // 2] *= 1 + damping
        solve_packed(gram, right, 1e-14, inverse, step, regular)
        step *= np.minimum(1.0, LONGEST / np.maximum(np.abs(step).max(axis=0), 1e-300)) * ~done
        trial = point + step
        value, other = _model(b, trial)
        better = _misfit(value, data, noise, trial, middle, width)
        taken = better <= misfit
        done |= (np.abs(step).max(axis=0) < 1e-8) | (taken & (misfit - better < 1e-11 * (1 + misfit)))
        rounds += ~done
        point, signal, misfit = (
            np.where(taken, new, old) for new, old in ((trial, point), (value, signal), (better, misfit))
        )
        slope = np.where(taken, other, slope)
        damping = np.where(taken, np.maximum(damping * 0.2, 1e-9), np.minimum(damping * 5, 1e9))
    return _untransformed(point, np.sqrt(inverse[np.arange(4) * (np.arange(4) + 3) // 2]), done, rounds)


def _untransformed(point: Array, error: Array, done: NDArray[np.bool_], rounds: NDArray[np.int64]) -> Likely:
    """Return the parameters themselves."""
    f = 1 / (1 + np.exp(-point[1]))
    values = np.stack([np.exp(point[0]), f, np.exp(point[2]), np.exp(point[3])])
    errors = error * np.stack([values[0], f * (1 - f), values[2], values[3]])
    status = np.where(done, CONVERGED, LIMIT).astype(np.int8)
    return Likely(values=values, errors=errors, status=status, rounds=rounds)
