"""A spine in space: vertebrae and discs stacked in the sagittal plane, each with its own tilt.

The stack is built downwards: every body and every disc turns the frame by its wedge, which follows from its anterior
and posterior height; the lordosis is the sum. A body reaches from surface to surface of the discs beside it, so
nothing gapes or overlaps whatever the grades do to the heights. Heights are those of a disc without its endplates.
Below S1 two shrinking sacral segments follow, with bony remnants of discs between them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .solid_fractions import Blur, Mix
from .solids import Common, Ellipsoid, HalfSpace, Solid
from .spine_file import Spine
from .spine_shapes import Face, Frame, Slab, Wall

NUCLEUS_EXPONENT = 2.3
NUCLEUS_SHARE = (0.65, 0.62)
"""Nucleus over disc, across and from front to back, where its area is their product."""
LEVELS = tuple([f"C{i}" for i in range(1, 8)] + [f"T{i}" for i in range(1, 13)] + [f"L{i}" for i in range(1, 6)]
               + [f"S{i}" for i in range(1, 6)])  # fmt: skip
"""Vertebrae from the head down; a label ends in the number of its vertebra here, from 1."""
TOP_SHARE = 0.25
"""Of the lordosis, by which the uppermost vertebra leans back; the rest is the slope of the lowest one."""
RIM = 2e-3
"""Rounding of the bodies' rims, m."""
SACRUM = ((0.62, -0.14), (0.46, -0.2))
"""Of S2 and S3: size over that of S1, and wedge, rad."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One painted region of a spine."""

    name: str
    tissue: str
    solid: Solid
    code: int
    """Kind of structure; the label is 100 times it, plus the level's number."""
    level: str = ""
    """Vertebra, or the one above a disc."""
    grade: int | None = None
    mix: Mix | None = None

    @property
    def label(self) -> int:
        """Number in label maps."""
        return 100 * self.code + (LEVELS.index(self.level) + 1 if self.level in LEVELS else 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Disc:
    """A disc in place."""

    name: str
    above: str
    grade: int
    frame: Frame
    slab: Slab
    depth: float
    """Half, m."""
    width: float
    """Half, m."""
    nucleus: tuple[float, float]
    """Half width and half depth, m."""
    offset: float
    """Of the nucleus, m; negative is posterior."""
    endplate: float
    """Cartilage, m."""
    blur: float

    def outline(self, grow: float = 0.0) -> Wall:
        """Return the disc's wall, moved outwards."""
        return _column(self.frame, self.width, self.depth, -grow)

    def inner(self) -> Wall:
        """Return the wall of the inner annulus, halfway between nucleus and rim."""
        frame = self.frame.shifted(self.offset / 2)
        return _column(frame, (self.nucleus[0] + self.width) / 2, (self.nucleus[1] + self.depth) / 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A vertebral body in place."""

    name: str
    frame: Frame
    wall: Wall
    height: float
    """Mean of front and back, m."""
    depth: float
    """Half, m."""
    width: float
    """Half, m."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """Bodies and discs from the uppermost down; sacral segments below S1 come last among the bodies."""

    bodies: tuple[Body, ...]
    discs: tuple[Disc, ...]


def stack(spine: Spine, grades: tuple[int, ...]) -> Stack:
    """Return the bodies and discs in place, the middle of the stack at z = 0."""
    bodies, discs = [], []
    frame = Frame(y=0.0, z=0.0, tilt=-TOP_SHARE * _lordosis(spine, grades))
    for i, name in enumerate(spine.vertebrae):
        frame, body = _body(spine, i, name, frame)
        bodies.append(body)
        if i < len(spine.discs):
            frame, disc = _disc(spine, i, grades[i], frame)
            discs.append(disc)
    if spine.vertebrae[-1] == "S1":
        bodies += _sacrum(bodies[-1], frame)
    top = bodies[0].frame.z + bodies[0].height / 2
    last = bodies[len(spine.vertebrae) - 1]
    y = -float(np.mean([body.frame.y for body in bodies[: len(spine.vertebrae)]]))
    z = -(top + last.frame.z - last.height / 2) / 2
    return Stack(bodies=tuple(_moved(b, y, z) for b in bodies), discs=tuple(_moved_disc(d, y, z) for d in discs))


def column_pieces(spine: Spine, built: Stack) -> list[Piece]:
    """Return bodies, endplates and discs in painter's order."""
    pieces: list[Piece] = []
    for i, body in enumerate(built.bodies):
        pieces += _body_pieces(spine, built, i, body)
    for disc in built.discs:
        pieces += _disc_pieces(disc)
    return pieces


def _column(frame: Frame, width: float, depth: float, inset: float = 0.0) -> Wall:
    return Wall(
        frame=frame, half_width=(width,), half_depth=(depth,), span=(-0.02, 0.02), inset=inset, kidney=0.06 * depth
    )


def _wedges(spine: Spine, i: int) -> float:
    front, back = spine.body_height_anterior.value[i], spine.body_height_posterior.value[i]
    return float(np.arctan((front - back) / spine.body_depth.value[i]))


def _disc_heights(spine: Spine, i: int, grade: int) -> tuple[float, float, float]:
    factor = spine.height_factor.value[grade - 1]
    parts = (spine.disc_height_anterior, spine.disc_height_middle, spine.disc_height_posterior)
    front, middle, back = (factor * part.value[i] for part in parts)
    return front, middle, back


def _lordosis(spine: Spine, grades: tuple[int, ...]) -> float:
    total = sum(_wedges(spine, i) for i in range(len(spine.vertebrae)))
    for i, grade in enumerate(grades):
        front, _, back = _disc_heights(spine, i, grade)
        total += float(np.arctan((front - back) / spine.disc_depth.value[i]))
    return total


def _body(spine: Spine, i: int, name: str, top: Frame) -> tuple[Frame, Body]:
    """Return the frame at the body's lower end, and the body."""
    height = (spine.body_height_anterior.value[i] + spine.body_height_posterior.value[i]) / 2
    wedge, waist = _wedges(spine, i), spine.body_waist.value
    middle = Frame(y=top.y, z=top.z, tilt=top.tilt + wedge / 2)
    centre = middle.shifted(0.0, -height / 2)
    width, depth = spine.body_width.value[i] / 2, spine.body_depth.value[i] / 2
    flare = waist / (height / 2) ** 2
    slope = 0.18 if name == "S1" else 0.0
    wall = Wall(
        frame=centre, half_width=(width - waist, slope, flare), half_depth=(depth - waist, slope, flare),
        span=(-height / 2, height / 2), kidney=0.06 * depth,
    )  # fmt: skip
    below = middle.shifted(0.0, -height)
    body = Body(name=name, frame=centre, wall=wall, height=height, depth=depth, width=width)
    return Frame(y=below.y, z=below.z, tilt=top.tilt + wedge), body


def _disc(spine: Spine, i: int, grade: int, top: Frame) -> tuple[Frame, Disc]:
    """Return the frame at the upper end of the body below, and the disc."""
    front, middle, back = _disc_heights(spine, i, grade)
    half, width = spine.disc_depth.value[i] / 2, spine.disc_width.value[i] / 2
    cartilage = spine.endplate_thickness.value[grade - 1]
    wedge = float(np.arctan((front - back) / (2 * half)))
    tall = (front + back) / 2 + 2 * cartilage
    inside = Frame(y=top.y, z=top.z, tilt=top.tilt + wedge / 2)
    frame = inside.shifted(0.0, -tall / 2)
    bowl = (front + back) / 2 - middle
    slab = Slab(
        frame=frame, height=(middle, (front - back) / (2 * half), bowl / half**2), reach=(1.1 * width, 1.15 * half),
        dome=max(-bowl, 0.0) / 2 / width**2,
    )  # fmt: skip
    scale = np.sqrt(spine.nucleus_area_fraction.value[grade - 1] / (NUCLEUS_SHARE[0] * NUCLEUS_SHARE[1]))
    below = inside.shifted(0.0, -tall)
    disc = Disc(
        name=spine.discs[i], above=spine.vertebrae[i], grade=grade, frame=frame, slab=slab, depth=half, width=width,
        nucleus=(float(scale * NUCLEUS_SHARE[0] * width), float(scale * NUCLEUS_SHARE[1] * half)),
        offset=-spine.nucleus_offset.value, endplate=cartilage, blur=spine.boundary_blur.value[grade - 1],
    )  # fmt: skip
    return Frame(y=below.y, z=below.z, tilt=top.tilt + wedge), disc


def _sacrum(first: Body, below: Frame) -> list[Body]:
    """Return S2 and S3, each smaller and turned against the one above."""
    found, frame = [], below
    for (size, wedge), name in zip(SACRUM, ("S2", "S3"), strict=True):
        height = 0.8 * size**0.4 * first.height
        turned = Frame(y=frame.y, z=frame.z, tilt=frame.tilt + wedge / 2)
        centre = turned.shifted(-0.06 * first.depth, -height / 2 - 1.2e-3)
        width, depth = 0.85 * first.width * size**0.5, size * first.depth
        wall = Wall(
            frame=centre, half_width=(width, 0.1), half_depth=(depth, 0.12), span=(-height / 2, height / 2),
        )  # fmt: skip
        found.append(Body(name=name, frame=centre, wall=wall, height=height, depth=depth, width=width))
        end = turned.shifted(-0.1 * first.depth, -height - 1.2e-3)
        frame = Frame(y=end.y, z=end.z, tilt=frame.tilt + wedge)
    return found


def _moved(body: Body, y: float, z: float) -> Body:
    frame = Frame(y=body.frame.y + y, z=body.frame.z + z, tilt=body.frame.tilt)
    return replace(body, frame=frame, wall=replace(body.wall, frame=frame))


def _moved_disc(disc: Disc, y: float, z: float) -> Disc:
    frame = Frame(y=disc.frame.y + y, z=disc.frame.z + z, tilt=disc.frame.tilt)
    return replace(disc, frame=frame, slab=replace(disc.slab, frame=frame))


def body_limits(built: Stack, i: int, bone: float) -> list[Solid]:
    """Return what bounds body i above and below, `bone` deep under the cartilage; flat ends where no disc is."""
    body = built.bodies[i]
    limits: list[Solid] = []
    for number, side in ((i - 1, -1), (i, 1)):
        if 0 <= number < len(built.discs):
            disc = built.discs[number]
            limits.append(Face(slab=replace(disc.slab, margin=disc.endplate + bone), side=side))
        else:
            end = body.frame.world(0.0, 0.0, -side * (body.height / 2 - bone))
            limits.append(HalfSpace(point=end, normal=body.frame.direction(0.0, -side)))
    # the first limit is the disc above: the body lies below it; the second the disc below
    return limits


def _body_pieces(spine: Spine, built: Stack, i: int, body: Body) -> list[Piece]:
    plate, shell = spine.bony_endplate_thickness.value, spine.shell_thickness.value
    whole = Common(solids=(body.wall, *body_limits(built, i, 0.0)), rounding=RIM)
    core = Common(solids=(replace(body.wall, inset=shell), *body_limits(built, i, plate)), rounding=RIM)
    pieces = [Piece(name=f"cortical_bone_{body.name}", tissue="cortical_bone", solid=whole, code=2, level=body.name)]
    for number, word, side in ((i - 1, "upper", -1), (i, "lower", 1)):
        if 0 <= number < len(built.discs):
            disc = built.discs[number]
            near = replace(disc.slab, margin=disc.endplate + plate)
            skin = Common(solids=(whole, near, Face(slab=disc.slab, side=side)))
            name = f"bony_endplate_{word}_{body.name}"
            code = 3 if side < 0 else 4
            pieces.append(Piece(name=name, tissue="vertebral_bony_endplate", solid=skin, code=code, level=body.name))
    marrow = Piece(name=f"marrow_{body.name}", tissue="vertebral_bone_marrow", solid=core, code=1, level=body.name)
    vein = _basivertebral_vein(body)
    return [*pieces, marrow, vein] if not spine.excised and body.name[0] != "S" else [*pieces, marrow]


def _basivertebral_vein(body: Body) -> Piece:
    """Return the vein that enters a body at the middle of its posterior wall."""
    size = body.height / 27e-3
    axes = (7e-3 * size, 0.3 * body.depth, 1.6e-3 * size)
    solid = Ellipsoid(centre=body.frame.world(0.0, -0.68 * body.depth, 0.0), semi_axes=axes, turn=body.frame.turn)
    return Piece(name=f"basivertebral_vein_{body.name}", tissue="blood_venous", solid=solid, code=23, level=body.name)


def _disc_pieces(disc: Disc) -> list[Piece]:
    cartilage = Common(solids=(disc.inner(), replace(disc.slab, margin=disc.endplate)))
    axes = (disc.nucleus[0] + disc.blur / 2, disc.nucleus[1] + disc.blur / 2, 0.56 * disc.slab.height[0])
    centre = disc.frame.shifted(disc.offset)
    body = Ellipsoid(centre=centre.world(0.0, 0.0, 0.0), semi_axes=axes, turn=centre.turn, exponent=NUCLEUS_EXPONENT)
    ramp = Blur(solid=_column(centre, *disc.nucleus), width=disc.blur, into=f"annulus_fibrosus_inner_{disc.name}")
    parts: list[tuple[str, str, Solid, int, Mix | None]] = [
        ("cartilage_endplate", "cartilage_endplate", cartilage, 14, None),
        ("annulus_fibrosus_outer", "annulus_fibrosus_outer", Common(solids=(disc.outline(), disc.slab)), 13, None),
        ("annulus_fibrosus_inner", "annulus_fibrosus_inner", Common(solids=(disc.inner(), disc.slab)), 12, None),
        ("nucleus_pulposus", "nucleus_pulposus", Common(solids=(body, disc.slab)), 11, ramp),
    ]
    return [
        Piece(name=f"{name}_{disc.name}", tissue=tissue, solid=solid, code=code, level=disc.above, grade=disc.grade,
              mix=mix)
        for name, tissue, solid, code, mix in parts
    ]  # fmt: skip
