"""What a protocol's bias depends on: a table in the order of what to control first, and a figure."""

from __future__ import annotations

from typing import Any

import numpy as np

from .quantities import label, number
from .style import BLUE, HAIR, INK, QUIET, Drawn, styled
from .table import Table


def influence_table(result: Any) -> Table:
    """Return the inputs, the one to control first in front."""
    found, ranges = result.found, {entry.name: entry for entry in result.ranges}
    names = [found.names[k] for k in found.ranking]
    title = f"{result.protocol}, {label(result.tissue)}: relative error of {label(result.parameter)}"
    if hasattr(found, "total"):
        rows = tuple(
            (name, _range(ranges[name]), *_share(found.first[k], found.first_error[k]),
             *_share(found.total[k], found.total_error[k]))
            for name, k in zip(names, found.ranking, strict=True)
        )  # fmt: skip
        return Table(title=title, columns=("input", "range", "alone", "±", "in all", "±"), rows=rows,
                     numeric=(2, 3, 4, 5))  # fmt: skip
    rows = tuple(
        (name, _range(ranges[name]), *(f"{100 * values[k]:.2f} %" for values in (found.size, found.mean, found.spread)))
        for name, k in zip(names, found.ranking, strict=True)
    )
    columns = ("input", "range", "size of effect", "mean effect", "spread")
    return Table(title=title, columns=columns, rows=rows, numeric=(2, 3, 4))


def influence_figure(result: Any) -> Drawn:
    """Return the indices as bars, and the error over the input that matters most,; effects as points."""
    found = result.found
    with styled(8.2, 3.2) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
        names = [found.names[k] for k in found.ranking]
        rows = np.arange(len(names))
        if hasattr(found, "total"):
            order = list(found.ranking)
            left.barh(rows, found.total[order], color=HAIR, height=0.7, label="with the others")
            left.barh(rows, found.first[order], color=BLUE, height=0.4, label="alone")
            left.set(xlabel="share of the variance of the error", xlim=(0, None))
            left.legend(loc="lower right")
            _scatter(right, result)
        else:
            left.barh(rows, 100 * found.size[list(found.ranking)], color=BLUE, height=0.6)
            left.set(xlabel="size of the effect over the range / %")
            right.scatter(100 * found.size, 100 * found.spread, color=BLUE)
            for name, x, y in zip(found.names, 100 * found.size, 100 * found.spread, strict=True):
                right.annotate(name, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=8)
            right.set(xlabel="size / %", ylabel="spread: curvature, interaction / %", title="Effects")
        left.set_yticks(rows, [label(name) for name in names])
        left.invert_yaxis()
        left.set_title(f"{label(result.parameter)} of {label(result.tissue)}: control first")
    return Drawn(figure)


def _scatter(axes: Any, result: Any) -> None:
    found, first = result.found, result.found.ranking[0]
    entry = next(e for e in result.ranges if e.name == found.names[first])
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.plot(found.inputs[:, first] / entry.factor, 100 * found.results, ".", color=INK, markersize=4)
    axes.set(xlabel=f"{label(entry.name)} {f'/ {entry.unit}' if entry.unit else ''}", ylabel="relative error / %",
             title=f"{len(found.results)} runs")  # fmt: skip


def _share(value: float, error: float) -> tuple[str, str]:
    return f"{value:.3f}", f"{error:.3f}" if np.isfinite(error) else "–"


def _range(entry: Any) -> str:
    return f"{number(entry.low / entry.factor, 4)} to {number(entry.high / entry.factor, 4)} {entry.unit}".strip()
