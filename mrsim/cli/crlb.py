"""`mrsim crlb`: the least standard deviation that a protocol's maps can have, and what biases them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from .options import given_option, json_option, phantom_options, protocol_argument, scanner_option, set_option
from .output import write_json, write_tables
from .snr import fields


@click.command("crlb")
@protocol_argument
@click.option("--field", "wanted", metavar="TESLA", callback=fields, help="One field strength or several: 1.5,3,7.")
@scanner_option
@set_option
@phantom_options
@click.option("--model", metavar="NAME", help="Signal model to fit [default: the protocol's].")
@given_option
@click.option("--tissue", "tissues", metavar="NAME", multiple=True, help="Only this tissue; may be repeated.")
@click.option("--rician", is_flag=True, help="Magnitudes near the noise: Rice's information instead of Gauss's.")
@click.option("--sensitivity", is_flag=True, help="Scan again with wrong B1, offset, profile, T2', and show the bias.")
@json_option
def command(
    wanted: tuple[float, ...], tissues: tuple[str, ...], rician: bool, sensitivity: bool, as_json: bool, **asked: Any
) -> None:
    """Predict the least standard deviation (Cramér-Rao) of PROTOCOL's maps in every tissue, and per root minute."""
    from ..report.bounds import bounds_table, sensitivity_table
    from ..study.bounds import predicted_bounds
    from ..study.request import RunRequest

    likelihood: Any = "rician" if rician else "gaussian"
    found = [
        predicted_bounds(RunRequest(**asked, field=field), tissues, likelihood, sensitivity)
        for field in wanted or (None,)
    ]
    if as_json:
        write_json([asdict(bounds) for bounds in found])
        return
    for bounds in found:
        minutes = bounds.scan_time / 60
        title = f"{bounds.protocol}, {bounds.model}, {bounds.field:g} T, {minutes:.1f} min, {bounds.likelihood} noise"
        write_tables(bounds_table(title, bounds.rows))
        biases = sensitivity_table(bounds.rows)
        if biases is not None:
            write_tables(biases)
        for note in bounds.notes:
            click.echo(f"note: {note}")
