"""Fitted values against the truth, voxel by voxel: bias and limits of agreement (Bland and Altman 1986).

The reference is exact here, so differences stand over it and not over the mean of both (Krouwer 2008).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.maps import Maps
from ..evaluate.agreement import bland_altman
from .maps import SPREAD, fitted_values
from .quantities import label, scale
from .style import HAIR, INK, SERIES, Drawn, styled

FEWEST = 3
"""Voxels that a spread needs."""
WIDTH = 0.12
"""Of the cloud of a region, as a share of the axis between neighbours."""


def truth_agreement(
    maps: Maps, truth: Maps, parameter: str, rois: Mapping[str, NDArray[np.bool_]]
) -> Drawn | None:  # fmt: skip
    """Return the Bland-Altman figure of one parameter; None where fewer than three voxels can be compared.

    Parameters
    ----------
    maps, truth : Maps
        On the same grid; both hold `parameter`.
    parameter : str
        E.g. ``"t2"``.
    rois : mapping of str to (z, y, x) array of bool
    """
    factor, unit = scale(maps.units[parameter])
    fit, true = factor * fitted_values(maps, parameter), factor * truth.values[parameter]
    known = np.isfinite(fit) & np.isfinite(true) & (true > 0)
    parts = {name: mask & known for name, mask in rois.items() if (mask & known).any()}
    held = np.any(list(parts.values()), axis=0) if parts else np.zeros(known.shape, dtype=bool)
    if np.count_nonzero(held) < FEWEST:
        return None
    percent = np.divide(100 * (fit - true), true, out=np.full(true.shape, np.nan), where=known)
    overall = bland_altman(percent[held], np.zeros(np.count_nonzero(held)))
    with styled(9.2, 4.2) as figure:
        axes = figure.subplots()
        for count, (name, mask) in enumerate(parts.items()):
            colour, x, y = SERIES[count % len(SERIES)], true[mask], percent[mask]
            spread = 1 + WIDTH * (np.linspace(-0.5, 0.5, len(x)) if len(x) > 1 else np.zeros(1))
            axes.plot(x * spread, y, "o", ms=3, alpha=0.6, color=colour, label=f"{label(name)} (n = {len(x)})")
            if len(x) >= FEWEST:
                own = bland_altman(y, np.zeros(len(y)))
                low, high = own.bias - own.low, own.high - own.bias
                axes.errorbar([float(x.mean())], [own.bias], yerr=[[low], [high]], fmt="_", color=INK, capsize=4, ms=10)
        for value, style in ((overall.bias, "-"), (overall.low, "--"), (overall.high, "--")):
            axes.axhline(value, color=INK, lw=0.9, ls=style)
            axes.annotate(f"{value:+.1f} %", (1.0, value), xycoords=("axes fraction", "data"), fontsize=8, va="center")
        axes.axhline(0, color=HAIR, zorder=0)
        if true[held].max() > SPREAD * true[held].min():
            axes.set_xscale("log")
        name = label(parameter)
        axes.set(xlabel=f"true {name}" + (f" / {unit}" if unit else ""), ylabel="(fitted - true) / true, %",
                 title=f"{name}: agreement with the truth, {overall.n} voxels")  # fmt: skip
        figure.legend(loc="outside right upper")
    return Drawn(figure)
