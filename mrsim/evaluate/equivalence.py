"""Equivalence by two one-sided tests (Schuirmann 1987, doi:10.1007/BF01068419).

That no difference was seen is no proof that there is none. Equivalence is shown when both "the difference is -margin or
less" and "the difference is +margin or more" are refuted, which at the level 0.05 is when the 90 % interval lies
within the margins.
"""

from __future__ import annotations

import math

from ..core.errors import InputError


def equivalence_p(difference: float, error: float, margin: float, freedom: float = math.inf) -> float:
    """Return the larger p-value of the two one-sided tests; below 0.05 the difference lies within the margins.

    Parameters
    ----------
    difference : float
        Estimated.
    error : float
        Its standard error.
    margin : float
        Largest difference that does not matter, positive.
    freedom : float
        Degrees of freedom of the error; infinite for a normal estimate.
    """
    from scipy.stats import norm, t

    if not margin > 0:
        raise InputError(f"is {margin:g}; it must be positive", key="margin")
    if not error >= 0:
        raise InputError(f"is {error:g}; it must not be negative", key="error")
    distance = margin - abs(difference)
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    tail = norm.sf(distance / error) if math.isinf(freedom) else t.sf(distance / error, freedom)
    return float(tail)
