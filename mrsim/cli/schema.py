"""`mrsim schema`: what editors complete and check TOML files with."""

from __future__ import annotations

import click

from .options import json_option
from .output import write_json


@click.command("schema")
@click.argument("kind", metavar="protocol|phantom|study")
@json_option
def command(kind: str, as_json: bool) -> None:
    """Say where the JSON Schema of protocol, phantom or study files lies; --json prints it.

    An editor that knows TOML completes and checks the keys of a file whose first line names it.
    """
    from ..core.toml import data_root
    from ..study.schemas import SHIPPED, schema_of

    schema = schema_of(kind)
    if as_json:
        write_json(schema)
        return
    click.echo(f"first line of a {kind} file, for editors that complete and check its keys:")
    click.echo(f"#:schema {data_root() / SHIPPED[kind]}")
