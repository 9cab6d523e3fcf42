"""A phantom drawn: tissues and a property in three planes, and its hard parts in space."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.grid import Grid, orientation_axes
from ..phantom.contents import contents
from ..phantom.exact_maps import property_map
from ..phantom.phantom import Phantom
from .maps import shared_window
from .quantities import label, scale
from .slices import draw_slice
from .style import MAP_COLOURS, styled

SOLID_TISSUES = (
    "cortical_bone",
    "vertebral_bone_marrow",
    "vertebral_bony_endplate",
    "annulus",
    "nucleus",
    "herniation",
)
"""Tissues of the view in space; every tissue where a phantom has none of them."""
SIZE = 200
"""Pixels along the longest side of a picture."""


def view_grid(phantom: Phantom, orientation: str, centre: Sequence[float] = (0.0, 0.0, 0.0), slices: int = 1) -> Grid:
    """Return a grid of square pixels that shows the whole phantom, in slices one pixel thick."""
    axes = orientation_axes(orientation)
    probe = Grid(shape=(1, 1, 1), spacing=(1e-3, 1e-3, 1e-3), axes=axes)
    lower, upper = (np.nan_to_num(corner, posinf=0.1, neginf=-0.1) for corner in phantom.extent(probe))
    step = 1.06 * float((upper - lower)[:2].max()) / SIZE
    nx, ny = (max(8, int(np.ceil(1.06 * (upper - lower)[a] / step))) for a in range(2))
    middle = axes @ ((lower + upper) / 2)
    through = np.asarray(centre) @ axes[:, 2]
    place = (middle - axes[:, 2] * (middle @ axes[:, 2]) + axes[:, 2] * through).tolist()
    return Grid(shape=(slices, ny, nx), spacing=(step, step, step), centre=(place[0], place[1], place[2]), axes=axes)


def phantom_figure(phantom: Phantom, orientation: str, name: str, centre: Sequence[float] = (0.0, 0.0, 0.0)) -> Figure:
    """Return the figure: tissues, a property, and the view in space.

    Parameters
    ----------
    phantom : Phantom
        What to draw.
    orientation : str
        ``"sagittal"``, ``"coronal"`` or ``"axial"``.
    name : str
        Property of the second picture, e.g. ``"t2"``.
    centre : (3,) sequence
        Point of the slice in world axes, m.
    """
    grid = view_grid(phantom, orientation, centre)
    values, unit = property_map(phantom, grid, name)
    factor, words = scale(unit)
    known = factor * values[np.isfinite(values)]
    signed = known.size > 0 and known.min() < 0
    window = Normalize(float(known.min()), float(known.max())) if signed else shared_window(known)
    with styled(13.0, 6.2) as figure:
        left, middle, right = figure.subplots(1, 3)
        _tissues(figure, left, phantom, grid)
        picture = draw_slice(middle, factor * values, grid, norm=window, colours=MAP_COLOURS)
        middle.set_title(f"{label(name)} at {phantom.field:g} T")
        bar = figure.colorbar(picture, ax=middle, shrink=0.8, pad=0.02)
        bar.set_label(f"{label(name)}{f' / {words}' if words else ''}")
        right.imshow(surface(phantom), origin="lower", cmap="bone", vmin=0.0, vmax=1.0)
        right.set_axis_off()
        right.set_title("seen from the left and the front")
    return figure


def _tissues(figure: Figure, axes: Axes, phantom: Phantom, grid: Grid) -> None:
    """Draw which tissue fills most of each voxel, with a legend of those in the picture."""
    fractions = phantom.fractions(grid)
    parts = np.stack([*fractions.values()])
    most = np.where(parts.sum(axis=0) > 0.5, parts.argmax(axis=0) + 1, 0)
    present = [number for number in np.unique(most) if number > 0]
    numbers = np.searchsorted(present, most).astype(float)
    numbers[most == 0] = np.nan
    colours = ListedColormap([mpl.colormaps["tab20"](i % 20) for i in range(max(len(present), 1))])
    norm = BoundaryNorm(np.arange(len(present) + 1) - 0.5, max(len(present), 1))
    draw_slice(axes, numbers, grid, norm=norm, colours=colours)
    axes.set_title("tissue that fills most of each voxel")
    names = [*fractions]
    handles = [mpl.patches.Patch(color=colours(i), label=label(names[number - 1])) for i, number in enumerate(present)]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=7)


def surface(phantom: Phantom) -> NDArray[np.float64]:
    """Return the (y, x) picture of the phantom's hard parts in space, 0 (dark) to 1, lit from the viewer.

    Rays run along the slices of an oblique grid; the first voxel held more than half by a hard part is where a ray
    ends, and the slope of the depths gives the light.
    """
    hard = np.array([any(word in tissue.name for word in SOLID_TISSUES) for tissue in phantom.tissues])
    if not hard.any():
        hard[:] = True
    regions = tuple(r for r in phantom.regions if hard[r.tissue])
    base = orientation_axes("sagittal")
    c, s = np.cos(0.7), np.sin(0.7)
    axes = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T @ base
    boxes = np.stack([r.solid(phantom.axis).bounds() for r in regions])
    low, high = np.maximum(boxes[:, 0].min(axis=0), -0.12), np.minimum(boxes[:, 1].max(axis=0), 0.12)
    step = float((high - low).max()) / 180
    half = float(np.linalg.norm((high - low)[:2])) / 2
    counts = (int(2 * half / step), int((high - low)[2] / step) + 8, int(2 * half / step))
    middle = ((low + high) / 2).tolist()
    grid = Grid(shape=counts, spacing=(step, step, step), centre=(middle[0], middle[1], middle[2]), axes=axes)
    cell, _, fraction = contents(regions, phantom.axis, grid, subsamples=2)
    held = np.bincount(cell, fraction, minlength=int(np.prod(counts))).reshape(counts) > 0.5
    depth = np.where(held.any(axis=0), held.argmax(axis=0), np.nan).astype(float)
    smooth = _smooth(depth)
    dy, dx = np.gradient(smooth)
    light = 1.0 / np.sqrt(1.0 + dx * dx + dy * dy)
    return np.asarray(np.nan_to_num(0.15 + 0.8 * light * (1 - 0.35 * smooth / counts[0]), nan=0.0))


def _smooth(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the depths averaged over neighbours that a ray hits."""
    from scipy.ndimage import gaussian_filter

    hit = np.isfinite(depth)
    weight = gaussian_filter(hit.astype(float), 1.0)
    mean = gaussian_filter(np.where(hit, depth, 0.0), 1.0) / np.maximum(weight, 1e-9)
    return np.where(hit, mean, np.nan)
