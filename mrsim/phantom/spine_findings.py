"""What degeneration and injury add to a disc: herniations, fissures, high-intensity zones, Modic change, nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .solid_fractions import Blur, Mix
from .solids import Common, Ellipsoid, Solid, Union
from .spine import RIM, Disc, Piece, Stack, body_limits
from .spine_file import Finding, Spine

SIZES = {
    "bulge": (2.5e-3, 0.0), "protrusion": (5e-3, 12e-3), "extrusion": (8e-3, 12e-3), "fissure": (1e-3, 0.0),
    "high-intensity-zone": (3e-3, 0.0), "modic": (9e-3, 0.0), "schmorl": (8e-3, 0.0), "residual-fragment": (6e-3, 8e-3),
}  # fmt: skip
"""Size and width of each kind unless the file says so, m."""
FLUID = "csf"
"""What fills a high-intensity zone; it has no grade."""
MODIC: dict[str, tuple[str, float]] = {
    "I": (FLUID, 0.4),
    "II": ("subcutaneous_fat", 0.55),
    "III": ("cortical_bone", 0.6),
}
"""Type -> what takes the place of marrow (fluid, fat, bone), and its share."""
MODIC_EDGE = 4e-3
"""Over which Modic change fades into the marrow, m."""
CLEFT = 0.75
"""Share of fibrous tissue in the middle of the intranuclear cleft."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fading(Mix):
    """A share that fades out: `part` well inside a level set, less by a smooth ramp of `width` around its zero."""

    part: float
    solid: Solid
    width: float
    """m."""
    into: str

    def share(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the part times the ramp."""
        ramp = Blur(solid=self.solid, width=self.width, into=self.into)
        return self.part * ramp.share(point)


def add_findings(spine: Spine, built: Stack, pieces: list[Piece]) -> list[Piece]:
    """Return the pieces with those of the findings in their places of the painter's order."""
    discs = {disc.name: disc for disc in built.discs}
    for name, finding in spine.finding.items():
        disc = discs[finding.disc]
        size, width = finding.size or SIZES[finding.kind][0], finding.width or SIZES[finding.kind][1]
        if finding.kind == "bulge":
            pieces = _bulged(pieces, disc, size)
            continue
        new, before = _pieces(name, finding, disc, size, width, spine, built)
        at = next((i for i, p in enumerate(pieces) if before and p.name == before), len(pieces))
        pieces = [*pieces[:at], *new, *pieces[at:]]
    if any(disc.grade == 2 for disc in built.discs):
        pieces = [*pieces, *(_cleft(disc) for disc in built.discs if disc.grade == 2)]
    return pieces


def _bulged(pieces: list[Piece], disc: Disc, size: float) -> list[Piece]:
    """Return the pieces with a disc that stands out beyond the bodies' rims all around."""
    solid = Common(solids=(disc.outline(size), disc.slab))
    name = f"annulus_fibrosus_outer_{disc.name}"
    return [replace(piece, solid=solid) if piece.name == name else piece for piece in pieces]


def _cleft(disc: Disc) -> Piece:
    """Return the horizontal band in a nucleus of grade II: fibrous in part, and fading towards its edges."""
    thick = 0.08 * disc.slab.height[0]
    centre = disc.frame.world(0.0, disc.offset, 0.0)

    def lens(scale: float) -> Ellipsoid:
        axes = (scale * 0.46 * disc.nucleus[0], scale * 0.46 * disc.nucleus[1], scale * thick)
        return Ellipsoid(centre=centre, semi_axes=axes, turn=disc.frame.turn)

    mix = Fading(part=CLEFT, solid=lens(1.0), width=2 * thick, into=f"nucleus_pulposus_{disc.name}")
    return Piece(
        name=f"intranuclear_cleft_{disc.name}", tissue="annulus_fibrosus_inner", solid=lens(2.0), code=15,
        level=disc.above, grade=disc.grade, mix=mix,
    )  # fmt: skip


def _pieces(
    name: str, finding: Finding, disc: Disc, size: float, width: float, spine: Spine, built: Stack
) -> tuple[list[Piece], str]:
    """Return the painted pieces of a finding, and the name of the piece before which they come (empty: last)."""
    kind, x = finding.kind, finding.aside
    rim = -disc.depth * 0.94

    def ball(a: float, u: float, axes: tuple[float, float, float]) -> Ellipsoid:
        return Ellipsoid(centre=disc.frame.world(x, a, u), semi_axes=axes, turn=disc.frame.turn)

    def piece(tissue: str, solid: Solid, code: int) -> Piece:
        grade = None if tissue == FLUID else disc.grade
        return Piece(name=name, tissue=tissue, solid=solid, code=code, level=disc.above, grade=grade)

    first_bone = f"cortical_bone_{built.bodies[0].name}"
    tall = disc.slab.height[0]
    if kind == "protrusion":
        return [piece("herniation_protrusion", ball(rim, 0.0, (width / 2, size, 0.45 * tall)), 70)], first_bone
    if kind == "extrusion":
        neck, head = (
            ball(rim, 0.0, (0.35 * width, 0.75 * size, 0.35 * tall)),
            ball(rim - 0.55 * size, -0.5 * size, (width / 2, 0.5 * size, 0.9 * size)),
        )
        return [piece("herniation_extrusion", Union(solids=(neck, head)), 71)], first_bone
    if kind == "residual-fragment":
        axes = (width / 2, 0.4 * size, 0.8 * size)
        return [piece("herniation_extrusion", ball(rim - 0.45 * size, -tall / 2 - size, axes), 72)], first_bone
    if kind == "fissure":
        inner = disc.offset - disc.nucleus[1]
        axes = (0.6 * tall, (inner - rim) / 2 + 1e-3, size / 2)
        return [piece("nucleus_pulposus", ball((inner + rim) / 2, 0.0, axes), 73)], ""
    if kind == "high-intensity-zone":
        return [piece(FLUID, ball(rim + 0.6 * size, 0.1 * tall, (0.8 * size, size / 2, size / 2)), 74)], ""
    bodies = _beside(finding, disc, built)
    if kind == "schmorl":
        _, side = bodies[0]
        surface = float(side * disc.slab.half(np.zeros(1), np.zeros(1))[0])
        return [piece("nucleus_pulposus", ball(0.1 * disc.depth, surface, (size / 2, size / 2, 0.45 * size)), 75)], ""
    return [_modic(name, finding, disc, size, i, spine, built) for i, _ in bodies], f"cartilage_endplate_{disc.name}"


def _beside(finding: Finding, disc: Disc, built: Stack) -> list[tuple[int, int]]:
    """Return (number, side) of the bodies beside the disc that the finding names."""
    i = built.discs.index(disc)
    both = {"upper": [(i, 1)], "lower": [(i + 1, -1)], "both": [(i, 1), (i + 1, -1)]}
    return both[finding.side]


def _modic(name: str, finding: Finding, disc: Disc, size: float, i: int, spine: Spine, built: Stack) -> Piece:
    """Return the zone of a body beside the disc in which marrow is partly replaced."""
    body, plate = built.bodies[i], spine.bony_endplate_thickness.value
    near = replace(disc.slab, margin=disc.endplate + plate + size)
    wall = replace(body.wall, inset=spine.shell_thickness.value)
    zone = Common(solids=(wall, *body_limits(built, i, plate), near), rounding=RIM)
    inner = replace(near, margin=near.margin - MODIC_EDGE / 2)
    tissue, part = MODIC[finding.type]
    return Piece(
        name=f"{name}_{body.name}", tissue=tissue, solid=zone, code=76, level=body.name,
        mix=Fading(part=part, solid=inner, width=MODIC_EDGE, into=f"marrow_{body.name}"),
    )  # fmt: skip
