"""The comparison of fitted maps with the truth, one row per region and parameter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
class Evaluation:
    """All rows of one comparison."""

    rows: tuple[EvaluationRow, ...]
    history: dict[str, Any] = field(default_factory=dict)
