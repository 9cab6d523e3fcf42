"""A protocol's forecast: everything that can be said of it before anyone is scanned, on one page."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.shown import Rows, Shown
from ..core.written import quantity
from .distortion import Distortion
from .limits import Limits
from .precision import Precision
from .resolution import Resolution
from .snr import SnrPrediction


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What no verdict needs."""

    resolution: tuple[Resolution, ...]
    distortion: tuple[Distortion, ...]
    limits: Limits
    voxel: tuple[float, float, float]
    """read, phase, slice, m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast(Shown):
    """One protocol on one scanner, for one phantom."""

    protocol: str
    description: str
    scanner: str
    field: float
    """T."""
    phantom: str
    model: str | None
    """What is fitted; None for images to look at."""
    scan_time: float
    """s."""
    snr: tuple[SnrPrediction, ...]
    """The first of the phantom as it stands, then one for each further grade, with the tissues that differ."""
    grades: tuple[int | None, ...]
    """Of each of them."""
    precision: tuple[Precision, ...]
    """Of all grades."""
    page: Page | None
    """What a reader sees besides; None of a brief forecast."""
    missing: tuple[str, ...] = ()
    """What cannot be foretold of this family, one line each."""
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> dict[str, float]:
        """The engine's own errors, over M0, the largest of all grades."""
        found: dict[str, float] = {}
        for one in self.snr:
            found |= {name: max(value, found.get(name, 0.0)) for name, value in one.errors.items()}
        return found

    def of(self, tissue: str, parameter: str, grade: int | None = None) -> Precision | None:
        """Return the precision of a parameter in a tissue, of a grade where one is asked for."""
        for row in self.precision:
            if row.tissue == tissue and row.parameter == parameter and grade in (None, row.grade):
                return row
        return None

    def _facts(self) -> dict[str, str]:
        model = {"model": self.model or "", "scan time": f"{self.scan_time:.4g} s"}
        return {"": f"{self.protocol} at {self.field:g} T", "phantom": self.phantom} | model

    def _table(self) -> Rows:
        names = ("tissue", "grade", "parameter", "truth", "mean", "bias", "SD of a voxel")
        return (names, *(
            (row.tissue, str(row.grade or ""), row.parameter,
             *(quantity(one, row.unit) for one in (row.truth, row.mean, row.bias, row.sd))) for row in self.precision
        ))  # fmt: skip
