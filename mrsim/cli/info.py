"""`mrsim info`: what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import json_option
from .output import write_json, write_tables


@click.command("info")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@json_option
def command(file: Path, as_json: bool) -> None:
    """Say what FILE holds: raw data, images, maps, evaluation, provenance; also of a Pulseq or an MRD file."""
    from ..report.table import Table

    contents = _contents(file)
    entries = [
        {"name": name, "kind": type(value).__name__, "content": describe(value)} for name, value in contents.items()
    ]
    if as_json:
        write_json({"file": str(file), "objects": entries, "provenance": contents.get("provenance")})
        return
    rows = tuple((entry["name"], entry["kind"], entry["content"]) for entry in entries)
    write_tables(Table(title=str(file), columns=("name", "kind", "content"), rows=rows))


def _contents(file: Path) -> dict[str, Any]:
    """Return what a file holds by name."""
    if file.suffix.lower() == ".seq":
        from ..exchange.pulseq import read_tables

        return {"sequence": read_tables(file)}
    if file.suffix.lower() == ".mrd":
        from ..exchange.mrd import read_mrd

        return {"raw": read_mrd(file)}
    from ..core.storage import load

    held: dict[str, Any] = load(file)
    return held


def describe(value: Any) -> str:
    """Return one line about an object of a file."""
    from ..core.acquisition import Acquisition
    from ..core.evaluation import Evaluation
    from ..core.images import Images
    from ..core.maps import Maps

    if isinstance(value, Acquisition):
        readouts, coils, samples = value.imaging.data.shape
        noise = "noisy" if value.noisy else "noise-free"
        return f"{readouts:,} readouts of {samples} samples, {coils} coil{'s' if coils > 1 else ''}, {noise}"
    if isinstance(value, Images):
        count = len(value.data)
        plural = "s" if count > 1 else ""
        return f"{count} image{plural} of {_size(value.grid.shape)} voxels, {', '.join(value.contrast)}"
    if isinstance(value, Maps):
        return f"{', '.join(value.values)} on {_size(value.grid.shape)} voxels, {value.model}"
    if isinstance(value, Evaluation):
        return f"{len(value.rows)} rows: {', '.join(dict.fromkeys(row.region for row in value.rows))}"
    if type(value).__name__ == "PulseqFile":
        return _pulseq_line(value)
    if isinstance(value, dict):
        return ", ".join(str(key) for key in value)
    return " ".join(str(value).split())[:120]


def _pulseq_line(file: Any) -> str:
    """Return one line about a Pulseq file."""
    counts = {name: len(file.rows(name)) for name in ("RF", "GRADIENTS", "TRAP", "ADC")}
    events = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    notes = "".join(f"; {note}" for note in file.notes)
    return f"version {'.'.join(map(str, file.version))}, {len(file.blocks):,} blocks; events: {events}{notes}"


def _size(shape: tuple[int, int, int]) -> str:
    nz, ny, nx = shape
    return f"{nx} × {ny}" + (f" × {nz}" if nz > 1 else "")
