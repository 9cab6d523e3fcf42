"""A forecast for a reader: a figure, one page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from ..core.version import __version__
from ..plan.answer import Verdict
from ..plan.forecast import Forecast
from .captions import embedded, plain
from .page import document, downloads, html_table
from .plan_tables import percent, plan_tables
from .quantities import label, quantity
from .style import BLUE, INK, QUIET, RED, Drawn, png, styled
from .table import Table, table_csv
from .verdict import verdict_lines


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
            off = f"{percent(row.bias, row.truth)} % from the true {truth}"
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
