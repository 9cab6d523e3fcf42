"""The sign of each datum: what complex images say of it, and fits with every sign that is possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.maps import VALUED
from ..core.phase_sensitive import is_magnitude, phase_sensitive
from .method import Solution
from .model import DataKind

Array = NDArray[np.float64]


def signed(
    kind: DataKind, contrast: Mapping[str, Array], series: NDArray[np.complex128]
) -> tuple[NDArray[np.float64] | NDArray[np.complex128], Array]:
    """Return the (n, voxel) data and the (candidate, n) signs to try on them.

    Phase-corrected data are known up to one sign. Magnitudes of a recovery have lost the sign of each image,
    but the signal rises with the inversion time, or the delay after a saturation: only the number of negative ones is
    unknown.
    """
    n = series.shape[0]
    if kind == "complex":
        return series.copy(), np.ones((1, n))
    if kind == "phase-corrected":
        return _phase_corrected(series), np.array([np.ones(n), -np.ones(n)])
    if kind == "phase-referenced":
        if is_magnitude(series):
            raise InputError(
                "the images are magnitudes, and their signs, which the model needs, are lost; give complex images, or "
                "take the model's '-magnitude' twin, which tries the signs and says where they stay ambiguous"
            )
        return phase_sensitive(series, contrast["td"], contrast["te"]), np.ones((1, n))
    if kind == "polarity-restored":
        delay = contrast["ti" if "ti" in contrast else "td"]
        times, rank = np.unique(delay, return_inverse=True)
        # an inversion leaves any number of images negative; a saturation never the one of the longest delay
        most = len(times) + 1 if "ti" in contrast else len(times)
        return np.abs(series), np.where(rank[None, :] < np.arange(most)[:, None], -1.0, 1.0)
    return (np.real(series) if kind == "real" else np.abs(series)), np.ones((1, n))


def _phase_corrected(series: NDArray[np.complex128]) -> Array:
    """Return the (n, voxel) real part after each voxel's common phase is removed.

    Signed signals A_i exp(i phi) have the squares A_i^2 exp(2 i phi): half the phase of their sum is the
    most likely phi, up to half a turn.
    """
    with np.errstate(invalid="ignore"):
        return np.real(series * np.exp(-0.5j * np.angle(np.sum(series**2, axis=0))))


def best_of(fit: Callable[[Array], Solution], signs: Array) -> tuple[Solution, Array]:
    """Return per voxel the best of the fits with each of the (candidate, n) signs, and what the second costs more."""
    trials = [fit(sign) for sign in signs]
    best = trials[0]
    for trial in trials[1:]:
        best = _better(best, trial)
    costs = np.sort([np.where(np.isin(t.status, VALUED), t.cost, np.inf) for t in trials], axis=0)
    with np.errstate(invalid="ignore"):
        return best, costs[1] - costs[0] if len(trials) > 1 else np.full(best.cost.shape, np.inf)


def _better(first: Solution, second: Solution) -> Solution:
    """Return per voxel whichever fit is usable and has the smaller cost."""
    usable = np.isin(second.status, VALUED)
    take = usable & ((second.cost < first.cost) | ~np.isin(first.status, VALUED))
    return Solution(
        values=np.where(take, second.values, first.values),
        unit_errors=np.where(take, second.unit_errors, first.unit_errors),
        status=np.where(take, second.status, first.status),
        cost=np.where(take, second.cost, first.cost),
        rounds=first.rounds + second.rounds,
        warnings=first.warnings,
    )
