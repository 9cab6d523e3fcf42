"""Steps down the misfit of S = exp(X beta), and the normal equations that every one of them solves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core import magnitude

Array = NDArray[np.float64]
LEAST = 1e-13
"""Share of a diagonal element that a pivot must keep for the parameter to be determined."""
ROUNDS = 60
SETTLED = 1e-12
"""Relative gain of a step below which a search has ended."""
STEEPEST = 2.0
"""Largest change of an exponent that one step may bring."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class System:
    """A design and what follows from it."""

    design: Array
    """(n, p)."""
    products: Array
    """(packed, n) x_i x_j."""
    weight: Array
    """(n,) of the images."""
    inverse: Array
    """(packed, 1) of X^T W X with these weights."""
    back: Array
    """(p, n): logarithms of all images -> their fit with these weights."""
    regular: bool
    """Whether all images together determine every parameter."""

    @classmethod
    def of(cls, design: Array, weight: Array) -> System:
        """Return the system of a design whose images have (n,) weights."""
        from ._kernels.normal import solve_packed

        p = design.shape[1]
        row, column = np.tril_indices(p)
        products, weight = np.ascontiguousarray((design[:, row] * design[:, column]).T), np.asarray(weight, np.float64)
        gram, full = (products @ weight)[:, None], np.zeros((p, p))
        inverse, nothing, regular = np.empty_like(gram), np.zeros((p, 1)), np.empty(1, dtype=np.bool_)
        solve_packed(gram, nothing, LEAST, inverse, np.empty_like(nothing), regular)
        full[row, column] = full[column, row] = inverse[:, 0]
        back = full @ (design.T * weight)
        return cls(
            design=design, products=products, weight=weight, inverse=inverse, back=back, regular=bool(regular[0])
        )

    def solved(
        self, weight: Array, values: Array, damping: Array | float = 0.0
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return beta, its packed (X^T W X)^-1, and where both exist, for (n, voxel) weights and values."""
        from ._kernels.normal import solve_packed

        gram, right = self.products @ weight, self.design.T @ (weight * values)
        p = self.design.shape[1]
        if np.any(damping):
            at = np.arange(p)
            gram[at * (at + 3) // 2] *= 1 + damping
        inverse, beta = np.empty_like(gram), np.empty_like(right)
        regular = np.empty(gram.shape[1], dtype=np.bool_)
        solve_packed(gram, right, LEAST, inverse, beta, regular)
        return beta, inverse, regular


def signal_of(system: System, beta: Array) -> Array:
    """Return the (n, voxel) signals of (p, voxel) parameters."""
    exponent = system.design @ beta
    return np.asarray(np.exp(np.clip(exponent, -700.0, 300.0, out=exponent), out=exponent))


class Search:
    """Damped steps down the misfit of many voxels, each with its own damping."""

    def __init__(self, system: System, data: Array, sigma: Array | None) -> None:
        self.system, self.data = system, data
        self.sigma = None if sigma is None else sigma / np.sqrt(system.weight)[:, None]

    def misfit(self, beta: Array, which: NDArray[np.int64]) -> Array:
        """Return the weighted sum of squares, or minus the log likelihood, of some voxels."""
        signal, data = signal_of(self.system, beta), self.data[:, which]
        if self.sigma is None:
            return np.asarray(np.sum(self.system.weight[:, None] * (data - signal) ** 2, axis=0))
        likelihood = magnitude.log_likelihood(np.maximum(data, 1e-12), signal, self.sigma[:, which])
        return np.asarray(-np.sum(likelihood, axis=0))

    def step(self, beta: Array, which: NDArray[np.int64], damping: Array) -> tuple[Array, Array]:
        """Return the step of some voxels and the packed inverse that it was found with."""
        signal, data = signal_of(self.system, beta), self.data[:, which]
        if self.sigma is None:
            weight = self.system.weight[:, None] * signal**2
            slope = self.system.weight[:, None] * (data - signal) * signal
        else:
            sigma = self.sigma[:, which]
            weight = magnitude.information(signal, sigma) * signal**2
            slope = magnitude.score(data, signal, sigma) * signal
        step, inverse, _ = self.system.solved(weight, slope / np.where(weight > 0, weight, 1.0), damping)
        longest = np.abs(self.system.design @ step).max(axis=0)
        return step * np.minimum(1.0, STEEPEST / np.maximum(longest, 1e-300)), inverse

    def run(self, beta: Array) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.bool_]]:
        """Return beta, packed covariance, rounds, and whether the search ended by itself."""
        voxels = beta.shape[1]
        beta, rounds = beta.copy(), np.zeros(voxels, dtype=np.int64)
        active, damping = np.arange(voxels), np.full(voxels, 1e-3)
        misfit = self.misfit(beta, active)
        size = np.sum(self.system.weight[:, None] * self.data**2, axis=0) if self.sigma is None else np.ones(voxels)
        for _ in range(ROUNDS):
            step, _ = self.step(beta[:, active], active, damping[active])
            trial = beta[:, active] + step
            value = self.misfit(trial, active)
            rounds[active] += 1
            better = value <= misfit[active]
            gain = np.where(better, misfit[active] - value, np.inf)
            still = np.abs(self.system.design @ step).max(axis=0) < 1e-10
            beta[:, active[better]], misfit[active[better]] = trial[:, better], value[better]
            damping[active] = np.where(better, damping[active] * 0.1, np.minimum(damping[active] * 10, 1e12))
            done = still | (gain <= SETTLED * np.minimum(size[active], np.maximum(np.abs(misfit[active]), 1e-18)))
            active = active[~done]
            if not len(active):
                break
        settled = np.ones(voxels, dtype=np.bool_)
        settled[active] = False
        _, inverse = self.step(beta, np.arange(voxels), np.zeros(voxels))
        if self.sigma is not None:
            inverse = inverse / np.where(np.isfinite(self.unit), self.unit, 1.0) ** 2
        return beta, inverse, rounds, settled

    @property
    def unit(self) -> Array:
        """The (voxel,) noise of an image of weight 1."""
        assert self.sigma is not None
        return np.asarray(self.sigma[0] * np.sqrt(self.system.weight[0]))
