"""`mrsim check`: can the scanner play a protocol, and how close to its limits."""

from __future__ import annotations

from dataclasses import asdict

import click

from .options import json_option, sequence_options
from .output import write_json, write_tables
from .sequences import built_sequence

VIOLATED = 2
"""Exit code of a protocol that breaks a limit."""


@click.command("check")
@sequence_options
@json_option
def command(protocol: str, field: float | None, scanner: str | None, overrides: dict[str, str], as_json: bool) -> int:
    """Check PROTOCOL against a scanner: every violation, and how much of each limit is used.

    The exit code is 2 if a limit is broken.
    """
    from ..report.table import margin_table
    from ..sequence.check import margins

    _, sequence = built_sequence(protocol, field, scanner, overrides)
    violations = sequence.check()
    if as_json:
        write_json(
            {
                "protocol": protocol,
                "scanner": sequence.scanner.name,
                "field": sequence.scanner.b0,
                "violations": [asdict(violation) | {"message": str(violation)} for violation in violations],
                "margins": [asdict(margin) | {"use": margin.use} for margin in margins(sequence)],
            }
        )
        return VIOLATED if violations else 0
    write_tables(margin_table(sequence))
    for violation in violations:
        click.echo(str(violation))
    scanner_name = sequence.scanner.name
    count = len(violations)
    verdict = f"{scanner_name} cannot play it: {count} violations" if count else f"{scanner_name} can play it"
    click.echo(f"{protocol}: {verdict}")
    return VIOLATED if violations else 0
