"""`mrsim compare`: what a field strength buys and costs for one protocol."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from .options import given_option, json_option, phantom_options, protocol_argument, set_option, tissues_option
from .output import write_json, write_tables
from .progress import progress_bar
from .snr import fields


@click.command("compare")
@protocol_argument
@click.option("--field", "wanted", metavar="LIST", callback=fields, default="1.5,3,7", show_default=True,
              help="Field strengths, T.")  # fmt: skip
@set_option
@phantom_options
@click.option("--model", metavar="NAME", help="Signal model to fit [default: the protocol's].")
@given_option
@tissues_option
@click.option("--free", metavar="SETTING", multiple=True,
              help="Choose a setting anew at each field, as mrsim optimise does; repeatable.")  # fmt: skip
@json_option
def command(
    wanted: tuple[float, ...], tissues: tuple[str, ...], free: tuple[str, ...], as_json: bool, **asked: Any
) -> None:
    """Forecast PROTOCOL at several field strengths, as it stands or with its free settings chosen anew at each.

    SNR per root of the time, relaxation, contrast, bias and precision of the maps, distortion, absorbed power,
    uniformity of the transmit field, and the exchange contrast of glycosaminoglycan.
    """
    from ..report.compare import compare_tables
    from ..study.compare import compared
    from ..study.request import RunRequest

    with progress_bar(wanted=not as_json) as progress:
        rows = compared(RunRequest(**asked), wanted, tissues, free, progress)
    if as_json:
        write_json([asdict(row) for row in rows])
        return
    write_tables(*compare_tables(rows))
    for row in rows:
        if row.problem:
            click.echo(f"{row.field:g} T: {row.problem}")
