"""A lumbar motion segment in the sagittal plane: disc, endplates, two vertebral bodies, sac, fat and muscle.

Plane coordinates are y (anterior) and z (superior), with the origin at the disc's centre. The disc lies
between two parabolas through its anterior, middle and posterior height; the nucleus is a superellipse set
back from the centre and flattened by the endplates; the bodies have concave walls; everything behind
follows the lordosis, y = y0 - bow z^2. Heights are those of the disc without its cartilage endplates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..core.errors import InputError
from ..core.toml import line_of
from ..core.units import Fractions, Length, Lengths
from .field_laws import STRICT
from .phantom import Roi
from .shapes import Band, Box, Ellipse, Intersection, Shape
from .solids import Solid
from .tissue_facts import Provenance

Part = tuple[str, str, Shape | Solid, tuple[float, float]]
"""Name, tissue, shape, span along the extrusion."""
ENDLESS = (-np.inf, np.inf)
NUCLEUS_EXPONENT = 2.3
NUCLEUS_SHARE = 0.62
"""Nucleus length over disc length in the sagittal plane, at an axial area fraction of 0.62 x 0.65."""
NUCLEUS_AREA = 0.62 * 0.65


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A length with its origin."""

    __pydantic_config__ = STRICT
    value: Length
    spread: Length
    source: str
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class GradedSize:
    """A length per Pfirrmann grade, I to V."""

    __pydantic_config__ = STRICT
    value: Lengths
    spread: Lengths
    source: str
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class GradedFraction:
    """A pure number per Pfirrmann grade, I to V."""

    __pydantic_config__ = STRICT
    value: Fractions
    spread: Fractions
    source: str
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionSegment:
    """Sizes of a lumbar motion segment."""

    __pydantic_config__ = STRICT
    grade: Literal[1, 2, 3, 4, 5]
    """Default Pfirrmann grade."""
    disc_depth: Size
    """Anterior to posterior."""
    disc_height_anterior: Size
    disc_height_middle: Size
    disc_height_posterior: Size
    height_factor: GradedFraction
    nucleus_area_fraction: GradedFraction
    """Of the disc's axial area."""
    nucleus_offset: Size
    """Of the nucleus' centre, posterior."""
    endplate_thickness: GradedSize
    """Cartilage endplate."""
    shell_thickness: Size
    """Cortical bone of the bodies."""
    upper_body_height_anterior: Size
    upper_body_height_posterior: Size
    lower_body_height_anterior: Size
    lower_body_height_posterior: Size
    body_waist: Size
    """How far the anterior wall and the far endplates are hollowed."""
    ligament_thickness: Size
    sac_depth: Size
    """Thecal sac, anterior to posterior."""
    epidural_fat_depth: Size
    muscle_depth: Size
    column_height: Size
    """Of the sac, the fat and the muscle."""
    lordosis_radius: Size
    """Radius of curvature of the column."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """Sizes of one grade in m, ready to draw."""

    half_depth: float
    height: tuple[float, float, float]
    """Polynomial of the disc's height h(y)."""
    nucleus: tuple[float, float]
    """Centre y and semi-axis."""
    inner: tuple[float, float]
    """The same of the inner annulus' outline."""
    endplate: float
    bow: float
    """y = y0 - bow z^2."""


def segment_regions(sizes: MotionSegment, grade: int, path: Path) -> list[Part]:
    """Return the painted parts in order, bottom first: name, tissue, shape, span."""
    _check(sizes, path)
    plan = _plan(sizes, grade)
    parts = [
        *_column(sizes, plan),
        *_body(sizes, plan, "upper", +1),
        *_body(sizes, plan, "lower", -1),
        *_endplates(plan),
        *_disc(plan),
    ]
    return [(name, tissue, shape, ENDLESS) for name, tissue, shape in parts]


