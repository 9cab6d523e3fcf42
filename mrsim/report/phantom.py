"""A phantom drawn: tissues and a property in three planes, and its hard parts in space."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.grid import Grid, orientation_axes
from ..phantom.exact_maps import property_map
from ..phantom.phantom import Phantom
from .maps import shared_window
from .quantities import label, scale
from .slices import draw_slice
from .style import MAP_COLOURS, RED, Drawn, styled

SOLID_TISSUES = (
    "cortical_bone",
    "vertebral_bone_marrow",
    "vertebral_bony_endplate",
    "annulus",
    "nucleus",
    "herniation",
    "brain_",
)
"""Tissues of the view in space; every tissue where a phantom has none of them."""
SIZE = 200
"""Pixels along the longest side of a picture."""
RAYS = 160
"""Voxels along the longest side of the view in space."""
OPEN = 0.1
"""How far a phantom that does not end is shown to either side, m."""
NAMED = 48
"""Tissues that the legend names; with more it says how many there are."""


def view_grid(phantom: Phantom, orientation: str, centre: Sequence[float] = (0.0, 0.0, 0.0), slices: int = 1) -> Grid:
    """Return a grid of square pixels that shows the whole phantom, in slices one pixel thick."""
    axes = orientation_axes(orientation)
    probe = Grid(shape=(1, 1, 1), spacing=(1e-3, 1e-3, 1e-3), axes=axes)
    lower, upper = (np.nan_to_num(corner, posinf=OPEN, neginf=-OPEN) for corner in phantom.extent(probe))
    step = 1.06 * float((upper - lower)[:2].max()) / SIZE
    nx, ny = (max(8, int(np.ceil(1.06 * (upper - lower)[a] / step))) for a in range(2))
    middle = axes @ ((lower + upper) / 2)
    through = np.asarray(centre) @ axes[:, 2]
    place = (middle - axes[:, 2] * (middle @ axes[:, 2]) + axes[:, 2] * through).tolist()
    return Grid(shape=(slices, ny, nx), spacing=(step, step, step), centre=(place[0], place[1], place[2]), axes=axes)


def phantom_figure(
    phantom: Phantom, orientations: Sequence[str], name: str, centre: Sequence[float] | None = None
) -> Drawn:
    """Return the figure: tissues above, a property below, in every plane, and the view in space.

    Parameters
    ----------
    phantom : Phantom
        What to draw.
    orientations : sequence of str
        ``"sagittal"``, ``"coronal"``, ``"axial"``: the planes, from left to right.
    name : str
        Property of the lower pictures, e.g. ``"t2"``.
    centre : (3,) sequence, optional
        Point of the slices in world axes, m. Default: the origin, or the middle along axes where that lies outside.
    """
    if centre is None:
        low, high = phantom.box()
        # an end that is infinite has no middle, and the origin within
        centre = [0.0 if a <= 0 <= b else (a + b) / 2 for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    grids = [view_grid(phantom, orientation, centre) for orientation in orientations]
    for orientation, grid in zip(orientations, grids, strict=True):
        _check_place(phantom, orientation, grid, centre)
    maps = [property_map(phantom, grid, name) for grid in grids]
    factor, words = scale(maps[0][1])
    known = factor * np.concatenate([values[np.isfinite(values)] for values, _ in maps])
    signed = known.size > 0 and known.min() < 0
    window = Normalize(float(known.min()), float(known.max())) if signed else shared_window(known)
    colours = tissue_colours([tissue.name for tissue in phantom.tissues])
    with styled(3.9 * len(grids) + 4.2, 9.4) as figure:
        rows = figure.add_gridspec(2, len(grids) + 1)
        present: set[int] = set()
        for column, (grid, (values, _)) in enumerate(zip(grids, maps, strict=True)):
            upper, lower = (figure.add_subplot(rows[row, column]) for row in (0, 1))
            present |= _tissues(upper, phantom, grid, colours)
            upper.set_title(f"{orientations[column]}: tissue that fills most")
            picture = draw_slice(lower, factor * values, grid, norm=window, colours=MAP_COLOURS)
            lower.set_title(f"{label(name)} at {phantom.field:g} T")
            for axes in (upper, lower):
                axes.set(xlabel="mm", ylabel="mm")
        bar = figure.colorbar(picture, ax=lower, shrink=0.8, pad=0.02)
        bar.set_label(f"{label(name)}{f' / {words}' if words else ''}")
        right = figure.add_subplot(rows[:, -1])
        right.imshow(surface(phantom), origin="lower", cmap="bone", vmin=0.0, vmax=1.0)
        right.set_axis_off()
        right.set_title("seen from the left and the front")
        _legend(figure, phantom, sorted(present), colours)
        if phantom.extrapolated:
            figure.suptitle(f"Extrapolated to {phantom.field:g} T, beyond what is known of its tissues", color=RED)
    return Drawn(figure)


def _check_place(phantom: Phantom, orientation: str, grid: Grid, centre: Sequence[float]) -> None:
    """Refuse a plane that misses the phantom."""
    across = int(np.argmax(np.abs(grid.axes[:, 2])))
    low, high = phantom.box()[:, across]
    if not low <= centre[across] <= high:
        raise InputError(
            f"the {orientation} plane at {'xyz'[across]} = {1e3 * centre[across]:g} mm misses the phantom, which "
            f"reaches from {1e3 * low:.4g} to {1e3 * high:.4g} mm", key="--at",
        )  # fmt: skip


def _legend(
    figure: Figure, phantom: Phantom, present: Sequence[int], colours: Sequence[tuple[float, float, float]]
) -> None:
    names = [phantom.tissues[i].name for i in present]
    if len(names) > NAMED:
        figure.text(0.01, 0.01, f"{len(names)} tissues, from '{names[0]}' to '{names[-1]}'", fontsize=7)
        return
    handles = [mpl.patches.Patch(color=colours[i], label=label(name)) for i, name in zip(present, names, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=int(figure.get_figwidth() / 2.6), fontsize=7)


FAMILIES = (
    ("nucleus", "#2f6fd0"), ("annulus_fibrosus_inner", "#1fa187"), ("annulus", "#2c7a2c"),
    ("cartilage", "#8e5bd0"), ("marrow", "#d9a25f"), ("bony_endplate", "#7a4a1e"), ("cortical", "#3b2a1a"),
    ("herniation", "#e0479e"), ("csf", "#7fdcf5"), ("cord_wm", "#f2b6c6"), ("cord_gm", "#c06a86"),
    ("nerve_root", "#ff7f50"), ("subcutaneous_fat", "#f7e27a"), ("fat", "#e6c229"), ("muscle", "#a8423f"),
    ("ligament", "#9aa1a8"), ("blood_arterial", "#e3170d"), ("blood_venous", "#4b3fa8"),
    ("white_matter_lesion", "#ff5ca8"), ("white_matter", "#e9e4d4"), ("grey_matter", "#9c8f86"),
)  # fmt: skip
"""Part of a tissue's name -> colour; the first that fits."""
SHADES = {"I": 0.35, "II": 0.15, "III": 0.0, "IV": -0.25, "V": -0.5}
"""How much lighter (towards white) or darker (towards black) a grade is drawn."""


