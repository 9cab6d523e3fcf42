"""Absorption lines of semisolid pools: how fast RF of a given offset saturates them.

A pool whose transverse magnetisation decays within microseconds does not nutate. RF of amplitude w1 at an offset D
from its resonance saturates it at the rate W = pi w1^2 g(D), with g the normalised absorption line (Henkelman et
al. 1993, doi:10.1002/mrm.1910290607). In tissue g is super-Lorentzian: dipolar Gaussian lines of all orientations
(Morrison and Henkelman 1995, doi:10.1002/mrm.1910330404),

    g(D) = integral_0^1 sqrt(2 / pi) T2 / |3 u^2 - 1| exp(-2 (2 pi D T2 / (3 u^2 - 1))^2) du,

which diverges at D = 0. Within 1.5 kHz of resonance an even parabola continues it with its value and its slope
(extrapolation as in Bieri and Scheffler 2006, doi:10.1002/mrm.21056, and Gloor et al. 2008, doi:10.1002/mrm.21705).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
CUT = 1500.0
"""Offset, Hz, within which the super-Lorentzian line is extrapolated."""
NODES = 96
"""Gauss-Legendre nodes on each side of the magic angle; 1e-10 for lines of 5 to 100 us beyond 1 kHz."""


def absorption(line: str, t2: float, offset: ArrayLike) -> Array:
    """Return g, s, at offsets from the pool's resonance.

    Parameters
    ----------
    line : str
        ``"super-lorentzian"``, ``"gaussian"`` or ``"lorentzian"``.
    t2 : float
        s.
    offset : array
        Hz.
    """
    turn = 2 * math.pi * t2 * np.asarray(offset, dtype=np.float64)
    if line == "gaussian":
        return np.asarray(t2 / math.sqrt(2 * math.pi) * np.exp(-(turn**2) / 2))
    if line == "lorentzian":
        return np.asarray(t2 / math.pi / (1 + turn**2))
    away = np.abs(np.asarray(offset, dtype=np.float64))
    edge = _super_lorentzian(t2, np.array([CUT]))[0]
    slope = _super_lorentzian_slope(t2, CUT)
    near = edge + slope / (2 * CUT) * (away**2 - CUT**2)
    return np.where(away < CUT, near, _super_lorentzian(t2, np.maximum(away, CUT)))


@lru_cache(maxsize=1)
def _angles() -> tuple[Array, Array]:
    """Return nodes 3 u^2 - 1 and weights over 0 < u < 1, split at the magic angle."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    magic = 1 / math.sqrt(3)
    u = np.concatenate([(x + 1) / 2 * magic, magic + (x + 1) / 2 * (1 - magic)])
    return 3 * u**2 - 1, np.concatenate([w / 2 * magic, w / 2 * (1 - magic)])


def _super_lorentzian(t2: float, offset: Array) -> Array:
    p, w = _angles()
    turn = 2 * math.pi * t2 * offset[..., None]
    return np.asarray((math.sqrt(2 / math.pi) * t2 / np.abs(p) * np.exp(-2 * (turn / p) ** 2)) @ w)


def _super_lorentzian_slope(t2: float, offset: float) -> float:
    """Return dg/dD, s^2."""
    p, w = _angles()
    turn = 2 * math.pi * t2 * offset
    line = math.sqrt(2 / math.pi) * t2 / np.abs(p) * np.exp(-2 * (turn / p) ** 2)
    return float((line * (-4 * turn / p**2) * 2 * math.pi * t2) @ w)
