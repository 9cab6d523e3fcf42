"""Perfusion beside diffusion where the fit of all parameters at once is too noisy.

    S = M0 (f exp(-b D*) + (1 - f) exp(-b D))

- ``ivim-segmented``: D from images of b at or above ``threshold``, where perfusion has decayed, by a straight line
  through ln S; f = 1 - intercept / S(0), negative where noise wants it, so that its mean over a region is not biased;
  D* from what is left at small b, where f is above zero;
- ``ivim-map``: the most likely parameters under a prior: ln D, ln D* and the log odds of f are normal about the stated
  centres with the stated spreads. It pulls noisy voxels to the prior: a mean of maps is no measurement of a mean;
- ``ivim-null``: asks first whether there is perfusion at all. One coefficient is kept unless the misfit falls by more
  than ``evidence`` (chi-squared of two more parameters: 5.99 is 5 %, in the limit); f is 0 then, and D* has no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.maps import VALUED
from ..log_linear import fit_exponentials
from ..method import SINGULAR, Method, Scan, Series, Solution, start
from ..model import INFINITE, M0, Option, Parameter
from ..perfusion_prior import most_likely
from ..solve import solve as solve_model
from ..tensor_design import UNIT, B
from .diffusion_decay import ALL as DECAYS
from .diffusion_decay import D_STAR, D, F

Array = NDArray[np.float64]
FREE_F = replace(F, lower=-INFINITE, upper=INFINITE)
EVIDENCE_MAP = Parameter(
    name="evidence", unit="", symbol=r"\Delta\chi^2", description="fall of the misfit by perfusion, over the noise",
    lower=0.0, upper=INFINITE,
)  # fmt: skip
THRESHOLD = Option(
    name="threshold", default=2e8, unit="s/m^2", symbol="b_t", description="b from which perfusion has decayed",
    lower=1e7, upper=1e10,
)  # fmt: skip
EVIDENCE = Option(
    name="evidence", default=5.99, unit="", symbol=r"\chi^2_c", description="fall of the misfit that makes perfusion",
    lower=0.0, upper=100.0,
)  # fmt: skip
PRIOR = tuple(
    Option(name=name, default=value, unit=unit, symbol=symbol, description=text, lower=low, upper=high)
    for name, value, unit, symbol, text, low, high in (
        ("f_centre", 0.05, "", "f_0", "centre of the prior of f", 1e-4, 0.9),
        ("f_spread", 1.0, "", r"\sigma_f", "standard deviation of the log odds of f", 0.01, 100.0),
        ("d_centre", 1.3e-9, "m^2/s", "D_0", "centre of the prior of D", 1e-11, 1e-8),
        ("d_spread", 0.5, "", r"\sigma_D", "standard deviation of ln D", 0.01, 100.0),
        ("d_star_centre", 1.5e-8, "m^2/s", "D^*_0", "centre of the prior of D*", 1e-9, 1e-6),
        ("d_star_spread", 0.7, "", r"\sigma_{D^*}", "standard deviation of ln D*", 0.01, 100.0),
    )
)
STEPS = np.geomspace(3e-9, 3e-7, 60)
"""D* that are tried for what is left at small b, m^2/s."""
DECAY = {model.name: model for model in DECAYS}
FORMULA = r"S = M_0 \left( f e^{-b D^*} + (1 - f) e^{-b D} \right)"


def signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
    """Return the (n, voxel) signal."""
    b = np.asarray(scan.contrast["b"], np.float64)[:, None]
    f, d, d_star = (parameters[name] for name in ("f", "d", "d_star"))
    return np.asarray(parameters["m0"] * (f * np.exp(-b * d_star) + (1 - f) * np.exp(-b * d)))


def _segmented(scan: Scan, series: Series) -> Solution:
    b, limit = np.asarray(scan.contrast["b"], np.float64), float(scan.options["threshold"])
    high, low = b >= limit, b <= b.min() + 1e6
    if len(np.unique(b[high])) < 2 or b.min() >= limit:
        raise InputError(
            f"{len(np.unique(b[high]))} b-values lie at or above {limit / 1e6:g} s/mm^2, {int((~high).sum())} images "
            "below; it takes two above and one below: lower the threshold, or use ivim",
            key="threshold",
        )
    solution, data = start(SEGMENTED, series), np.asarray(series.data, np.float64)
    part = replace(series, data=data[high], weight=series.weight[high])
    columns = np.stack([np.ones(int(high.sum())), -b[high] / UNIT], axis=1)
    found = fit_exponentials(columns, part, "ols")
    held = (solution.status == 0) & (found.status != SINGULAR)
    weight = series.weight[low] / series.weight[low].sum()
    whole = weight @ data[low]
    intercept, d = np.exp(found.beta[0]), found.beta[1] / UNIT
    with np.errstate(divide="ignore", invalid="ignore"):
        f = 1 - intercept / whole
    d_star = _left_over(b, data, series.weight, (whole, f, d), held)
    solution.values[:] = np.where(held, np.stack([whole, f, d, d_star]), np.nan)
    variance = 1 / series.weight[low].sum()
    intercept_error = intercept * np.sqrt(found.covariance[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        f_error = np.sqrt((intercept_error / whole) ** 2 + (intercept / whole**2) ** 2 * variance)
    errors = [np.full_like(f, np.sqrt(variance)), f_error, np.sqrt(found.covariance[2]) / UNIT, np.full_like(f, np.nan)]
    solution.unit_errors[:] = np.where(held, np.stack(errors), np.nan)
    filled = dict(zip(("m0", "f", "d", "d_star"), solution.values, strict=True))
    model = signal(scan, filled | {"d_star": np.where(np.isfinite(d_star), d_star, 1e-6)})
    solution.cost[:] = np.where(held, np.sum(series.weight[:, None] * (data - model) ** 2, axis=0), np.nan)
    solution.status[:] = np.where((solution.status == 0) & ~held, SINGULAR, solution.status)
    solution.rounds[:] = 1
    return solution


def _left_over(b: Array, data: Array, weight: Array, known: tuple[Array, Array, Array], held: Any) -> Array:
    """Return D* of least misfit with the other parameters as they are; NaN where f is not above zero."""
    m0, f, d = known
    found = np.full(len(f), np.nan)
    rows = np.flatnonzero(held & (f > 0) & np.isfinite(d))
    slow = (1 - f[rows]) * np.exp(-b[:, None] * d[rows])
    misfit = np.empty((len(STEPS), len(rows)))
    for k, step in enumerate(STEPS):
        model = m0[rows] * (f[rows] * np.exp(-b * step)[:, None] + slow)
        misfit[k] = np.sum(weight[:, None] * (data[:, rows] - model) ** 2, axis=0)
    at = np.clip(np.argmin(misfit, axis=0), 1, len(STEPS) - 2)
    below, middle, above = (np.take_along_axis(misfit, at[None] + k, axis=0)[0] for k in (-1, 0, 1))
    bend = below - 2 * middle + above
    shift = np.where(bend > 0, 0.5 * (below - above) / np.where(bend > 0, bend, 1.0), 0.0)
    found[rows] = STEPS[at] * (STEPS[1] / STEPS[0]) ** np.clip(shift, -1, 1)
    return found


def _most_likely(scan: Scan, series: Series) -> Solution:
    """Return the parameters that data and prior make most likely; the noise must be known."""
    if not np.isfinite(series.spread).all():
        raise InputError("weighs the data against a prior, which needs the noise: images with sigma, or sigma",
                         key="sigma")  # fmt: skip
    solution = start(MAP, series)
    rows = np.flatnonzero(solution.status == 0)
    options = scan.options
    centre = np.array([options["f_centre"], options["d_centre"], options["d_star_centre"]])
    width = np.array([options["f_spread"], options["d_spread"], options["d_star_spread"]])
    b = np.asarray(scan.contrast["b"], np.float64)
    noise = series.spread[rows] / np.sqrt(series.weight)[:, None]
    found = most_likely(b, np.asarray(series.data, np.float64)[:, rows], noise, centre, width)
    solution.values[:, rows] = found.values
    solution.unit_errors[:, rows] = found.errors / series.spread[rows]
    solution.status[rows], solution.rounds[rows] = found.status, found.rounds
    residual = np.asarray(series.data)[:, rows] - signal(scan, dict(zip(NAMES, found.values, strict=True)))
    solution.cost[rows] = np.sum(series.weight[:, None] * residual**2, axis=0)
    return solution


def _null_aware(scan: Scan, series: Series) -> Solution:
    """Return perfusion where the data show it, and one coefficient elsewhere."""
    solution = start(NULL, series)
    setting: dict[str, Any] = {"weight": series.weight, "floor": series.floor, "threads": series.threads}
    data = np.asarray(series.data, np.float64)
    one = solve_model(DECAY["adc"], scan.contrast, data, **setting)
    two = solve_model(DECAY["ivim"], scan.contrast, data, **setting)
    freedom = max(len(data) - len(NAMES), 1)
    noise = np.where(np.isnan(series.spread), np.sqrt(two.cost / freedom), series.spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        evidence = np.maximum(one.cost - two.cost, 0.0) / noise**2
    perfused = np.isin(two.status, VALUED) & (evidence > scan.options["evidence"])
    nothing = np.zeros_like(evidence)
    plain = np.stack([one.values[0], nothing, one.values[1], np.full_like(evidence, np.nan), evidence])
    full = np.concatenate([two.values, evidence[None]])
    plain_errors = np.stack([one.unit_errors[0], np.full_like(evidence, np.nan), one.unit_errors[1]])
    solution.values[:] = np.where(perfused, full, plain)
    solution.unit_errors[:3] = np.where(perfused, two.unit_errors[:3], plain_errors)
    solution.unit_errors[3] = np.where(perfused, two.unit_errors[3], np.nan)
    begun = solution.status.copy()
    solution.status[:] = np.where(begun, begun, np.where(perfused, two.status, one.status))
    solution.cost[:] = np.where(perfused, two.cost, one.cost)
    solution.rounds[:] = one.rounds + two.rounds
    return solution


NAMES = ("m0", "f", "d", "d_star")
SEGMENTED = Method(
    name="ivim-segmented",
    title="perfusion beside diffusion in two steps: D from large b, then f, then D*",
    reference="Le Bihan et al. 1988, Radiology 168:497",
    parameters=(M0, FREE_F, D, D_STAR),
    contrast=(B,),
    options=(THRESHOLD,),
    formula=FORMULA,
    solve=_segmented,
)
MAP = Method(
    name="ivim-map",
    title="perfusion beside diffusion under a prior: the most likely parameters",
    reference="Orton et al. 2014, Magn Reson Med 71:411",
    parameters=(M0, F, D, D_STAR),
    contrast=(B,),
    options=PRIOR,
    formula=FORMULA,
    solve=_most_likely,
    images=3,
)
NULL = Method(
    name="ivim-null",
    title="perfusion where the data show it, one diffusion coefficient elsewhere",
    reference="likelihood ratio of nested models",
    parameters=(M0, F, D, D_STAR),
    derived=(EVIDENCE_MAP,),
    curved=("f", "d_star"),
    contrast=(B,),
    options=(EVIDENCE,),
    formula=FORMULA,
    solve=_null_aware,
    signal=signal,
)
ALL = (SEGMENTED, MAP, NULL)
