"""`mrsim reproduce`: a finished run once more, from its result file, compared with it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from .options import json_option
from .output import write_json, write_tables
from .progress import progress_bar

DIFFERENT = 3
"""Exit code of a run that does not come out as it is stored."""


@click.command("reproduce")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Keep the repeated run in this folder.")
@json_option
def command(file: Path, out: Path | None, as_json: bool) -> int:
    """Repeat the run whose result.h5 is FILE, with the files stored in it, and compare every number.

    The same versions on the same class of machine give the same bits, whatever the threads; exit code 3 if they do not.
    Elsewhere numbers may differ by 1e-6 of the largest of their array, and what differs in the environment is named.
    """
    from ..report.table import Table
    from ..study.reproduce import reproduce
    from ..study.save import check_writable, save_run

    if out is not None:
        check_writable(out)
    with progress_bar(wanted=not as_json) as report:
        found = reproduce(file, report)
        if out is not None:
            save_run(found.result, out)
    if as_json:
        write_json({
            "file": str(file), "identical": found.identical, "holds": found.holds,
            "objects": [asdict(one) for one in found.objects], "out": None if out is None else str(out),
            "environment": [{"what": what, "stored": old, "now": new} for what, old, new in found.environment],
        })  # fmt: skip
        return 0 if found.holds else DIFFERENT
    rows = tuple((one.name, "identical" if one.identical else f"{one.largest:.1e}", one.where) for one in found.objects)
    write_tables(Table(title="Repeated and stored", columns=("object", "largest difference", "where"), rows=rows))
    if found.environment:
        write_tables(Table(title="Environment", columns=("what", "stored", "now"), rows=found.environment))
    verdict = "every bit is the same" if found.identical else "within the tolerance" if found.holds else "it differs"
    click.echo(f"{file}: {verdict}" + ("" if found.environment else "; so is the environment"))
    return 0 if found.holds else DIFFERENT
