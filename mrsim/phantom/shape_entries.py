"""Plane shapes in a phantom file: ``kind = "ellipse"``, ``"box"`` or ``"polygon"`` in a ``[shape.<name>]`` table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ..core.errors import InputError, did_you_mean
from ..core.toml import line_of, structure
from ..core.units import Angle, Fraction, Length, Quantity
from .field_laws import STRICT
from .motion_segment import Part
from .shapes import Box, Ellipse, Polygon, Shape
from .solid_entries import SOLIDS, read_solid

Pair = Annotated[tuple[float, ...], Quantity("length")]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShapeEntry:
    """What all shapes have."""

    __pydantic_config__ = STRICT
    kind: str
    tissue: str
    """A material of this file or a tissue of ``phantoms/tissues``."""
    length: Length | None = None
    """Along the extrusion, centred on the origin; None: endless."""
    overlaps: bool = False
    """True: it is meant to cover parts of shapes before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EllipseEntry(ShapeEntry):
    """An ellipse or superellipse."""

    centre: Pair = (0.0, 0.0)
    semi_axes: Pair
    angle: Angle = 0.0
    exponent: Fraction = 2.0

    def shape(self) -> Shape:
        """Return the level set."""
        return Ellipse(
            centre=_pair(self.centre), semi_axes=_pair(self.semi_axes), angle=self.angle, exponent=self.exponent
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxEntry(ShapeEntry):
    """A rectangle."""

    centre: Pair = (0.0, 0.0)
    size: Pair
    angle: Angle = 0.0
    rounding: Length = 0.0

    def shape(self) -> Shape:
        """Return the level set."""
        return Box(centre=_pair(self.centre), size=_pair(self.size), angle=self.angle, rounding=self.rounding)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolygonEntry(ShapeEntry):
    """A polygon by its corners."""

    first: Pair
    """First coordinate of each corner."""
    second: Pair
    """Second coordinate of each corner."""
    rounding: Length = 0.0

    def shape(self) -> Shape:
        """Return the level set."""
        return Polygon(vertices=tuple(zip(self.first, self.second, strict=True)), rounding=self.rounding)


SHAPES: dict[str, type[EllipseEntry] | type[BoxEntry] | type[PolygonEntry]] = {
    "ellipse": EllipseEntry,
    "box": BoxEntry,
    "polygon": PolygonEntry,
}
"""Kinds of shape in a phantom file."""


def read_shape(name: str, table: dict[str, Any], path: Path) -> Part:
    """Return name, tissue, level set and span of one shape."""
    keys = ("shape", name)
    kind = table.get("kind")
    if kind in SOLIDS:
        return (*read_solid(name, table, path), (-np.inf, np.inf))
    if not isinstance(kind, str) or kind not in SHAPES:
        known = [*SHAPES, *SOLIDS]
        raise _error(path, (*keys, "kind"), f"unknown shape {kind!r}{did_you_mean(str(kind), known)}")
    entry = structure(table, SHAPES[kind], path, keys)
    for key in ("centre", "semi_axes", "size"):
        value = getattr(entry, key, None)
        if value is not None and len(value) != 2:
            raise _error(path, (*keys, key), f"has {len(value)} values; give two, e.g. '10 5 mm'")
        if value is not None and key != "centre" and min(value) <= 0:
            raise _error(path, (*keys, key), f"{min(value) * 1e3:g} mm is not positive")
    _check_shape(entry, path, keys)
    half = np.inf if entry.length is None else entry.length / 2
    return name, entry.tissue, entry.shape(), (-half, half)


def _check_shape(entry: EllipseEntry | BoxEntry | PolygonEntry, path: Path, keys: tuple[str, ...]) -> None:
    if entry.length is not None and entry.length <= 0:
        raise _error(path, (*keys, "length"), f"{entry.length * 1e3:g} mm is not positive")
    if isinstance(entry, EllipseEntry) and entry.exponent < 1:
        raise _error(path, (*keys, "exponent"), f"{entry.exponent:g} is below 1, where the shape is no longer convex")
    if isinstance(entry, BoxEntry) and not 0 <= entry.rounding <= min(entry.size) / 2:
        limit = f"0 to {min(entry.size) / 2 * 1e3:g} mm, half the shorter side"
        raise _error(path, (*keys, "rounding"), f"{entry.rounding * 1e3:g} mm is outside {limit}")
    if isinstance(entry, PolygonEntry) and (len(entry.first) != len(entry.second) or len(entry.first) < 3):
        counts = f"{len(entry.first)} and {len(entry.second)}"
        raise _error(path, (*keys, "second"), f"{counts} coordinates; give first and second of at least three corners")
    if isinstance(entry, PolygonEntry) and len(set(zip(entry.first, entry.second, strict=True))) < len(entry.first):
        raise _error(path, (*keys, "first"), "names the same corner twice; list each corner once")
    if isinstance(entry, PolygonEntry) and entry.rounding < 0:
        raise _error(path, (*keys, "rounding"), f"{entry.rounding * 1e3:g} mm is negative")


def _pair(values: tuple[float, ...]) -> tuple[float, float]:
    return values[0], values[1]


def _error(path: Path, keys: tuple[str, ...], problem: str) -> InputError:
    return InputError(problem, key=".".join(keys), file=path, line=line_of(path, keys))
