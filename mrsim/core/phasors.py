"""Series for cos and sin that vectorise: polynomials after the phase is brought near zero."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

RealType = type[np.float64] | type[np.float32]
"""The floating-point type of a run."""


def phasor_series(dtype: RealType) -> NDArray[np.floating]:
    """Return (2, 12): eleven terms of cos(pi p) and sin(pi p)/p in p^2, the rounding number, and 1."""
    n = np.arange(11)
    even = np.array([math.pi ** (2 * k) / math.factorial(2 * k) for k in n]) * (-1.0) ** n
    odd = np.array([math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in n]) * (-1.0) ** n
    rounding = 1.5 * 2.0 ** np.finfo(dtype).nmant
    return np.array([[*even, rounding], [*odd, 1.0]]).astype(dtype)
