"""`mrsim show`: a protocol as a diagram, its way through k-space and its timing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import loudness
from .options import json_option, sequence_options
from .output import write_json, write_tables
from .sequences import built_sequence

if TYPE_CHECKING:
    from ..sequence.sequence import Sequence


@click.command("show")
@sequence_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.png|FILE.html",
    help="Write the sequence diagram to FILE.png and k-space, moments, spectrum, b-matrix beside it; FILE.html zooms.",
)  # fmt: skip
@json_option
def command(
    protocol: str, field: float | None, scanner: str | None, overrides: dict[str, str], out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Show the timing of PROTOCOL, and draw it with --out."""
    from ..report.table import timing_table

    description, sequence = built_sequence(protocol, field, scanner, overrides)
    written = draw(sequence, out) if out is not None else []
    if as_json:
        write_json(_facts(protocol, description, sequence, written))
        return
    if description:
        click.echo(f"{protocol}: {description}\n")
    write_tables(timing_table(sequence))
    for path in written:
        click.echo(f"figure: {path}")
    if not written:
        loudness.hint("draw it: --out FILE.png")


def draw(sequence: Sequence, out: Path) -> list[Path]:
    """Write a page that zooms to `out` (.html), or the diagram to `out` (.png) and further views beside it."""
    from ..core.errors import StorageError
    from ..core.replacing import replacing
    from ..report.diagram import sequence_diagram
    from ..report.sequence_views import sequence_views
    from ..report.style import png
    from ..report.viewer import viewer_page

    kind = out.suffix.lower()
    if kind not in (".png", ".html"):
        raise StorageError(f"{out}: figures are PNG files and pages HTML; name one that ends in .png or .html")
    if not out.absolute().parent.is_dir():
        raise StorageError(f"{out}: the folder {out.parent} does not exist")
    if kind == ".html":
        with replacing(out) as temporary:
            temporary.write_text(viewer_page(sequence), encoding="utf-8")
        return [out]
    beside = {
        out.with_name(f"{out.stem}-{name.replace('-', '')}.png"): f for name, f in sequence_views(sequence).items()
    }
    views = {out: sequence_diagram(sequence)} | beside
    for path, figure in views.items():
        with replacing(path) as temporary:
            temporary.write_bytes(png(figure))
    return list(views)


def _facts(protocol: str, description: str, sequence: Sequence, written: list[Path]) -> dict[str, Any]:
    grid = sequence.encoding.grid
    return {
        "protocol": protocol,
        "description": description,
        "family": sequence.name,
        "scanner": sequence.scanner.name,
        "field": sequence.scanner.b0,
        "scan_time": sequence.duration,
        "definitions": sequence.definitions,
        "contrast": sequence.encoding.contrast,
        "matrix": [grid.shape[2], grid.shape[1], grid.shape[0]],
        "voxel": list(grid.spacing),
        "blocks": len(sequence.blocks),
        "figures": [str(path) for path in written],
    }
