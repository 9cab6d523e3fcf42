"""Tables of Cramér-Rao bounds: standard deviations, efficiency, and the biases that nuisances cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .quantities import label, quantity, scale
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


def sensitivity_table(rows: Sequence[Any]) -> Table | None:
    """Return the biases, one column per cause; None where none were asked for."""
    found = [row for row in rows if row.bias]
    if not found:
        return None
    causes = tuple(found[0].bias)
    shown = tuple(
        (
            label(row.tissue), f"{label(row.parameter)}{f' / {unit}' if unit else ''}",
            *(f"{factor * row.bias[cause]:+.3g}" for cause in causes),
        )
        for row in found
        for factor, unit in (scale(row.unit),)
    )  # fmt: skip
    return Table(
        title="Bias without noise, and its change with each nuisance", columns=("tissue", "parameter", *causes),
        rows=shown, numeric=tuple(range(2, 2 + len(causes))),
    )  # fmt: skip


def _percent(bound: float, value: float) -> str:
    return f"{100 * bound / abs(value):.2g}" if value and math.isfinite(bound) else "–"
