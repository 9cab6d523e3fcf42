"""What a score tells: the areas under its curve by condition, and fitted lactate against the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .style import HAIR, INK, QUIET, RED, SERIES, Drawn, styled

Array = NDArray[np.float64]


def score_figure(
    scores: Mapping[str, Array], amounts: Mapping[str, tuple[Array, Array, float]], published: float
) -> Drawn:
    """Return the figure of a score's curves by condition, and of one amount against its truth.

    Parameters
    ----------
    scores : mapping
        Condition -> (case, 2) scores without and with pain.
    amounts : mapping
        Condition -> true and fitted (case,) amounts, mM, and the standard error of one.
    published : float
        Area under the curve that was published.
    """
    with styled(9.6, 4.4) as figure:
        left, right = figure.subplots(1, 2)
        for (name, score), colour in zip(scores.items(), SERIES, strict=False):
            cut = np.sort(score.ravel())[::-1]
            spared = np.mean(score[:, 0][None] > cut[:, None], axis=1)
            hit = np.mean(score[:, 1][None] > cut[:, None], axis=1)
            area = float(np.mean(score[:, 1][:, None] > score[:, 0][None]))
            left.plot(spared, hit, color=colour, label=f"{name}: {area:.2f}")
        left.plot([0, 1], [0, 1], color=HAIR, linewidth=0.8)
        left.set_title(f"score of acids over structure; area published: {published:g}")
        left.set_xlabel("discs without pain above the cut")
        left.set_ylabel("painful discs above the cut")
        left.legend(loc="lower right")
        for (name, (truth, found, error)), colour in zip(amounts.items(), (QUIET, RED, INK), strict=False):
            right.plot(truth, found, ".", color=colour, markersize=3, label=f"{name}: bound {error:.2g} mM")
        ends = [0.0, max((float(t.max()) for t, _, _ in amounts.values()), default=1.0)]
        right.plot(ends, ends, color=INK, linewidth=0.8)
        right.set_title("lactate of discs without pain")
        right.set_xlabel("true / mM")
        right.set_ylabel("fitted / mM")
        right.legend(loc="upper left")
    return Drawn(figure)
