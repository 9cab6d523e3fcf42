"""Where a linear-combination fit starts: the shift, width and phase with which the basis explains most of the data."""

from __future__ import annotations

import numpy as np

from .problem import Array, Complex, Problem

WIDTHS = (6.0, 15.0, 40.0)
"""Dampings that are tried, 1/s: lines of 2, 5 and 13 Hz."""
STEPS = 13
"""Shifts that are tried between the ends of the range."""


def starts(problem: Problem, signals: Complex, reach: float) -> Array:
    """Return the (voxel, parameter) start of each fit.

    Every member has a complex amplitude here, so that one orthogonal basis per shift and width serves all voxels; the
    common phase is the one that makes these amplitudes real and, weighted by their size, positive.

    Parameters
    ----------
    problem : Problem
    signals : (voxel, point) array
    reach : float
        Largest common shift that is tried, Hz.
    """
    target = problem.transformed(signals).T
    count = problem.group_count
    best = np.full(len(signals), -1.0)
    theta = np.zeros((len(signals), len(problem.names)))
    for damping in WIDTHS:
        for shift in np.linspace(-reach, reach, STEPS):
            trial = np.zeros((1, len(problem.names)))
            trial[0, 3], trial[0, 4 : 4 + count] = shift, damping
            lines, phase = problem.lines(trial)
            members = (problem.transformed(lines) * phase)[0].T
            orthogonal, triangle = np.linalg.qr(members)
            seen = orthogonal.conj().T @ target
            explained = np.sum(np.abs(seen) ** 2, axis=0)
            better = explained > best
            best[better] = explained[better]
            trial = np.repeat(trial, int(better.sum()), axis=0)
            trial[:, 0] = _phase(members, triangle, seen[:, better])
            theta[better] = trial
    return theta


def _phase(members: Complex, triangle: Complex, seen: Complex) -> Array:
    """Return the (voxel,) phase that makes the amplitudes real, the larger part of them positive."""
    small = 1e-6 * np.abs(np.diag(triangle)).max() * np.eye(len(triangle))
    amplitudes = np.linalg.lstsq(np.vstack([triangle, small]), np.vstack([seen, 0 * seen]), rcond=None)[0]
    power = amplitudes * np.linalg.norm(members, axis=0)[:, None]
    phase = 0.5 * np.angle(np.sum(power**2, axis=0))
    upright = np.sum(np.abs(power) * (power * np.exp(-1j * phase)).real, axis=0)
    return np.asarray(np.where(upright < 0, phase + np.pi, phase))
