"""How far two methods, or two readers, agree; correlation says nothing about that.

Limits of agreement: Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8. Weighted kappa: Cohen 1968,
doi:10.1037/h0026256.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError

COVERED = 1.96
"""Standard deviations to each side that hold 95 % of normal differences."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Differences (first - second) of paired measurements, in their unit or, where relative, over the pairs' means."""

    bias: float
    """Mean difference."""
    sd: float
    """Of the differences."""
    low: float
    """Lower limit of agreement."""
    high: float
    bias_error: float
    """Standard error of the bias."""
    limit_error: float
    """Standard error of either limit."""
    n: int


def bland_altman(first: ArrayLike, second: ArrayLike, relative: bool = False) -> Agreement:
    """Return bias and 95 % limits of agreement of paired measurements.

    Parameters
    ----------
    first, second : (n,) array
    relative : bool
        True divides each difference by the mean of its pair.
    """
    a, b = _paired(first, second, 3)
    difference = (a - b) / ((a + b) / 2) if relative else a - b
    n, bias, sd = len(difference), float(difference.mean()), float(difference.std(ddof=1))
    return Agreement(
        bias=bias,
        sd=sd,
        low=bias - COVERED * sd,
        high=bias + COVERED * sd,
        bias_error=sd / math.sqrt(n),
        limit_error=sd * math.sqrt(1 / n + COVERED**2 / (2 * (n - 1))),
        n=n,
    )


def weighted_kappa(
    first: ArrayLike, second: ArrayLike, weights: Literal["linear", "quadratic", "none"] = "quadratic"
) -> float:
    """Return Cohen's kappa of two readers: 1 - (disagreement seen) / (disagreement by chance).

    Parameters
    ----------
    first, second : (n,) array of int
        Ordered categories, e.g. Pfirrmann grades.
    weights : str
        How much a disagreement over k categories counts: ``"linear"`` k, ``"quadratic"`` k squared, ``"none"`` 1.
    """
    table, cost = _crossed(first, second, weights)
    chance = float((cost * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    return 1.0 - float((cost * table).sum()) / chance if chance > 0 else math.nan


def kappa_error(
    first: ArrayLike, second: ArrayLike, weights: Literal["linear", "quadratic", "none"] = "quadratic"
) -> float:
    """Return the large-sample standard error of `weighted_kappa`, same arguments.

    Fleiss, Cohen, Everitt 1969 (doi:10.1037/h0028106): with w = 1 - cost / largest cost, p the shares of the pairs,
    w_i. and w_.j the means of w over the other reader's margin, Po = sum w p, Pe = sum w p_i p_j, the variance is
    {sum p [w (1 - Pe) - (w_i. + w_.j)(1 - Po)]^2 - (Po Pe - 2 Pe + Po)^2} / (n (1 - Pe)^4).
    """
    table, cost = _crossed(first, second, weights)
    n, largest = len(np.asarray(first)), cost.max()
    if largest == 0:
        return math.nan
    w, rows, columns = 1 - cost / largest, table.sum(axis=1), table.sum(axis=0)
    seen, chance = float((w * table).sum()), float((w * np.outer(rows, columns)).sum())
    means = (w @ columns)[:, None] + (rows @ w)[None, :]
    spread = float((table * (w * (1 - chance) - means * (1 - seen)) ** 2).sum())
    variance = (spread - (seen * chance - 2 * chance + seen) ** 2) / (n * (1 - chance) ** 4)
    return math.sqrt(max(variance, 0.0))


def _crossed(first: ArrayLike, second: ArrayLike, weights: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (category, category) shares of the pairs and what each disagreement costs."""
    a, b = _paired(first, second, 1)
    powers = {"none": 0, "linear": 1, "quadratic": 2}
    if weights not in powers:
        raise InputError(f"'{weights}' is none of {', '.join(powers)}", key="weights")
    categories, number = np.unique(np.concatenate([a, b]), return_inverse=True)
    if (categories != np.round(categories)).any():
        raise InputError("categories must be whole numbers")
    row, column = number[: len(a)], number[len(a) :]
    table = np.zeros((len(categories), len(categories)))
    np.add.at(table, (row, column), 1 / len(a))
    apart = np.abs(np.subtract.outer(categories, categories))
    return table, np.where(apart > 0, apart ** powers[weights], 0.0)


def _paired(first: ArrayLike, second: ArrayLike, least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) < least:
        raise InputError(f"measurements of shapes {a.shape} and {b.shape} are no pairs; give at least {least} of each")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("a measurement is not a finite number; leave its pair out")
    return a, b
