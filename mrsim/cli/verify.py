"""`mrsim verify`: what the product computes against truths from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import json_option
from .output import write_json, write_tables
from .progress import progress_bar
from .study import CLAIM_FAILED

if TYPE_CHECKING:
    from ..report.table import Table
    from ..study.verification import Outcome


@click.command("verify")
@click.argument("names", metavar="[CHECK]...", nargs=-1)
@json_option
def command(names: tuple[str, ...], as_json: bool) -> int:
    """Verify engines, fields, reconstruction and fits against closed forms, published numbers and other programs.

    Every check prints the error that it finds, the largest that passes and why. Exit code 0 only if all pass, 3 if one
    does not.
    """
    from ..study.verification import verify

    with progress_bar(wanted=not as_json) as report:
        outcomes = verify(names, report)
    if as_json:
        write_json([facts(outcome) for outcome in outcomes])
    else:
        write_tables(outcome_table(outcomes))
        for outcome in outcomes:
            if outcome.problem:
                click.echo(f"{outcome.check.name} could not be carried out: {outcome.problem}")
        failed = [outcome.check.name for outcome in outcomes if not outcome.passed]
        verdict = f"{len(failed)} FAILED: {', '.join(failed)}" if failed else "all pass"
        click.echo(f"{len(outcomes)} checks in {sum(o.seconds for o in outcomes):.0f} s: {verdict}")
    return 0 if all(outcome.passed for outcome in outcomes) else CLAIM_FAILED


def facts(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as JSON holds it."""
    check = outcome.check
    return {
        "name": check.name, "part": check.part, "claim": check.claim, "reference": check.reference,
        "error": outcome.error, "tolerance": check.tolerance, "unit": check.unit, "why": check.why,
        "passed": outcome.passed, "seconds": outcome.seconds, "problem": outcome.problem,
    }  # fmt: skip


def outcome_table(outcomes: tuple[Outcome, ...]) -> Table:
    """Return outcomes as a table, one row per check."""
    from ..report.table import Table

    rows = tuple(
        (
            o.check.name, o.check.part, o.check.claim, o.check.reference, f"{o.error:.1e}",
            f"{o.check.tolerance:.1e}" + (f" {o.check.unit}" if o.check.unit else ""), o.check.why,
            "pass" if o.passed else "FAIL",
        )
        for o in outcomes
    )  # fmt: skip
    columns = ("check", "part", "claim", "truth", "error", "largest that passes", "because of", "verdict")
    return Table(title="Verification", columns=columns, rows=rows, numeric=(4, 5), prose=(2, 6))
