"""Fitted maps that no truth stands beside, e.g. water, fat and R2*: one panel each."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import Normalize

from ..core.maps import Maps
from .maps import BACKGROUND, fitted_values, view_of
from .quantities import label, scale
from .slices import draw_slice
from .style import MAP_COLOURS, Drawn, styled

COLUMNS = 3


def fitted_maps(maps: Maps, truth: Maps, names: list[str]) -> Drawn:
    """Return the figure of some of the fitted maps, each between its 1st and 99th percentile in the object.

    Parameters
    ----------
    maps, truth : Maps
        On the same grid; the truth says where the object lies.
    names : list of str
        Which.
    """
    rows = -(-len(names) // COLUMNS)
    view = view_of(truth)
    aspect = (view[3] - view[2]) / (view[1] - view[0])
    with styled(10.4, rows * (3.2 * aspect + 0.5)) as figure:
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        for panel, name in zip(panels, names, strict=False):
            factor, unit = scale(maps.units[name])
            values = factor * fitted_values(maps, name)
            known = values[np.isfinite(values) & (truth.status != BACKGROUND)]
            low, high = np.percentile(known, [1, 99]) if known.size else (0.0, 1.0)
            norm = Normalize(float(low), float(high) if high > low else float(low) + 1.0)
            picture = draw_slice(panel, values, maps.grid, norm=norm, colours=MAP_COLOURS, view=view)
            panel.set_title(f"{label(name)} / {unit}" if unit else label(name))
            figure.colorbar(picture, ax=panel, shrink=0.8, aspect=24, pad=0.02)
    return Drawn(figure)
