"""The values of a tissue as tables, with numbered sources."""

from __future__ import annotations

import re

from ..phantom.tissue_facts import FACTS, Property
from .quantities import label, quantity
from .table import Table

PER_MINUTE = ("ktrans", "kep", "patlak_ki")
"""Rates that the field states per minute."""


def tissue_sheet(title: str, found: dict[str, Property]) -> tuple[Table, Table]:
    """Return the table of values and the list of sources that its last column counts.

    Parameters
    ----------
    title : str
    found : dict of str to Property
        By name.
    """
    numbers: dict[str, int] = {}
    rows = []
    for name, entry in found.items():
        source = re.sub(r"\s*\(\w+://[^)]*\)", "", entry.source)
        number = numbers.setdefault(source, len(numbers) + 1)
        unit = "1/min" if name in PER_MINUTE else entry.unit
        factor = 60.0 if name in PER_MINUTE else 1.0
        value = quantity(entry.value * factor, unit)
        spread = quantity(entry.sd * factor, unit) if entry.sd else "–"
        rows.append((meaning(name), value, spread, entry.condition, entry.provenance, str(number)))
    columns = ("property", "value", "spread (SD)", "holds for", "how it is known", "source")
    values = Table(title=title, columns=columns, rows=tuple(rows), numeric=(1, 2), prose=(3, 4))
    sources = tuple((str(number), source) for source, number in numbers.items())
    return values, Table(title="Sources", columns=("", "source"), rows=sources, prose=(1,))


def meaning(name: str) -> str:
    """Return what a property is called, e.g. ``"mean diffusivity"``."""
    return FACTS[name][1] if name in FACTS else label(name)
