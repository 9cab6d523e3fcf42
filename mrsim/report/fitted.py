"""Fitted maps that no truth stands beside, e.g. water, fat and R2*: one panel each."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import Normalize, to_rgb
from numpy.typing import NDArray

from ..core.maps import Maps
from .maps import BACKGROUND, fitted_values, view_of
from .quantities import label, scale
from .slices import draw_slice
from .style import MAP_COLOURS, NOTHING, Drawn, styled

COLUMNS = 3
PARTS = ("colour_x", "colour_y", "colour_z")
COLOURS = "colours"
"""What stands for the three parts: one picture."""


def fitted_maps(maps: Maps, truth: Maps, names: list[str]) -> Drawn:
    """Return the figure of some of the fitted maps, each between its 1st and 99th percentile in the object.

    Anisotropy by direction is one picture: red from left to right, green from front to back, blue from head to foot.

    Parameters
    ----------
    maps, truth : Maps
        On the same grid; the truth says where the object lies.
    names : list of str
        Which.
    """
    if set(PARTS) <= set(names):
        names = [*(name for name in names if name not in PARTS), COLOURS]
    rows = -(-len(names) // COLUMNS)
    view = view_of(truth)
    aspect = (view[3] - view[2]) / (view[1] - view[0])
    with styled(10.4, rows * (3.2 * aspect + 0.5)) as figure:
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        for panel, name in zip(panels, names, strict=False):
            if name == COLOURS:
                draw_slice(panel, _coloured(maps), maps.grid, norm=Normalize(0, 1), colours=MAP_COLOURS, view=view)
                panel.set_title("FA by direction")
                continue
            factor, unit = scale(maps.units[name])
            values = factor * fitted_values(maps, name)
            known = values[np.isfinite(values) & (truth.status != BACKGROUND)]
            low, high = np.percentile(known, [1, 99]) if known.size else (0.0, 1.0)
            norm = Normalize(float(low), float(high) if high > low else float(low) + 1.0)
            picture = draw_slice(panel, values, maps.grid, norm=norm, colours=MAP_COLOURS, view=view)
            panel.set_title(f"{label(name)} / {unit}" if unit else label(name))
            figure.colorbar(picture, ax=panel, shrink=0.8, aspect=24, pad=0.02)
    return Drawn(figure)


def _coloured(maps: Maps) -> NDArray[np.float64]:
    """Return the (z, y, x, 3) colours of the first eigenvector in the body, as bright as the anisotropy."""
    first = np.stack([fitted_values(maps, f"v1_{axis}") for axis in "xyz"], axis=-1)
    bright = np.clip(fitted_values(maps, "fa"), 0.0, 1.0)
    colours = bright[..., None] * np.abs(first @ np.asarray(maps.grid.axes).T)
    return np.where(np.isfinite(colours), colours, to_rgb(NOTHING))
