"""The tables of a forecast."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..plan.distortion import Distortion
from ..plan.forecast import Forecast, Page
from ..plan.limits import Limits
from ..plan.precision import Precision
from ..plan.resolution import Resolution
from .quantities import duration, label, number, quantity
from .snr import snr_budget_table, snr_table
from .table import Table, limits_table

ERRORS = {
    "discretisation_error": "through the slice", "rf_step_error": "RF steps", "t2_prime_error": "T2' sampling",
    "in_plane_error": "cells of the plane", "layer_error": "layers", "field_error": "field maps",
    "far_error": "far slices", "pruning_bound": "states left out",
}  # fmt: skip


def plan_tables(found: Forecast) -> list[Table]:
    """Return the tables of a forecast."""
    tables = [facts_table(found), snr_table(found.snr[0]), snr_budget_table(found.snr[0])]
    if found.precision:
        tables.append(precision_table(found.precision))
    if found.page is None:
        return tables
    if found.page.resolution:
        tables.append(resolution_table(found.page.resolution))
    if found.page.distortion:
        tables.append(distortion_table(found.page.distortion))
    return [*tables, limits_table(found.page.limits)]


def facts_table(found: Forecast) -> Table:
    """Return what is asked first."""
    grades = ", ".join(str(grade) for grade in found.grades if grade is not None)
    errors = [f"{words} {number(found.errors[name], 2)}" for name, words in ERRORS.items() if name in found.errors]
    rows = [
        ("scan time", duration(found.scan_time)),
        ("scanner", f"{found.scanner}, {found.field:g} T"),
        ("phantom", found.phantom + (f", grade {grades}" if grades else "")),
        ("fit", found.model or "none"),
        *(_page_facts(found.page) if found.page else ()),
        ("numerical error / M0", "; ".join(errors) or "–"),
    ]
    return Table(title=f"{found.protocol}: {found.description}", columns=("", ""), rows=tuple(rows), prose=(1,))


def _page_facts(page: Page) -> tuple[tuple[str, str], ...]:
    worst = max(page.limits.margins, key=lambda margin: margin.use)
    return (
        ("voxel", " x ".join(f"{1e3 * side:.3g}" for side in page.voxel) + " mm"),
        ("IEC mode", _mode(page.limits)),
        ("tightest limit", f"{worst.limit_name} {100 * worst.use:.0f} %"),
    )


def _mode(found: Limits) -> str:
    """Return the operating mode, by which safety facts, and whether nerves have no part in it."""
    nerves = any(margin.limit_name.startswith("nerve") for margin in found.margins)
    unjudged = "" if nerves else "; nerve stimulation is not judged: a machine for specimens"
    return f"{found.mode}, by the safety facts '{found.safety}'{unjudged}"


def precision_table(rows: Sequence[Precision]) -> Table:
    """Return bias and spread of every parameter that has a true value; of the others where none has."""
    known = [row for row in rows if math.isfinite(row.truth)] or list(rows)
    shown = tuple(
        (
            label(row.tissue) + (f" {row.grade}" if row.grade else ""), label(row.parameter),
            quantity(row.truth, row.unit), quantity(row.mean, row.unit, 3), percent(row.bias, row.truth),
            quantity(row.sd, row.unit, 3), quantity(row.bound, row.unit, 3), quantity(row.per_root_minute, row.unit, 3),
            f"{100 * row.share:.0f}",
        )
        for row in known
    )  # fmt: skip
    columns = ("tissue, grade", "parameter", "truth", "expected", "bias %", "SD", "least SD", "SD in 1 min", "voxels %")
    return Table(title="Maps, one voxel", columns=columns, rows=shown, numeric=tuple(range(2, 9)))


def resolution_table(rows: Sequence[Resolution]) -> Table:
    """Return the width of a point, along each axis."""
    axes = list(dict.fromkeys(row.axis for row in rows))
    names = list(dict.fromkeys(row.tissue for row in rows))
    cells = {(row.tissue, row.axis): f"{quantity(row.width, 'm', 3)} ({row.blur:.2f})" for row in rows}
    shown = tuple((label(name), *(cells[name, axis] for axis in axes)) for name in names)
    return Table(
        title="Resolution: full width of a point at half maximum (over that without decay)",
        columns=("tissue", *axes), rows=shown, numeric=tuple(range(1, len(axes) + 1)),
    )  # fmt: skip


def distortion_table(rows: Sequence[Distortion]) -> Table:
    """Return what 1 ppm does."""
    shown = tuple(
        (row.axis, number(row.pixels, 3) if row.length else "–", quantity(row.length, "m", 3) if row.length else "–",
         f"blurs: {number(row.pixels, 2)} cycles of phase" if row.axis == "readout" else "")
        for row in rows
    )  # fmt: skip
    columns = ("axis", "voxels per ppm", "length per ppm", "")
    return Table(title="Displacement by off-resonance", columns=columns, rows=shown, numeric=(1, 2))


def percent(part: float, whole: float) -> str:
    """Return a part in percent of a whole, with its sign; a dash where there is none."""
    return f"{100 * part / abs(whole):+.1f}" if whole and math.isfinite(part / whole) else "–"
