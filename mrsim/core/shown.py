"""How a noun shows itself: one line for a terminal, a small table for a notebook.

A noun says what matters about it once, in `_facts` (and `_table`, where it is a table itself); both views follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from .written import quantity, scale

Rows = tuple[tuple[str, ...], ...]
"""A table's cells; the first row holds the names of the columns."""

LISTED = 8
"""Names that are listed; of more the count is told."""
COLUMN_UNITS = {"te": "s", "tr": "s", "ti": "s", "flip": "rad", "b": "s/m^2", "offset": "Hz"}
"""SI unit of the columns of a contrast table that have one."""


class Shown:
    """What has facts to show."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Give the class the one line in its own right: a dataclass then leaves it alone."""
        cls.__repr__ = Shown.__repr__  # type: ignore[method-assign]

    def _facts(self) -> Mapping[str, str]:
        """Return what matters, in words, by its name."""
        raise NotImplementedError

    def _table(self) -> Rows:
        """Return the table that the noun is; empty for other nouns."""
        return ()

    def __repr__(self) -> str:
        listed = "; ".join(f"{name} {words}".strip() for name, words in self._facts().items() if words)
        return f"<{type(self).__name__}: {listed}>"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        facts = "".join(_row("td", (name, words)) for name, words in self._facts().items() if words)
        held = self._table()
        body = "".join((_row("th", held[0]), *(_row("td", row) for row in held[1:]))) if held else ""
        title = f"<strong>{type(self).__name__}</strong>"
        return title + "".join(f"<table>{rows}</table>" for rows in (facts, body) if rows)


def _row(tag: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f'<{tag} style="text-align: left">{escape(cell)}</{tag}>' for cell in cells) + "</tr>"


def span(values: Any, unit: str = "") -> str:
    """Return the range of finite values (any shape, SI), in the unit that readers expect; a dash if there are none."""
    found = np.asarray(values, dtype=np.float64)
    known = found[np.isfinite(found)]
    if not known.size:
        return "–"
    low, high = (quantity(float(end), unit) for end in (known.min(), known.max()))
    shown = scale(unit)[1]
    return low if low == high else f"{low.removesuffix(shown).strip()} … {high}"


def listing(names: Any) -> str:
    """Return names with commas, or how many there are."""
    words = [str(name) for name in names]
    return ", ".join(words) if len(words) <= LISTED else f"{', '.join(words[: LISTED - 2])}, … ({len(words)})"


def columns(contrast: Mapping[str, Any]) -> str:
    """Return what a contrast table holds, e.g. ``"te 12 … 96 ms, tr 1500 ms"``."""
    return listing(f"{name} {span(values, COLUMN_UNITS.get(name, ''))}" for name, values in contrast.items())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, e.g. ``"3 coils"``, ``"1 coil"``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
