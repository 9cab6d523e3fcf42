"""Standard errors of a linear-combination fit, and the marks of a basis that does not match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .problem import Array, Complex, Problem, Rows, stacked
from .solve import Prior


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Uncertainty:
    """Per voxel, for noise of standard deviation 1."""

    covariance: Array
    """(voxel, member + parameter, member + parameter): amplitudes first; infinite where they cannot be separated."""
    broader: Array
    """(voxel, member) standard deviations by which the residual asks for a broader line of this member alone than its
    group has; negative for a narrower one, 0 where the fit could have done it."""
    members: Complex
    """(voxel, member, frequency) spectra of one unit of each member, with their phase."""
    misfit: Array
    """(voxel,) sum of squared residuals that is left, without priors, per degree of freedom."""


def uncertainty(problem: Problem, data: Array, theta: Array, amplitudes: Array, prior: Prior) -> Uncertainty:
    """Return what noise does to the estimates, to first order: how they scatter when the measurement is repeated.

    Without priors and with a baseline that is free or absent this is the inverse of the Fisher information, the
    Cramér-Rao bound. What is known beforehand holds estimates back, and they scatter less.

    Whether one member's line is broader than its group's is a score test (Rao 1948): the slope of the cost with respect
    to that line's damping, over its standard deviation once all fitted parameters follow.

    Parameters
    ----------
    problem : Problem
    data : (voxel, 2 frequency) array
        Spectra over their noise.
    theta, amplitudes, prior
        As solved.
    """
    signals, phase = problem.lines(theta)
    played = problem.transformed(signals) * phase
    members = stacked(played)
    slopes = problem.derivatives(signals, phase, amplitudes, amplitudes[:, None] @ played)
    model = problem.rows(np.concatenate([members, slopes], axis=1))
    information = model @ model
    count, freedom = members.shape[1], data.shape[1] - model.values.shape[1] - np.sum(problem.baseline**2)
    information[:, :count, :count] += prior.information
    information[:, count:, count:] += np.diag(prior.weight**2)
    inverse = _inverse(information)
    sure = np.where(np.isfinite(inverse), inverse, 0.0)
    inner = problem.baseline.T @ problem.baseline
    scattered = model.scatter(model, inner)
    covariance = sure @ scattered @ sure
    left = problem.rows(data[:, None]).left(amplitudes, Rows(model.values[:, :count], model.explained[:, :count]))
    widened = problem.rows(stacked(problem.transformed(-signals * problem.time) * phase) * amplitudes[..., None])
    follow = (widened @ model) @ sure
    mixed = np.sum(follow * widened.scatter(model, inner), axis=-1)
    taken = np.sum((follow @ scattered) * follow, axis=-1)
    own = np.einsum("vii->vi", widened.scatter(widened, inner))
    spread = own - 2 * mixed + taken
    known = spread > 1e-6 * np.maximum(own, 1e-300)
    broader = np.where(known, (widened @ left)[..., 0] / np.sqrt(np.where(known, spread, 1.0)), 0.0)
    misfit = (left @ left)[:, 0, 0] / max(freedom, 1)
    covariance = np.where(np.isfinite(inverse), covariance, np.inf)
    return Uncertainty(covariance=covariance, broader=broader, members=played, misfit=misfit)


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
