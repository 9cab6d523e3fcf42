"""The b-matrix of every image: its six elements and the directions in which it weights, beside what was asked for."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..sequence.b_matrix import b_of_contrasts
from ..sequence.discretize import discretize
from ..sequence.sequence import Sequence
from .style import HAIR, INK, QUIET, RED, SERIES, Drawn, styled

Array = NDArray[np.float64]
NEGLIGIBLE = 10e6
"""b, s/m^2, below which no image is diffusion weighted: free water at 37 deg C (3 um^2/ms) loses 3 % at this."""
ELEMENTS = ("xx", "yy", "zz", "xy", "xz", "yz")
COLOURS = (SERIES[0], SERIES[2], SERIES[3], SERIES[4], SERIES[5], SERIES[7])


def diffusion_weighting(sequence: Sequence) -> Array | None:
    """Return the (image, 3, 3) b-matrix of each image, s/m^2 in grid axes; None where every trace is negligible.

    The header's matrices are taken where a family has written them; all others follow from the played gradients.
    """
    contrast = sequence.encoding.contrast
    if all(f"b_{name}" in contrast for name in ELEMENTS):
        matrices = np.zeros((len(contrast["b_xx"]), 3, 3))
        for name in ELEMENTS:
            row, column = ("xyz".index(axis) for axis in name)
            matrices[:, row, column] = matrices[:, column, row] = contrast[f"b_{name}"]
    elif any(block.adc is not None and block.adc.purpose == "imaging" for block in sequence.blocks):
        matrices = b_of_contrasts(discretize(sequence))
    else:
        return None
    return matrices if np.trace(matrices, axis1=1, axis2=2).max() > NEGLIGIBLE else None


def b_matrix_figure(sequence: Sequence, matrices: Array) -> Drawn:
    """Return the b-matrices of a sequence's images.

    Above the trace of each image with the nominal b marked, below the six elements.

    Parameters
    ----------
    sequence : Sequence
    matrices : (image, 3, 3) array
        s/m^2, what `diffusion_weighting` returned.
    """
    image = np.arange(1, len(matrices) + 1)
    with styled(9.6, 5.6) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.3))
        _draw_trace(top, image, matrices, sequence.encoding.contrast.get("b"))
        top.set_title(f"{sequence.name}: b-matrix of each image, all gradients and their cross terms")
        width = 0.8 / len(ELEMENTS)
        for index, (name, colour) in enumerate(zip(ELEMENTS, COLOURS, strict=True)):
            values = matrices[:, "xyz".index(name[0]), "xyz".index(name[1])] / 1e6
            places = image + (index - (len(ELEMENTS) - 1) / 2) * width
            bottom.bar(places, values, width, color=colour, label=f"b{name}")
        low, high = bottom.get_ylim()
        bottom.set_ylim(low, high + 0.18 * (high - low))  # room for the legend
        bottom.legend(loc="upper left", ncols=6)
        bottom.axhline(0, color=QUIET, linewidth=0.5)
        bottom.set_ylabel("element / s/mm²")
        bottom.set_xlabel("image (x read, y phase, z slice)")
        bottom.xaxis.get_major_locator().set_params(integer=True)
        bottom.set_xlim(0.4, len(image) + 0.6)
    return Drawn(figure)


def _draw_trace(axes: Axes, image: NDArray[np.int64], matrices: Array, nominal: Array | None) -> None:
    trace = np.trace(matrices, axis1=1, axis2=2) / 1e6
    axes.bar(image, trace, 0.6, color=HAIR, label="trace")
    if nominal is not None:
        edges = np.asarray(nominal) / 1e6
        axes.hlines(edges, image - 0.4, image + 0.4, color=RED, linewidth=1.3, label="nominal b")
    if len(image) <= FEW:
        for place, value, matrix in zip(image.tolist(), trace.tolist(), matrices, strict=True):
            words = f"{value:.1f}\n{direction(matrix)}" if value > NEGLIGIBLE / 1e6 else f"{value:.2g}"
            axes.text(place, value, words, ha="center", va="bottom", fontsize=7, color=INK)
    axes.set_ylim(0, 1.45 * float(trace.max()))
    axes.set_ylabel("trace / s/mm²")
    axes.legend(loc="upper left", ncols=2)


FEW = 10
"""Up to so many images have their trace and direction written above them."""


def direction(matrix: Array) -> str:
    """Return in words the principal direction of a b-matrix and the share of b along it, e.g. ``"(0, 0, 1) 99 %"``."""
    values, vectors = np.linalg.eigh(matrix)
    main = vectors[:, -1] * np.sign(vectors[np.argmax(np.abs(vectors[:, -1])), -1])
    parts = ", ".join(f"{round(part, 2) + 0.0:g}" for part in main.tolist())
    return f"({parts}) {100 * values[-1] / values.sum():.0f} %"
