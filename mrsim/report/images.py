"""The image series: magnitude of every contrast in one shared window."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.colors import Normalize

from ..core.hdf5 import CONTRAST_UNITS
from ..core.images import Images
from .quantities import label, number, quantity
from .slices import draw_slice
from .style import Drawn, styled

PANEL = 2.45
"""Width of one image, inches."""
COLUMNS = 4
LONG = 24
"""Letters of a title beyond which they are smaller."""
BRIGHTEST = 98.0
"""Percentile of all magnitudes that is drawn white: fat and fluid must not darken everything else."""
AXIS = 0.999
"""Share along one axis from which a direction is called by its letter."""


def varying(images: Images) -> tuple[str, ...]:
    """Return the columns of the contrast table that differ between images; ``("te",)`` if none does."""
    table = {name: np.asarray(column) for name, column in images.contrast.items()}
    names = tuple(name for name, column in table.items() if column.size > 1 and np.ptp(column) > 0)
    return names or tuple(name for name in ("te",) if name in table)


def image_title(images: Images, index: int) -> str:
    """Return what distinguishes one image, e.g. ``"TE 12.6 ms"``; of elastography e.g. ``"+x, phase 2"``."""
    if "vibration_offset" in images.contrast:
        return _motion_title(images, index)
    parts = [
        f"{label(name)} {quantity(float(images.contrast[name][index]), CONTRAST_UNITS.get(name, ''))}"
        for name in varying(images)
        if not name.startswith(("direction_", "b_"))
    ]
    return ", ".join([*parts, *_weighted_along(images, index)]) or f"image {index + 1}"


def _weighted_along(images: Images, index: int) -> list[str]:
    """Return the direction of an image's diffusion weighting, where it has one: ``"x"`` or ``"(0.71 0.71 0)"``."""
    if "direction_x" not in images.contrast or not float(np.asarray(images.contrast["b"])[index]):
        return []
    shares = [float(np.asarray(images.contrast[f"direction_{axis}"])[index]) for axis in "xyz"]
    near = [axis for axis, share in zip("xyz", shares, strict=True) if abs(share) > AXIS]
    return near or [f"({' '.join(number(round(share, 2) + 0.0, 2) for share in shares)})"]


def _motion_title(images: Images, index: int) -> str:
    """Return the direction that an image of elastography encodes and the number of its phase of the vibration."""
    row = {name: float(np.asarray(column)[index]) for name, column in images.contrast.items()}
    sign = row.get("motion_polarity", 1.0)
    parts = [
        f"{'+' if share * sign > 0 else '-'}{'' if abs(share) > 0.99 else f'{abs(share):.2g} '}{axis}"
        for axis in "xyz"
        if abs(share := row[f"direction_{axis}"]) > 0.005
    ]
    blips = ", blips reversed" if row.get("polarity", 1.0) < 0 else ""
    return f"{' '.join(parts)}, phase {row['vibration_offset'] + 1:g}{blips}"


def image_series(images: Images) -> Drawn:
    """Return the figure of all images' magnitude, with one window and one colour bar."""
    magnitude = np.abs(images.data)
    count = len(magnitude)
    columns = min(COLUMNS, count)
    rows = math.ceil(count / columns)
    _, ny, nx = images.grid.shape
    aspect = ny * images.grid.spacing[1] / (nx * images.grid.spacing[0])
    window = Normalize(0.0, float(np.percentile(magnitude, BRIGHTEST)) or 1.0)
    panel = PANEL if columns > 1 else 2 * PANEL
    with styled(columns * panel + 0.9, rows * (0.93 * panel * aspect + 0.32) + 0.35) as figure:
        panels = figure.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(panels.ravel()):
            if index >= count:
                axes.set_axis_off()
                continue
            picture = draw_slice(axes, magnitude[index], images.grid, norm=window, colours="gray")
            title = image_title(images, index)
            axes.set_title(title, fontsize=9 if len(title) < LONG else 7)
            axes.label_outer()
        bar = figure.colorbar(picture, ax=panels, extend="max", shrink=0.9, aspect=30, pad=0.015)
        bar.set_label("magnitude / proton density of water")
    return Drawn(figure)
