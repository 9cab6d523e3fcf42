"""`mrsim lab`: the interactive page, live or as a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .page_data import Progress


@click.command("lab")
@click.option(
    "--export", "out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html",
    help="Write the page as one file that works offline, and stop.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 [default: a free one].")
@click.option("--open/--no-open", "show", default=True, help="Open the page in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Write what was made, or where the page is, as JSON.")
def command(out: Path | None, port: int, show: bool, as_json: bool) -> None:
    """Open the interactive page: move field, TR, TE, flip and more, and see image, SNR, bias and scan time at once.

    The page is served to this machine alone, with a token in its address; "Run it for real" hands a setting to the
    Bloch engine. Stop it with Ctrl-C.
    """
    from .export import lab_page

    if out is None:
        from .server import serve

        serve(port, show=show, as_json=as_json, progress=_tell(as_json))
        return
    from ..core.replacing import replacing

    page = lab_page(progress=_tell(as_json))
    with replacing(out) as part:
        part.write_text(page, encoding="utf-8")
    size = out.stat().st_size
    facts = {"file": str(out), "bytes": size}
    click.echo(json.dumps(facts) if as_json else f"{out}: {size / 1e6:.1f} MB, opens offline")


def _tell(as_json: bool) -> Progress | None:
    """Return a callback that says on a terminal how far the tables are."""
    if as_json or not sys.stderr.isatty():
        return None

    def tell(name: str, done: int, total: int) -> None:
        click.echo(f"\rtable of the sequence {name}: {done} of {total} ", nl=done == total, err=True)

    return tell
