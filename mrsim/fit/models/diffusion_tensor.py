"""The diffusion tensor of every voxel, by five estimators, and its scalars.

All take ln S as linear in the tensor (`fit.log_linear`). Noise lifts the fractional anisotropy of nearly isotropic
tissue: an isotropic tensor shows about 5 / SNR with six directions at b 600 s/mm^2, 2 / SNR with thirty.
``dti-irls`` maps how many images it rejected in a voxel; its goodness of fit is that of the others. ``dti-positive``
keeps all eigenvalues at zero or above: of a tensor that is not positive it searches D = L L^T for the least misfit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..log_linear import Found, over_exponentials
from ..method import Likelihood, Method, Scan, Series, Solution
from ..model import M0
from ..positive_tensor import made_positive
from ..tensor_design import DIRECTIONS, UNIT, B, design
from ..tensor_maps import OUTLIERS, SCALARS, TENSOR, begun, spoilt, told, write

Array = NDArray[np.float64]
TITLES = {
    "ols": "diffusion tensor by ordinary least squares of the logarithm",
    "wls": "diffusion tensor by least squares of the logarithm, weighted by the predicted signals",
    "irls": "diffusion tensor by robust weighting: images that do not fit lose their say",
    "nlls": "diffusion tensor by least squares of the signals, or the Rician likelihood",
    "positive": "diffusion tensor by least squares of the signals, eigenvalues kept at zero or above",
}


def signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
    """Return the (n, voxel) signal of tensors."""
    names = [p.name for p in TENSOR]
    beta = np.stack([np.log(parameters["m0"]), *(UNIT * parameters[name] for name in names)])
    return np.asarray(np.exp(design(scan.contrast, kurtosis=False) @ beta))


def _solver(name: str) -> Callable[[Scan, Series], Solution]:
    def solve(scan: Scan, series: Series) -> Solution:
        columns = design(scan.contrast, kurtosis=False)
        estimator: Any = "nlls" if name == "positive" else name
        solution = begun(METHODS[name], series)

        def each(found: Found, mine: Series, part: slice) -> None:
            if name == "positive":
                made_positive(columns, mine, found)
            write(METHODS[name], solution, found, part)

        over_exponentials(columns, series, "rician" if series.likelihood == "rician" else estimator, each)
        solution = spoilt(solution, scan.contrast["b"]) if name == "irls" else solution
        return solution if name == "positive" else told(solution)

    return solve


def _likelihoods(name: str) -> tuple[Likelihood, ...]:
    return ("gaussian", "rician") if name == "nlls" else ("gaussian",)


METHODS = {
    name: Method(
        name=f"dti-{name}",
        title=title,
        reference="Basser, Mattiello and LeBihan 1994, J Magn Reson B 103:247",
        parameters=(M0, *TENSOR),
        derived=(*SCALARS, OUTLIERS) if name == "irls" else SCALARS,
        contrast=(B, *DIRECTIONS),
        formula=r"\ln S = \ln M_0 - \mathsf b : \mathsf D",
        solve=_solver(name),
        signal=signal,
        likelihoods=_likelihoods(name),
        maximises=True,
    )
    for name, title in TITLES.items()
}
ALL = tuple(METHODS.values())
