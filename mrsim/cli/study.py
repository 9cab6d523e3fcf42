"""`mrsim study`: many replicates, checkpoints, verdicts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import loudness
from .options import json_option, shipped, single
from .output import write_json, write_tables
from .progress import progress_bar
from .stopping import leaves

if TYPE_CHECKING:
    from ..study.run_study import StudyResult

RESULTS = Path("results")
CLAIM_FAILED = 3
"""Exit code."""


@click.command("study")
@click.argument("name", metavar="NAME", shell_complete=shipped("protocols/studies"))
@click.option("--fast", is_flag=True, help="Fewer replicates: minutes on two cores.")
@click.option("--resume/--fresh", default=True, help="Go on from what lies in the folder, or throw it away.")
@click.option("--repair", is_flag=True, help="Make damaged chunks again.")
@click.option("--workers", type=click.IntRange(1), help="Processes; the result does not depend on it [default: cores].")
@click.option(
    "--cluster",
    metavar="WHERE",
    help="Work on a Dask cluster instead: tcp://HOST:PORT, local:N processes over TCP, slurm:N jobs.",
)
@click.option(
    "--max-memory",
    "memory",
    metavar="SIZE",
    callback=single("memory", "4 GiB", above_zero=True),
    help="Refuse what would need more of all workers together [default: what the machine can give].",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the result [default: results/study-NAME].")
@json_option
def command(
    name: str, fast: bool, resume: bool, repair: bool, workers: int | None, cluster: str | None,
    memory: float | None, out: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Carry out a study and judge its claims; exit code 0 only if every claim holds, 3 if one does not."""
    from ..core.cores import available_cores
    from ..study.executors import executor
    from ..study.run_study import run_study
    from ..study.save_study import save_study, summary
    from ..study.study_file import load_study

    study = load_study(name, "fast" if fast else "full")
    folder = out if out is not None else RESULTS / f"study-{study.name}{'-fast' if fast else ''}"
    workforce = executor(workers or available_cores(), cluster, memory)
    leaves(f"finished chunks are kept in {folder}, the same command goes on")
    with progress_bar(wanted=not as_json) as report:
        result = run_study(study, folder, executor=workforce, fresh=not resume, repair=repair, progress=report)
        page = save_study(result, folder)
    loudness.warnings(workforce.notes)
    if as_json:
        write_json(summary(result))
    else:
        _write(result, page)
    return 0 if result.holds else CLAIM_FAILED


def _write(result: StudyResult, page: Path) -> None:
    from ..study.save_study import claim_table, compared

    write_tables(claim_table(result))
    for said, _ in compared(result):
        click.echo(said)
    held = sum(verdict.holds for verdict in result.verdicts)
    click.echo(f"{held} of {len(result.verdicts)} claims hold; {result.made} replicates made in {result.seconds:.1f} s")
    for verdict in result.verdicts:
        if not verdict.holds and verdict.claim.shortfall:
            click.echo(f"{verdict.claim.says}: {verdict.claim.shortfall}", err=True)
    click.echo(f"report: {page}")
    sys.stdout.flush()
