"""The Pfirrmann ladder: measured T2 by grade, what a reader makes of the discs, and how that depends on the scan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .style import BLUE, INK, Drawn, styled

GRADES = ("I", "II", "III", "IV", "V")


def ladder_figure(data: Mapping[str, NDArray[np.float64]], kappa: Mapping[str, float], arm: str) -> Drawn:
    """Return the figure.

    Parameters
    ----------
    data : mapping of str to (replicate, disc) array
        ``grade``, ``read``, and ``measured``, s.
    kappa : mapping of str to float
        Weighted kappa by arm.
    arm : str
        What the data are, for the title.
    """
    grade, read, measured = (data[name].ravel() for name in ("grade", "read", "measured"))
    with styled(11.0, 3.6) as figure:
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 0.9, 1.2))
        groups = [1e3 * measured[grade == number] for number in range(1, 6)]
        left.boxplot(groups, showfliers=False, whis=(5, 95), medianprops={"color": BLUE}, widths=0.6)
        left.set(xlabel="Pfirrmann grade", ylabel="measured T2 / ms", title="T2 falls with the grade")
        left.set_xticks(range(1, 6), GRADES)
        table = np.zeros((5, 5))
        np.add.at(table, (grade.astype(int) - 1, read.astype(int) - 1), 1)
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        middle.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.argwhere(share > 0.005):
            middle.text(column, row, f"{100 * share[row, column]:.0f}", ha="center", va="center", fontsize=8,
                        color="white" if share[row, column] > 0.6 else INK)  # fmt: skip
        middle.set_xticks(range(5), GRADES)
        middle.set_yticks(range(5), GRADES)
        middle.set(xlabel="read", ylabel="true grade", title="What the reader says, %")
        names = list(kappa)
        right.barh(range(len(names)), [kappa[name] for name in names], color=BLUE, height=0.6)
        right.set_yticks(range(len(names)), names, fontsize=7)
        right.invert_yaxis()
        right.set(xlabel="weighted kappa of the reader", title="Depends on the scan", xlim=(0, 1))
        figure.suptitle(f"{grade.size} discs, {arm}", x=0.01, ha="left", fontsize=9)
    return Drawn(figure)
