"""T1 from several flip angles by a straight line (DESPOT1): no iteration, biased by noise at low signal.

The equation of `spgr` is S / sin a = E1 S / tan a + M0 (1 - E1): a line of slope E1. Noise of S enters both sides,
sigma (1 - E1 cos a) / sin a in all; a first line without weights gives the E1 for those weights of the second, which
makes it nearly as precise as the fit of `spgr` itself. Ideal spoiling, like `spgr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..method import AT_BOUND, Method, Scan, Series, Solution, local, start
from ..model import B1, FLIP, M0, SHORT_TR, T1
from ..signal import signal as model_signal
from . import spgr


def solve(scan: Scan, series: Series) -> Solution:
    """Fit the lines of all voxels."""
    solution = start(METHOD, series)
    voxels = np.flatnonzero(solution.status == 0)
    data, tr = np.asarray(series.data[:, voxels]), scan.column("tr")
    angle = scan.contrast["flip"][:, None] * local(scan.options["b1"], voxels)
    sin, cos = np.sin(angle), np.cos(angle)
    x, y, weight = data * cos / sin, data / sin, np.broadcast_to(series.weight[:, None], data.shape)
    e1 = _line(x, y, weight)[0]
    e1 = np.clip(e1, *(np.exp(-tr / np.array([T1.lower, T1.upper]))))
    weight = weight * (sin / (1 - e1 * cos)) ** 2
    slope, height, covariance = _line(x, y, weight)
    e1 = np.clip(slope, *(np.exp(-tr / np.array([T1.lower, T1.upper]))))
    solution.values[:, voxels] = height / (1 - e1), -tr / np.log(e1)
    by_slope = np.stack([height / (1 - e1) ** 2, tr / (e1 * np.log(e1) ** 2)])
    by_height = np.stack([1 / (1 - e1), np.zeros_like(e1)])
    c_ss, c_sh, c_hh = covariance
    variance = by_slope**2 * c_ss + 2 * by_slope * by_height * c_sh + by_height**2 * c_hh
    bound = e1 != slope
    solution.unit_errors[:, voxels] = np.where(bound, np.nan, np.sqrt(variance))
    solution.status[voxels[bound]] = AT_BOUND
    solution.rounds[voxels] = 2
    fitted = height / (1 - e1) * sin * (1 - e1) / (1 - e1 * cos)
    solution.cost[voxels] = np.sum(series.weight[:, None] * (data - fitted) ** 2, axis=0)
    return solution


def _line(x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Return slope, height and covariance (slope, both, height) of the weighted lines y = slope x + height."""
    w, wx, wy = weight.sum(axis=0), (weight * x).sum(axis=0), (weight * y).sum(axis=0)
    wxx, wxy = (weight * x * x).sum(axis=0), (weight * x * y).sum(axis=0)
    determinant = w * wxx - wx**2
    slope, height = (w * wxy - wx * wy) / determinant, (wxx * wy - wx * wxy) / determinant
    return slope, height, (w / determinant, -wx / determinant, wxx / determinant)


def signal(scan: Scan, parameters: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the signal of `spgr`."""
    return np.asarray(model_signal(spgr.MODEL, parameters, scan.contrast, **scan.options))


METHOD = Method(
    name="despot1",
    title="spoiled gradient echo, T1 from variable flip angles by a straight line",
    reference="Fram et al. 1987, Magn Reson Imaging 5:201; Chang et al. 2008, Magn Reson Med 60:496",
    parameters=(M0, T1),
    contrast=(FLIP, SHORT_TR),
    assumes=("spoiling", "profile"),
    options=(B1,),
    constant=("tr",),
    formula=r"\frac{S}{\sin b_1 \alpha} = E_1 \frac{S}{\tan b_1 \alpha} + M_0 (1 - E_1),"
    r"\quad E_1 = e^{-T_R / T_1}",
    solve=solve,
    signal=signal,
    squares=False,
    instead="a straight line makes no likelihood largest; take 'spgr', the same signal, or noise_floor 'subtract'",
)
