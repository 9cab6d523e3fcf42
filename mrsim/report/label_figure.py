"""An image beside its true labels and those that a segmenter found."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from .style import NOTHING, SERIES, Drawn, styled


def label_figure(
    image: NDArray[np.float64], truth: NDArray[np.int8], found: NDArray[np.int8], names: tuple[str, ...]
) -> Drawn:
    """Return the figure; (y, x) arrays, y upwards; labels number `names` from 1, 0 is the rest."""
    colours = ListedColormap([NOTHING, *SERIES[: len(names)]])
    with styled(9.5, 3.4) as figure:
        panels = figure.subplots(1, 3)
        panels[0].imshow(image, cmap="gray", origin="lower", vmax=float(np.percentile(image, 99.5)))
        for axes, labels in zip(panels[1:], (truth, found), strict=True):
            axes.imshow(labels, cmap=colours, vmin=-0.5, vmax=len(names) + 0.5, origin="lower")
        for axes, title in zip(panels, ("T2-weighted", "true labels", "found"), strict=True):
            axes.set_title(title)
            axes.set_axis_off()
        patches = [Patch(color=SERIES[k], label=name) for k, name in enumerate(names)]
        figure.legend(handles=patches, loc="outside right center")
    return Drawn(figure)
