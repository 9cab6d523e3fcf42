"""`mrsim crlb`: the least standard deviation that a protocol's maps can have, and what biases them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from . import loudness
from .options import (
    given_option,
    json_option,
    models,
    phantom_options,
    protocol_argument,
    scanner_option,
    set_option,
    tissues_option,
)
from .output import write_json, write_tables
from .progress import progress_bar
from .snr import fields


@click.command("crlb")
@protocol_argument
@click.option("--field", "wanted", metavar="TESLA", callback=fields, help="One field strength or several: 1.5,3,7.")
@scanner_option
@set_option
@phantom_options
@click.option("--model", metavar="NAME", shell_complete=models, help="Signal model to fit [default: the protocol's].")
@given_option
@tissues_option
@click.option("--rician", is_flag=True, help="Magnitudes near the noise: Rice's information instead of Gauss's.")
@click.option(
    "--sensitivity", is_flag=True, help="Scan again with wrong B1, offset, profile, T1, T2', MT; show the bias."
)
@click.option(
    "--monte-carlo", "replicates", type=click.IntRange(100, 10**9), metavar="N",
    help="Fit N noisy signals as well.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of that noise.")
@json_option
def command(
    wanted: tuple[float, ...], tissues: tuple[str, ...], rician: bool, sensitivity: bool, replicates: int | None,
    seed: int, as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Predict the least standard deviation (Cramér-Rao) of PROTOCOL's maps in every tissue, and per root minute."""
    from ..report.bounds import bounds_table, scatter_table, sensitivity_table, voxel_table
    from ..study.bounds import Asked, predicted_bounds
    from ..study.request import RunRequest

    more = Asked(
        likelihood="rician" if rician else "gaussian", sensitivity=sensitivity, replicates=replicates or 0, seed=seed
    )
    with progress_bar(wanted=not as_json) as progress:
        found = [
            predicted_bounds(RunRequest(**asked, field=field), tissues, more, progress) for field in wanted or (None,)
        ]
    if as_json:
        write_json([asdict(bounds) for bounds in found])
        return
    for bounds in found:
        minutes = bounds.scan_time / 60
        title = f"{bounds.protocol}, {bounds.model}, {bounds.field:g} T, {minutes:.1f} min, {bounds.likelihood} noise"
        more_tables = (scatter_table(bounds.rows), sensitivity_table(bounds.rows), voxel_table(bounds.voxel))
        for table in (bounds_table(title, bounds.rows), *more_tables):
            if table is not None:
                write_tables(table)
        loudness.notes(bounds.notes)
