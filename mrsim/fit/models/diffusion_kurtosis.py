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

from ...core.tensors import MEAN_OF_FOURTH
from ..constrained_kurtosis import constrained
from ..expansion import told_beyond
from ..log_linear import Found, over_exponentials
from ..method import Likelihood, Method, Scan, Series, Solution
from ..model import M0
from ..tensor_design import DIRECTIONS, UNIT, B, design, weighting
from ..tensor_maps import KURTOSES, KURTOSIS, OUTLIERS, SCALARS, TENSOR, begun, spoilt, told, write

Array = NDArray[np.float64]
ROWS = (
    np.concatenate([[0], np.full(3, 1 / 3), np.zeros(18)]),
    np.concatenate([np.zeros(7), MEAN_OF_FOURTH]),
)
"""What the parameters add up to: MD, and the mean over the sphere of V."""
TITLES = {
    "ols": "kurtosis tensor by ordinary least squares of the logarithm",
    "wls": "kurtosis tensor by least squares of the logarithm, weighted by the predicted signals",
    "irls": "kurtosis tensor by robust weighting: images that do not fit lose their say",
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
        estimator: Any = "wls" if name == "constrained" else name
        solution = begun(METHODS[name], series)

        def each(found: Found, mine: Series, part: slice) -> None:
            if name == "constrained":
                constrained(columns, mine, found, float(b.max()))
            write(METHODS[name], solution, found, part)

        over_exponentials(columns, series, "rician" if series.likelihood == "rician" else estimator, each)
        solution = told(spoilt(solution, scan.contrast["b"]) if name == "irls" else solution)
        beyond = told_beyond(columns, b, series, solution.status, ROWS)
        return replace(solution, warnings=(*solution.warnings, *beyond))

    return solve


def _likelihoods(name: str) -> tuple[Likelihood, ...]:
    return ("gaussian", "rician") if name == "nlls" else ("gaussian",)


METHODS = {
    name: Method(
        name=f"dki-{name}",
        title=title,
        reference="Jensen et al. 2005, Magn Reson Med 53:1432; Tabesh et al. 2011, Magn Reson Med 65:823",
        parameters=(M0, *TENSOR, *KURTOSIS),
        derived=(*SCALARS, *KURTOSES, OUTLIERS) if name == "irls" else (*SCALARS, *KURTOSES),
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
