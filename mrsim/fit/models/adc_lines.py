"""Apparent diffusion coefficients without a search: from two b-values, and by a straight line through ln S.

``adc-2point`` takes the means of ln S at the smallest and at the largest b alone, as scanners do. ``adc-loglin`` takes
all images, weighted by the predicted signals. Both may be negative where noise wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..log_linear import Estimator, fit_exponentials
from ..method import SINGULAR, Method, Scan, Series, Solution, start
from ..model import INFINITE, M0
from ..tensor_design import UNIT, B
from .diffusion_decay import ADC

Array = NDArray[np.float64]
FREE_ADC = replace(ADC, lower=-INFINITE, upper=INFINITE)


def signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
    """Return the (n, voxel) signal M0 exp(-b D)."""
    b = np.asarray(scan.contrast["b"], np.float64)[:, None]
    return np.asarray(parameters["m0"] * np.exp(-b * parameters["adc"]))


def _fitted(name: str, scan: Scan, series: Series, estimator: Estimator, chosen: NDArray[np.bool_]) -> Solution:
    b = np.asarray(scan.contrast["b"], np.float64)[chosen] / UNIT
    columns = np.stack([np.ones(len(b)), -b], axis=1)
    solution = start(METHODS[name], series)
    part = replace(series, data=np.asarray(series.data)[chosen], weight=series.weight[chosen])
    found = fit_exponentials(columns, part, estimator)
    held = solution.status == 0
    solution.status[:] = np.where(held, found.status, solution.status)
    usable = held & (found.status != SINGULAR)
    m0, errors = np.exp(found.beta[0]), np.sqrt(found.covariance[[0, 2]])
    values = np.stack([m0, found.beta[1] / UNIT])
    solution.values[:] = np.where(usable, values, np.nan)
    solution.unit_errors[:] = np.where(usable, errors * np.stack([m0, np.full_like(m0, 1 / UNIT)]), np.nan)
    solution.cost[:] = np.where(usable, found.cost, np.nan)
    solution.rounds[:] = 1
    unused = np.ones(np.shape(series.data), np.bool_)
    unused[chosen] = found.unused
    return replace(solution, unused=unused)


def _two_points(scan: Scan, series: Series) -> Solution:
    b = np.asarray(scan.contrast["b"], np.float64)
    span = 0.01 * float(np.ptp(b))
    return _fitted("adc-2point", scan, series, "ols", (b <= b.min() + span) | (b >= b.max() - span))


def _line(scan: Scan, series: Series) -> Solution:
    return _fitted("adc-loglin", scan, series, "wls", np.ones(len(series.data), dtype=np.bool_))


def _method(name: str, title: str, formula: str, solve: Callable[[Scan, Series], Solution]) -> Method:
    return Method(
        name=name, title=title, reference="Le Bihan et al. 1986, Radiology 161:401", parameters=(M0, FREE_ADC),
        contrast=(B,), formula=formula, solve=solve, signal=signal,
    )  # fmt: skip


METHODS: dict[str, Any] = {
    "adc-2point": _method(
        "adc-2point", "apparent diffusion coefficient from the smallest and the largest b",
        r"D = \ln(S_1 / S_2) / (b_2 - b_1)", _two_points,
    ),
    "adc-loglin": _method(
        "adc-loglin", "apparent diffusion coefficient by a weighted straight line through the logarithm",
        r"\ln S = \ln M_0 - b D, \quad w = S^2", _line,
    ),
}  # fmt: skip
ALL = tuple(METHODS.values())
