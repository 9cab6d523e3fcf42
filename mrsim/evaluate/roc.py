"""Areas under receiver operating characteristics and their covariance.

The area is the chance that a positive case scores higher than a negative one, ties counting half: Mann and Whitney's U
over the number of pairs. Its covariance between scores of the same cases is DeLong's (1988, doi:10.2307/2531595), from
ranks as by Sun and Xu (2014, doi:10.1109/LSP.2014.2337313).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Areas:
    """Areas of several scores of the same cases."""

    values: NDArray[np.float64]
    """(score,)."""
    covariance: NDArray[np.float64]
    """(score, score)."""

    def difference(self, first: int = 0, second: int = 1) -> tuple[float, float]:
        """Return the difference of two areas and its standard error."""
        c = self.covariance
        variance = c[first, first] + c[second, second] - 2 * c[first, second]
        return float(self.values[first] - self.values[second]), math.sqrt(max(float(variance), 0.0))

    def difference_p(self, first: int = 0, second: int = 1) -> float:
        """Return DeLong's two-sided p-value of two areas being the same; 1 where they cannot differ."""
        from scipy.stats import norm

        gap, error = self.difference(first, second)
        if error == 0:
            return 1.0 if gap == 0 else 0.0
        return float(2 * norm.sf(abs(gap) / error))

    def interval(self, score: int = 0, confidence: float = 0.95) -> tuple[float, float]:
        """Return the ends of an area's interval, symmetric in its logit, so that it stays within 0 and 1."""
        from scipy.stats import norm

        area, error = float(self.values[score]), math.sqrt(float(self.covariance[score, score]))
        if error == 0 or not 0 < area < 1:
            return area, area
        middle, width = math.log(area / (1 - area)), norm.isf((1 - confidence) / 2) * error / (area * (1 - area))
        return 1 / (1 + math.exp(width - middle)), 1 / (1 + math.exp(-width - middle))


def areas(positive: ArrayLike, negative: ArrayLike) -> Areas:
    """Return the areas under the curve of one or several scores.

    Parameters
    ----------
    positive : (score, m) or (m,) array
        Scores of the cases that should score high.
    negative : (score, n) or (n,) array
        Scores of the others.
    """
    from scipy.stats import rankdata

    x, y = np.atleast_2d(np.asarray(positive, np.float64)), np.atleast_2d(np.asarray(negative, np.float64))
    m, n = x.shape[1], y.shape[1]
    if x.ndim != 2 or x.shape[0] != y.shape[0] or m < 2 or n < 2:
        raise InputError(f"scores of shapes {x.shape} and {y.shape}: give at least two cases of each kind per score")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("a score is not a finite number")
    together = rankdata(np.concatenate([x, y], axis=1), axis=1)
    # the chance that a case lies above one of the other kind: its rank among all less that among its own
    above = (together[:, :m] - rankdata(x, axis=1)) / n
    below = 1 - (together[:, m:] - rankdata(y, axis=1)) / m
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return Areas(values=above.mean(axis=1), covariance=covariance)
