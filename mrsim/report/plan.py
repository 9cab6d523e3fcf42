"""A forecast for a reader: tables, a figure, one page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from ..core.version import __version__
from ..plan.answer import Verdict
from ..plan.distortion import Distortion
from ..plan.forecast import Forecast, Page
from ..plan.precision import Precision
from ..plan.resolution import Resolution
from .captions import embedded, plain
from .page import document, downloads, html_table
from .quantities import duration, label, number, quantity
from .snr import snr_budget_table, snr_table
from .style import BLUE, INK, QUIET, RED, Drawn, png, styled
from .table import Table, limits_table, table_csv
from .verdict import verdict_lines

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
        ("IEC mode", page.limits.mode),
        ("tightest limit", f"{worst.limit_name} {100 * worst.use:.0f} %"),
    )


def precision_table(rows: Sequence[Precision]) -> Table:
    """Return bias and spread of every parameter that has a true value; of the others where none has."""
    known = [row for row in rows if math.isfinite(row.truth)] or list(rows)
    shown = tuple(
        (
            label(row.tissue) + (f" {row.grade}" if row.grade else ""), label(row.parameter),
            quantity(row.truth, row.unit), quantity(row.mean, row.unit, 3), _percent(row.bias, row.truth),
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


def plan_figure(found: Forecast) -> Drawn:
    """Return the forecast as one figure: SNR, expected maps with their spread, limits."""
    with styled(11.0, 3.8) as figure:
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.2, 1.1))
        rows = found.snr[0].rows
        names = list(dict.fromkeys(row.tissue for row in rows))
        best = [max(row.snr for row in rows if row.tissue == name) for name in names]
        left.barh(range(len(names)), best, color=BLUE, height=0.6)
        left.set_yticks(range(len(names)), [label(name) for name in names], fontsize=7)
        left.invert_yaxis()
        left.set(xlabel="SNR, best image", title="Signal to noise")
        _maps(middle, found)
        limits = found.page.limits.margins if found.page else ()
        margins = sorted(limits, key=lambda margin: -margin.use)[:12]
        use = [100 * margin.use for margin in margins]
        right.barh(range(len(margins)), use, color=[RED if u > 100 else BLUE for u in use], height=0.6)
        right.set_yticks(range(len(margins)), [margin.limit_name for margin in margins], fontsize=7)
        right.invert_yaxis()
        right.axvline(100, color=INK, linewidth=0.8)
        right.set(xlabel="use of the limit / %", title="Limits")
    return Drawn(figure)


def _maps(axes: Axes, found: Forecast) -> None:
    """Draw expected over true value with the spread of one voxel, of the first parameter that has a truth."""
    known = [row for row in found.precision if math.isfinite(row.truth) and row.truth and row.measurable]
    if not known:
        axes.set_axis_off()
        axes.set_title("No map with a known truth")
        return
    name = known[0].parameter
    mine = [row for row in known if row.parameter == name]
    place = range(len(mine))
    mean = [100 * row.bias / abs(row.truth) for row in mine]
    spread = [100 * row.sd / abs(row.truth) for row in mine]
    axes.errorbar(mean, place, xerr=spread, fmt="o", color=BLUE, ecolor=QUIET, capsize=2)
    axes.axvline(0, color=INK, linewidth=0.8)
    words = [label(row.tissue) + (f" {row.grade}" if row.grade else "") for row in mine]
    axes.set_yticks(place, words, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("bias, and SD of a voxel / % of the truth")
    axes.set_title(label(name))


def _expected(found: Forecast) -> str:
    """Return in sentences what matters first: whether the scanner allows it, and what each map will read."""
    lines = []
    if found.page is not None:
        worst = max(found.page.limits.margins, key=lambda margin: margin.use)
        words = "is within all limits" if worst.use <= 1 else "breaks a limit"
        said = f"The scan {words} of {found.scanner}: {worst.limit_name} is used to {100 * worst.use:.0f} %."
        lines.append(("good" if worst.use <= 1 else "off", said))
    for row in found.precision:
        if math.isfinite(row.truth) and row.truth and row.measurable:
            name = f"{label(row.parameter)} of {label(row.tissue)}" + (f", grade {row.grade}" if row.grade else "")
            truth, spread = quantity(row.truth, row.unit, 3), quantity(row.sd, row.unit, 3)
            off = f"{_percent(row.bias, row.truth)} % from the true {truth}"
            lines.append(
                ("none", f"{name} will read {quantity(row.mean, row.unit, 3)}, {off}; SD of a voxel {spread}.")
            )
    return "".join(f'<li class="{kind}">{plain(said)}</li>' for kind, said in lines)


def plan_page(found: Forecast, verdicts: Sequence[Verdict] = (), sources: Sequence[Table] = ()) -> str:
    """Return the forecast as one self-contained HTML page; `sources` are the tissue values that it rests on."""
    tables = plan_tables(found)
    title = plain(f"{found.protocol}: plan")
    notes = "".join(f"<li>{plain(note)}</li>" for note in (*found.missing, *found.notes))
    answers = "".join(
        f'<li class="{ {"yes": "good", "no": "off"}.get(v.answer, "none") }">'
        + "<br>".join(plain(line) for line in verdict_lines(v)) + "</li>" for v in verdicts
    )  # fmt: skip
    body = [
        f"<header><h1>{plain(found.protocol)}</h1><p>{plain(found.description)}</p></header>",
        f'<section><h2>Verdict</h2><ul class="verdicts">{answers}{_expected(found)}</ul></section>',
        embedded("plan", png(plan_figure(found)), "Best image of each tissue; bias and spread of one voxel; limits."),
        *(html_table(table) for table in tables),
        f"<section><h2>Not foretold, and notes</h2><ul>{notes}</ul></section>" if notes else "",
        *(html_table(table) for table in sources),
        f"<section><h2>Provenance</h2><p>mrsim {__version__}; all numbers are computed.</p></section>",
        downloads({f"table-{n}.csv": table_csv(table) for n, table in enumerate((*tables, *sources), 1)}),
    ]
    return document(title, body)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / abs(whole):+.1f}" if whole and math.isfinite(part / whole) else "–"
