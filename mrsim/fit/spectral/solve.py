"""Separable least squares of many spectra at once: amplitudes are solved for, the rest by Levenberg-Marquardt.

Variable projection (Golub & Pereyra 1973, doi:10.1137/0710036) with Kaufman's Jacobian: what the amplitudes and the
baseline can follow is taken out of the derivatives with respect to phase, delay, shifts and widths.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from .problem import Array, Complex, Problem, Rows, stacked

CONVERGED, LIMIT = 0, 2  # core.maps.STATUS
ROUNDS = 80
RIDGE = 50.0
"""Relative size, in roundings, of what keeps members apart that no datum tells apart."""
CLOSE = 1e-5
"""A fit has ended where the next step promises to lower the sum of squares, in units of the noise, by less."""
CLOSE_IN_NOISE = 1e-3
"""Where the noise is in the data: parameters are then within 0.03 of their standard errors."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prior:
    """What is known before: Gaussian, as rows that are added to the data of standard deviation 1."""

    rows: Array
    """(voxel, prior, member) weights of amplitudes, over the prior's standard deviation."""
    values: Array
    """(voxel, prior) their expected values, over the standard deviation."""
    centre: Array
    """(parameter,) expected nonlinear parameters."""
    weight: Array
    """(parameter,) 1 / standard deviation of each; 0 where nothing is known."""

    def of(self, voxels: NDArray[np.intp]) -> Prior:
        """Return the prior of some voxels."""
        return replace(self, rows=self.rows[voxels], values=self.values[voxels])

    @property
    def information(self) -> Array:
        """(voxel, member, member) what the rows add to the normal matrix."""
        return np.asarray(np.swapaxes(self.rows, -1, -2) @ self.rows)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """What is found, per voxel."""

    theta: Array
    """(voxel, parameter)."""
    status: NDArray[np.int8]
    """(voxel,); see `mrsim.core.maps.STATUS`."""
    rounds: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class _State:
    """One set of parameters with what follows from it."""

    theta: Array
    cost: Array
    gradient: Array
    """(voxel, parameter)."""
    normal: Array
    """(voxel, parameter, parameter)."""

    def of(self, voxels: NDArray[np.intp]) -> _State:
        """Return the state of some voxels."""
        return _State(*(getattr(self, entry.name)[voxels] for entry in fields(self)))

    def put(self, other: _State, voxels: NDArray[np.intp], which: NDArray[np.bool_]) -> None:
        """Take over the state that was found for those of the voxels which `which` names."""
        for entry in fields(self):
            getattr(self, entry.name)[voxels[which]] = getattr(other, entry.name)[which]


def solve(
    problem: Problem, data: Array, start: Array, prior: Prior, lower: Array, upper: Array, *, most: int = ROUNDS,
    close: float = CLOSE,
) -> Fitted:  # fmt: skip
    """Return the nonlinear parameters at the least squares of many spectra.

    The last step, which promises less than `close`, is taken without a look at what it leads to.

    Parameters
    ----------
    problem : Problem
    data : (voxel, 2 frequency) array
        Spectra over their noise: standard deviation 1 in real and imaginary part.
    start : (voxel, parameter) array
    prior : Prior
    lower, upper : (parameter,) array
        Bounds of the nonlinear parameters; one whose bounds are equal is held.
    most : int
        Rounds after which a fit is left as it is.
    close : float
        What a step must promise to be taken as more than the last.
    """
    now = _evaluate(problem, data, start, prior)
    voxels = len(start)
    damping = np.full(voxels, 1e-4)
    status = np.full(voxels, LIMIT, dtype=np.int8)
    rounds = np.ones(voxels, dtype=np.int64)
    for _ in range(most):
        busy = np.flatnonzero(status == LIMIT)
        if not len(busy):
            break
        here = now.of(busy)
        stuck = (here.theta <= lower) & (here.gradient < 0) | (here.theta >= upper) & (here.gradient > 0)
        step = _step(here.normal, here.gradient, damping[busy], stuck)
        trial = np.clip(here.theta + step, lower, upper)
        promised = np.einsum("vp,vp->v", trial - here.theta, here.gradient)
        ended = promised <= np.maximum(close, 1e-15 * here.cost)
        status[busy[ended]] = CONVERGED
        now.theta[busy[ended]] = trial[ended]
        if ended.all():
            continue
        going, here = busy[~ended], here.of(np.flatnonzero(~ended))
        found = _evaluate(problem, data[going], trial[~ended], prior.of(going))
        rounds[going] += 1
        better = found.cost <= here.cost
        # where no step that a number can hold leads further down, this is the bottom
        status[going[~better & (damping[going] > 1e9)]] = CONVERGED
        damping[going] = np.where(better, np.maximum(damping[going] / 8, 1e-12), damping[going] * 6)
        now.put(found, going, better)
    return Fitted(theta=now.theta, status=status, rounds=rounds)


