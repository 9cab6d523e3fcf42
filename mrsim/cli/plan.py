"""`mrsim plan`: what a protocol will measure, and whether that answers a question, before anyone is scanned."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import (
    field_option,
    field_options,
    given_option,
    grades,
    json_option,
    phantom_options,
    protocol_argument,
    recon_option,
    scanner_option,
    set_option,
    tissues_option,
)
from .output import write_json, write_tables
from .progress import progress_bar

if TYPE_CHECKING:
    from ..study.request import RunRequest

UNANSWERED = 3
"""Exit code where an answer is no or not decidable."""


@click.command("plan")
@protocol_argument
@field_option
@scanner_option
@set_option
@phantom_options
@field_options
@click.option("--model", metavar="NAME", help="Signal model to fit [default: the protocol's].")
@given_option
@recon_option
@click.option("--grades", "several", metavar="LIST", callback=grades, help="Foretell several grades, e.g. 1,2,3,4,5.")
@tissues_option
@click.option("--ask", "asked", metavar="QUESTION", multiple=True,
              help='A question, e.g. --ask "T2 in the annulus within 5 %"; may be repeated.')  # fmt: skip
@click.option("--remedies/--no-remedies", default=True, help="Look for the change that turns a no into a yes.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the page (.html) or the figure (.png).")
@json_option
def command(
    several: tuple[int, ...] | int | None, tissues: tuple[str, ...], asked: tuple[str, ...], remedies: bool,
    out: Path | None, as_json: bool, **request: Any,
) -> int:  # fmt: skip
    """Foretell what PROTOCOL will measure: time, SNR, resolution, distortion, limits, bias and precision of its maps.

    Questions stand in the protocol's [[question]] tables or in --ask; the exit code is 3 if one is not answered by yes.
    """
    from ..study.ask import answers, questions_of
    from ..study.plan import forecast
    from ..study.request import RunRequest
    from ..study.snr import Built

    wanted, built = RunRequest(**request), Built()
    if out is not None:
        _check(out)
    levels = several if isinstance(several, tuple) else (() if several is None else (several,))
    questions = questions_of(wanted.protocol, asked)
    with progress_bar(wanted=not as_json) as progress:
        found = forecast(wanted, levels, tissues, progress, built=built)
        verdicts = answers(wanted, questions, remedies=remedies, progress=progress, built=built)
    if out is not None:
        _write(out, found, verdicts, wanted)
    if as_json:
        write_json({"plan": asdict(found), "verdicts": [asdict(verdict) for verdict in verdicts]})
    else:
        _show(found, verdicts)
    return UNANSWERED if any(verdict.answer != "yes" for verdict in verdicts) else 0


def _show(found: Any, verdicts: Any) -> None:
    from ..report.plan_tables import plan_tables
    from ..report.verdict import verdict_lines

    for verdict in verdicts:
        click.echo("\n    ".join(verdict_lines(verdict)))
    write_tables(*plan_tables(found))
    loudness.notes((*found.missing, *found.notes))


def _check(out: Path) -> None:
    """Refuse what could not be written, before the work."""
    from .simulate import check_file_writable

    if out.suffix not in (".html", ".png"):
        raise click.BadParameter(f"'{out}' ends neither in .html nor in .png", param_hint="--out")
    check_file_writable(out)


def _write(out: Path, found: Any, verdicts: Any, wanted: RunRequest) -> None:
    """Write the page or the figure."""
    from ..core.replacing import replacing
    from ..report.plan import plan_figure, plan_page
    from ..report.style import png
    from ..report.table import tissue_table
    from ..study.import_phantom import open_phantom

    if out.suffix == ".html":
        grades, extrapolate = found.grades or (None,), wanted.extrapolate or False
        held = [open_phantom(found.phantom, found.field, g, wanted.materials, extrapolate) for g in grades]
        more = [tissue_table(phantom, grade) for phantom, grade in zip(held[1:], grades[1:], strict=True)]
        content = plan_page(found, verdicts, [tissue_table(held[0]), *more]).encode()
    else:
        content = png(plan_figure(found))
    with replacing(out) as part:
        part.write_bytes(content)
