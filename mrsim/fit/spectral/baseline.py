"""A smooth baseline: cubic splines along the frequency axis, as stiff as their effective degrees of freedom say.

The penalty is on second differences of neighbouring coefficients (P-splines, Eilers & Marx 1996,
doi:10.1214/ss/1038425655; in spectra Wilson 2021, doi:10.1002/mrm.28385). Real and imaginary part have a spline each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError

Array = NDArray[np.float64]
KNOTS_PER_PPM = 15.0
STRAIGHT = 2.0
"""Degrees of freedom of the stiffest spline, a straight line."""


def smoother(ppm: Array, freedom_per_ppm: float) -> Array:
    """Return the (2 frequency, function) matrix Q for which I - Q Q^T is left of spectra once a baseline explains them.

    Parameters
    ----------
    ppm : (frequency,) array
        Where the spectrum is known, ascending.
    freedom_per_ppm : float
        Effective degrees of freedom of the baseline per ppm, of each of real and imaginary part; 0 for no baseline.
    """
    from scipy.interpolate import BSpline
    from scipy.optimize import brentq

    if freedom_per_ppm == 0:
        return np.zeros((2 * len(ppm), 0))
    width = float(ppm[-1] - ppm[0])
    wanted = freedom_per_ppm * width
    count = int(np.ceil(KNOTS_PER_PPM * width)) + 3
    if not STRAIGHT < wanted < min(count, len(ppm)) - 1:
        most = (min(count, len(ppm)) - 1) / width
        raise InputError(
            f"a baseline with {freedom_per_ppm:g} degrees of freedom per ppm cannot be made over {width:.3g} ppm; "
            f"choose 0, or between {STRAIGHT / width:.3g} and {most:.3g}",
            key="baseline",
        )
    step = width / (count - 3)
    knots = ppm[0] + step * (np.arange(count + 4) - 3)
    splines = BSpline.design_matrix(np.clip(ppm, ppm[0], ppm[-1] - 1e-9 * width), knots, 3).toarray()
    stiffness = np.diff(np.eye(count), 2, axis=0)
    # of coefficients of equal size in splines and stiffness together, cos^2 in the data and sin^2 in the stiffness
    both = np.linalg.qr(np.vstack([splines, stiffness]))[0]
    _, rough, turn = np.linalg.svd(both[len(ppm) :])
    parts = both[: len(ppm)] @ turn.T
    cosine, sine = np.sum(parts**2, axis=0), np.concatenate([rough, [0.0, 0.0]]) ** 2

    def excess(log_penalty: float) -> float:
        return float(np.sum(cosine / (cosine + 10 ** (2 * log_penalty) * sine))) - wanted

    penalty = 10 ** (2 * brentq(excess, -6.0, 7.0, xtol=1e-6))
    found = parts / np.sqrt(cosine + penalty * sine)
    nothing = np.zeros_like(found)
    return np.block([[found, nothing], [nothing, found]])
