"""`mrsim tissue`: everything that is known of a tissue, each value with its spread, source and how it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import json_option, shipped, tesla
from .output import write_json, write_tables

if TYPE_CHECKING:
    from ..phantom.tissue_facts import Property


@click.command("tissue")
@click.argument("name", metavar="NAME", shell_complete=shipped("phantoms/tissues"))
@click.option("--grade", type=click.IntRange(1, 5), help="Pfirrmann grade, 1 to 5.")
@click.option("--field", metavar="TESLA", callback=tesla, default="3", show_default=True, help="Field strength.")
@click.option("--material", "materials", multiple=True, metavar="SET", help="Material set; mrsim list materials.")
@click.option("--extrapolate", is_flag=True, help="Allow a field strength beyond those at which it is known.")
@json_option
def command(
    name: str, grade: int | None, field: float, materials: tuple[str, ...], extrapolate: bool, as_json: bool
) -> None:
    """Print the values of tissue or substance NAME at one field strength."""
    from ..report.tissues import tissue_sheet

    title, found = _known(name, grade, field, materials, extrapolate)
    if as_json:
        write_json({"name": name, "grade": grade, "field": field, "materials": materials, "values": _plain(found)})
        return
    write_tables(*tissue_sheet(title, found))


def _known(
    name: str, grade: int | None, field: float, materials: tuple[str, ...], extrapolate: bool
) -> tuple[str, dict[str, Property]]:
    """Return a title and the values of a tissue, or of a substance of that name."""
    from ..core.errors import InputError, did_you_mean
    from ..core.toml import available
    from ..phantom.substance import load_substance
    from ..phantom.tissue import load_tissue
    from ..phantom.tissue_file import GRADES

    substances = available("phantoms/substances")
    if name in substances and name not in available("phantoms/tissues"):
        substance = load_substance(name)
        return f"{substance.description}, {field:g} T", substance.known(field, extrapolate)
    tissue = load_tissue(name, grade, field, materials, extrapolate)
    missing = [wanted for wanted in materials if wanted not in tissue.sets]
    if missing:
        known = tissue.all_sets
        words = f"{name} has no material set '{missing[0]}'{did_you_mean(missing[0], known)}"
        raise InputError(f"{words}; it has: {', '.join(known) or 'none'}", key="--material")
    level = f", Pfirrmann {GRADES[tissue.grade - 1]}" if tissue.grade else ""
    chosen = f", {', '.join(materials)}" if materials else ""
    return f"{tissue.description}{level}, {field:g} T{chosen}", tissue.known(field)


def _plain(found: dict[str, Property]) -> dict[str, dict[str, Any]]:
    from dataclasses import asdict

    return {name: asdict(entry) for name, entry in found.items()}
