"""`mrsim synthesize`: images of any contrast from the maps of a run or a fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import json_option, seconds
from .output import write_json

if TYPE_CHECKING:
    from ..core.maps import Maps


@click.command("synthesize")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--contrast",
    "names",
    multiple=True,
    metavar="NAME",
    help="t1w, t2w, pdw, flair, stir, dir or psir; may be repeated [default: all].",
)
@click.option("--te", callback=seconds, metavar="TIME", help="Echo time, e.g. '90 ms'.")
@click.option("--tr", callback=seconds, metavar="TIME", help="Repetition time.")
@click.option("--ti", callback=seconds, metavar="TIME", help="From the last inversion to the excitation.")
@click.option("--gap", callback=seconds, metavar="TIME", help="Between the two inversions of DIR.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder [default: that of the maps].")
@json_option
def command(
    result: Path, names: tuple[str, ...], te: float | None, tr: float | None, ti: float | None, gap: float | None,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Make images that were never scanned from maps of T1, T2 and PD: a result folder of `mrsim run`, or a file."""
    from ..core.replacing import made_folder, replacing
    from ..core.storage import save
    from ..exchange.nifti import write_volume
    from ..fit.synthetic import CONTRASTS, synthesize
    from ..report.style import png
    from ..report.synthetic import synthetic_images

    file = result / "result.h5" if result.is_dir() else result
    maps, chosen = _maps(file), names or tuple(CONTRASTS)
    images = {name: synthesize(maps, name, te=te, tr=tr, ti=ti, gap=gap) for name in chosen}
    folder = out if out is not None else file.parent
    made_folder(folder)
    save(folder / "synthetic.h5", **images)
    written = [folder / "synthetic.h5", folder / "synthetic.png"]
    with replacing(folder / "synthetic.png") as temporary:
        temporary.write_bytes(png(synthetic_images(list(images.values()))))
    for name, image in images.items():
        written.append(folder / f"synthetic_{name}.nii.gz")
        write_volume(written[-1], image.data[0].real, image.grid)
    if as_json:
        write_json({"contrasts": {n: i.encoding for n, i in images.items()}, "files": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")


def _maps(file: Path) -> Maps:
    from ..core.errors import StorageError
    from ..core.maps import Maps
    from ..core.storage import load

    contents = load(file)
    if isinstance(contents.get("maps"), Maps):
        found: Maps = contents["maps"]
        return found
    held = [value for value in contents.values() if isinstance(value, Maps)]
    if not held:
        raise StorageError(f"{file}: holds no maps; give the result of a run or a fit that finds T1, T2 and PD")
    return held[0]
