"""`mrsim cohort`: draw the subjects of a cohort, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import json_option, shipped
from .output import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 10
"""Subjects that are printed where neither --json nor --out asks for all."""


MOST_SUBJECTS = 10_000_000
"""More would fill memory or the disk before anybody read them."""


@click.command("cohort")
@click.argument("name", metavar="NAME", shell_complete=shipped("phantoms/cohorts"))
@click.option(
    "--subjects", "count", type=click.IntRange(1, MOST_SUBJECTS), default=SHOWN, show_default=True, help="How many."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the draw.")
@click.option("--first", type=click.IntRange(0), default=0, help="Number of the first subject, from 0.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE.csv", help="Write all subjects to a table, in SI."
)
@json_option
def command(name: str, count: int, seed: int, first: int, out: Path | None, as_json: bool) -> None:
    """Draw the subjects of cohort NAME: grades by level, traits and tissue scores."""
    from ..phantom.cohort import load_cohort, plain_subject

    cohort = load_cohort(name)
    rows = (plain_subject(subject) for subject in cohort.subjects(count, seed, first))
    if out is not None:
        _write_csv(out, rows)
        if not as_json:
            click.echo(f"{count:,} subjects: {out}")
            return
        write_json({"cohort": cohort.name, "seed": seed, "subjects": count, "out": str(out)})
    elif as_json:
        write_json({"cohort": cohort.name, "seed": seed, "subjects": list(rows)})
    else:
        _print(cohort.content.description, [row for row, _ in zip(rows, range(SHOWN), strict=False)])


def _write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as they come; the file appears when all are there."""
    import csv

    from ..core.replacing import replacing

    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, [*row], lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    from ..report.table import Table
    from .output import write_tables

    names = [name for name in rows[0] if not name.endswith(" score")]
    grades = [name for name in names if name.startswith(("grade ", "read "))]
    traits = [name for name in names if name not in (*grades, "subject", "index_level")]
    groups = ((title, ["index_level", *grades]), ("Traits, SI", traits))
    tables = []
    for words, columns in groups:
        shown = ["subject", *columns]
        cells = tuple(tuple(_cell(row[name]) for name in shown) for row in rows)
        heads = tuple(name.replace("_", " ") for name in shown)
        numeric = tuple(i for i, name in enumerate(shown) if name != "index_level")
        tables.append(Table(title=words, columns=heads, rows=cells, numeric=numeric))
    write_tables(*tables)


def _cell(entry: Any) -> str:
    if entry is None:
        return ""
    return f"{entry:.4g}" if isinstance(entry, float) else str(entry)