def tissue_colours(names: Sequence[str]) -> list[tuple[float, float, float]]:
    """Return a colour per tissue: one per kind, the same in every figure, lighter or darker by grade."""
    found = []
    for number, name in enumerate(names):
        kind, _, grade = name.rpartition("_")
        shade = SHADES.get(grade, 0.0) if kind else 0.0
        fitting = next((colour for part, colour in FAMILIES if part in name), None)
        colour = np.array(mpl.colors.to_rgb(fitting if fitting is not None else mpl.colormaps["tab20"](number % 20)))
        mixed = colour + shade * (1.0 - colour) if shade > 0 else colour * (1.0 + shade)
        found.append((float(mixed[0]), float(mixed[1]), float(mixed[2])))
    return found


def _tissues(axes: Axes, phantom: Phantom, grid: Grid, colours: Sequence[tuple[float, float, float]]) -> set[int]:
    """Draw which tissue fills most of each voxel; return those in the picture."""
    parts = np.stack([*phantom.fractions(grid).values()])
    most = np.where(parts.sum(axis=0) > 0.5, parts.argmax(axis=0).astype(float), np.nan)
    norm = BoundaryNorm(np.arange(len(colours) + 1) - 0.5, len(colours))
    draw_slice(axes, most, grid, norm=norm, colours=ListedColormap(list(colours)))
    return {int(number) for number in np.unique(most[np.isfinite(most)])}


def surface(phantom: Phantom) -> NDArray[np.float64]:
    """Return the (y, x) picture of the phantom's hard parts in space, 0 (dark) to 1, lit from the viewer.

    Rays run along the slices of an oblique grid; the first voxel held more than half by a hard part is where a ray
    ends, and the slope of the depths gives the light.
    """
    hard = np.array([any(word in tissue.name for word in SOLID_TISSUES) for tissue in phantom.tissues])
    if not hard.any():
        hard[:] = True
    part = phantom.part(hard)
    base = orientation_axes("sagittal")
    c, s = np.cos(0.7), np.sin(0.7)
    axes = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T @ base
    low, high = np.nan_to_num(part.box(), posinf=OPEN, neginf=-OPEN)
    step = float((high - low).max()) / RAYS
    half = float(np.linalg.norm((high - low)[:2])) / 2
    counts = (int(2 * half / step), int((high - low)[2] / step) + 8, int(2 * half / step))
    middle = ((low + high) / 2).tolist()
    grid = Grid(shape=counts, spacing=(step, step, step), centre=(middle[0], middle[1], middle[2]), axes=axes)
    held = part.filled(grid)
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
