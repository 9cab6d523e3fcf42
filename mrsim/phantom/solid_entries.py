"""Solids of a phantom file, a ``[shape.<name>]`` of kind ``ellipsoid``, ``block``, ``cylinder`` or ``folded``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ..core.errors import InputError
from ..core.toml import line_of, structure
from ..core.units import Fraction, Length, Quantity
from .field_laws import STRICT
from .folds import Folded
from .solids import Block, Cylinder, Ellipsoid, Solid

Triple = Annotated[tuple[float, ...], Quantity("length")]
Turn = Annotated[tuple[float, ...], Quantity("angle")]
STILL: tuple[float, ...] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class SolidEntry:
    """What all solids have."""

    __pydantic_config__ = STRICT
    kind: str
    tissue: str
    """A material of this file or a tissue of ``phantoms/tissues``."""
    centre: Triple = STILL
    """x (right), y (anterior), z (superior)."""
    turn: Turn = STILL
    """About x, then y, then z."""
    overlaps: bool = False
    """True: it is meant to cover parts of shapes before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EllipsoidEntry(SolidEntry):
    """An ellipsoid; a ball has three equal semi-axes."""

    semi_axes: Triple
    exponent: Fraction = 2.0

    def solid(self) -> Solid:
        """Return the level set."""
        return Ellipsoid(
            centre=_three(self.centre), semi_axes=_three(self.semi_axes), turn=_three(self.turn), exponent=self.exponent
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockEntry(SolidEntry):
    """A box, with rounded edges if wanted."""

    size: Triple
    rounding: Length = 0.0

    def solid(self) -> Solid:
        """Return the level set."""
        return Block(centre=_three(self.centre), size=_three(self.size), turn=_three(self.turn), rounding=self.rounding)


@dataclass(frozen=True, kw_only=True, slots=True)
class CylinderEntry(SolidEntry):
    """A round cylinder, along z before it is turned."""

    radius: Length
    length: Length

    def solid(self) -> Solid:
        """Return the level set."""
        return Cylinder(centre=_three(self.centre), radius=self.radius, length=self.length, turn=_three(self.turn))


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldedEntry(SolidEntry):
    """A folded ellipsoid; it is not turned."""

    semi_axes: Triple
    depth: Length
    width: Length
    spacing: Length
    fissure: Length
    seed: int = 1

    def solid(self) -> Solid:
        """Return the level set."""
        return Folded(
            centre=_three(self.centre), semi_axes=_three(self.semi_axes), depth=self.depth, width=self.width,
            spacing=self.spacing, fissure=self.fissure, seed=self.seed,
        )  # fmt: skip


SOLIDS: dict[str, type[EllipsoidEntry] | type[BlockEntry] | type[CylinderEntry] | type[FoldedEntry]] = {
    "ellipsoid": EllipsoidEntry,
    "block": BlockEntry,
    "cylinder": CylinderEntry,
    "folded": FoldedEntry,
}
"""Kinds of solid in a phantom file."""


def read_solid(name: str, table: dict[str, Any], path: Path) -> tuple[str, str, Solid]:
    """Return name, tissue and level set of one solid."""
    keys = ("shape", name)
    entry = structure(table, SOLIDS[table["kind"]], path, keys)
    for key in ("centre", "turn", "semi_axes", "size"):
        value = getattr(entry, key, STILL)
        if len(value) != 3:
            raise _error(path, (*keys, key), f"has {len(value)} values; give three, for x, y and z")
        if key in ("semi_axes", "size") and hasattr(entry, key) and min(value) <= 0:
            raise _error(path, (*keys, key), f"{min(value) * 1e3:g} mm is not positive")
    for key in ("radius", "length", "depth", "width", "spacing", "fissure"):
        if getattr(entry, key, 1.0) <= 0:
            raise _error(path, (*keys, key), f"{getattr(entry, key) * 1e3:g} mm is not positive")
    if isinstance(entry, EllipsoidEntry) and entry.exponent < 1:
        raise _error(path, (*keys, "exponent"), f"{entry.exponent:g} is below 1, where the solid is no longer convex")
    if isinstance(entry, BlockEntry) and not 0 <= entry.rounding <= min(entry.size) / 2:
        limit = f"0 to {min(entry.size) / 2 * 1e3:g} mm, half the shortest edge"
        raise _error(path, (*keys, "rounding"), f"{entry.rounding * 1e3:g} mm is outside {limit}")
    return name, entry.tissue, entry.solid()


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    return values[0], values[1], values[2]


def _error(path: Path, keys: tuple[str, ...], problem: str) -> InputError:
    return InputError(problem, key=".".join(keys), file=path, line=line_of(path, keys))
