"""Tests of counts and ranks whose p-values are sums over tables and not approximations, where that is feasible.

Fisher's test (1935) of a 2 x 2 table: given its margins, the first count is hypergeometric. One tail sums the tables
beyond the one seen; both tails sum all tables that are no likelier. Mann and Whitney's test (1947,
doi:10.1214/aoms/1177730491) compares ordered categories or measurements by their ranks; with ties the normal limit
with the ties' variance is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError

Alternative = Literal["two-sided", "less", "greater"]
AS_LIKELY = 1e-7
"""Tables whose probabilities differ by less than this share are as likely as one another."""


def fisher_p(table: Sequence[Sequence[int]], alternative: Alternative = "two-sided") -> float:
    """Return the p-value of Fisher's exact test.

    Parameters
    ----------
    table : (2, 2) counts
        A row for each group: cases and others.
    alternative : str
        ``"less"``: the first group has the smaller share of cases; ``"greater"``: the larger; or ``"two-sided"``.
    """
    counts = np.asarray(table)
    if counts.shape != (2, 2) or (counts != np.round(counts)).any() or (counts < 0).any() or not counts.sum():
        raise InputError(f"{counts.tolist()} is no 2 x 2 table of counts", key="table")
    (a, b), (c, d) = (tuple(int(n) for n in row) for row in counts)
    least, most = max(0, a - d), min(a + b, a + c)
    chance = {k: _hypergeometric(k, a + b, c + d, a + c) for k in range(least, most + 1)}
    if alternative == "less":
        return min(1.0, math.fsum(p for k, p in chance.items() if k <= a))
    if alternative == "greater":
        return min(1.0, math.fsum(p for k, p in chance.items() if k >= a))
    if alternative != "two-sided":
        raise InputError(f"'{alternative}' is none of two-sided, less, greater", key="alternative")
    return min(1.0, math.fsum(p for p in chance.values() if p <= chance[a] * (1 + AS_LIKELY)))


def _hypergeometric(k: int, first: int, second: int, cases: int) -> float:
    """Return the chance that k of the cases fall into the first group."""

    def log_choices(n: int, m: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(m + 1) - math.lgamma(n - m + 1)

    chosen = log_choices(first, k) + log_choices(second, cases - k) - log_choices(first + second, cases)
    return math.exp(chosen)


def rank_sum_p(
    first: ArrayLike, second: ArrayLike, alternative: Alternative = "two-sided", *, continuity: bool = True
) -> float:
    """Return the p-value of Mann and Whitney's test: exact for few measurements without ties, else the normal limit.

    Parameters
    ----------
    first, second : (m,), (n,) array
        Measurements or ordered categories.
    alternative : str
        ``"less"``: the first group lies lower; ``"greater"``: higher; or ``"two-sided"``.
    continuity : bool
        Whether the normal limit is corrected for the ranks being whole numbers.
    """
    from scipy.stats import mannwhitneyu

    x, y = _sample(first), _sample(second)
    if alternative not in ("two-sided", "less", "greater"):
        raise InputError(f"'{alternative}' is none of two-sided, less, greater", key="alternative")
    tied = len(np.unique(np.concatenate([x, y]))) < len(x) + len(y)
    method = "exact" if not tied and min(len(x), len(y)) <= 8 else "asymptotic"
    found = mannwhitneyu(x, y, alternative=alternative, method=method, use_continuity=continuity)
    return float(found.pvalue)


def of_categories(counts: Sequence[int]) -> NDArray[np.float64]:
    """Return the measurements 0, 1, 2 ... of which `counts` tells how often each was seen."""
    return np.repeat(np.arange(len(counts), dtype=np.float64), np.asarray(counts, dtype=np.int64))


def _sample(values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise InputError(f"measurements of shape {found.shape}: give one row of finite numbers")
    return found
