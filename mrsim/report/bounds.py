"""Tables of Cramér-Rao bounds: standard deviations, efficiency, scatter, and the biases that nuisances cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .quantities import label, number, quantity
from .table import Table


def bounds_table(title: str, rows: Sequence[Any]) -> Table:
    """Return the bounds, one row per tissue and parameter."""
    shown = tuple(
        (
            label(row.tissue), label(row.parameter), quantity(row.value, row.unit), quantity(row.bound, row.unit),
            _percent(row.bound, row.value), quantity(row.per_root_minute, row.unit),
        )
        for row in rows
    )  # fmt: skip
    columns = ("tissue", "parameter", "true value", "least SD", "%", "SD in 1 min")
    return Table(title=title, columns=columns, rows=shown, numeric=(2, 3, 4, 5))


def voxel_table(rows: Sequence[Any]) -> Table | None:
    """Return what each metabolite of a voxel keeps, its displacement and the cost of a fifth; None without a voxel."""
    if not rows:
        return None
    shown = tuple(
        (
            row.metabolite, f"{row.kept:.3f}", *(f"{100 * share:+.0f} %" for share in row.displacement),
            number(row.averages, 3), number(row.minutes, 3),
        )
        for row in rows
    )  # fmt: skip
    columns = ("metabolite", "signal / protons", "moved x", "moved y", "moved z", "averages for SD 20 %", "minutes")
    return Table(title="Voxel by metabolite", columns=columns, rows=shown, numeric=(1, 2, 3, 4, 5, 6))


def sensitivity_table(rows: Sequence[Any]) -> Table | None:
    """Return the biases, one row per parameter and cause; None where none were asked for."""
    shown = tuple(
        (
            label(row.tissue), label(row.parameter), cause, quantity(change, row.unit),
            quantity(row.first_order[cause], row.unit) if cause in row.first_order else "",
            f"{change / row.bound:+.2f}" if math.isfinite(row.bound) else "–",
        )
        for row in rows
        for cause, change in row.bias.items()
    )  # fmt: skip
    if not shown:
        return None
    return Table(
        title="Bias without noise, and its change with each nuisance",
        columns=("tissue", "parameter", "cause", "of a new fit", "in the first order", "in least SDs"),
        rows=shown, numeric=(3, 4, 5),
    )  # fmt: skip


def scatter_table(rows: Sequence[Any]) -> Table | None:
    """Return how real fits scatter about the truth, against the bound; None where no replicates were asked for."""
    found = [row for row in rows if row.scatter is not None]
    if not found:
        return None
    shown = tuple(
        (
            label(row.tissue), label(row.parameter), quantity(s.truth, row.unit), quantity(s.mean - s.truth, row.unit),
            quantity(s.sd, row.unit), f"{s.bias:+.3f}", f"{s.efficiency:.3f}", f"{s.error / s.sd:.3f}",
            f"{100 * s.share:.4g}", verdict(s),
        )
        for row in found
        for s in (row.scatter,)
    )  # fmt: skip
    columns = (
        "tissue",
        "parameter",
        "true value",
        "bias",
        "SD",
        "bias / SD",
        "SD / bound",
        "stated / SD",
        "fitted %",
        "",
    )
    return Table(
        title=f"Scatter of {max(row.scatter.replicates for row in found)} fits", columns=columns, rows=shown,
        numeric=tuple(range(2, 9)),
    )  # fmt: skip


def verdict(scatter: Any) -> str:
    """Return in words whether a fit reaches its bound."""
    if not scatter.judged:
        return "bound above 10 %: not judged"
    return "reaches the bound" if scatter.reached else "does NOT reach the bound"


def _percent(bound: float, value: float) -> str:
    return f"{100 * bound / abs(value):.2g}" if value and math.isfinite(bound) else "–"
