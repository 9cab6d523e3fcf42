"""The comparison of fitted maps with the truth, one row per region and parameter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .shown import Rows, Shown, counted
from .written import quantity


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRow:
    """One parameter in one region."""

    region: str
    parameter: str
    unit: str
    """SI unit of `truth`, `mean`, `bias`, `sd` and `se`."""
    truth: float
    """Mean of the true values over the region's voxels."""
    mean: float
    """Mean of the fitted values."""
    bias: float
    """mean - truth."""
    sd: float
    """Standard deviation of (fitted - true) over the region's voxels."""
    se: float
    """Standard error of the mean: sd / sqrt(n)."""
    fit_se: float
    """Root mean square of the standard errors that the fit claims."""
    n: int
    """Voxels with a fit and a truth."""
    rejected: int
    """Voxels of the region without a valid fit."""
    flags: tuple[str, ...] = ()
    """What a reader must know, e.g. ``"3 voxels at a bound"``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation(Shown):
    """All rows of one comparison."""

    rows: tuple[EvaluationRow, ...]
    history: dict[str, Any] = field(default_factory=dict)

    def _facts(self) -> dict[str, str]:
        return {"": counted(len(self.rows), "row")} | {
            f"{row.parameter} of {row.region}": f"{quantity(row.mean, row.unit)}, truth {quantity(row.truth, row.unit)}"
            for row in self.rows
        }

    def _table(self) -> Rows:
        names = ("region", "parameter", "truth", "mean", "bias", "SD", "SE", "voxels", "flags")
        return (names, *(
            (row.region, row.parameter, *(quantity(one, row.unit) for one in (row.truth, row.mean, row.bias, row.sd,
             row.se)), str(row.n), "; ".join(row.flags)) for row in self.rows
        ))  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetRow:
    """The error of one parameter in one region, split by cause."""

    region: str
    parameter: str
    unit: str
    """SI unit of `truth`, `bias` and `sd`."""
    truth: float
    """Mean of the true values."""
    bias: float
    """With all causes."""
    sd: float
    """Spread over the region's voxels, with all causes."""
    bias_by_cause: dict[str, float]
    """Their sum is `bias`: causes, then ``model`` (what is left without any) and ``interaction``."""
    variance_by_cause: dict[str, float]
    """Their sum is `sd` squared; a cause that hides another one's spread is negative."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget(Shown):
    """The error of a run, split by cause."""

    rows: tuple[BudgetRow, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know, e.g. which cause could not be switched off."""

    def _facts(self) -> dict[str, str]:
        return {f"{row.parameter} of {row.region}": f"bias {quantity(row.bias, row.unit)}" for row in self.rows}

    def _table(self) -> Rows:
        causes = list(dict.fromkeys(cause for row in self.rows for cause in row.bias_by_cause))
        return (("bias in", *causes), *(
            (f"{row.parameter} of {row.region}", *(quantity(row.bias_by_cause.get(cause, 0.0), row.unit)
             for cause in causes)) for row in self.rows
        ))  # fmt: skip
