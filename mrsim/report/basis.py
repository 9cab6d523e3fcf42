"""A basis along the ppm axis, which runs leftwards: one row for each metabolite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.basis import KINDS, Basis
from .quantities import quantity
from .style import HAIR, INK, QUIET, SERIES, Drawn, styled

SHOWN = (5.7, 0.3)
"""Left and right end of the axis, ppm."""
WIDTH = 4.0
"""Lines are drawn with this Lorentz width, Hz, besides their own."""
FILL = 4
"""Points of the drawn spectrum over those of the signal."""


def basis_figure(basis: Basis) -> Drawn:
    """Return the figure of a basis: real parts, each row scaled to its highest peak, which it names.

    Parameters
    ----------
    basis : Basis
    """
    points = FILL * basis.fids.shape[1]
    ppm = basis.ppm(points)
    seen = (ppm <= SHOWN[0]) & (ppm >= SHOWN[1]) if basis.nucleus == "1H" else np.ones(points, bool)
    drawn = np.real(_broadened(basis).spectrum(points))[:, seen]
    count = len(basis.names)
    with styled(8.6, 1.3 + 0.42 * count) as figure:
        axes = figure.subplots()
        for row, (name, kind, values) in enumerate(zip(basis.names, basis.kinds, drawn, strict=True)):
            base, peak = count - 1 - row, float(np.max(np.abs(values))) or 1.0
            axes.axhline(base, color=HAIR, linewidth=0.5)
            axes.plot(ppm[seen], base + 0.85 * values / peak, color=SERIES[KINDS.index(kind)], linewidth=0.9)
            axes.annotate(name, (1.01, base), xycoords=("axes fraction", "data"), color=INK, va="center", fontsize=8)
            axes.annotate(
                f"{peak:.2g}", (1.13, base), xycoords=("axes fraction", "data"), color=QUIET, va="center", fontsize=7
            )
        axes.set_xlim(float(ppm[seen].max()), float(ppm[seen].min()))
        axes.set_ylim(-1.0, count)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("chemical shift / ppm")
        pulses = basis.conditions.get("pulses", "")
        axes.set_title(
            f"{basis.sequence}, TE {quantity(basis.te, 's')}, {basis.frequency / 1e6:.1f} MHz, {pulses} pulses; "
            "highest peak of 1 mM / s"
        )
    return Drawn(figure)


def _broadened(basis: Basis) -> Basis:
    return replace(basis, fids=basis.fids * np.exp(-np.pi * WIDTH * basis.time))
