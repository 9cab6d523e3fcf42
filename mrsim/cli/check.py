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
    from ..plan.limits import limits
    from ..report.table import margin_table

    _, sequence = built_sequence(protocol, field, scanner, overrides)
    violations = sequence.check()
    found = limits(sequence)
    code = VIOLATED if violations or found.broken else 0
    if as_json:
        write_json(
            {
                "protocol": protocol,
                "scanner": sequence.scanner.name,
                "field": sequence.scanner.b0,
                "violations": [asdict(violation) | {"message": str(violation)} for violation in violations],
                "margins": [asdict(margin) | {"use": margin.use} for margin in found.margins],
                "mode": found.mode,
                "safety": found.safety,
                "sources": found.sources,
            }
        )
        return code
    write_tables(margin_table(sequence, found))
    for violation in violations:
        click.echo(str(violation))
    for margin in found.broken:
        click.echo(str(margin))
    scanner_name = sequence.scanner.name
    count = len(violations) + len(found.broken)
    verdict = f"{scanner_name} cannot play it: {count} violations" if count else f"{scanner_name} can play it"
    click.echo(f"IEC operating mode: {found.mode}, by the safety facts '{found.safety}':")
    for source in found.sources:
        click.echo(f"  {source}")
    click.echo(f"{protocol}: {verdict}")
    return code
