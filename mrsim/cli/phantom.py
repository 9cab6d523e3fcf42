"""`mrsim phantom`: what a phantom looks like, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import loudness
from .options import grades, json_option, position, shipped, single, tesla
from .output import write_json

if TYPE_CHECKING:
    from ..phantom.phantom import Phantom

PLANES = ("sagittal", "coronal", "axial")


@click.command("phantom")
@click.argument("name", metavar="NAME", shell_complete=shipped("phantoms"))
@click.option("--field", metavar="TESLA", callback=tesla, default="3", show_default=True, help="Field strength.")
@click.option(
    "--grade", metavar="GRADE", callback=grades,
    help="Pfirrmann grade, 1 to 5; of a spine one for all discs or a list, the lowest disc last.",
)  # fmt: skip
@click.option(
    "--orientation", type=click.Choice(["all", *PLANES]), default="all", show_default=True,
    help="Plane of the pictures.",
)  # fmt: skip
@click.option(
    "--property", "prop", metavar="PROPERTY", default="t2", show_default=True, help="Mapped beside the tissues."
)
@click.option(
    "--at",
    "place",
    metavar='"X Y Z"',
    callback=position,
    help="Point through which the pictures go: right, anterior, superior [default: the origin where it lies within, "
    "else the middle].",
)
@click.option("--material", "materials", multiple=True, metavar="SET", help="Material set; mrsim list materials.")
@click.option("--extrapolate", is_flag=True, help="Allow a field strength beyond those at which tissues are known.")
@click.option(
    "--export", "export", type=click.Path(path_type=Path), metavar="FILE",
    help="Write voxels instead: labels (.nii.gz), KomaMRI (.phantom) or JEMRIS (.h5).",
)  # fmt: skip
@click.option(
    "--voxel", metavar="LENGTH", callback=single("length", "2 mm"), default="2 mm", show_default=True,
    help="Edge of exported voxels.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.png", help="Picture [default: NAME.png].")
@json_option
def command(
    name: str, field: float, grade: int | tuple[int, ...] | None, orientation: str, prop: str,
    place: tuple[float, ...] | None, materials: tuple[str, ...], extrapolate: bool, export: Path | None, voxel: float,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Draw phantom NAME: its tissues, a property, and its hard parts in space."""
    from ..study.fields import extrapolation_notes
    from ..study.import_phantom import open_phantom

    path = _place(out if out is not None else Path(f"{Path(name).stem}.png")) if export is None else export
    phantom = open_phantom(name, field, grade, materials, extrapolate)
    if export is None:
        _draw(phantom, path, PLANES if orientation == "all" else (orientation,), prop, place)
        done = f"picture: {path}"
    else:
        from ..study.export_phantom import export_phantom

        done = f"{path}: {export_phantom(phantom, path, voxel)}"
    discs = phantom.history.get("discs", {})
    if as_json:
        tissues = [tissue.name for tissue in phantom.tissues]
        write_json({"name": phantom.name, "field": field, "tissues": tissues, "discs": discs,
                    "extrapolated": phantom.extrapolated, "out": str(path)})  # fmt: skip
        return
    click.echo(f"{phantom.description}; {len(phantom.labels_by_region)} regions of {len(phantom.tissues)} tissues")
    loudness.warnings(extrapolation_notes(phantom, (prop,)))
    for disc, facts in discs.items():
        height, index = 1e3 * facts["height_middle"], facts["height_index"]
        click.echo(f"{disc:7} grade {facts['grade']}  {height:4.1f} mm  height index {index:.2f}")
    click.echo(done)


def _place(path: Path) -> Path:
    """Return where the picture goes, or say why it cannot."""
    from ..core.errors import StorageError

    if path.suffix.lower() != ".png":
        raise StorageError(f"{path}: pictures are PNG files; name one that ends in .png")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist")
    return path


def _draw(phantom: Phantom, path: Path, planes: tuple[str, ...], prop: str, place: tuple[float, ...] | None) -> None:
    from ..core.replacing import replacing
    from ..report.phantom import phantom_figure
    from ..report.style import png

    figure = phantom_figure(phantom, planes, prop, place)
    with replacing(path) as temporary:
        temporary.write_bytes(png(figure))