def segment_rois(sizes: MotionSegment, grade: int) -> tuple[Roi, ...]:
    """Return the regions of interest, annuli split in front of and behind the nucleus' centre."""
    middle = _plan(sizes, grade).nucleus[0]
    front, back = (middle, -np.inf), (middle, np.inf)
    split = []
    for name in ("annulus_fibrosus_inner", "annulus_fibrosus_outer"):
        split.append(Roi(name=f"{name}_anterior", regions=(name,), low=front))
        split.append(Roi(name=f"{name}_posterior", regions=(name,), high=back))
    whole = ("nucleus_pulposus", "cartilage_endplate_upper", "cartilage_endplate_lower", "marrow_upper",
             "marrow_lower", "csf", "epidural_fat", "paraspinal_muscle")  # fmt: skip
    first, *others = (Roi(name=name, regions=(name,)) for name in whole)
    return (first, *split, *others)


def _check(sizes: MotionSegment, path: Path) -> None:
    for name in MotionSegment.__dataclass_fields__:
        entry = getattr(sizes, name)
        if name == "grade":
            continue
        values = (entry.value,) if isinstance(entry, Size) else entry.value
        keys = ("motion_segment", name, "value")
        problem = None
        if not isinstance(entry, Size) and len(values) != 5:
            problem = f"has {len(values)} values; give one for each Pfirrmann grade, I to V"
        elif any(v <= 0 for v in values):
            problem = f"{min(values):g} (SI) is not positive; give a size above 0"
        if problem:
            raise InputError(problem, key=".".join(keys), file=path, line=line_of(path, keys))


def _plan(sizes: MotionSegment, grade: int) -> _Plan:
    half = sizes.disc_depth.value / 2
    factor = sizes.height_factor.value[grade - 1]
    front, middle, back = (
        factor * entry.value
        for entry in (sizes.disc_height_anterior, sizes.disc_height_middle, sizes.disc_height_posterior)
    )
    height = (middle, (front - back) / (2 * half), ((front + back) / 2 - middle) / half**2)
    share = NUCLEUS_SHARE * np.sqrt(sizes.nucleus_area_fraction.value[grade - 1] / NUCLEUS_AREA)
    centre, semi = -sizes.nucleus_offset.value, float(share * half)
    inner_front, inner_back = (centre + semi + half) / 2, (centre - semi - half) / 2
    return _Plan(
        half_depth=half,
        height=height,
        nucleus=(centre, semi),
        inner=((inner_front + inner_back) / 2, (inner_front - inner_back) / 2),
        endplate=sizes.endplate_thickness.value[grade - 1],
        bow=1 / (2 * sizes.lordosis_radius.value),
    )


def _disc_slab(plan: _Plan, margin: float = 0.0) -> Band:
    """Return what lies between the disc's surfaces, moved apart by `margin` on each side."""
    surface = tuple(h / 2 for h in plan.height)
    upper = (surface[0] + margin, *surface[1:])
    domain = (-1.25 * plan.half_depth, 1.25 * plan.half_depth)
    return Band(along=0, lower=tuple(-h for h in upper), upper=upper, domain=domain)


def _disc(plan: _Plan) -> list[tuple[str, str, Shape]]:
    tallest = plan.height[0] / 2 + plan.height[1] / 2 * plan.half_depth
    outline = Ellipse(centre=(0.0, 0.0), semi_axes=(plan.half_depth, 2.0 * tallest), exponent=4.0)
    inner = Ellipse(centre=(plan.inner[0], 0.0), semi_axes=(plan.inner[1], 1.6 * tallest), exponent=3.0)
    nucleus_height = 0.56 * plan.height[0]
    nucleus = Ellipse(
        centre=(plan.nucleus[0], 0.0), semi_axes=(plan.nucleus[1], nucleus_height), exponent=NUCLEUS_EXPONENT
    )
    slab = _disc_slab(plan)
    return [
        ("annulus_fibrosus_outer", "annulus_fibrosus_outer", Intersection(shapes=(outline, slab))),
        ("annulus_fibrosus_inner", "annulus_fibrosus_inner", Intersection(shapes=(inner, slab))),
        ("nucleus_pulposus", "nucleus_pulposus", Intersection(shapes=(nucleus, slab))),
    ]


