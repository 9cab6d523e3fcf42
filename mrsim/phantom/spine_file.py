"""The [spine] table of a phantom file: sizes by level or by grade, each with spread and source, and findings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..core.errors import InputError, did_you_mean
from ..core.toml import line_of
from ..core.units import Length, Lengths
from .field_laws import STRICT
from .motion_segment import GradedFraction, GradedSize, MotionSegment, Size
from .tissue_facts import Provenance

FINDINGS = (
    "bulge", "protrusion", "extrusion", "fissure", "high-intensity-zone", "modic", "schmorl", "residual-fragment",
)  # fmt: skip
"""Kinds of finding."""


ABOVE = "above"
"""Of a conus that lies above the piece of spine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelSize:
    """A length per vertebra or per disc, from the uppermost down."""

    __pydantic_config__ = STRICT
    value: Lengths
    spread: Lengths
    source: str
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is wrong with one disc."""

    __pydantic_config__ = STRICT
    kind: str
    """One of `FINDINGS`."""
    disc: str
    """E.g. ``"L4/5"``."""
    size: Length | None = None
    """How far it reaches: a herniation behind the disc, Modic change into the body, else a diameter."""
    width: Length | None = None
    """Across, for herniations."""
    aside: Length = 0.0
    """To the right of the midline."""
    type: Literal["I", "II", "III"] = "II"
    """Of Modic change."""
    side: Literal["upper", "lower", "both"] = "both"
    """Body above the disc, below it, or both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spine:
    """Sizes of a piece of spine."""

    __pydantic_config__ = STRICT
    vertebrae: tuple[str, ...]
    """From the uppermost down; S1 brings the sacrum with it."""
    grade: Literal[1, 2, 3, 4, 5]
    """Default Pfirrmann grade of every disc."""
    surroundings: Literal["torso", "neck", "none", "discs"]
    """none: vertebrae and discs alone, as excised; discs: without the vertebrae."""
    conus: str = ""
    """Vertebra at whose lower end the cord ends in roots; "above": roots alone; empty: the cord runs through."""
    seed: int = 1
    """Of the fat strands in muscle."""
    muscle_fat: float = 0.08
    """Share of fat strands in paraspinal muscle."""
    height: Size
    """Of the piece of body around the spine."""
    body_height_anterior: LevelSize
    body_height_posterior: LevelSize
    body_depth: LevelSize
    body_width: LevelSize
    disc_height_anterior: LevelSize
    disc_height_middle: LevelSize
    disc_height_posterior: LevelSize
    disc_depth: LevelSize
    disc_width: LevelSize
    height_factor: GradedFraction
    nucleus_area_fraction: GradedFraction
    boundary_blur: GradedSize
    """Width over which nucleus passes into annulus."""
    endplate_thickness: GradedSize
    nucleus_offset: Size
    bony_endplate_thickness: Size
    shell_thickness: Size
    body_waist: Size
    lamella_thickness: Size
    canal_depth: Size
    canal_width: Size
    sac_depth: Size
    sac_width: Size
    cord_depth: Size
    cord_width: Size
    subcutaneous_fat: Size
    finding: dict[str, Finding] = dataclasses.field(default_factory=dict)
    """By any name."""

    @property
    def excised(self) -> bool:
        """Return True where nothing lies around the column."""
        return self.surroundings in ("none", "discs")

    @property
    def discs(self) -> tuple[str, ...]:
        """Names of the discs, e.g. ``"L4/5"``, ``"L5/S1"``."""
        pairs = zip(self.vertebrae[:-1], self.vertebrae[1:], strict=True)
        return tuple(f"{up}/{down[1:] if up[0] == down[0] else down}" for up, down in pairs)


S = TypeVar("S", Spine, MotionSegment)


def resized(sizes: S, body: float, heights: float) -> S:
    """Return a spine or a motion segment with all lengths times `body`, and those of discs' heights times `heights`."""
    if body == heights == 1.0:
        return sizes
    changed: dict[str, Any] = {}
    for entry in dataclasses.fields(sizes):
        size = getattr(sizes, entry.name)
        factor = body * (heights if entry.name.startswith("disc_height") else 1.0)
        if isinstance(size, Size):
            changed[entry.name] = replace(size, value=factor * size.value)
        elif isinstance(size, LevelSize | GradedSize):
            changed[entry.name] = replace(size, value=tuple(factor * v for v in size.value))
    return replace(sizes, **changed)


def check_spine(spine: Spine, path: Path) -> None:
    """Refuse wrong counts, sizes that are not positive and findings at discs that are not there."""
    if len(spine.vertebrae) < 2:
        raise _error(path, ("vertebrae",), "names fewer than two vertebrae; a disc lies between two")
    for name in Spine.__dataclass_fields__:
        entry = getattr(spine, name)
        if isinstance(entry, LevelSize):
            _check_count(entry, name, len(spine.discs if name.startswith("disc") else spine.vertebrae), path)
        if isinstance(entry, GradedSize | GradedFraction):
            _check_count(entry, name, 5, path)
        values = (entry.value,) if isinstance(entry, Size) else getattr(entry, "value", ())
        if any(v <= 0 for v in values):
            raise _error(path, (name, "value"), f"{min(values):g} (SI) is not positive; give a size above 0")
    if not 0 < spine.muscle_fat < 1:
        raise _error(path, ("muscle_fat",), f"{spine.muscle_fat:g} is not between 0 and 1")
    if spine.conus and spine.conus not in (*spine.vertebrae, ABOVE):
        raise _error(path, ("conus",), f"'{spine.conus}' is none of {', '.join(spine.vertebrae)}, {ABOVE}")
    _check_fit(spine, path)
    for name, finding in spine.finding.items():
        if finding.kind not in FINDINGS:
            raise _error(
                path,
                ("finding", name, "kind"),
                f"unknown finding '{finding.kind}'{did_you_mean(finding.kind, FINDINGS)}",
            )
        if finding.disc not in spine.discs:
            raise _error(path, ("finding", name, "disc"), f"'{finding.disc}' is none of {', '.join(spine.discs)}")
        if finding.size is not None and not finding.size > 0:
            raise _error(path, ("finding", name, "size"), f"{finding.size * 1e3:g} mm is not positive")


def _check_fit(spine: Spine, path: Path) -> None:
    """Refuse parts that would have to overlap."""
    for inner, outer in (("cord", "sac"), ("sac", "canal")):
        for side in ("depth", "width"):
            small, large = getattr(spine, f"{inner}_{side}").value, getattr(spine, f"{outer}_{side}").value
            if small >= large:
                words = f"{1e3 * small:g} mm does not fit into {outer}_{side} = {1e3 * large:g} mm; make it smaller"
                raise _error(path, (f"{inner}_{side}", "value"), words)
    thickest = max(spine.endplate_thickness.value) + spine.bony_endplate_thickness.value
    heights = (*spine.body_height_anterior.value, *spine.body_height_posterior.value)
    if 4 * thickest > min(heights):
        words = f"two endplates of {1e3 * thickest:g} mm do not fit into a body of {1e3 * min(heights):g} mm"
        raise _error(path, ("endplate_thickness", "value"), words)


def _check_count(entry: LevelSize | GradedSize | GradedFraction, name: str, wanted: int, path: Path) -> None:
    if len(entry.value) != wanted:
        raise _error(path, (name, "value"), f"has {len(entry.value)} values; give {wanted}, from the uppermost down")


def _error(path: Path, keys: tuple[str, ...], problem: str) -> InputError:
    whole = ("spine", *keys)
    return InputError(problem, key=".".join(whole), file=path, line=line_of(path, whole))
