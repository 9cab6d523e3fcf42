"""`mrsim list`: what can be named on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import json_option
from .output import write_json, write_tables

if TYPE_CHECKING:
    from collections.abc import Callable

Rows = list[tuple[str, str]]
"""(name, description)."""


def _files(folder: str) -> Rows:
    from ..core.toml import available, read_toml

    return [(name, str(read_toml(path).get("description", ""))) for name, path in available(folder).items()]


def _models() -> Rows:
    from ..fit.inversions import INVERSIONS
    from ..fit.models import MODELS
    from ..fit.quantification import QUANTIFICATIONS

    return [(model.name, model.title) for model in (*MODELS, *INVERSIONS, *QUANTIFICATIONS)]


def _families() -> Rows:
    import sys

    from ..sequence.families import FAMILIES

    modules = [(family.name, sys.modules[family.__module__].__doc__ or "") for family in FAMILIES]
    return [(name, text.strip().splitlines()[0].rstrip(".")) for name, text in modules]


def _materials() -> Rows:
    from ..phantom.tissue import material_sets

    return [(n, f"{next(iter(where.values()))} ({', '.join(where)})") for n, where in material_sets().items()]


KINDS: dict[str, Callable[[], Rows]] = {
    "protocols": lambda: _files("protocols"),
    "phantoms": lambda: _files("phantoms"),
    "cohorts": lambda: _files("phantoms/cohorts"),
    "tissues": lambda: _files("phantoms/tissues"),
    "materials": _materials,
    "substances": lambda: _files("phantoms/substances"),
    "scanners": lambda: _files("protocols/scanners"),
    "models": _models,
    "families": _families,
    "studies": lambda: _files("protocols/studies"),
}
"""What can be listed."""


@click.command("list")
@click.argument("kind", metavar="[KIND]", type=click.Choice([*KINDS]), required=False)
@json_option
def command(kind: str | None, as_json: bool) -> None:
    """List what can be named; KIND is protocols, phantoms, tissues, materials, scanners, ..."""
    from ..report.table import Table

    found = {name: KINDS[name]() for name in ([kind] if kind else KINDS)}
    if as_json:
        shown = {k: [{"name": name, "description": text} for name, text in rows] for k, rows in found.items()}
        write_json(shown)
        return
    write_tables(*(Table(title=k, columns=("name", "description"), rows=tuple(rows)) for k, rows in found.items()))
