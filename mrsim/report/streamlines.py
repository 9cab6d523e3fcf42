"""Streamlines drawn over the anisotropy that they follow, in the colours of their directions."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from ..core.maps import Maps
from ..core.streamlines import Streamlines
from .slices import draw_slice
from .style import Drawn, styled

MARGIN = 5e-3
"""Around what has a tensor, m."""


def streamline_figure(maps: Maps, found: Streamlines) -> Drawn:
    """Return the middle slice of anisotropy with the steps of streamlines that lie in it.

    Red runs from left to right, green from front to back, blue from head to foot.

    Parameters
    ----------
    maps : Maps
        A tensor fit.
    found : Streamlines
        Through it.
    """
    grid, view = maps.grid, _view(maps)
    aspect = (view[3] - view[2]) / (view[1] - view[0])
    with styled(1.6 + min(6.0, 8.0 / aspect), 0.9 + min(8.0, 6.0 * aspect)) as figure:
        axes = figure.add_subplot()
        picture = draw_slice(axes, maps.values["fa"], grid, norm=Normalize(0, 1), colours="gray", view=view)
        figure.colorbar(picture, ax=axes, shrink=0.8, pad=0.02).set_label("FA")
        middles, steps = found.directions()
        length = found.lengths().sum() / max(len(steps), 1)
        place = (middles - np.asarray(grid.centre)) @ grid.axes
        here = np.abs(place[:, 2] - grid.coordinates(2)[grid.shape[0] // 2]) <= grid.spacing[2] / 2
        flat, along = 1e3 * place[here, :2], 1e3 * length * (steps[here] @ grid.axes)[:, :2]
        ends = np.stack([flat - along / 2, flat + along / 2], axis=1)
        axes.add_collection(LineCollection([*ends], colors=np.abs(steps[here]), linewidths=1.0), autolim=False)
        axes.set_title(f"{len(found)} streamlines\nred: left-right, green: front-back, blue: head-foot")
    return Drawn(figure)


def _view(maps: Maps) -> tuple[float, float, float, float]:
    """Return the part of the slice that has tensors, mm: x low, x high, y low, y high."""
    held: NDArray[np.bool_] = np.isfinite(maps.values["fa"])
    sides: list[float] = []
    for axis in (0, 1):
        places = maps.grid.coordinates(axis)
        known = places[held.any(axis=(0, 1) if axis == 0 else (0, 2))]
        low, high = (known.min(), known.max()) if known.size else (places[0], places[-1])
        sides += [1e3 * (low - MARGIN), 1e3 * (high + MARGIN)]
    return sides[0], sides[1], sides[2], sides[3]
