"""What commands write to stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..report.table import Table

PIPED = 160
"""Width of tables where no terminal says how wide it is."""
UNBROKEN = 10
"""Cells of this length or less are never broken, longer ones between words only ..."""
LONGEST = 24
"""... unless a word is longer than this."""


def plain_value(value: Any) -> Any:
    """Return a value as JSON knows it: arrays become lists, numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): plain_value(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(entry) for entry in value]
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, complex):
        return [plain_value(value.real), plain_value(value.imag)]
    if hasattr(value, "tolist"):
        return plain_value(value.tolist())
    return str(value)


def write_json(value: Any) -> None:
    """Write one JSON document."""
    click.echo(json.dumps(plain_value(value), ensure_ascii=False, indent=2, allow_nan=False))


def write_tables(*tables: Table) -> None:
    """Write tables as wide as the terminal, or as wide as they need where there is none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else PIPED)
    for table in tables:
        shown = RichTable(
            title=table.title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1),
            collapse_padding=True,
        )
        for index, name in enumerate(table.columns):
            numeric = index in table.numeric
            cells = [name, *(row[index] for row in table.rows)]
            words = [word for cell in cells for word in (cell.split() if len(cell) > UNBROKEN else [cell])]
            least = min(max(map(len, words), default=0), LONGEST)
            shown.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, min_width=least)
        for row in table.rows:
            shown.add_row(*(cell.replace("[", "\\[") for cell in row))
        console.print(shown)
