"""The error budget as tables and as a figure: bias and spread of every region, split by cause."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..core.evaluation import Budget, BudgetRow
from .quantities import label, quantity, signed
from .style import HAIR, INK, QUIET, Drawn, styled
from .table import Table

COLOURS = {
    "noise": "#4d4d4d",
    "slice-profile": "#b2182b",
    "b1": "#d6604d",
    "off-resonance": "#b8860b",
    "t2-prime": "#e0a030",
    "chemical-shift": "#1b9e77",
    "imperfections": "#a6447c",
    "partial-volume": "#2166ac",
    "point-spread": "#7fb3dd",
    "discretisation": "#9aa5b1",
    "model": "#7570b3",
    "interaction": "#d5dbe1",
}
"""One colour for each cause, in every figure."""
NAMES = {"t2-prime": "T2'", "b1": "B1", "point-spread": "k-space PSF"}
"""Causes that are written otherwise than their switch."""
WIDE = 3.0
"""Rows that reach further than this many times the median row are cut off at the axis, with their total in words."""


def bias_table(budget: Budget) -> Table:
    """Return the bias of every region and parameter split by cause, in per cent of the truth; rows add up."""
    causes = _causes(budget)
    rows = tuple(
        (*_head(row), signed(_percent(row.bias, row)), *(signed(_percent(row.bias_by_cause[c], row)) for c in causes))
        for row in budget.rows
    )
    columns = ("region", "parameter", "truth", "bias", *map(_name, causes))
    return Table(
        title="Bias by cause, % of the truth: the causes add up to the bias", columns=columns, rows=rows,
        numeric=tuple(range(2, len(columns))),
    )  # fmt: skip


def spread_table(budget: Budget) -> Table:
    """Return the variance of every region and parameter split by cause, in per cent of its total; rows add up."""
    causes = _causes(budget)
    rows = []
    for row in budget.rows:
        shares = [100 * row.variance_by_cause[c] / row.sd**2 if row.sd else math.nan for c in causes]
        rows.append((*_head(row), _plain(_percent(row.sd, row)), *(signed(share, 0) for share in shares)))
    columns = ("region", "parameter", "truth", "SD %", *map(_name, causes))
    return Table(
        title="Spread by cause: SD in % of the truth, causes in % of the variance", columns=columns, rows=tuple(rows),
        numeric=tuple(range(2, len(columns))),
    )  # fmt: skip


def _head(row: BudgetRow) -> tuple[str, str, str]:
    return label(row.region), label(row.parameter), quantity(row.truth, row.unit)


def _name(cause: str) -> str:
    return NAMES.get(cause, cause.replace("-", " "))


def _causes(budget: Budget) -> list[str]:
    return list(budget.rows[0].bias_by_cause) if budget.rows else []


def _percent(value: float, row: BudgetRow) -> float:
    return 100 * value / abs(row.truth) if row.truth else math.nan


def _plain(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "–"


def budget_figure(budget: Budget, parameter: str) -> Drawn:
    """Return the figure of one parameter: stacked bars of bias and of variance by cause, a row for each region."""
    rows = [row for row in budget.rows if row.parameter == parameter and math.isfinite(row.bias)]
    causes = _causes(budget)
    with styled(10.5, 1.5 + 0.42 * len(rows)) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.4, 1.0])
        bias = np.array([[_percent(row.bias_by_cause[c], row) for c in causes] for row in rows])
        spread = np.array(
            [[100 * row.variance_by_cause[c] / row.sd**2 if row.sd else math.nan for c in causes] for row in rows]
        )
        _stack(left, bias, causes, np.array([_percent(row.bias, row) for row in rows]))
        _stack(right, spread, causes, None)
        left.set_yticks(range(len(rows)), [label(row.region) for row in rows])
        left.invert_yaxis()
        left.set(title=f"Bias of {label(parameter)}", xlabel="% of the truth (diamond: total)")
        right.set(title=f"Variance of {label(parameter)}", xlabel="% of the region's variance")
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=6)
    return Drawn(figure)


def _stack(axes: Axes, parts: NDArray[np.float64], causes: list[str], totals: NDArray[np.float64] | None) -> None:
    """Draw (row, cause) parts as bars, positive ones to the right of zero and negative ones to the left."""
    parts = np.nan_to_num(parts)
    place = np.arange(len(parts))
    start = {1: np.zeros(len(parts)), -1: np.zeros(len(parts))}
    for index, cause in enumerate(causes):
        for sign, base in start.items():
            length = np.where(np.sign(parts[:, index]) == sign, parts[:, index], 0.0)
            name = _name(cause) if sign == 1 else None
            axes.barh(place, length, left=base, height=0.66, color=COLOURS.get(cause, QUIET), label=name)
            base += length
    reach = np.maximum(start[1], -start[-1])
    limit = 1.08 * min(float(reach.max(initial=1.0)), WIDE * float(np.median(reach)) if len(reach) else 1.0) or 1.0
    axes.set_xlim(-limit if (start[-1] < -0.02 * limit).any() else -0.02 * limit, limit)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x", color=HAIR, linewidth=0.6)
    axes.set_axisbelow(True)
    if totals is not None:
        shown = np.clip(totals, *axes.get_xlim())
        axes.plot(shown, place, "D", color="white", markeredgecolor=INK, markersize=5, zorder=3)
    for row in np.flatnonzero(reach > limit):
        axes.annotate("off the scale", (limit, place[row]), ha="right", va="center", fontsize=7, color=INK)
