"""Diffusion and kurtosis over b by a parabola through ln S: no search, and no limit to either.

    ln S = ln M0 - b D + b^2 V / 6,   K = V / D^2

V is linear in ln S, and its mean over a region is not biased by what noise does to a ratio: take K of a region as the
mean of V over the square of the mean of D.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..log_linear import fit_exponentials
from ..method import SINGULAR, Method, Scan, Series, Solution, start
from ..model import INFINITE, M0, Parameter
from ..tensor_design import UNIT, B
from .diffusion_decay import D, K

Array = NDArray[np.float64]
FREE_D, FREE_K = (replace(p, lower=-INFINITE, upper=INFINITE) for p in (D, K))
V = Parameter(
    name="v", unit="m^4/s^2", symbol="V", description="kurtosis times the square of the diffusivity", lower=-INFINITE,
    upper=INFINITE, grid=(1e-19, 1e-18, 2),
)  # fmt: skip


def signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
    """Return the (n, voxel) signal."""
    b = np.asarray(scan.contrast["b"], np.float64)[:, None]
    return np.asarray(parameters["m0"] * np.exp(-b * parameters["d"] + b**2 / 6 * parameters["v"]))


def solve(scan: Scan, series: Series) -> Solution:
    """Return M0, D, V and K of every voxel by equal weights."""
    b = np.asarray(scan.contrast["b"], np.float64) / UNIT
    columns = np.stack([np.ones(len(b)), -b, b**2 / 6], axis=1)
    solution, found = start(METHOD, series), fit_exponentials(columns, series, "ols")
    held = solution.status == 0
    solution.status[:] = np.where(held, found.status, solution.status)
    usable = held & (found.status != SINGULAR)
    m0, d, v = np.exp(found.beta[0]), found.beta[1], found.beta[2]
    c = found.covariance
    with np.errstate(all="ignore"):
        k = v / d**2
        variance = (c[5] + 4 * k**2 * d**2 * c[2] - 4 * k * d * c[4]) / d**4
    values = np.stack([m0, d / UNIT, v / UNIT**2, k])
    errors = np.stack([m0 * np.sqrt(c[0]), np.sqrt(c[2]) / UNIT, np.sqrt(c[5]) / UNIT**2, np.sqrt(variance)])
    solution.values[:], solution.unit_errors[:] = np.where(usable, values, np.nan), np.where(usable, errors, np.nan)
    solution.cost[:], solution.rounds[:] = np.where(usable, found.cost, np.nan), 1
    return replace(solution, unused=found.unused)


METHOD = Method(
    name="kurtosis-loglin",
    title="diffusion and kurtosis over b by a parabola through the logarithm",
    reference="Jensen et al. 2005, Magn Reson Med 53:1432",
    parameters=(M0, FREE_D, V),
    derived=(FREE_K,),
    curved=("k",),
    assumes=("expansion",),
    contrast=(B,),
    formula=r"\ln S = \ln M_0 - b D + b^2 V / 6, \quad K = V / D^2",
    solve=solve,
    signal=signal,
)
