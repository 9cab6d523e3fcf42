"""Two methods against each other: correlation, agreement, and both against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .style import BLUE, HAIR, INK, RED, Drawn, styled

Array = NDArray[np.float64]
COVERED = 1.96


def agreement_figure(discs: Mapping[str, Array], arm: str) -> Drawn:
    """Return a figure of T2 by MDME, MESE and a biased MESE,.

    Parameters
    ----------
    discs : mapping of str to (disc,) array
        ``t2``, ``mese t2``, ``mdme t2``, ``wrong t2``, s.
    arm : str
        What the discs are, for the title.
    """
    mdme, mese, wrong = (1e3 * discs[f"{name} t2"] for name in ("mdme", "mese", "wrong"))
    with styled(10.5, 3.7) as figure:
        left, middle, right = figure.subplots(1, 3)
        pairs = (("MESE", mese, BLUE), ("MESE, equal slice widths", wrong, RED))
        for name, values, colour in pairs:
            r = float(np.corrcoef(mdme, values)[0, 1])
            left.plot(mdme, values, "o", ms=3, color=colour, alpha=0.7, label=f"{name}: r = {r:.4f}")
            _limits(middle, mdme, values, colour, name)
            off = 100 * (values / (1e3 * discs["t2"]) - 1)
            right.plot(1e3 * discs["t2"], off, "o", ms=3, color=colour, alpha=0.7)
        off = 100 * (mdme / (1e3 * discs["t2"]) - 1)
        right.plot(1e3 * discs["t2"], off, "o", ms=3, color=INK, alpha=0.6, label="MDME")
        most = max(float(mdme.max()), float(wrong.max()))
        left.plot([0, most], [0, most], color=HAIR, zorder=0)
        left.set(xlabel="T2 by MDME / ms", ylabel="T2 by MESE / ms", title="Correlation ...")
        middle.set(xlabel="mean of both / ms", ylabel="(MESE − MDME) / mean, %", title="... is not agreement")
        right.set(xlabel="true T2 / ms", ylabel="error / %", title="Who is right")
        right.axhline(0, color=HAIR, zorder=0)
        for axes in (left, right):
            axes.legend(loc="lower right" if axes is left else "upper left")
        figure.suptitle(f"{len(mdme)} discs, {arm}", x=0.01, ha="left", fontsize=9)
    return Drawn(figure)


def _limits(axes: Any, first: Array, second: Array, colour: str, name: str) -> None:
    """Draw differences against means with bias and limits of agreement."""
    mean, off = (first + second) / 2, 200 * (second - first) / (first + second)
    axes.plot(mean, off, "o", ms=3, color=colour, alpha=0.7)
    bias, sd = float(off.mean()), float(off.std(ddof=1))
    axes.axhline(bias, color=colour)
    for side in (-1, 1):
        axes.axhline(bias + side * COVERED * sd, color=colour, lw=0.8, ls="--")
    axes.annotate(f"{name}: {bias:+.1f} %", (0.98, bias), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                  color=colour, fontsize=8)  # fmt: skip
