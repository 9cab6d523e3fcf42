"""Which of two minima: a fit that finds one on each side of a value, and neighbours that decide where a voxel cannot.

A train of echoes at B1 = 1.15 is nearly the one at 0.8: slice profile, relaxation and steady state tell them apart by
less than the noise of one voxel. What B1 is varies over centimetres, so the evidence of the voxels around, the cost of
the lower minimum less that of the upper over the noise's variance (where the model fits worse than noise, over what it
leaves), is added up with Gaussian weights. A voxel whose own evidence is above `CLEAR` asks nobody; others take the
upper side where that of the neighbours is above `LIKELY`, and stay open below `CLEAR`. Without noise the upper minimum
of a voxel must be below a tenth of the lower one, since what is left then is the model's error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .method import Scan

Array = NDArray[np.float64]
Voxels = NDArray[np.bool_]
CLEAR = 16.0
"""Difference of the costs of two minima, in variances of the noise, that decides between them: noise alone exceeds it
in 3 voxels of 100,000."""
LIKELY = 4.0
"""The same of neighbours together, above which the upper side is taken (seven to one), though it stays open."""
SHARE = 9.0
"""The same over the lower cost, where the noise is unknown or absent."""
RARE = 1e-3
"""Chance of noise so small that the other minimum would have been clearly better although it was not looked for."""
REACH = 8e-3
"""Standard deviation of the neighbours' weights, m: fields of transmitters change over centimetres."""
APART = 0.05
"""Difference of the two values below which it does not matter which is taken."""
TINY = 1e-14
"""Cost over the energy that rounding leaves."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Minima:
    """What a search from one side found, (voxel, ...) each."""

    u: Array
    """(voxel, 3) place, in nodes."""
    amplitude: Array
    errors: Array
    """(voxel, 4) of amplitude and axes, in nodes, for unit noise."""
    cost: Array
    status: NDArray[np.int8]
    rounds: NDArray[np.int64]

    def put(self, where: Voxels, other: Minima) -> None:
        """Write the minima of a part of the voxels."""
        for entry in fields(self):
            getattr(self, entry.name)[where] = getattr(other, entry.name)

    def part(self, where: Voxels) -> Minima:
        """Return the minima of a part of the voxels."""
        return Minima(**{entry.name: getattr(self, entry.name)[where] for entry in fields(self)})


def beyond(
    lower: Minima, search: Callable[[Voxels], Minima], value: Callable[[Minima], Array], scan: Scan, variance: Array,
    energy: Array, freedom: int,
) -> tuple[Minima, Voxels]:  # fmt: skip
    """Return the minima that are right, and in which voxels the other one fits as well.

    Parameters
    ----------
    lower : Minima
        From the lower side, of all voxels.
    search : callable
        Finds the minima from the upper side in some voxels.
    value : callable
        Returns the (voxel,) value in question of minima.
    scan : Scan
        With the grid, where voxels have neighbours.
    variance : (voxel,) array
        Of the noise; zero where it is unknown or absent.
    energy : (voxel,) array
        Sum of the squares of the data.
    freedom : int
        Images less parameters.
    """
    from scipy.special import chdtri

    usable = np.isfinite(lower.cost)
    least = float(chdtri(max(freedom, 1), 1.0 - RARE))
    looked = usable & ((variance == 0) | (lower.cost > (CLEAR + least) * variance))
    sample = usable & _lattice(scan, len(usable))
    looked |= sample
    upper = search(looked)
    gain, apart = np.zeros(len(usable)), np.zeros(len(usable))
    gain[looked] = lower.cost[looked] - upper.cost
    apart[looked] = np.abs(value(upper) - value(lower.part(looked)))
    best = lower.cost - np.maximum(gain, 0.0)
    doubt = np.where(variance > 0, CLEAR * variance, SHARE * (best + TINY * energy))
    scale = np.maximum(variance, best / max(freedom, 1)) + TINY * energy
    evidence, typical = _pooled(scan, sample, np.where(usable, gain / np.where(scale > 0, scale, 1.0), 0.0), apart)
    apart = np.where(looked, apart, typical)  # both sides often end in one minimum, where the signal is no train's
    chosen = usable & ((gain > doubt) | ((evidence > LIKELY) & (gain > -doubt)))
    found = Minima(**{entry.name: getattr(lower, entry.name).copy() for entry in fields(lower)})
    found.put(chosen & looked, upper.part(chosen[looked]))
    found.put(chosen & ~looked, search(chosen & ~looked))
    found.rounds[looked] = lower.rounds[looked] + upper.rounds
    open_ = usable & (np.abs(gain) <= doubt) & (np.abs(evidence) <= CLEAR) & (apart > APART)
    return found, open_


def _lattice(scan: Scan, voxels: int) -> Voxels:
    """Return voxels close enough to each other to stand for all: four in `REACH` along x and y; none without a grid."""
    if scan.grid is None or scan.inside is None:
        return np.zeros(voxels, dtype=bool)
    strides = [max(1, int(REACH / 4 / step)) for step in scan.grid.spacing[:2]]
    chosen = np.zeros(scan.inside.shape, dtype=bool)
    chosen[:, :: strides[1], :: strides[0]] = True
    return np.asarray(chosen[scan.inside])


def _pooled(scan: Scan, sample: Voxels, evidence: Array, apart: Array) -> tuple[Array, Array]:
    """Return the evidence of a voxel and its neighbours, and how far apart their two values are on average."""
    inside = scan.inside
    if scan.grid is None or inside is None:
        return evidence, apart
    from scipy.ndimage import gaussian_filter

    sigma = [REACH / step for step in scan.grid.spacing[::-1]]
    impulse = np.zeros(2 * np.array([min(int(s), 4) for s in sigma]) + 1)
    impulse[tuple(np.array(impulse.shape) // 2)] = 1.0
    peak = gaussian_filter(impulse, sigma, mode="constant").max()

    def around(values: Array) -> Any:
        volume = np.zeros(inside.shape)
        volume[inside] = np.where(sample, values, 0.0)
        return gaussian_filter(volume, sigma, mode="constant")[inside] / peak

    count = around(np.ones(len(sample)))
    return around(evidence), np.divide(around(apart), count, out=np.zeros(len(sample)), where=count > 1e-6)
