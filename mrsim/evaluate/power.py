"""Power of a comparison before it is made, and the sample size that a wanted power needs.

Means: the t statistic of two groups has a noncentral t distribution (exact for normal measurements). Proportions: the
normal approximation, with the variances of each group (unpooled), with that of both together under the hypothesis of
no difference (pooled; Fleiss, Levin, Paik 2003, chapter 4), either with a correction for continuity on request.
`alpha` is two-sided everywhere unless `sides` says one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from ..core.errors import InputError

Variance = Literal["unpooled", "pooled"]
MOST = 10_000_000
"""Subjects beyond which no study is sized."""


def power_of_means(difference: float, sd: float, n: float, *, alpha: float = 0.05, sides: int = 2) -> float:
    """Return the chance that a t-test of two groups of n tells their means apart.

    Parameters
    ----------
    difference : float
        Of the true means.
    sd : float
        Of one measurement within a group, in the same unit.
    n : float
        Measurements in each group, two or more.
    alpha : float
        Chance of a false alarm, both sides together.
    sides : int
        2, or 1 where the sign is foretold.
    """
    return power_of_estimate(difference, sd * math.sqrt(2 / n), 2 * (n - 1), alpha=alpha, sides=sides)


def power_of_pairs(difference: float, sd: float, n: float, *, alpha: float = 0.05, sides: int = 2) -> float:
    """Return the chance that a t-test of n pairs tells their mean difference from zero; sd is that of a difference."""
    return power_of_estimate(difference, sd / math.sqrt(n), n - 1, alpha=alpha, sides=sides)


def power_of_estimate(difference: float, error: float, freedom: float, *, alpha: float = 0.05, sides: int = 2) -> float:
    """Return the chance that an estimate is told from zero.

    Parameters
    ----------
    difference : float
        Its true value.
    error : float
        Its standard error, in the same unit.
    freedom : float
        Degrees of freedom of the standard error; infinite for a normal test.
    """
    from scipy.stats import nct, norm, t

    _check_level(alpha, sides)
    if not freedom > 0:
        raise InputError(f"leaves {freedom:g} degrees of freedom; two measurements a group are the least", key="n")
    if not error > 0:
        raise InputError(f"is {error:g}; it must be positive", key="error")
    shift = abs(difference) / error
    if math.isinf(freedom):
        limit = norm.isf(alpha / sides)
        return float(norm.sf(limit - shift) + (norm.cdf(-limit - shift) if sides == 2 else 0.0))
    limit = t.isf(alpha / sides, freedom)
    found = nct.sf(limit, freedom, shift) + (nct.cdf(-limit, freedom, shift) if sides == 2 else 0.0)
    if not math.isfinite(found):  # where scipy's series fails, far from the limit
        found = _beyond(limit, freedom, shift)
    return float(min(found, 1.0))


def _beyond(limit: float, freedom: float, shift: float) -> float:
    """Return the chance that (z + shift) / s exceeds a limit, with z normal and s^2 chi squared over its freedom.

    The mean over s of the normal tail of z, by Gauss's rule over the quantiles of s.
    """
    import numpy as np
    from scipy.stats import chi2, norm

    node, weight = np.polynomial.legendre.leggauss(QUANTILES)
    s = np.sqrt(chi2.ppf((node + 1) / 2, freedom) / freedom)
    return float(norm.sf(limit * s - shift) @ weight / 2)


QUANTILES = 400
"""Nodes of that mean: 1e-6 of the chance."""


def power_of_proportions(
    first: float, second: float, n: float, *,
    alpha: float = 0.05, sides: int = 2, variance: Variance = "pooled", continuity: bool = False,
) -> float:  # fmt: skip
    """Return the chance that two groups of n tell two proportions apart.

    Parameters
    ----------
    first, second : float
        True proportions, 0 to 1.
    n : float
        Subjects in each group.
    variance : str
        ``"unpooled"`` or ``"pooled"``.
    continuity : bool
        Whether the test is corrected for counts being whole numbers.
    """
    from scipy.stats import norm

    _check_level(alpha, sides)
    for value in (first, second):
        if not 0 <= value <= 1:
            raise InputError(f"{value:g} is no proportion; it must be from 0 to 1", key="proportion")
    gap, mean = abs(first - second), (first + second) / 2
    own = math.sqrt(first * (1 - first) + second * (1 - second))
    null = own if variance == "unpooled" else math.sqrt(2 * mean * (1 - mean))
    shift = gap - (1 / n if continuity else 0.0)
    if own == 0:
        return 1.0 if gap else alpha
    return float(norm.cdf((shift * math.sqrt(n) - norm.isf(alpha / sides) * null) / own))


def size_of_proportions(
    first: float, second: float, power: float, *,
    alpha: float = 0.05, sides: int = 2, variance: Variance = "pooled", continuity: bool = False,
) -> float:  # fmt: skip
    """Return the subjects per group, not rounded, that tell two proportions apart with the wanted power.

    Unpooled (a + b)^2 (p1 q1 + p2 q2) / d^2; pooled (a sqrt(2 p q) + b sqrt(p1 q1 + p2 q2))^2 / d^2, with d the
    difference, a and b the normal quantiles of alpha and power; the correction for continuity makes n of it
    n / 4 (1 + sqrt(1 + 4 / (n d)))^2.
    """
    from scipy.stats import norm

    _check_level(alpha, sides)
    _check_power(power, alpha)
    gap, mean = abs(first - second), (first + second) / 2
    if not (gap > 0 and min(first, second) >= 0 and max(first, second) <= 1):
        raise InputError(f"{first:g} and {second:g} are no two different proportions", key="proportion")
    a, b = norm.isf(alpha / sides), norm.ppf(power)
    own = math.sqrt(first * (1 - first) + second * (1 - second))
    null = own if variance == "unpooled" else math.sqrt(2 * mean * (1 - mean))
    n = float((a * null + b * own) ** 2 / gap**2)
    return n if not continuity else n / 4 * (1 + math.sqrt(1 + 4 / (n * gap))) ** 2


def smallest(power_of: Callable[[int], float], power: float, *, least: int = 2) -> int:
    """Return the smallest whole number n whose `power_of(n)`, which rises with n, reaches the wanted power."""
    _check_power(power, 0.0)
    high = least
    while power_of(high) < power:
        if high > MOST:
            raise InputError(f"{MOST:,} subjects do not reach a power of {power:g}: there is no such difference")
        high *= 2
    low = least - 1 if high == least else high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


def _check_level(alpha: float, sides: int) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"is {alpha:g}; it must lie between 0 and 1", key="alpha")
    if sides not in (1, 2):
        raise InputError(f"is {sides}; a test has 1 or 2", key="sides")


def _check_power(power: float, least: float) -> None:
    if not least < power < 1:
        raise InputError(f"is {power:g}; it must lie between {least:g} and 1", key="power")
