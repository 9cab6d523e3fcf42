"""Standard errors of a linear-combination fit, and the marks of a basis that does not match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .problem import Array, Complex, Problem, stacked
from .solve import Prior, linear


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Uncertainty:
    """Per voxel, for noise of standard deviation 1."""

    amplitudes: Array
    """(voxel, member)."""
    cost: Array
    """(voxel,) sum of squares that is left, priors and the baseline's stiffness included."""
    covariance: Array
    """(voxel, member + parameter, member + parameter): amplitudes first; infinite where they cannot be separated."""
    broader: Array
    """(voxel, member) standard deviations by which the residual asks for a broader line of this member alone than its
    group has; negative for a narrower one, 0 where the fit could have done it."""
    members: Complex
    """(voxel, member, frequency) spectra of one unit of each member, with their phase."""
    misfit: Array
    """(voxel,) sum of squared residuals that is left, without priors, per degree of freedom."""


def uncertainty(problem: Problem, data: Array, theta: Array, prior: Prior) -> Uncertainty:
    """Return the amplitudes and what noise does to all estimates, to first order: how they scatter when the measurement
    is repeated.

    Without priors and with a baseline that is free or absent this is the inverse of the Fisher information, the
    Cramér-Rao bound. What is known beforehand holds estimates back, and they scatter less.

    Whether one member's line is broader than its group's is a score test (Rao 1948): the slope of the cost with respect
    to that line's damping, over its standard deviation once all fitted parameters follow.

    Parameters
    ----------
    problem : Problem
    data : (voxel, 2 frequency) array
        Spectra over their noise.
    theta, prior
        As solved.
    """
    at = linear(problem, data, theta, prior)
    model = at.members.with_rows(problem.rows(problem.derivatives(at.signals, at.phase, at.amplitudes, at.fit)))
    count, freedom = len(problem.groups), data.shape[1] - model.values.shape[1] - np.sum(problem.baseline**2)
    inner = problem.baseline.T @ problem.baseline
    information, scattered = model.products(model, inner)
    information[:, :count, :count] += prior.information
    information[:, count:, count:] += np.diag(prior.weight**2)
    inverse = _inverse(information)
    sure = np.where(np.isfinite(inverse), inverse, 0.0)
    covariance = sure @ scattered @ sure
    wide = problem.transformed(-at.signals * problem.time) * at.phase * at.amplitudes[..., None]
    widened = problem.rows(stacked(wide))
    reduced, mixed = widened.products(model, inner)
    follow = reduced @ sure
    taken = np.sum((follow @ scattered - 2 * mixed) * follow, axis=-1)
    own = widened.spread(inner)
    known = own + taken > 1e-6 * np.maximum(own, 1e-300)
    deviation = np.sqrt(np.where(known, own + taken, 1.0))
    broader = np.where(known, (widened @ at.left)[..., 0] / deviation, 0.0)
    misfit = (at.left @ at.left)[:, 0, 0] / max(freedom, 1)
    covariance = np.where(np.isfinite(inverse), covariance, np.inf)
    return Uncertainty(
        amplitudes=at.amplitudes, cost=at.cost, covariance=covariance, broader=broader, members=at.played, misfit=misfit
    )


def _inverse(information: Array) -> Array:
    """Return the inverse of (voxel, n, n) information; infinite where that is singular to rounding."""
    size = np.sqrt(np.einsum("vii->vi", information))
    size[size == 0] = 1.0
    scale = size[:, :, None] * size[:, None, :]
    values, vectors = np.linalg.eigh(information / scale)
    lost = values < 1e-13 * values[:, -1:]
    inverse = (vectors / np.where(lost, 1.0, values)[:, None]) @ np.swapaxes(vectors, -1, -2) / scale
    touched = (np.abs(vectors) * lost[:, None]).sum(axis=-1) > 1e-6
    return np.asarray(np.where(touched[:, :, None] | touched[:, None, :], np.inf, inverse))