def _endplates(plan: _Plan) -> list[tuple[str, str, Shape]]:
    """Return the cartilage over nucleus and inner annulus; the bodies' rim meets the outer annulus directly."""
    far = 3 * plan.height[0]
    slab = _disc_slab(plan, plan.endplate)
    parts: list[tuple[str, str, Shape]] = []
    for name, side in (("upper", 1), ("lower", -1)):
        half = Box(centre=(plan.inner[0], side * far / 2), size=(2 * plan.inner[1], far))
        parts.append((f"cartilage_endplate_{name}", "cartilage_endplate", Intersection(shapes=(slab, half))))
    return parts


def _body(sizes: MotionSegment, plan: _Plan, name: str, side: int) -> list[tuple[str, str, Shape]]:
    """Return a vertebral body: cortical shell, then marrow within it."""
    front = getattr(sizes, f"{name}_body_height_anterior").value
    back = getattr(sizes, f"{name}_body_height_posterior").value
    half, shell, waist = plan.half_depth, sizes.shell_thickness.value, sizes.body_waist.value
    surface = np.array([h / 2 for h in plan.height])
    ends = [surface @ [1, y, y * y] + plan.endplate + h for y, h in ((half, front), (-half, back))]
    far = np.array([sum(ends) / 2 - waist, (ends[0] - ends[1]) / (2 * half), waist / half**2])
    middle = side * (surface[0] + plan.endplate + (front + back) / 4)
    reach = (front + back) / 4
    hollow = np.array([middle**2, -2 * middle, 1.0]) / reach**2  # ((z - middle) / reach)^2
    lordosis = np.array([0.0, 0.0, plan.bow])
    anterior = half * np.array([1.0, 0, 0]) - waist * (np.array([1.0, 0, 0]) - hollow) - lordosis
    posterior = -half * np.array([1.0, 0, 0]) + 0.5 * waist * (np.array([1.0, 0, 0]) - hollow) - lordosis
    domain = (-1.25 * half, 1.25 * half)
    zone = (-1.2 * max(ends), 1.2 * max(ends))

    def outline(inset: float, near: float) -> Shape:
        lift = np.array([1.0, 0, 0])
        curves = sorted((tuple(side * (surface + near * lift)), tuple(side * (far - inset * lift))))
        walls = Band(along=1, lower=tuple(posterior + inset * lift), upper=tuple(anterior - inset * lift), domain=zone)
        plates = Band(along=0, lower=curves[0], upper=curves[1], domain=domain)
        return Intersection(shapes=(walls, plates), rounding=4e-3)

    return [
        (f"shell_{name}", "cortical_bone", outline(0.0, 0.0)),
        (f"marrow_{name}", "vertebral_bone_marrow", outline(shell, plan.endplate + shell)),
    ]


def _column(sizes: MotionSegment, plan: _Plan) -> list[tuple[str, str, Shape]]:
    """Return, from back to front, muscle, epidural fat, sac and the two longitudinal ligaments."""
    half, ligament = plan.half_depth, sizes.ligament_thickness.value
    bodies = max(sizes.upper_body_height_posterior.value, sizes.lower_body_height_posterior.value)
    short = 2 * (bodies + plan.height[0] / 2)
    edges = [-half - ligament]
    for entry in (sizes.sac_depth, sizes.epidural_fat_depth, sizes.muscle_depth):
        edges.append(edges[-1] - entry.value)

    def strip(back: float, front: float, tall: float, rounding: float) -> Shape:
        lordosis = (0.0, -plan.bow)
        band = Band(along=1, lower=(back, *lordosis), upper=(front, *lordosis), domain=(-tall / 2, tall / 2))
        ends = Box(centre=((back + front) / 2, 0.0), size=(0.5, tall))
        return Intersection(shapes=(band, ends), rounding=rounding)

    tall = sizes.column_height.value
    return [
        ("paraspinal_muscle", "paraspinal_muscle", strip(edges[3], edges[2], tall, 8e-3)),
        ("epidural_fat", "epidural_fat", strip(edges[2], edges[1], tall, 0.0)),
        ("csf", "csf", strip(edges[1], edges[0], tall, 0.0)),
        ("posterior_ligament", "ligament", strip(edges[0], -half + 2e-3, short, 0.0)),
        ("anterior_ligament", "ligament", strip(half - 3e-3, half + ligament, short, 0.0)),
    ]
