"""Synthetic images side by side: the contrasts that maps of T1, T2 and PD hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize

from ..core.images import Images
from ..core.maps import Maps
from ..fit.synthetic import CONTRASTS, NEEDED, synthesize
from .images import BRIGHTEST, PANEL
from .quantities import quantity
from .slices import draw_slice
from .style import Drawn, styled

SHOWN = ("t1w", "t2w", "flair", "stir", "dir", "psir")
COLUMNS = 3


def can_synthesize(maps: Maps | None) -> bool:
    """Return True if maps hold what synthetic images need."""
    return maps is not None and all(name in maps.values for name in NEEDED)


def six_contrasts(maps: Maps) -> Drawn:
    """Return the figure of six synthetic images with their usual times."""
    return synthetic_images([synthesize(maps, name) for name in SHOWN])


def synthetic_images(images: Sequence[Images]) -> Drawn:
    """Return the figure of synthetic images, each in a window of its own."""
    grid = images[0].grid
    _, ny, nx = grid.shape
    columns = min(COLUMNS, len(images))
    rows = math.ceil(len(images) / columns)
    aspect = ny * grid.spacing[1] / (nx * grid.spacing[0])
    with styled(columns * 1.35 * PANEL, rows * (1.3 * PANEL * aspect + 0.45)) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, image in zip(panels, images, strict=False):
            values = image.data[0].real
            top = float(np.percentile(np.abs(values), BRIGHTEST)) or 1.0
            kind = CONTRASTS[image.encoding["synthetic"]]
            window = Normalize(-top if kind.signed else 0.0, top)
            draw_slice(axes, values, grid, norm=window, colours="gray")
            axes.set_title(_title(image), fontsize=8.5)
            axes.label_outer()
        for axes in panels[len(images) :]:
            axes.set_axis_off()
    return Drawn(figure)


def _title(image: Images) -> str:
    """Return the contrast and its times."""
    kind = CONTRASTS[image.encoding["synthetic"]]
    times = ", ".join(f"{name.upper()} {quantity(image.encoding[name], 's')}" for name in ("tr", "te"))
    if kind.inversions:
        delays = [image.encoding[name] for name in (("gap", "ti") if kind.inversions > 1 else ("ti",))]
        times += ", TI " + " + ".join(quantity(delay, "s") for delay in delays)
    return f"{kind.title}\n{times}"
