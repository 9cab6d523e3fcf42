"""`mrsim sensitivity`: what a protocol's bias depends on, and what to control first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import loudness
from .options import (
    given_option,
    json_option,
    phantom_options,
    protocol_argument,
    scanner_option,
    set_option,
    shipped,
    tesla,
)
from .output import write_json, write_tables
from .progress import progress_bar

METHODS = ("polynomial", "sobol", "morris")


@click.command("sensitivity")
@protocol_argument
@click.option(
    "--tissue", metavar="NAME", required=True, shell_complete=shipped("phantoms/tissues"),
    help="Tissue whose map is looked at.",
)  # fmt: skip
@click.option("--parameter", metavar="NAME", help="Map [default: the model's first].")
@click.option(
    "--vary", metavar="RANGE", multiple=True,
    help="'b1=0.85:1.15', 'offset=-30:30 Hz', 't1=0.85:1.15' or 't2=…' of the tissue's own, 'speed=0:5 mm/s', "
    "'given.NAME=LOW:HIGH UNIT' of the fit; repeatable [default: the first four].",
)  # fmt: skip
@click.option("--method", type=click.Choice(METHODS), default="polynomial", show_default=True,
    help="Sobol's indices by a polynomial or by crossed samples; Morris's effects.")  # fmt: skip
@click.option("--runs", type=click.IntRange(2), help="Runs; of sobol a power of two per sample, of morris walks.")
@click.option("--model", metavar="NAME", help="Signal model to fit [default: the protocol's].")
@given_option
@click.option("--field", metavar="TESLA", callback=tesla, help="Field strength; picks the scanner of that field.")
@scanner_option
@set_option
@phantom_options
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the samples.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--cluster", metavar="WHERE", help="A Dask cluster instead: tcp://HOST:PORT, local:N, slurm:N.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Figure, PNG.")
@json_option
def command(
    tissue: str, parameter: str | None, vary: tuple[str, ...], method: Any, runs: int | None, seed: int, workers: int,
    cluster: str | None, out: Path | None, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Rank what biases a map of PROTOCOL: B1, offset, T1, T2, motion, what the fit assumes.

    Each run scans one voxel with all inputs changed at once and fits it as if nothing had changed.
    """
    from ..core.replacing import replacing
    from ..report.influence import influence_figure
    from ..report.style import png
    from ..study.executors import executor
    from ..study.influence import influence
    from ..study.optimiser.free import read_ranges
    from ..study.request import RunRequest

    count = runs or {"polynomial": 64, "sobol": 64, "morris": 8}[method]
    workforce = executor(workers, cluster)
    with progress_bar(wanted=not as_json) as report:
        found = influence(
            RunRequest(**asked), tissue, parameter, ranges=read_ranges(vary), method=method, runs=count, seed=seed,
            executor=workforce, progress=report,
        )  # fmt: skip
    loudness.warnings(workforce.notes)
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_bytes(png(influence_figure(found)))
    if as_json:
        write_json(_plain(found) | {"figure": None if out is None else str(out)})
        return
    _write(found, out)


def _plain(result: Any) -> dict[str, Any]:
    names = ("first", "total", "first_error", "total_error", "mean", "sd", "size", "spread", "runs", "unexplained")
    return {
        "protocol": result.protocol, "tissue": result.tissue, "parameter": result.parameter,
        "inputs": result.found.names, "ranking": result.ranking, "nominal": result.nominal,
        **{name: getattr(result.found, name) for name in names if hasattr(result.found, name)},
    }  # fmt: skip


def _write(result: Any, out: Path | None) -> None:
    from ..report.influence import influence_table

    found = result.found
    write_tables(influence_table(result))
    if hasattr(found, "total"):
        click.echo(
            f"relative error {100 * found.mean:+.2f} % ± {100 * found.sd:.2f} % (SD over the ranges) in {found.runs} "
            f"runs; {100 * result.nominal:+.2f} % in their middle; not explained {100 * found.unexplained:.1f} %"
        )
    else:
        click.echo(f"{found.runs} runs; relative error {100 * result.nominal:+.2f} % in the middle of the ranges")
    click.echo(f"control first: {', '.join(result.ranking)}")
    if out is not None:
        click.echo(f"figure: {out}")
