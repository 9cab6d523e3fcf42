"""Reliability: which share of the variance of repeated ratings is that of the subjects.

The six intraclass correlations of Shrout and Fleiss (1979, doi:10.1037/0033-2909.86.2.420), from the mean squares of
a table of subjects and raters, with their exact (one way, fixed raters) or Satterthwaite (random raters) intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..core.errors import InputError

Raters = Literal["one-way", "random", "fixed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """An intraclass correlation."""

    icc: float
    low: float
    """Lower end of the interval."""
    high: float
    subjects: int
    raters: int
    error: float
    """Standard error of measurement: of one rating about its subject's mean, in the ratings' unit."""

    @property
    def detectable(self) -> float:
        """Smallest change of one subject, rated twice, that is no error: 1.96 sqrt(2) times the standard error."""
        return 1.96 * math.sqrt(2) * self.error


def reliability(
    ratings: ArrayLike, raters: Raters = "random", *, averaged: bool = False, confidence: float = 0.95
) -> Reliability:
    """Return the intraclass correlation of a table of ratings.

    Parameters
    ----------
    ratings : (subject, rater) array
        No entry missing.
    raters : str
        ``"one-way"``: each subject has raters of its own, ICC(1); ``"random"``: a sample of raters rates all, ICC(2),
        absolute agreement; ``"fixed"``: these raters are all there are, ICC(3), consistency.
    averaged : bool
        Of the mean over the raters, ICC(., k), and not of one rating.
    confidence : float
        Of the interval.
    """
    table = np.asarray(ratings, np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise InputError(f"ratings of shape {table.shape}: give two subjects and two raters at least, all finite")
    if raters not in ("one-way", "random", "fixed"):
        raise InputError(f"'{raters}' is none of one-way, random, fixed", key="raters")
    n, k = table.shape
    mean, by_subject, by_rater = table.mean(), table.mean(axis=1), table.mean(axis=0)
    between = k * float(((by_subject - mean) ** 2).sum()) / (n - 1)
    within = float(((table - by_subject[:, None]) ** 2).sum()) / (n * (k - 1))
    judges = n * float(((by_rater - mean) ** 2).sum()) / (k - 1)
    rest = table - by_subject[:, None] - by_rater[None, :] + mean
    residual = float((rest**2).sum()) / ((n - 1) * (k - 1))
    noise = within if raters == "one-way" else residual
    bias = k * (judges - residual) / n if raters == "random" else 0.0
    single = (between - noise) / (between + (k - 1) * noise + bias)
    low, high = _interval(raters, single, (between, noise, judges), (n, k), (1 - confidence) / 2)
    if averaged:
        single, low, high = (k * r / (1 + (k - 1) * r) for r in (single, low, high))
    error = math.sqrt(residual + (judges - residual) / n if raters == "random" else noise)
    return Reliability(icc=single, low=low, high=high, subjects=n, raters=k, error=error)


def _interval(
    raters: Raters, icc: float, squares: tuple[float, float, float], size: tuple[int, int], tail: float
) -> tuple[float, float]:
    """Return the ends of the interval of a single rating's correlation."""
    from scipy.stats import f

    (between, noise, judges), (n, k) = squares, size
    if noise == 0:
        return icc, icc
    if raters != "random":
        freedom = n * (k - 1) if raters == "one-way" else (n - 1) * (k - 1)
        ratio = between / noise
        low, high = ratio / f.isf(tail, n - 1, freedom), ratio * f.isf(tail, freedom, n - 1)
        return float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1))
    share = judges / noise
    own = n * (1 + (k - 1) * icc) - k * icc
    judged = (n - 1) * (k - 1) * (k * icc * share + own) ** 2 / ((n - 1) * (k * icc * share) ** 2 + own**2)
    upper, lower = f.isf(tail, n - 1, judged), f.isf(tail, judged, n - 1)
    spread = k * judges + (k * n - k - n) * noise
    low = n * (between - upper * noise) / (upper * spread + n * between)
    high = n * (lower * between - noise) / (spread + n * lower * between)
    return float(low), float(high)
