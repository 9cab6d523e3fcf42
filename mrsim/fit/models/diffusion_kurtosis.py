"""Tensor and kurtosis of every voxel: twenty-two parameters, mean, axial and radial kurtosis.

The expansion of ln S ends behind the second power of b and turns upwards at b = 3 / (D K), beyond which it describes
nothing; images there bring a warning. Even below, what it leaves out biases kurtosis: the compartments of a tissue have
the true one as b goes to zero. ``dki-constrained`` keeps D(n) and K(n) at zero or above and K(n) at 3 / (b_max D(n)) or
below, along directions all over the sphere (Tabesh et al. 2011, doi:10.1002/mrm.22655), in voxels that break this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.maps import VALUED
from ...core.tensors import mean_of_tensor
from ..constrained_kurtosis import constrained
from ..log_linear import Found, fit_exponentials, over_exponentials
from ..method import Likelihood, Method, Scan, Series, Solution, start
from ..model import M0
from ..tensor_design import DIRECTIONS, UNIT, B, design, determined, weighting
from ..tensor_maps import KURTOSES, KURTOSIS, SCALARS, TENSOR, told, write

Array = NDArray[np.float64]
DOUBTED = 1000
"""About so many voxels are looked at for b beyond the expansion."""
OFTEN = 0.25
"""Share of them from which it is said: noise alone puts some there."""
TITLES = {
    "ols": "kurtosis tensor by ordinary least squares of the logarithm",
    "wls": "kurtosis tensor by least squares of the logarithm, weighted by the predicted signals",
    "nlls": "kurtosis tensor by least squares of the signals, or the Rician likelihood",
    "constrained": "kurtosis tensor by weighted least squares with physical bounds along all directions",
}


def signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
    """Return the (n, voxel) signal of tensors with kurtosis."""
    beta = [np.log(parameters["m0"])]
    beta += [UNIT * parameters[p.name] for p in TENSOR] + [UNIT**2 * parameters[p.name] for p in KURTOSIS]
    return np.asarray(np.exp(design(scan.contrast, kurtosis=True) @ np.stack(beta)))


def _solver(name: str) -> Callable[[Scan, Series], Solution]:
    def solve(scan: Scan, series: Series) -> Solution:
        columns = design(scan.contrast, kurtosis=True)
        b = np.trace(weighting(scan.contrast), axis1=1, axis2=2) / UNIT
        largest = float(b.max())
        estimator: Any = "wls" if name == "constrained" else name
        solution = start(METHODS[name], series)

        def each(found: Found, mine: Series, part: slice) -> None:
            if name == "constrained":
                constrained(columns, mine, found, largest)
            write(METHODS[name], solution, found, part)

        over_exponentials(columns, series, "rician" if series.likelihood == "rician" else estimator, each)
        return _doubted(columns, series, told(solution), b)

    return solve


def _doubted(columns: Array, series: Series, solution: Solution, b: Array) -> Solution:
    """Add a warning where images lie beyond the b at which the expansion turns, with D and K of the smallest b-values.

    A fit of all images cannot tell: data fall with b, and it bends its parameters until it falls as well. So a few
    voxels are fitted again to the fewest shells that determine everything.
    """
    shells, largest = np.unique(np.round(b, 2)), float(b.max())
    fewest = next((s for s in shells[:-1] if determined(columns[b <= s + 0.01])), None)
    voxels = np.flatnonzero(np.isin(solution.status, VALUED))
    if fewest is None or not len(voxels):
        return solution
    few, chosen = voxels[:: max(1, len(voxels) // DOUBTED)], b <= fewest + 0.01
    data = np.asarray(series.data, np.float64)[np.ix_(chosen, few)]
    part = replace(series, data=data, weight=series.weight[chosen], floor=series.floor[few], spread=series.spread[few])
    beta = fit_exponentials(columns[chosen], part, "wls").beta
    md = beta[1:4].mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = 3 * md / (mean_of_tensor(beta[1:7].T, beta[7:].T) * md**2)
    beyond = (md > 0) & (limit > 0) & (largest > limit)
    if beyond.mean() <= OFTEN:
        return solution
    said = (
        f"b of {1e3 * largest:.4g} s/mm^2 lies beyond 3 / (D K), {1e3 * np.median(limit[beyond]):.4g} s/mm^2, in "
        f"{100 * beyond.mean():.0f} % of the voxels: the expansion turns upwards there; leave out the largest b"
    )
    return replace(solution, warnings=(*solution.warnings, said))


def _likelihoods(name: str) -> tuple[Likelihood, ...]:
    return ("gaussian", "rician") if name == "nlls" else ("gaussian",)


METHODS = {
    name: Method(
        name=f"dki-{name}",
        title=title,
        reference="Jensen et al. 2005, Magn Reson Med 53:1432; Tabesh et al. 2011, Magn Reson Med 65:823",
        parameters=(M0, *TENSOR, *KURTOSIS),
        derived=(*SCALARS, *KURTOSES),
        contrast=(B, *DIRECTIONS),
        formula=r"\ln S = \ln M_0 - \mathsf b : \mathsf D + \tfrac16 \mathsf b \otimes \mathsf b : \mathsf V",
        solve=_solver(name),
        signal=None if name == "constrained" else signal,
        likelihoods=_likelihoods(name),
        maximises=True,
    )
    for name, title in TITLES.items()
}
ALL = tuple(METHODS.values())
