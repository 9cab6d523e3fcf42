"""The b at which the expansion of ln S by kurtosis turns upwards, b = 3 / (D K), beyond which it describes nothing.

A fit of all images cannot tell: data fall with b, and it bends its parameters until it falls as well. So some voxels
are fitted again to the smallest b-values that determine everything, then to one more, and so on; a voxel counts where
one of these fits has a V = D^2 K above its noise that turns the expansion below the largest b.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.maps import VALUED
from .log_linear import fit_exponentials
from .method import Series
from .tensor_design import determined

Array = NDArray[np.float64]
DOUBTED = 500
"""About so many voxels are looked at."""
OFTEN = 0.25
"""Share of them from which it is said."""
SURE = 2.0
"""Standard deviations by which V must lie above zero."""
BEYOND = "b beyond the kurtosis range"
"""How the warning begins."""
SHELL = 0.01
"""ms/um^2: b-values nearer than this are one."""


def told_beyond(
    columns: Array, b: Array, series: Series, status: NDArray[np.int8], rows: tuple[Array, Array]
) -> tuple[str, ...]:
    """Return a warning, or nothing, on images beyond the b at which the expansion turns.

    Parameters
    ----------
    columns : (n, p) array
        The design of ln S.
    b : (n,) array
        ms/um^2.
    series : Series
        Magnitudes.
    status : (voxel,) array
        Of the fit of all images.
    rows : two (p,) arrays
        What the parameters add up to: D in um^2/ms, V in um^4/ms^2.
    """
    voxels, largest = np.flatnonzero(np.isin(status, VALUED)), float(b.max())
    few = voxels[:: max(1, len(voxels) // DOUBTED)]
    limit = np.full(len(few), np.inf)
    for shell in np.unique(np.round(b, 2)):
        chosen = b <= shell + SHELL
        if len(few) and determined(columns[chosen]):
            limit = np.minimum(limit, _turn(columns[chosen], _part(series, chosen, few), rows))
    beyond = limit < largest
    if not len(few) or beyond.mean() <= OFTEN:
        return ()
    said = (
        f"{BEYOND}: b of {1e3 * largest:.4g} s/mm^2 lies beyond 3 / (D K), "
        f"{1e3 * np.median(limit[beyond]):.4g} s/mm^2, in "
        f"{100 * beyond.mean():.0f} % of the voxels: the expansion turns upwards there; leave out the largest b"
    )
    return (said,)


def _part(series: Series, chosen: NDArray[np.bool_], few: NDArray[np.int64]) -> Series:
    data = np.asarray(series.data, np.float64)[np.ix_(chosen, few)]
    return replace(series, data=data, weight=series.weight[chosen], floor=series.floor[few], spread=series.spread[few])


def _turn(columns: Array, series: Series, rows: tuple[Array, Array]) -> Array:
    """Return the (voxel,) b at which the fitted expansion turns, ms/um^2; infinite where V may be noise."""
    found = fit_exponentials(columns, series, "wls")
    n, p = columns.shape
    row, column = np.tril_indices(p)
    twice = np.where(row == column, 1.0, 2.0)
    d, v = rows[0] @ found.beta, rows[1] @ found.beta
    freedom = n - p - found.unused.sum(axis=0)
    residual = np.sqrt(np.where(freedom > 0, found.cost, 0.0) / np.maximum(freedom, 1))
    sigma = np.where(np.isnan(series.spread), residual, series.spread)
    error = sigma * np.sqrt((twice * rows[1][row] * rows[1][column]) @ found.covariance)
    sure = (d > 0) & (v > SURE * error)
    return np.where(sure, 3 * d / np.where(sure, v, 1.0), np.inf)
