"""`mrsim track`: streamlines through the tensors of a run or a fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from .options import json_option, single
from .output import write_json, write_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.maps import Maps
    from ..core.streamlines import Streamlines
    from ..study.streamlines import TissueAngles

millimetres = single("length", "0.5 mm")


@click.command("track")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--least-fa", default=0.15, show_default=True, help="Anisotropy below which a streamline ends.")
@click.option(
    "--most-turn",
    default="30 deg",
    show_default=True,
    callback=single("angle", "30 deg"),
    metavar="ANGLE",
    help="Turn of one step beyond which it ends.",
)
@click.option("--step", callback=millimetres, metavar="LENGTH", help="[default: half the shortest side of a voxel]")
@click.option(
    "--shortest",
    default="5 mm",
    show_default=True,
    callback=millimetres,
    metavar="LENGTH",
    help="Length below which it is dropped.",
)
@click.option(
    "--longest",
    default="300 mm",
    show_default=True,
    callback=millimetres,
    metavar="LENGTH",
    help="Length at which it ends.",
)
@click.option("--per-voxel", default=1, show_default=True, help="Seeds of each voxel.")
@click.option("--probabilistic", is_flag=True, help="Draw the tensors from their standard errors.")
@click.option("--rng", default=1, show_default=True, help="Seed of random places and draws.")
@click.option("--out", type=click.Path(path_type=Path), help="A .trk or .tck file [default: streamlines.trk beside].")
@json_option
def command(
    result: Path, least_fa: float, most_turn: float, step: float | None, shortest: float, longest: float,
    per_voxel: int, probabilistic: bool, rng: int, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Follow fibres through a tensor fit: a result folder of `mrsim run`, or a file of maps.

    Writes the streamlines and beside them a figure (.png); of a run also how far they stray from the phantom's fibres.
    """
    from ..core.replacing import replacing
    from ..core.storage import load
    from ..exchange.streamline_files import write_streamlines
    from ..fit.tracking import track
    from ..report.streamlines import streamline_figure
    from ..report.style import png
    from ..study.streamlines import fibre_angles

    file = result / "result.h5" if result.is_dir() else result
    contents = load(file)
    maps, place = _maps(file, contents), out or file.parent / "streamlines.trk"
    found = track(
        maps, least_fa=least_fa, most_turn=most_turn, step=step, shortest=shortest, longest=longest,
        per_voxel=per_voxel, probabilistic=probabilistic, rng=rng,
    )  # fmt: skip
    write_streamlines(place, found)
    picture = place.with_suffix(".png")
    with replacing(picture) as part:
        part.write_bytes(png(streamline_figure(maps, found)))
    _say(found, fibre_angles(file, contents, found), (place, picture), as_json)


def _say(found: Streamlines, angles: Sequence[TissueAngles], files: tuple[Path, Path], as_json: bool) -> None:
    """Write what was found, why streamlines end, and how far they stray from the fibres."""
    from ..core.streamlines import ENDS

    ends = {ENDS[code]: int((found.ends == code).sum()) for code in ENDS}
    length = 1e3 * float(np.median(found.lengths())) if len(found) else 0.0
    rows = [{"tissue": row.tissue, "steps": row.steps, "angle_to_fibres_deg": float(np.degrees(row.to_fibres)),
             "angle_to_mean_direction_deg": float(np.degrees(row.to_mean))} for row in angles]  # fmt: skip
    if as_json:
        write_json({"streamlines": len(found), "median_length_mm": length, "ends": ends, "angles": rows,
                    "file": str(files[0]), "figure": str(files[1])})  # fmt: skip
        return
    click.echo(f"{len(found)} streamlines, median length {length:.3g} mm")
    for words, count in ends.items():
        click.echo(f"  {count:>8} ends: {words}")
    if rows:
        _table(angles)
    click.echo(f"wrote {files[0]} and {files[1]}")


def _table(angles: Sequence[TissueAngles]) -> None:
    from ..report.quantities import label
    from ..report.table import Table

    rows = tuple(
        (label(row.tissue), str(row.steps), *(f"{np.degrees(angle):.1f}" for angle in (row.to_fibres, row.to_mean)))
        for row in angles
    )
    columns = ("tissue", "steps", "deg off the nearest fibre", "deg off their mean direction")
    title = "Mean angle of the steps to the true fibres (random directions: 57 deg off one)"
    write_tables(Table(title=title, columns=columns, rows=rows, numeric=(1, 2, 3)))


def _maps(file: Path, contents: Mapping[str, Any]) -> Maps:
    from ..core.errors import StorageError
    from ..core.maps import Maps

    held = [value for value in contents.values() if isinstance(value, Maps) and "d_xx" in value.values]
    if not held:
        raise StorageError(f"{file}: holds no tensors; give the result of a run or a fit by a dti or dki model")
    return held[0]
