"""`mrsim contest`: your fitter beside ours, on images whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import json_option, models
from .output import write_json, write_tables
from .progress import progress_bar

if TYPE_CHECKING:
    from ..core.evaluation import EvaluationRow
    from ..report.table import Table
    from ..study.contest import Standing
    from ..study.entrants import Entrant


@click.command("contest")
@click.argument("file", type=click.Path(path_type=Path), metavar="RESULT.h5")
@click.option(
    "--model", "chosen", metavar="NAME", multiple=True, shell_complete=models, help="One of our signal models."
)
@click.option(
    "--function", "functions", metavar="FILE.py:NAME", multiple=True,
    help="A Python function: Images in, a dict of (z, y, x) arrays in SI units out.",
)  # fmt: skip
@click.option(
    "--program", "programs", metavar="NAME=COMMAND", multiple=True,
    help="A program; {images}, {phase}, {table}, {bids} and {maps} stand for what it reads and writes.",
)  # fmt: skip
@click.option(
    "--map", "outputs", metavar="PARAMETER=FILE,UNIT", multiple=True,
    help="What programs write into {maps}, e.g. t2=t2.nii.gz,ms.",
)  # fmt: skip
@json_option
def command(
    file: Path, chosen: tuple[str, ...], functions: tuple[str, ...], programs: tuple[str, ...],
    outputs: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Let fitters fit the images of a run and rank them by their error against the truth that the run knows."""
    from ..study.contest import contest_on
    from ..study.entrants import by_model

    written = dict(_output(text) for text in outputs)
    entrants = [by_model(name) for name in chosen]
    entrants += [_function(text) for text in functions]
    entrants += [_program(text, written) for text in programs]
    with progress_bar(wanted=not as_json) as report:
        standings = contest_on(file, entrants, report)
    if as_json:
        write_json([facts(standing) for standing in standings])
        return
    write_tables(*leaderboards(standings))


def _output(text: str) -> tuple[str, tuple[str, str]]:
    name, found, rest = text.partition("=")
    file, comma, unit = rest.rpartition(",")
    if not (name and found and comma):
        raise click.BadParameter(
            f"'{text}' is not PARAMETER=FILE,UNIT; write for example t2=t2.nii.gz,ms", param_hint="--map"
        )
    return name.strip(), (file.strip(), unit.strip())


def _function(text: str) -> Entrant:
    import runpy

    from ..study.entrants import by_function

    path, colon, name = text.rpartition(":")
    if not colon or not Path(path).is_file():
        raise click.BadParameter(f"'{text}' is not FILE.py:NAME of a file that exists", param_hint="--function")
    found: Any = runpy.run_path(path).get(name)
    if not callable(found):
        raise click.BadParameter(f"{path} has no function '{name}'", param_hint="--function")
    return by_function(name, found)


def _program(text: str, outputs: dict[str, tuple[str, str]]) -> Entrant:
    from ..study.entrants import by_program

    name, found, line = text.partition("=")
    if not (name and found and line):
        raise click.BadParameter(f"'{text}' is not NAME=COMMAND", param_hint="--program")
    return by_program(name, line, outputs)


def facts(standing: Standing) -> dict[str, Any]:
    """Return a standing as JSON holds it."""
    from dataclasses import asdict

    from ..study.contest import parameters_of

    names = parameters_of([standing])
    return {
        "name": standing.name, "seconds": standing.seconds,
        "relative_error": {name: standing.error(name) for name in names},
        "rejected": {name: standing.rejected(name) for name in names},
        "rows": [asdict(row) for row in standing.evaluation.rows],
    }  # fmt: skip


def leaderboards(standings: tuple[Standing, ...]) -> list[Table]:
    """Return two tables per parameter: who has the smallest error, and each region's bias and scatter."""
    from ..report.quantities import label
    from ..report.table import Table
    from ..study.contest import parameters_of, ranked

    tables = []
    for parameter in parameters_of(standings):
        order = ranked(standings, parameter)
        ranks = tuple(
            (str(place), s.name, f"{100 * s.error(parameter):.1f}", f"{100 * s.rejected(parameter):.1f}",
             f"{s.seconds:.2f}")
            for place, s in enumerate(order, 1)
        )  # fmt: skip
        columns = ("place", "fitter", "error %", "no value %", "seconds")
        title = f"{label(parameter)}: error against the truth, root mean square over voxels and regions"
        tables.append(Table(title=title, columns=columns, rows=ranks, numeric=(2, 3, 4)))
        owned = [{row.region: row for row in s.evaluation.rows if row.parameter == parameter} for s in order]
        regions = list(dict.fromkeys(region for own in owned for region in own))
        rows = tuple((label(region), *(_cell(own.get(region)) for own in owned)) for region in regions)
        title = f"{label(parameter)}: bias ± scatter by region, % of the truth"
        shown = tuple(range(1, len(order) + 1))
        tables.append(Table(title=title, columns=("region", *(s.name for s in order)), rows=rows, numeric=shown))
    return tables


def _cell(row: EvaluationRow | None) -> str:
    if row is None or not row.n or not row.truth:
        return "–"
    scale = 100 / abs(row.truth)
    spread = f" ± {scale * row.sd:.1f}" if row.n > 1 else ""
    return f"{scale * row.bias:+.1f}{spread}".replace("-", "−")
