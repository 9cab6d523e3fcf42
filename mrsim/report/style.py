"""One look for all figures: sizes, colours, and how a figure becomes PNG bytes.

Figures are made without pyplot, so that nothing is kept alive or shown behind the caller's back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#1d2733"
QUIET = "#7b8794"
HAIR = "#d5dbe1"
BLUE = "#2166ac"
RED = "#b2182b"
SERIES = ("#2166ac", "#d6604d", "#1b9e77", "#7570b3", "#b8860b", "#a6447c", "#4d4d4d", "#3aa0c8")
"""Colours of lines that stand for regions."""
MAP_COLOURS = "viridis"
ERROR_COLOURS = "RdBu_r"
NOTHING = "#eceff2"
"""Where a map has no value."""
DPI = 130

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": INK,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.facecolor": "white",
    "lines.linewidth": 1.4,
    "image.interpolation": "nearest",
}


@contextmanager
def styled(width: float, height: float) -> Iterator[Figure]:
    """Give a new figure, width x height in inches, in the style of all figures."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


class Drawn(list[Axes]):
    """The axes of a figure, in the order in which they were made; a notebook shows the whole figure."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure.axes)
        self.figure = figure

    def _repr_png_(self) -> bytes:
        return png(self)


def png(drawn: Drawn | Figure) -> bytes:
    """Return a figure as PNG; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure = drawn.figure if isinstance(drawn, Drawn) else drawn
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