def _step(normal: Array, gradient: Array, damping: Array, stuck: NDArray[np.bool_]) -> Array:
    """Return the (voxel, parameter) damped step; parameters stuck at a bound stay and take no part."""
    free = ~stuck
    size = np.einsum("vpp->vp", normal)
    size = np.where(free & (size > 0), size, 1.0)
    system = normal * (free[:, :, None] & free[:, None, :]) / np.sqrt(size[:, :, None] * size[:, None, :])
    system = system + (damping[:, None, None] + stuck[:, None]) * np.eye(normal.shape[-1])
    found = np.linalg.solve(system, (gradient * free / np.sqrt(size))[..., None])[..., 0]
    return np.asarray(found / np.sqrt(size))


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """The amplitudes at given nonlinear parameters, with what they follow from."""

    signals: Complex
    """(voxel, member, point), shaped."""
    phase: Complex
    """(voxel, 1, frequency)."""
    played: Complex
    """(voxel, member, frequency) spectra of one unit of each member."""
    members: Rows
    normal: Array
    """(voxel, member, member), the prior's included."""
    amplitudes: Array
    """(voxel, member)."""
    left: Rows
    """What the members leave of the data."""
    cost: Array
    """(voxel,) sum of squares that is left, priors and the baseline's stiffness included."""

    @property
    def fit(self) -> Complex:
        """(voxel, 1, frequency) the members' sum."""
        return np.asarray(self.amplitudes[:, None].astype(self.played.dtype) @ self.played)

    def constrained(self, rows: Array) -> tuple[Array, Array]:
        """Return the (voxel, member) amplitudes for which (voxel, row, member) `rows` vanish, and their errors."""
        count, most = rows.shape[1:]
        scale = np.sqrt(np.einsum("vmm->vm", self.normal).max(axis=1))
        rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
        whole = np.zeros((len(rows), most + count, most + count))
        whole[:, :most, :most] = self.normal / scale[:, None, None] ** 2 + RIDGE * np.finfo(float).eps * np.eye(most)
        whole[:, most:, :most], whole[:, :most, most:] = rows, np.swapaxes(rows, -1, -2)
        covariance = np.linalg.inv(whole)[:, :most, :most] / scale[:, None, None] ** 2
        right = self.normal @ self.amplitudes[..., None]
        return (covariance @ right)[..., 0], np.sqrt(np.maximum(np.einsum("vmm->vm", covariance), 0.0))


def linear(problem: Problem, data: Array, theta: Array, prior: Prior) -> Linear:
    """Return the amplitudes that fit best at `theta`."""
    signals, phase = problem.lines(theta)
    played = problem.transformed(signals) * phase
    members = problem.rows(stacked(played))
    series = problem.rows(data[:, None].astype(members.values.dtype, copy=False))
    normal = members @ members + prior.information
    known = np.einsum("vkm,vk->vm", prior.rows, prior.values)
    amplitudes = _solved(normal, (members @ series)[..., 0] + known, _least(members))
    left = series.left(amplitudes, members)
    off = prior.values - np.einsum("vkm,vm->vk", prior.rows, amplitudes)
    away = prior.weight * (theta - prior.centre)
    cost = (left @ left)[:, 0, 0] + np.sum(off**2, -1) + np.sum(away**2, -1)
    return Linear(signals, phase, played, members, normal, amplitudes, left, cost)


def _evaluate(problem: Problem, data: Array, theta: Array, prior: Prior) -> _State:
    """Return cost, gradient and normal matrix of the reduced problem at `theta`."""
    at = linear(problem, data, theta, prior)
    slopes = problem.rows(problem.derivatives(at.signals, at.phase, at.amplitudes, at.fit))
    cross = slopes @ at.members
    follow = np.linalg.solve(at.normal + _tiny(at.normal, _least(at.members)), np.swapaxes(cross, -1, -2))
    gradient = (slopes @ at.left)[..., 0] - prior.weight**2 * (theta - prior.centre)  # the amplitudes' share vanishes
    reduced = slopes @ slopes - cross @ follow + np.diag(prior.weight**2)
    return _State(theta=theta.copy(), cost=at.cost, gradient=gradient, normal=reduced)


def _least(members: Rows) -> float:
    """Return the relative size of what keeps members apart that no datum tells apart."""
    return RIDGE * float(np.finfo(members.values.dtype).eps)


def _tiny(normal: Array, least: float) -> Array:
    """Return a (voxel, n, n) diagonal that keeps members which no datum tells apart from dividing by zero."""
    size = np.einsum("vmm->vm", normal).max(axis=1)
    return np.asarray(least * size[:, None, None] * np.eye(normal.shape[-1]) + 1e-300)


def _solved(normal: Array, right: Array, least: float) -> Array:
    """Return the amplitudes, once refined: the normal matrix squares the condition of the basis."""
    system = normal + _tiny(normal, least)
    first = np.linalg.solve(system, right[..., None])
    again = right[..., None] - normal @ first
    return np.asarray((first + np.linalg.solve(system, again))[..., 0])
