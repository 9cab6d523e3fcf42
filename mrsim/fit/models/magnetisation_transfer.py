"""Magnetisation transfer: its ratio, and the saturation of one pulse (MTsat).

The ratio compares an image with the saturation to one without and depends on everything that the sequence does. The
saturation delta, the share of Mz that one pulse takes, comes from three spoiled gradient echoes (with saturation, and
two without at different flips) in the approximation of small flips and TR << T1 (Helms 2008): B1 of the flips is
corrected by `b1`; delta itself rises with the square of B1 and is not corrected.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..method import SINGULAR, Method, Scan, Series, Solution, local, start
from ..model import B1, FLIP, M0, SHORT_TR, T1, Column, Parameter

Array = NDArray[np.float64]
MT = Column(
    name="mt", unit="", symbol="m", description="saturation: 1 with, 0 without", plausible=1.0, mistaken="a frequency",
    zero=True,
)  # fmt: skip
MTR = Parameter(
    name="mtr", unit="", symbol="r", description="magnetisation transfer ratio", lower=-1.0, upper=1.0,
    grid=(0.05, 0.8, 8),
)  # fmt: skip
SATURATION = Parameter(
    name="mt_saturation", unit="", symbol=r"\delta", description="share of Mz that one pulse saturates", lower=-0.5,
    upper=0.5, grid=(1e-3, 0.2, 8),
)  # fmt: skip


def ratio(scan: Scan, series: Series) -> Solution:
    """Return M0 without saturation and the ratio, from the weighted means of both kinds of images."""
    solution = start(RATIO, series)
    voxels = np.flatnonzero(solution.status == 0)
    on, data = scan.contrast["mt"] > 0.5, np.asarray(series.data[:, voxels])
    without, with_it = series.weight * ~on, series.weight * on
    off, saturated = without @ data / without.sum(), with_it @ data / with_it.sum()
    v_off, v_on = 1 / without.sum(), 1 / with_it.sum()
    solution.values[:, voxels] = off, 1 - saturated / off
    solution.unit_errors[0, voxels] = np.sqrt(v_off)
    solution.unit_errors[1, voxels] = np.sqrt(v_on + v_off * (saturated / off) ** 2) / off
    solution.status[voxels[off <= 0]] = SINGULAR
    solution.cost[voxels] = series.weight @ (data - np.where(on[:, None], saturated, off)) ** 2
    solution.rounds[voxels] = 1
    return solution


def ratio_signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
    """Return M0 (1 - MTR) with and M0 without saturation."""
    return np.asarray(parameters["m0"] * (1 - np.outer(scan.contrast["mt"] > 0.5, parameters["mtr"])))


def saturation_signal(scan: Scan, parameters: Mapping[str, Array]) -> Array:
    """Return M0 a R1 TR / (a^2 / 2 + delta + R1 TR), a = b1 flip: small flips, TR << T1."""
    flip = scan.contrast["flip"][:, None] * scan.options["b1"]
    recovered = scan.contrast["tr"][:, None] / parameters["t1"]
    delta = np.outer(scan.contrast["mt"] > 0.5, parameters["mt_saturation"])
    return np.asarray(parameters["m0"] * flip * recovered / (flip**2 / 2 + delta + recovered))


def saturation(scan: Scan, series: Series) -> Solution:
    """Return M0, T1 and delta of three images: T1 and M0 from the two without, delta from the third."""
    solution = start(MTSAT, series)
    voxels = np.flatnonzero(solution.status == 0)
    on, order = scan.contrast["mt"] > 0.5, np.argsort(scan.contrast["flip"])
    low, high = (int(i) for i in order[~on[order]][[0, -1]])
    mt, tr = int(np.flatnonzero(on)[0]), scan.contrast["tr"]
    flip = scan.contrast["flip"][:, None] * local(scan.options["b1"], voxels) * np.ones(voxels.size)
    data = np.asarray(series.data[:, voxels])

    def estimate(s: Array) -> Array:
        up, down = s[low] * flip[low] / (2 * tr[low]), s[high] * flip[high] / (2 * tr[high])
        r1 = (down - up) / (s[low] / flip[low] - s[high] / flip[high])
        m0 = s[low] * (flip[low] ** 2 / 2 + r1 * tr[low]) / (flip[low] * r1 * tr[low])
        delta = (m0 * flip[mt] / s[mt] - 1) * r1 * tr[mt] - flip[mt] ** 2 / 2
        return np.stack([m0, 1 / r1, delta])

    with np.errstate(divide="ignore", invalid="ignore"):
        found, variance = estimate(data), np.zeros((3, voxels.size))
        for image in (low, high, mt):
            step = np.zeros_like(data)
            step[image] = 1e-4 * np.abs(data).max(axis=0)
            slope = (estimate(data + step) - estimate(data - step)) / (2 * step[image])
            variance += slope**2 / series.weight[image]
    solution.values[:, voxels], solution.unit_errors[:, voxels] = found, np.sqrt(variance)
    solution.status[voxels[~np.isfinite(found).all(axis=0) | (found[1] <= 0)]] = SINGULAR
    solution.cost[voxels], solution.rounds[voxels] = 0.0, 1
    return solution


RATIO = Method(
    name="mtr",
    title="magnetisation transfer ratio",
    reference="Wolff and Balaban 1989, Magn Reson Med 10:135",
    parameters=(M0, MTR),
    contrast=(MT,),
    formula=r"r = 1 - S_{m=1} / S_{m=0},\quad M_0 = S_{m=0}",
    likelihoods=("gaussian", "rician"),
    solve=ratio,
    signal=ratio_signal,
)
MTSAT = Method(
    name="mtsat",
    title="saturation per pulse by magnetisation transfer (MTsat), with T1",
    reference="Helms et al. 2008, Magn Reson Med 60:1396",
    parameters=(M0, T1, SATURATION),
    contrast=(FLIP, SHORT_TR, MT),
    options=(B1,),
    formula=r"S = M_0 \frac{b_1 \alpha R_1 T_R}{(b_1 \alpha)^2 / 2 + m \delta + R_1 T_R},\quad R_1 = 1 / T_1",
    likelihoods=("gaussian", "rician"),
    solve=saturation,
    signal=saturation_signal,
)
