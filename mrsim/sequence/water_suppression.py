"""Flip angles of water suppression: frequency-selective pulses, each crushed, whose water vanishes at the excitation.

After pulse i of flip a_i and a delay d_i the water has

    M -> 1 - (1 - M cos(B1 a_i)) exp(-d_i / T1).

CHESS (Haase 1985, doi:10.1088/0031-9155/30/4/008) nulls one T1 at the nominal B1: pulses of 90 degrees, and a last
one beyond 90 that cancels the recovery behind it. WET (Ogg 1994, doi:10.1006/jmrb.1994.1048) chooses all flips so
that the residual stays small over a range of T1 and B1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError, InputError


def residual(
    flips: Sequence[float], delays: Sequence[float], t1: NDArray[np.float64], b1: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the longitudinal water at the excitation as a fraction of equilibrium.

    Parameters
    ----------
    flips : (n,) sequence
        rad.
    delays : (n,) sequence
        From each pulse to the next, the last to the excitation, s.
    t1 : array
        s.
    b1 : array
        Actual over nominal flip; broadcast against `t1`.
    """
    water = np.ones(np.broadcast_shapes(np.shape(t1), np.shape(b1)))
    for flip, delay in zip(flips, delays, strict=True):
        water = 1 - (1 - water * np.cos(b1 * flip)) * np.exp(-delay / t1)
    return np.asarray(water)


def chess_flips(delays: Sequence[float], t1: float) -> tuple[float, ...]:
    """Return flips, rad, that null water of one T1, s: 90 degrees but for the last."""
    flips = [math.pi / 2] * (len(delays) - 1)
    before = float(residual(flips, delays[:-1], np.asarray(t1), np.asarray(1.0)))
    # 1 - (1 - before cos a) exp(-d / T1) = 0
    needed = (1 - math.exp(delays[-1] / t1)) / before
    if not -1 <= needed <= 1:
        raise InfeasibleError(
            f"water of T1 {t1 * 1e3:g} ms recovers {before:.3g} between the pulses and cannot be nulled "
            f"{delays[-1] * 1e3:g} ms after the last; wait at most {t1 * math.log1p(before) * 1e3:.3g} ms"
        )
    return (*flips, math.acos(needed))


def wet_flips(
    delays: tuple[float, ...], t1: tuple[float, float] = (0.3, 4.5), b1: tuple[float, float] = (0.8, 1.2)
) -> tuple[float, ...]:
    """Return flips, rad, with the least mean square residual over ranges of T1 (s, even in its logarithm) and B1."""
    if len(delays) < 2:
        raise InputError(f"is {len(delays)}; WET needs at least 2 pulses", key="suppression_pulses")
    return _wet(tuple(delays), t1, b1)


@lru_cache(maxsize=16)
def _wet(delays: tuple[float, ...], t1: tuple[float, float], b1: tuple[float, float]) -> tuple[float, ...]:
    from scipy.optimize import least_squares

    times = np.geomspace(*t1, 9)[:, None]
    field = np.linspace(*b1, 9)[None, :]
    best: tuple[float, NDArray[np.float64]] | None = None
    for seed in range(8):
        start = np.random.default_rng(seed).uniform(0.35 * math.pi, 0.9 * math.pi, len(delays))
        found = least_squares(
            lambda flips: residual(flips, delays, times, field).ravel(), start, bounds=(0.05, math.pi), xtol=1e-12
        )
        if best is None or found.cost < best[0] * (1 - 1e-9):
            best = (float(found.cost), found.x)
    assert best is not None
    return tuple(float(flip) for flip in best[1])
