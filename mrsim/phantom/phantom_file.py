"""The shape of a phantom file, and how it becomes a phantom.

A phantom file either lists shapes (``[shape.<name>]``, painted in the order of the file) or names an
anatomy with its sizes (``[motion_segment]``). Tissues are found by name in ``phantoms/tissues`` or defined
on the spot (``[material.<name>]``, ideal materials whose properties hold at any field strength).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.errors import InputError, check_kind
from ..core.toml import line_of, read_toml, resource, structure
from ..core.units import Fraction, Frequency, Length
from .contents import Region
from .field_laws import STRICT
from .motion_segment import MotionSegment, Part, segment_regions, segment_rois
from .offset_map import SusceptibilityTable, magnetised
from .overlaps import crossing_pairs
from .phantom import Phantom, Roi
from .phantom_tissues import Material, check_sets, tissue_of, tissues_of
from .shape_entries import read_shape
from .spine_file import Spine, resized
from .spine_phantom import regions_of, spine_parts
from .tissue import grade_number

Grade = int | str | Sequence[int | str] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PhantomFile:
    """A phantom file."""

    __pydantic_config__ = STRICT
    description: str
    extruded: Literal["x", "y", "z"] = "x"
    """World axis (x right, y anterior, z superior) along which shapes are extruded."""
    length: Length | None = None
    """How far shapes reach along that axis, centred on the origin, unless they say so; endless if missing."""
    offset: Frequency = 0.0
    b1: Fraction = 1.0
    material: dict[str, Material] = dataclasses.field(default_factory=dict)
    shape: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    motion_segment: MotionSegment | None = None
    susceptibility: SusceptibilityTable | None = None
    """Its tissues disturb the main field; None: they do not."""
    spine: Spine | None = None
    materials: tuple[str, ...] = ()
    """Material sets of its tissues, where the literature disagrees."""
    extrapolate: bool = False
    """Allow field strengths beyond those at which its tissues are known."""


def load_phantom(
    name: str, field: float = 3.0, grade: Grade = None, materials: tuple[str, ...] = (), extrapolate: bool = False,
    sizes: tuple[float, float] = (1.0, 1.0),
) -> Phantom:  # fmt: skip
    """Load a phantom by name or path.

    Parameters
    ----------
    name : str
        A shipped phantom, e.g. ``"lumbar-disc"``, or the path of a TOML file.
    field : float
        Field strength, T; every tissue must be known there.
    grade : int, str or sequence of them, optional
        Pfirrmann grade, 1 to 5 or I to V, for phantoms with a disc. Default: the file's. Of a spine, one for all
        discs, or one each from the uppermost down; with fewer, the lowest discs take them and the others the first.
    materials : tuple of str
        Material sets on top of the file's own, e.g. ``("stiffness_falls",)``; see `material_sets`.
    extrapolate : bool
        True allows field strengths beyond those at which the tissues are known; `Phantom.extrapolated` then names
        what was carried on.
    sizes : (float, float)
        Factors on all sizes, and on the heights of discs besides, of spines and motion segments.
    """
    path = resource(name, "phantoms", "phantom")
    check_kind(field, Real, "field", "that of the scanner, T")
    content = structure(read_toml(path), PhantomFile, path)
    extrapolate = extrapolate or content.extrapolate
    if not content.b1 > 0:
        raise _error(path, ("b1",), f"{content.b1:g} is not positive; 1 is the nominal transmit field")
    grades = grade_numbers(grade)
    content = dataclasses.replace(
        content, spine=content.spine and resized(content.spine, *sizes),
        motion_segment=content.motion_segment and resized(content.motion_segment, *sizes),
    )  # fmt: skip
    if content.spine:
        spine = _spine(content, content.spine, grades, path, field, (*content.materials, *materials), extrapolate)
        return magnetised(spine, content.susceptibility) if content.susceptibility else spine
    if len(grades) > 1:
        raise InputError(f"{len(grades)} grades for '{path.stem}', which is not a spine; give one", key="grade")
    parts, rois, number = _parts(content, grades[0] if grades else None, path)
    if content.length is not None:
        if not content.length > 0:
            raise _error(path, ("length",), f"{content.length:g} m is not positive")
        whole = (-content.length / 2, content.length / 2)
        parts = [(n, t, s, whole if np.all(np.isinf(span)) else span) for n, t, s, span in parts]
    _check_overlaps(content, parts, path)
    sets = (*content.materials, *materials)
    names = tuple(dict.fromkeys(tissue for _, tissue, _, _ in parts))
    regions = tuple(Region(name=n, tissue=names.index(t), shape=s, span=span) for n, t, s, span in parts)
    phantom = Phantom(
        name=path.stem,
        description=content.description,
        field=field,
        grade=number,
        tissues=tissues_of(names, content.material, path, number, field, sets, extrapolate),
        regions=regions,
        rois_defined=rois,
        axis=content.extruded,
        offset=content.offset,
        b1=content.b1,
        history={"file": str(path.resolve()), "field": field, "grade": number, "materials": list(sets)},
    )
    return magnetised(phantom, content.susceptibility) if content.susceptibility else phantom


def grade_numbers(grade: Grade) -> tuple[int, ...]:
    """Return Pfirrmann grades as numbers; none for None."""
    several = grade if isinstance(grade, tuple | list) else (grade,)
    numbers = [grade_number(one) for one in several]
    return tuple(number for number in numbers if number is not None)


def _spine(
    content: PhantomFile, spine: Spine, grades: tuple[int, ...], path: Path, field: float, sets: tuple[str, ...],
    extrapolate: bool,
) -> Phantom:  # fmt: skip
    """Return a spine."""
    if content.shape or content.motion_segment or content.length is not None:
        raise _error(path, ("spine",), "stands beside shapes, a motion segment or a length; give one of them")
    made = spine_parts(spine, grades, path)
    regions, wanted = regions_of(made.pieces)
    tissues = tuple(
        dataclasses.replace(tissue_of(name, content.material, path, grade, field, sets, extrapolate), name=full)
        for name, grade, full in wanted
    )
    check_sets(tissues, path, sets)
    return Phantom(
        name=path.stem,
        description=content.description,
        field=field,
        grade=made.grades[0],
        tissues=tissues,
        regions=regions,
        rois_defined=made.rois,
        axis="x",
        offset=content.offset,
        b1=content.b1,
        lamellae=made.lamellae,
        history={"file": str(path.resolve()), "field": field, "grade": made.grades, "materials": list(sets),
                 "discs": made.measures},
    )  # fmt: skip


def _parts(content: PhantomFile, grade: int | None, path: Path) -> tuple[list[Part], tuple[Roi, ...], int | None]:
    """Return the painted parts, the regions of interest and the grade (None: the phantom has none)."""
    if (content.motion_segment is None) == (not content.shape):
        raise _error(path, ("shape",), "give either [shape.<name>] tables, [motion_segment] or [spine]")
    if content.motion_segment:
        number = grade or content.motion_segment.grade
        parts = segment_regions(content.motion_segment, number, path)
        return parts, segment_rois(content.motion_segment, number), number
    parts = [read_shape(key, table, path) for key, table in content.shape.items()]
    return parts, tuple(Roi(name=key, regions=(key,)) for key, *_ in parts), None


def _check_overlaps(content: PhantomFile, parts: list[Part], path: Path) -> None:
    """Refuse shapes that cross earlier ones without saying so, and shapes of which nothing is left."""
    if not content.shape:
        return
    solids = [Region(name=n, tissue=0, shape=shape, span=span).solid(content.extruded) for n, _, shape, span in parts]
    for i, j, how in crossing_pairs(solids):
        earlier, later = parts[i][0], parts[j][0]
        if how == "hides":
            words = (
                f"lies wholly under '{later}', which is painted after it: nothing of it is left; put it after '{later}'"
            )
            raise _error(path, ("shape", earlier), words)
        if content.shape[later].get("overlaps") is not True:
            words = (
                f"crosses '{earlier}'; move one of them, or write overlaps = true if it is meant to cover part of it"
            )
            raise _error(path, ("shape", later), words)


def _error(path: Path, keys: tuple[str, ...], problem: str) -> InputError:
    return InputError(problem, key=".".join(keys), file=path, line=line_of(path, keys))
