"""One slice of a volume in the way radiologists look at it: superior or anterior up, anterior or right at the left.

Pixels are drawn in the grid's own in-plane coordinates, mm from its centre; letters at the edges say where each
side of the picture lies in the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..core.grid import Grid
from .style import INK, NOTHING

ENDS = (("L", "R"), ("P", "A"), ("I", "S"))
"""Letters at the negative and positive end of each world axis (RAS)."""
LEFT, TOP = "AR", "SA"
"""Letters that belong at the left and at the top."""


def middle(volume: NDArray[Any]) -> NDArray[Any]:
    """Return the middle slice (y, x) of a volume (z, y, x)."""
    return np.asarray(volume[volume.shape[0] // 2])


def side_letters(grid: Grid, axis: int) -> tuple[str, str]:
    """Return the body's letters at the negative and positive end of grid axis 0 = x or 1 = y."""
    direction = grid.axes[:, axis]
    world = int(np.argmax(np.abs(direction)))
    low, high = ENDS[world]
    return (low, high) if direction[world] > 0 else (high, low)


def extent(grid: Grid) -> tuple[float, float, float, float]:
    """Return the outer edges of the pixels, mm: x low, x high, y low, y high."""
    edges = []
    for axis in (0, 1):
        places = grid.coordinates(axis)
        half = grid.spacing[axis] / 2
        edges += [1e3 * (places[0] - half), 1e3 * (places[-1] + half)]
    return edges[0], edges[1], edges[2], edges[3]


def draw_slice(
    axes: Axes, values: NDArray[Any], grid: Grid, *, norm: Normalize, colours: str | Colormap,
    view: tuple[float, float, float, float] | None = None,
) -> AxesImage:  # fmt: skip
    """Draw the middle slice of `values` (z, y, x); NaN is left in the colour of nothing.

    `view` is the part to show, mm: x low, x high, y low, y high; all by default.
    """
    palette = mpl.colormaps[colours] if isinstance(colours, str) else colours
    palette = palette.with_extremes(bad=NOTHING)
    shown = np.ma.masked_invalid(middle(values))
    picture = axes.imshow(shown, norm=norm, cmap=palette, origin="lower", extent=extent(grid), aspect="equal")
    if view is not None:
        axes.set_xlim(view[0], view[1])
        axes.set_ylim(view[2], view[3])
    _orient(axes, grid)
    axes.locator_params(nbins=5)
    axes.set_xlabel("readout / mm")
    axes.set_ylabel("phase / mm")
    return picture


def _orient(axes: Axes, grid: Grid) -> None:
    low_x, high_x = side_letters(grid, 0)
    low_y, high_y = side_letters(grid, 1)
    if high_x in LEFT:
        axes.xaxis.set_inverted(True)
        low_x, high_x = high_x, low_x
    if low_y in TOP:
        axes.yaxis.set_inverted(True)
        low_y, high_y = high_y, low_y
    style: dict[str, Any] = {
        "transform": axes.transAxes,
        "fontsize": 7.5,
        "fontweight": "bold",
        "color": "white",
        "path_effects": [withStroke(linewidth=1.8, foreground=INK)],
    }
    axes.text(0.015, 0.5, low_x, ha="left", va="center", **style)
    axes.text(0.985, 0.5, high_x, ha="right", va="center", **style)
    axes.text(0.5, 0.015, low_y, ha="center", va="bottom", **style)
    axes.text(0.5, 0.985, high_y, ha="center", va="top", **style)


def outlines(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Return the (edge, 2, 2) pixel edges around a mask's middle slice, mm."""
    inside = np.pad(middle(mask), 1)
    x_low, _, y_low, _ = extent(grid)
    dx, dy = 1e3 * grid.spacing[0], 1e3 * grid.spacing[1]
    upright = np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])
    level = np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])
    edges = [[(x, y), (x, y + 1)] for y, x in upright] + [[(x, y), (x + 1, y)] for y, x in level]
    corners = np.array(edges, dtype=np.float64).reshape(-1, 2, 2)
    return np.asarray(corners * (dx, dy) + (x_low, y_low))


def draw_outlines(axes: Axes, rois: Mapping[str, NDArray[np.bool_]], grid: Grid, colour: str) -> None:
    """Draw the outlines of all regions."""
    for mask in rois.values():
        axes.add_collection(LineCollection(list(outlines(mask, grid)), colors=colour, linewidths=0.7))


def draw_numbers(axes: Axes, rois: Mapping[str, NDArray[np.bool_]], grid: Grid) -> None:
    """Write each region's number, counted from 1, at the place of the region that is nearest to its centroid."""
    x, y = (1e3 * grid.coordinates(axis) for axis in (0, 1))
    for count, mask in enumerate(rois.values(), 1):
        rows, columns = np.nonzero(middle(mask))
        if len(rows) == 0:
            continue
        near = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
        axes.text(
            x[columns[near]], y[rows[near]], str(count), fontsize=7, fontweight="bold", color="white",
            ha="center", va="center", path_effects=[withStroke(linewidth=2, foreground=INK)],
        )  # fmt: skip
