"""`mrsim run`: the whole road, from a protocol to a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import (
    causes,
    engine_options,
    engine_settings,
    entries,
    field_options,
    given_option,
    json_option,
    models,
    noise_free_option,
    noise_model_options,
    phantom_options,
    recon_option,
    seed_option,
    sequence_options,
)
from .output import write_json, write_tables
from .progress import progress_bar

if TYPE_CHECKING:
    from ..study.request import RunRequest, RunResult

RESULTS = Path("results")
"""Where results go unless the user says otherwise."""


@click.command("run")
@sequence_options
@phantom_options
@field_options
@click.option(
    "--model", metavar="NAME", shell_complete=models, help="Signal model to fit; 'mrsim list models' names them."
)
@given_option
@noise_model_options
@recon_option
@seed_option
@noise_free_option
@click.option(
    "--physiology", metavar="NAME=VALUE", multiple=True, callback=entries,
    help='Let pulse and breathing change the signal, e.g. --physiology "field=2 Hz"; also fraction, cardiac, '
    "respiratory, pulse, breathing, and drift in a minute.",
)  # fmt: skip
@engine_options
@click.option("--waves", "vibration", metavar="FILE", help="Waves that move the phantom, from 'mrsim shake'.")
@click.option(
    "--drive",
    "drives",
    multiple=True,
    metavar="SIDE=MOTION",
    help="Shake the phantom at the vibration of an elastography protocol: +z=\"0 8 0 um\", see 'mrsim shake'; none: "
    "leave it at rest.",
)
@click.option("--budget", is_flag=True, help="Split the error by cause: run again with causes switched off.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR",
    help="Folder of the result [default: results/PROTOCOL-FIELD-GRADE-SEED].",
)  # fmt: skip
@json_option
def command(
    noise_free: bool, without: tuple[str, ...], out: Path | None, as_json: bool, model: str | None, **asked: Any
) -> None:
    """Simulate PROTOCOL, reconstruct, fit and compare with the truth; write a folder with a report.

    PROTOCOL is a name from 'mrsim list protocols' or the path of a protocol file.
    """
    from ..study.request import RunRequest
    from ..study.run import prepare, run
    from ..study.save import check_writable, save_run

    engine = engine_settings(asked)
    request = RunRequest(**asked, model=model, without=causes(without, noise_free), engine=engine)
    request = prepare(request).request
    folder = out if out is not None else RESULTS / folder_name(request)
    check_writable(folder)
    with progress_bar(wanted=not as_json) as report:
        result = run(request, report)
        if report:
            report("save", 0, 1)
        page = save_run(result, folder)
    if as_json:
        write_json(run_summary(result, folder))
    else:
        write_result(result, page)


def folder_name(request: RunRequest) -> str:
    """Return the name of a result's folder, e.g. ``"disc-t2-mese-3T-grade3-seed1"``."""
    grades = (request.grade,) if isinstance(request.grade, int) else tuple(request.grade or ())
    grade = f"-grade{'-'.join(map(str, grades))}" if grades else ""
    return f"{Path(request.protocol).stem}-{request.field:g}T{grade}-seed{request.seed}"


def run_summary(result: RunResult, folder: Path) -> dict[str, Any]:
    """Return what ``--json`` writes: the evaluation in SI units and where the result lies."""
    rows = result.evaluation.rows if result.evaluation is not None else ()
    return {
        "protocol": result.request.protocol,
        "field": result.request.field,
        "grade": result.request.grade,
        "seed": result.request.seed,
        "rows": [asdict(row) for row in rows],
        "warnings": list(result.warnings),
        "out": str(folder),
    } | ({} if result.budget is None else {"budget": asdict(result.budget)})


def write_result(result: RunResult, page: Path) -> None:
    """Print the evaluation, the warnings and where the report lies."""
    from ..report.budget import bias_table, spread_table
    from ..report.table import brief_evaluation_table, silent_regions

    if result.quantified is not None:
        from ..report.html import true_amounts
        from ..report.spectral_fit import amount_table, score_table

        found = result.quantified
        judged = score_table(found.score, found.integrals, found.fit.unit)
        write_tables(amount_table(found.fit, true_amounts(result)), *([] if judged is None else [judged]))
    elif result.evaluation is not None and result.evaluation.rows:
        write_tables(brief_evaluation_table(result.evaluation))
        for line in silent_regions(result):
            click.echo(line)
    else:
        click.echo("nothing to compare: no map was fitted, or no region has a voxel of one tissue alone")
    if result.budget is not None:
        write_tables(bias_table(result.budget), spread_table(result.budget))
        loudness.notes(result.budget.notes)
    errors = numerical_errors(result.raw.history)
    if errors:
        click.echo(errors)
    loudness.warnings(result.warnings)
    click.echo(f"report: {page}")


ERRORS = {
    "rf_step_error": "RF steps",
    "discretisation_error": "through slice",
    "far_error": "far slices",
    "in_plane_error": "in plane",
    "layer_error": "layers",
    "motion_error": "motion",
    "t2_prime_error": "T2'",
    "field_error": "fields",
    "row_error": "rows",
}
"""Where an engine says how far it is from the exact solution, and what the user reads."""


def numerical_errors(history: Mapping[str, Any]) -> str:
    """Return the line of the errors that a run measured of itself, shares of M0; empty if it measured none."""
    found = {name: history[key] for key, name in ERRORS.items() if key in history}
    listed = ", ".join(f"{name} {value:.1e}" for name, value in found.items() if isfinite(value))
    return f"numerical errors (share of M0): {listed}" if listed else ""
