"""The error of a map split by cause: what goes with each of them, what stays without any, and what is left over.

Bias is split as it is, spread as variance. For every cause the difference between the run with all causes and the
run without it counts; what stays when all causes are off is the model's own; and the rest, which belongs to no cause
alone, is the interaction. The three add up to the total exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..core.evaluation import Budget, BudgetRow, Evaluation, EvaluationRow

MODEL, INTERACTION = "model", "interaction"
"""What is left with every cause off, and what belongs to several together."""


def error_budget(
    total: Evaluation,
    without: Mapping[str, Evaluation],
    nothing: Evaluation,
    beside: Mapping[str, str] | None = None,
    notes: tuple[str, ...] = (),
) -> Budget:
    """Return the budget of every region and parameter.

    Parameters
    ----------
    total : Evaluation
        With all causes.
    without : mapping of cause to Evaluation
        With that cause switched off.
    nothing : Evaluation
        With all causes switched off.
    beside : mapping of cause to cause, optional
        A cause that cannot be switched off but together with another one counts by what it adds to that one.
    notes : tuple of str
        What a reader must know.
    """
    lines = {cause: _by_place(evaluation) for cause, evaluation in without.items()}
    bare = _by_place(nothing)
    rows = []
    for row in total.rows:
        place = (row.region, row.parameter)
        bias = {cause: _share(row, lines, cause, place, beside, _bias) for cause in without}
        variance = {cause: _share(row, lines, cause, place, beside, _variance) for cause in without}
        bias[MODEL], variance[MODEL] = (_of(bare, place, what) for what in (_bias, _variance))
        bias[INTERACTION] = row.bias - math.fsum(bias.values())
        variance[INTERACTION] = _variance(row) - math.fsum(variance.values())
        rows.append(
            BudgetRow(
                region=row.region,
                parameter=row.parameter,
                unit=row.unit,
                truth=row.truth,
                bias=row.bias,
                sd=row.sd,
                bias_by_cause=bias,
                variance_by_cause=variance,
            )
        )
    return Budget(rows=tuple(rows), notes=notes)


Places = Mapping[tuple[str, str], EvaluationRow]


def _by_place(evaluation: Evaluation) -> Places:
    return {(row.region, row.parameter): row for row in evaluation.rows}


def _bias(row: EvaluationRow) -> float:
    return row.bias


def _variance(row: EvaluationRow) -> float:
    return row.sd**2


def _of(rows: Places, place: tuple[str, str], what: Callable[[EvaluationRow], float]) -> float:
    return what(rows[place]) if place in rows else math.nan


def _share(
    row: EvaluationRow,
    lines: Mapping[str, Places],
    cause: str,
    place: tuple[str, str],
    beside: Mapping[str, str] | None,
    what: Callable[[EvaluationRow], float],
) -> float:
    """Return what a cause takes away: from the whole, or from what its companion leaves."""
    companion = (beside or {}).get(cause, "")
    before = _of(lines[companion], place, what) if companion in lines else what(row)
    return before - _of(lines[cause], place, what)
