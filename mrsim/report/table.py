"""Tables as rows of text, for the terminal and for the HTML report alike."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.evaluation import Evaluation, EvaluationRow
from ..phantom.phantom import Phantom
from ..plan.limits import Limits
from ..sequence.sequence import Sequence
from .quantities import duration, fact, label, quantity, scale, signed

if TYPE_CHECKING:
    from .run import ReportedRun

MANY = 0.1
"""Share of a region's voxels without a value above which the rest says little."""
DISTINCT = 2.0
"""A bias beyond this many standard errors is called significant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of text under headings."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    """Indices of the columns that are set flush right."""
    prose: tuple[int, ...] = ()
    """Indices of the columns that need room for a sentence."""


def table_csv(table: Table) -> str:
    """Return a table as comma-separated values, with the minus signs that programs read."""
    made = io.StringIO()
    csv.writer(made).writerows([table.columns, *([cell.replace("−", "-") for cell in row] for row in table.rows)])
    return made.getvalue()


def evaluation_table(evaluation: Evaluation) -> Table:
    """Return the comparison with the truth, one row per region and parameter."""
    columns = (
        "region", "parameter", "unit", "truth", "mean", "bias", "bias %",
        "SD", "SE", "fit SE", "n", "rejected", "notes",
    )  # fmt: skip
    rows = tuple(_evaluation_row(row) for row in evaluation.rows)
    return Table(title="Evaluation", columns=columns, rows=rows, numeric=tuple(range(3, 12)))


def _evaluation_row(row: EvaluationRow) -> tuple[str, ...]:
    factor, unit = scale(row.unit)
    digits = _decimals(factor * row.truth)
    shown = [_fixed(factor * value, digits) for value in (row.truth, row.mean)]
    spread = [_fixed(factor * value, digits + 1) for value in (row.sd, row.se, row.fit_se)]
    percent = 100 * row.bias / row.truth if row.truth else math.nan
    return (
        label(row.region), label(row.parameter), unit, *shown, signed(factor * row.bias, digits), signed(percent),
        *spread, str(row.n), str(row.rejected), "; ".join(row.flags),
    )  # fmt: skip


def _fixed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−") if math.isfinite(value) else "–"


def _decimals(size: float) -> int:
    """Return decimals that show four digits of values of about this size, at most 4."""
    if not math.isfinite(size) or size == 0:
        return 2
    return min(4, max(0, 3 - math.floor(math.log10(abs(size)))))


def verdict(row: EvaluationRow, noisy: bool) -> str:
    """Return one sentence: what the map reads, how far off it is, and whether noise could explain that."""
    name = f"{label(row.parameter)} of {label(row.region)}"
    if row.n == 0:
        return f"{name}: no voxel could be fitted ({row.rejected} rejected)."
    if row.rejected > MANY * (row.n + row.rejected):
        share = f"{row.rejected} of {row.n + row.rejected} voxels"
        return f"{name} cannot be measured with this protocol: {share} gave no value ({'; '.join(row.flags)})."
    truth, mean = quantity(row.truth, row.unit), quantity(row.mean, row.unit)
    if not row.truth:
        return f"{name} reads {mean}; the truth is 0."
    percent = 100 * row.bias / row.truth
    size = f"{abs(percent):.1f} %"
    direction = "above" if percent > 0 else "below"
    text = f"{name} reads {mean}, {size} {direction} the true {truth}"
    if not math.isfinite(row.se) or row.se == 0:
        return f"{text} (n = {row.n}: no standard error)."
    if not noisy:
        return f"{text}; there is no noise, so all of it is systematic (n = {row.n})."
    sigmas = abs(row.bias) / row.se
    judged = "a significant bias" if sigmas > DISTINCT else "within what noise explains"
    return f"{text}: {sigmas:.1f} standard errors (n = {row.n}), {judged}."


def timing_table(sequence: Sequence) -> Table:
    """Return the timings and facts of a sequence."""
    rows = [(label(name), fact(name, value)) for name, value in sequence.definitions.items()]
    grid = sequence.encoding.grid
    nz, ny, nx = grid.shape
    dx, dy, dz = (1e3 * spacing for spacing in grid.spacing)
    contrast = sequence.encoding.contrast
    for name in ("te", "ti", "flip"):
        values = contrast.get(name)
        if values is not None and values.size > 1 and values.max() > values.min():
            unit = "rad" if name == "flip" else "s"
            factor, shown = scale(unit)
            rows.append((f"{label(name)} of the images", f"{' '.join(f'{factor * v:.6g}' for v in values)} {shown}"))
    rows += [
        ("matrix", f"{nx} × {ny}" + (f" × {nz}" if nz > 1 else "")),
        ("field of view", f"{nx * dx:.6g} × {ny * dy:.6g} mm"),
        ("voxel", f"{dx:.4g} × {dy:.4g} × {dz:.4g} mm"),
        ("dwell time", f"{sequence.encoding.dwell * 1e6:.6g} µs"),
        ("Larmor frequency", f"{sequence.encoding.frequency / 1e6:.4f} MHz"),
        ("scanner", f"{sequence.scanner.name}, {sequence.scanner.b0:g} T"),
        ("blocks", f"{len(sequence.blocks):,}"),
    ]
    known = {row[0] for row in rows}
    if "scan time" not in known:
        rows.append(("scan time", duration(sequence.duration)))
    return Table(title="Timing", columns=("quantity", "value"), rows=tuple(rows))


def limits_table(found: Limits) -> Table:
    """Return how much of each limit of scanner and standards is used."""
    rows = tuple(
        (m.limit_name, quantity(m.value, m.unit), quantity(m.limit, m.unit), f"{100 * m.use:.0f} %")
        for m in found.margins
    )
    return Table(title="Margins", columns=("limit", "largest", "allowed", "use"), rows=rows, numeric=(1, 2, 3))


def margin_table(sequence: Sequence, found: Limits) -> Table:
    """Return how much of each limit of scanner and standards the sequence uses, and where."""
    brief = limits_table(found)
    rows = []
    for cells, margin in zip(brief.rows, found.margins, strict=True):
        name = sequence.blocks[margin.block].name
        rows.append((*cells, f"block {margin.block}" + (f" ({name})" if name else ""), margin.note))
    columns = (*brief.columns, "where", "notes")
    return Table(title="Limits", columns=columns, rows=tuple(rows), numeric=brief.numeric, prose=(5,))


def tissue_table(phantom: Phantom, grade: int | None = None) -> Table:
    """Return the tissue values that a phantom uses, with spread, provenance and source; of a grade those alone."""
    rows = []
    for tissue in phantom.tissues:
        if grade is not None and tissue.grade != grade:
            continue
        for name, entry in tissue.properties(phantom.field).items():
            spread = quantity(entry.sd, entry.unit) if entry.sd else "–"
            value = quantity(entry.value, entry.unit)
            rows.append((label(tissue.name), label(name), value, spread, entry.provenance, entry.source))
    columns = ("tissue", "property", "value", "spread (SD)", "how it is known", "source")
    title = "Tissue values" if grade is None else f"Tissue values, grade {grade}"
    return Table(title=title, columns=columns, rows=tuple(rows), numeric=(2, 3), prose=(4,))


def brief_evaluation_table(evaluation: Evaluation) -> Table:
    """Return the comparison as narrow as a terminal: unit beside the parameter, rejected voxels among the notes."""
    full = evaluation_table(evaluation)
    rows = []
    for cells, row in zip(full.rows, evaluation.rows, strict=True):
        region, parameter, unit, truth, mean, bias, percent, sd, se, _, n, rejected, notes = cells
        lost = f"{rejected} rejected" if row.rejected else ""
        name = f"{parameter} / {unit}" if unit else parameter
        rows.append((region, name, truth, mean, bias, percent, sd, se, n, "; ".join(filter(None, (lost, notes)))))
    columns = ("region", "parameter", "truth", "mean", "bias", "bias %", "SD", "SE", "n", "notes")
    return Table(title=full.title, columns=columns, rows=tuple(rows), numeric=tuple(range(2, 9)))


def silent_regions(result: ReportedRun) -> list[str]:
    """Return one sentence per reason why regions of a run have no row in its evaluation."""
    compared = {row.region for row in result.evaluation.rows} if result.evaluation else set()
    empty = [label(name) for name, mask in result.rois.items() if not mask.any()]
    mixed = [label(name) for name, mask in result.rois.items() if mask.any() and name not in compared]
    lines = [f"No voxel of one tissue alone: {', '.join(empty)}."] if empty else []
    return lines + ([f"No single true value to compare with (water and fat): {', '.join(mixed)}."] if mixed else [])
