"""Differences between groups beside those that noise makes of groups of one truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .style import BLUE, HAIR, INK, RED, Drawn, styled

SPAN = (2.5, 50.0, 97.5)
"""Percentiles over the cohorts: ends of the bar and its point."""


def difference_figure(
    found: Mapping[tuple[str, str], Sequence[tuple[str, Sequence[tuple[float, float]], float]]],
) -> Drawn:
    """Return a panel per quantity with a row per arm: the difference found, and that of noise.

    Parameters
    ----------
    found : mapping
        Quantity and its unit -> per arm its name, the differences found and made by noise in every cohort, and the
        share of the cohorts that noise explains.
    """
    rows, count = max((len(arms) for arms in found.values()), default=1), max(len(found), 1)
    with styled(4.2 * count, 1.3 + 0.42 * rows) as figure:
        panels = figure.subplots(1, count, squeeze=False)[0]
        for panel, ((name, unit), arms) in zip(panels, found.items(), strict=False):
            panel.axvline(0.0, color=HAIR, linewidth=0.8, zorder=0)
            for row, (_, pairs, _) in enumerate(arms):
                for k, colour in enumerate((INK, RED)):
                    low, middle, high = np.percentile(np.array(pairs)[:, k], SPAN)
                    place = row + 0.24 * (k - 0.5)
                    panel.plot([low, high], [place, place], color=colour, linewidth=2.0)
                    panel.plot(middle, place, "o", color=colour, markersize=5)
            panel.set_yticks(range(len(arms)), [arm for arm, *_ in arms])
            for label, (*_, explained) in zip(panel.get_yticklabels(), arms, strict=True):
                label.set_color(RED if explained > 0.5 else BLUE)
            panel.set_ylim(len(arms) - 0.5, -0.5)
            panel.set_title(name)
            panel.set_xlabel(f"second group less the first{f' / {unit}' if unit else ''}")
        figure.suptitle(
            "Black: found; red: made by noise (median, 95 % of the cohorts). Arms in red: noise explains most cohorts.",
            fontsize=8.5,
        )
    return Drawn(figure)
