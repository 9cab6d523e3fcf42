"""`mrsim again`: a finished run once more, from its result file."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option
from .output import write_json
from .progress import progress_bar
from .run import RESULTS, folder_name, run_summary, write_result


@click.command("again")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR",
    help="Folder of the result [default: results/PROTOCOL-FIELD-GRADE-SEED-again].",
)  # fmt: skip
@json_option
def command(file: Path, out: Path | None, as_json: bool) -> None:
    """Repeat the run whose result.h5 is FILE, with the protocol, scanner, phantom and tissues stored in it.

    The same versions on the same class of machine give the same numbers, bit for bit.
    """
    from ..study.again import again, stored_request
    from ..study.save import check_writable, save_run

    request = stored_request(file)
    folder = out if out is not None else RESULTS / f"{folder_name(request)}-again"
    check_writable(folder)
    with progress_bar(wanted=not as_json) as report:
        result = again(file, report)
        page = save_run(result, folder)
    if as_json:
        write_json(run_summary(result, folder))
    else:
        write_result(result, page)
