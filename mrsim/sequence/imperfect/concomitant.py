"""Concomitant field: what Maxwell's equations add to a gradient, quadratic in G and in position, falling with B0.

For a main field along z and symmetric coils (Bernstein 1998, doi:10.1002/mrm.1910390218)

    B_c = [Gz^2 (x^2 + y^2) / 4 + (Gx^2 + Gy^2) z^2 - Gx Gz x z - Gy Gz y z] / (2 B0)

with positions from the isocentre, the origin of the world. Written as r . C r, the phase of a spin is 2 pi r . Q r,
with Q the integral of gamma_bar C. Gradients are taken as linear between knots, whose products integrate exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def concomitant_integral(times: Array, gradient: Array, at: Array, gamma_bar: float, b0: float) -> Array:
    """Return the (m, 3, 3) integral of gamma_bar C from the first knot to each time, 1/m^2, world axes.

    Parameters
    ----------
    times : (n,) array
        Knots, s.
    gradient : (n, 3) array
        Physical gradients there, T/m.
    at : (m,) array
        s.
    gamma_bar : float
        Hz/T.
    b0 : float
        T.
    """
    knots = np.unique(np.concatenate([times, at]))
    g = np.stack([np.interp(knots, times, gradient[:, axis], left=0.0, right=0.0) for axis in range(3)], axis=1)
    x, y, z = g.T
    rows = np.searchsorted(knots, at)

    def product(a: Array, b: Array) -> Array:
        piece = (2 * a[:-1] * b[:-1] + a[:-1] * b[1:] + a[1:] * b[:-1] + 2 * a[1:] * b[1:]) / 6 * np.diff(knots)
        return np.concatenate([[0.0], np.cumsum(piece)])[rows]

    c = np.zeros((len(at), 3, 3))
    c[:, 0, 0] = c[:, 1, 1] = product(z, z) / 4
    c[:, 2, 2] = product(x, x) + product(y, y)
    c[:, 0, 2] = c[:, 2, 0] = -product(x, z) / 2
    c[:, 1, 2] = c[:, 2, 1] = -product(y, z) / 2
    return c * gamma_bar / (2 * b0)
