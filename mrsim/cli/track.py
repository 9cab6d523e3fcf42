"""`mrsim track`: streamlines through the tensors of a run or a fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from .options import json_option, single
from .output import write_json

if TYPE_CHECKING:
    from ..core.maps import Maps


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
    """Follow fibres through a tensor fit: a result folder of `mrsim run`, or a file of maps."""
    from ..core.streamlines import ENDS
    from ..exchange.streamline_files import write_streamlines
    from ..fit.tracking import track

    file = result / "result.h5" if result.is_dir() else result
    maps, place = _maps(file), out or file.parent / "streamlines.trk"
    found = track(
        maps, least_fa=least_fa, most_turn=most_turn, step=step, shortest=shortest, longest=longest,
        per_voxel=per_voxel, probabilistic=probabilistic, rng=rng,
    )  # fmt: skip
    write_streamlines(place, found)
    ends = {ENDS[code]: int((found.ends == code).sum()) for code in ENDS}
    length = 1e3 * float(np.median(found.lengths())) if len(found) else 0.0
    if as_json:
        write_json({"streamlines": len(found), "median_length_mm": length, "ends": ends, "file": str(place)})
        return
    click.echo(f"{len(found)} streamlines, median length {length:.3g} mm")
    for words, count in ends.items():
        click.echo(f"  {count:>8} ends: {words}")
    click.echo(f"wrote {place}")


def _maps(file: Path) -> Maps:
    from ..core.errors import StorageError
    from ..core.maps import Maps
    from ..core.storage import load

    held = [value for value in load(file).values() if isinstance(value, Maps) and "d_xx" in value.values]
    if not held:
        raise StorageError(f"{file}: holds no tensors; give the result of a run or a fit by a dti or dki model")
    return held[0]
