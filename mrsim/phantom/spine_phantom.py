"""From a [spine] table to the regions, regions of interest, fibres and measures of a phantom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .contents import Region
from .lamellae import Lamellae
from .phantom import Roi
from .solids import Block, Common
from .spine import Piece, column_pieces, stack
from .spine_file import Spine, check_spine
from .spine_findings import add_findings
from .spine_surroundings import surrounding_pieces
from .spine_truth import disc_measures, spine_lamellae, spine_rois
from .tissue_file import GRADES

OF_DISCS = (11, 12, 13, 14, 15, 70, 71, 73, 74)
"""Kinds of structure that belong to discs and their endplates."""
OTHERS = ("csf", "cord_white_matter", "multifidus", "erector_spinae", "psoas", "subcutaneous_fat")
"""Regions of interest beside discs and bodies."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpineParts:
    """What a spine gives its phantom."""

    pieces: tuple[Piece, ...]
    rois: tuple[Roi, ...]
    lamellae: tuple[Lamellae, ...]
    measures: dict[str, Any]
    grades: tuple[int, ...]
    """Per disc, from the uppermost down."""


def spine_parts(spine: Spine, grades: tuple[int, ...], path: Path) -> SpineParts:
    """Return the parts of a spine; `grades` has one for all discs, one each, or one for each of the lowest discs."""
    check_spine(spine, path)
    full = disc_grades(spine, grades)
    built = stack(spine, full)
    pieces = add_findings(spine, built, [*surrounding_pieces(spine, built), *column_pieces(spine, built)])
    if spine.surroundings == "discs":
        pieces = [piece for piece in pieces if piece.code in OF_DISCS]
    if not spine.excised:
        pieces = [_within(piece, spine.height.value / 2) for piece in pieces]
    names = {piece.name for piece in pieces}
    return SpineParts(
        pieces=tuple(pieces),
        rois=tuple(roi for roi in spine_rois(built, OTHERS) if names.intersection(roi.regions)),
        lamellae=spine_lamellae(spine, built),
        measures=disc_measures(spine, built),
        grades=full,
    )


def _within(piece: Piece, half: float) -> Piece:
    """Return a piece that ends where the piece of body around the spine ends."""
    low, high = piece.solid.bounds()[:, 2]
    if low >= -half - 1e-9 and high <= half + 1e-9:
        return piece
    box = Block(centre=(0.0, 0.0, 0.0), size=(1.0, 1.0, 2 * half))
    return replace(piece, solid=Common(solids=(piece.solid, box)))


def disc_grades(spine: Spine, grades: tuple[int, ...]) -> tuple[int, ...]:
    """Return one grade per disc; the lowest discs take those given, the others the first of them."""
    count = len(spine.discs)
    if not grades:
        return (spine.grade,) * count
    if len(grades) > count:
        names = ", ".join(spine.discs)
        raise InputError(f"{len(grades)} grades for {count} discs ({names}); give at most one each", key="grade")
    return (grades[0],) * (count - len(grades)) + grades


def regions_of(pieces: tuple[Piece, ...]) -> tuple[tuple[Region, ...], tuple[tuple[str, int | None, str], ...]]:
    """Return the painted regions, and each of their tissues as (tissue, grade, name in the phantom).

    Graded tissues carry their grade in their name where a phantom has discs of several grades.
    """
    mixed = len({piece.grade for piece in pieces if piece.grade is not None}) > 1
    tissues: dict[str, tuple[str, int | None, str]] = {}
    regions = []
    for piece in pieces:
        name = f"{piece.tissue}_{GRADES[piece.grade - 1]}" if mixed and piece.grade else piece.tissue
        tissues.setdefault(name, (piece.tissue, piece.grade, name))
        number = list(tissues).index(name)
        regions.append(Region(name=piece.name, tissue=number, shape=piece.solid, mix=piece.mix, label=piece.label))
    return tuple(regions), tuple(tissues.values())
