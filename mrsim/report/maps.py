"""A fitted map beside its truth, and their difference in the parameter's unit and in per cent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from ..core.maps import VALUED, Maps
from .quantities import label, scale
from .slices import draw_numbers, draw_outlines, draw_slice, extent, middle
from .style import ERROR_COLOURS, INK, MAP_COLOURS, QUIET, Drawn, styled

SPREAD = 6.0
"""Truths that span more than this factor are shown on a logarithmic colour scale."""
BACKGROUND = 1
"""Status code of a truth's empty voxels."""
MARGIN = 7.0
"""Rim around the object, mm."""
LEGEND_COLUMNS = 4


def fitted_values(maps: Maps, parameter: str) -> NDArray[np.float64]:
    """Return the map (z, y, x), SI, with NaN where the fit gave no value."""
    return np.where(np.isin(maps.status, VALUED), maps.values[parameter], np.nan)


def error_map(maps: Maps, truth: Maps, parameter: str) -> NDArray[np.float64]:
    """Return fit - truth (z, y, x), SI; NaN where either has no value."""
    return np.asarray(fitted_values(maps, parameter) - truth.values[parameter])


def shared_window(truth: NDArray[np.float64]) -> Normalize:
    """Return the colour scale for a map and its truth, from the true values (any shape) alone."""
    known = truth[np.isfinite(truth)]
    positive = known[known > 0]
    if positive.size and positive.max() > SPREAD * positive.min():
        return LogNorm(0.6 * float(positive.min()), 1.3 * float(positive.max()))
    return Normalize(0.0, 1.3 * float(known.max()) if known.size and known.max() > 0 else 1.0)


def symmetric_window(error: NDArray[np.float64], rois: Mapping[str, NDArray[np.bool_]]) -> Normalize:
    """Return a colour scale about zero: twice the root mean square error of the median region.

    Every region has the same say, so that a large one with large errors does not hide the others.
    """
    parts = [error[mask & np.isfinite(error)] for mask in rois.values()]
    sizes = [float(np.sqrt(np.mean(part**2))) for part in parts if part.size]
    if not sizes:
        sizes = [float(np.sqrt(np.nanmean(error**2)))] if np.isfinite(error).any() else [0.5]
    limit = 2 * float(np.median(sizes)) or 1.0
    return Normalize(-limit, limit)


def view_of(truth: Maps) -> tuple[float, float, float, float]:
    """Return the part of the picture that holds the object, with a margin, mm: x low, x high, y low, y high."""
    low_x, high_x, low_y, high_y = extent(truth.grid)
    held = middle(truth.status) != BACKGROUND
    if not held.any():
        return low_x, high_x, low_y, high_y
    edges = []
    for axis, (low, high) in enumerate(((low_x, high_x), (low_y, high_y))):
        inside = np.flatnonzero(held.any(axis=axis))
        places = 1e3 * truth.grid.coordinates(axis)[inside]
        edges += [max(low, places.min() - MARGIN), min(high, places.max() + MARGIN)]
    return edges[0], edges[1], edges[2], edges[3]


def map_comparison(maps: Maps, truth: Maps, parameter: str, rois: Mapping[str, NDArray[np.bool_]]) -> Drawn:
    """Return the figure of one parameter: fitted map, truth, error, and error in per cent, with the regions' outlines.

    Parameters
    ----------
    maps, truth : Maps
        On the same grid; both hold `parameter`.
    parameter : str
        E.g. ``"t2"``.
    rois : mapping of str to (z, y, x) array of bool
        Regions.
    """
    factor, unit = scale(maps.units[parameter])
    fitted, true = factor * fitted_values(maps, parameter), factor * truth.values[parameter]
    error = factor * error_map(maps, truth, parameter)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(true != 0, 100 * error / true, np.nan)
    regions = {name: mask for name, mask in rois.items() if mask.any()}
    seen = np.any(list(regions.values()), axis=0) & np.isfinite(true) if regions else np.isfinite(true)
    window = shared_window(true[seen])
    name = label(parameter)
    suffix = f" / {unit}" if unit else ""
    view = view_of(truth)
    aspect = (view[3] - view[2]) / (view[1] - view[0])
    rows = np.ceil(len(regions) / LEGEND_COLUMNS)
    with styled(10.4, 2 * (3.9 * aspect + 0.35) + 0.75 + 0.19 * rows) as figure:
        panels = figure.subplots(2, 2)
        content = (
            (fitted, f"{name} fitted ({maps.model})", window, MAP_COLOURS, f"{name}{suffix}"),
            (true, f"{name} true, voxels of one tissue", window, MAP_COLOURS, f"{name}{suffix}"),
            (error, "fitted − true", symmetric_window(error, regions), ERROR_COLOURS, f"error of {name}{suffix}"),
            (relative, "relative error", symmetric_window(relative, regions), ERROR_COLOURS, f"error of {name} / %"),
        )
        for axes, (values, title, norm, colours, words) in zip(panels.ravel(), content, strict=True):
            picture = draw_slice(axes, values, maps.grid, norm=norm, colours=colours, view=view)
            axes.set_title(title)
            axes.label_outer()
            _bar(figure, axes, picture, words)
            draw_outlines(axes, regions, maps.grid, "white" if colours == MAP_COLOURS else INK)
        draw_numbers(panels[0, 1], regions, maps.grid)
        _legend(figure, tuple(regions))
    return Drawn(figure)


def _bar(figure: Figure, axes: Axes, picture: AxesImage, words: str) -> None:
    bar = figure.colorbar(picture, ax=axes, extend="both", shrink=0.92, aspect=28, pad=0.02)
    bar.set_label(words)
    if isinstance(picture.norm, LogNorm) and picture.norm.vmin and picture.norm.vmax:
        low, high = float(picture.norm.vmin), float(picture.norm.vmax)
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        ticks = [m * 10.0**d for d in decades for m in (1, 2, 5) if low <= m * 10.0**d <= high]
        bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(figure: Figure, names: tuple[str, ...]) -> None:
    """Write the regions' numbers and names under the panels."""
    from matplotlib.lines import Line2D

    if not names:
        return
    handles = [Line2D([], [], linestyle="none", label=f"{count} {label(name)}") for count, name in enumerate(names, 1)]
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), LEGEND_COLUMNS), handlelength=0,
        handletextpad=0, title="regions", title_fontsize=8,
    )  # fmt: skip
    legend.get_title().set_color(QUIET)
