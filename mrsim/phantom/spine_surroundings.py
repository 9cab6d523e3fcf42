"""What lies around the bodies: arches, canal with sac, cord and roots, ligaments, muscle, vessels, fat, outline."""

from __future__ import annotations

import numpy as np

from .solid_fractions import Mix, Streaks
from .solids import Block, Ellipsoid, Mirrored, Solid, Union
from .spine import Body, Disc, Piece, Stack
from .spine_file import ABOVE, Spine
from .spine_shapes import Curve, Tube, curve_through

MUSCLES = {
    "psoas": ((42e-3, 14e-3), (19e-3, 21e-3)),
    "erector_spinae": ((40e-3, -40e-3), (27e-3, 19e-3)),
    "multifidus": ((15e-3, -36e-3), (12.5e-3, 16e-3)),
}
"""Place (right, in front of the posterior wall of the bodies) and semi-axes, m."""


def surrounding_pieces(spine: Spine, built: Stack) -> list[Piece]:
    """Return everything painted before the bodies, in order."""
    back, front = _walls(spine, built)
    half = spine.height.value / 2
    span = (-half, half)
    pieces: list[Piece] = []
    if not spine.excised:
        pieces += _flesh(spine, back, span)
        pieces += _vessels(spine, front, span)
        pieces += _behind(spine, back, span)
        pieces += _arches(spine, built)
        pieces += _canal(spine, built, back, span)
    pieces += _ligaments(spine, back, front, _length(spine, built, span))
    return pieces


def _length(spine: Spine, built: Stack, span: tuple[float, float]) -> tuple[float, float]:
    """Return how far the longitudinal ligaments reach along z."""
    if not spine.excised:
        return span
    first, last = built.bodies[0], built.bodies[-1]
    return last.frame.z - 0.3 * last.height, first.frame.z + 0.3 * first.height


def _walls(spine: Spine, built: Stack) -> tuple[Curve, Curve]:
    """Return the curves along the posterior and the anterior walls of bodies and discs in the midline."""
    points: dict[int, list[tuple[float, float]]] = {-1: [], 1: []}
    parts: list[Body | Disc] = [*built.bodies, *built.discs]
    for part in parts:
        for side, place in points.items():
            depth = part.depth if side > 0 else part.depth * 0.94  # the kidney's hollow
            _, y, z = part.frame.world(0.0, side * depth, 0.0)
            place.append((y, z))
    curves = []
    for side in (-1, 1):
        y, z = np.array(sorted(points[side], key=lambda p: p[1])).T
        degree = min(6, len(z) - 1)
        curves.append(curve_through(y, z, degree, (float(z.min()), float(z.max()))))
    return curves[0], curves[1]


def _flesh(spine: Spine, back: Curve, span: tuple[float, float]) -> list[Piece]:
    """Return subcutaneous fat, the wall of the trunk, viscera, fat around the vessels, and muscles."""
    fat = spine.subcutaneous_fat.value
    wide, deep, forward = (160e-3, 100e-3, 28e-3) if spine.surroundings == "torso" else (62e-3, 62e-3, 2e-3)
    skin = Curve(coefficients=tuple(0.7 * k for k in back.coefficients), unit=back.unit, domain=back.domain)
    wall = 9e-3 if spine.surroundings == "torso" else 3e-3

    def trunk(inset: float) -> Tube:
        axes = (wide - inset, deep - inset)
        return Tube(curve=skin, centre=(0.0, forward), semi_axes=axes, span=span, exponent=2.4)

    pieces = [
        Piece(name="subcutaneous_fat", tissue="subcutaneous_fat", solid=trunk(0.0), code=30),
        Piece(name="trunk_wall", tissue="paraspinal_muscle", solid=trunk(fat), code=31),
        Piece(name="viscera", tissue="paraspinal_muscle", solid=trunk(fat + wall), code=32,
              mix=_streaks(spine.seed + 17, 0.45, 22e-3, "subcutaneous_fat")),
    ]  # fmt: skip
    if spine.surroundings == "torso":
        around = Tube(curve=back, centre=(0.0, 24e-3), semi_axes=(60e-3, 36e-3), span=span)
        pieces.append(Piece(name="retroperitoneal_fat", tissue="subcutaneous_fat", solid=around, code=33))
    scale = 1.0 if spine.surroundings == "torso" else 0.55
    for number, (name, (centre, axes)) in enumerate(MUSCLES.items()):
        tube = Tube(
            curve=back, centre=(scale * centre[0], scale * centre[1]), semi_axes=(scale * axes[0], scale * axes[1]),
            span=span, exponent=2.3,
        )  # fmt: skip
        mix = _streaks(spine.seed + number, spine.muscle_fat * (2.0 if name == "multifidus" else 1.0), 7e-3,
                       "subcutaneous_fat")  # fmt: skip
        pieces.append(
            Piece(name=name, tissue="paraspinal_muscle", solid=Mirrored(solid=tube), code=34 + number, mix=mix)
        )
    return pieces


def _streaks(seed: int, fraction: float, spacing: float, into: str) -> Mix:
    """Return strands along the body, about `spacing` apart and five times as long, drawn from a seed."""
    rng = np.random.default_rng(seed)
    across = rng.normal(size=(14, 2)) * 2 * np.pi / spacing / 1.5
    along = rng.normal(size=(14, 1)) * 2 * np.pi / spacing / 7.5
    return Streaks(fraction=fraction, into=into, waves=np.hstack([across, along, rng.uniform(0, 2 * np.pi, (14, 1))]))


def _vessels(spine: Spine, front: Curve, span: tuple[float, float]) -> list[Piece]:
    """Return the aorta left and the vena cava right of the midline in front of the spine (none in the neck)."""
    if spine.surroundings != "torso":
        return []
    low = (span[0] + 55e-3, span[1])
    aorta = Tube(curve=front, centre=(-13e-3, 12e-3), semi_axes=(9e-3, 9e-3), span=low)
    cava = Tube(curve=front, centre=(14e-3, 11e-3), semi_axes=(11e-3, 8e-3), span=low)
    return [
        Piece(name="aorta", tissue="blood_arterial", solid=aorta, code=40),
        Piece(name="vena_cava", tissue="blood_venous", solid=cava, code=41),
    ]


def _behind(spine: Spine, back: Curve, span: tuple[float, float]) -> list[Piece]:
    """Return fat of the foramina and between the spinous processes, and the ligaments behind the canal."""
    canal, wide = spine.canal_depth.value, spine.canal_width.value
    process = 30e-3 if spine.surroundings == "torso" else 22e-3

    def tube(centre: float, axes: tuple[float, float], exponent: float = 2.0) -> Tube:
        return Tube(curve=back, centre=(0.0, centre), semi_axes=axes, span=span, exponent=exponent)

    foramina = tube(-0.5 * canal, (wide / 2 + 13e-3, 0.62 * canal), 2.5)
    between = tube(-canal - process / 2, (3.5e-3, process / 2 + 2e-3), 3.0)
    supra = tube(-canal - process - 3e-3, (4e-3, 1.6e-3), 3.0)
    flavum = tube(-canal - 1.2e-3, (0.42 * wide, 2.2e-3), 3.0)
    return [
        Piece(name="foraminal_fat", tissue="epidural_fat", solid=foramina, code=50),
        Piece(name="interspinous_fat", tissue="epidural_fat", solid=between, code=51),
        Piece(name="supraspinous_ligament", tissue="ligament", solid=supra, code=52),
        Piece(name="ligamentum_flavum", tissue="ligament", solid=flavum, code=53),
    ]


def _arches(spine: Spine, built: Stack) -> list[Piece]:
    """Return pedicles, laminae, articular and spinous processes of every vertebra: bone, then marrow."""
    pieces = []
    for body in built.bodies:
        for name, tissue, inset, code in (
            ("bone", "cortical_bone", 0.0, 21),
            ("marrow", "vertebral_bone_marrow", 1e-3, 22),
        ):
            solid = _arch(spine, body, inset)
            pieces.append(
                Piece(name=f"arch_{name}_{body.name}", tissue=tissue, solid=solid, code=code, level=body.name)
            )
    return pieces


def _arch(spine: Spine, body: Body, inset: float) -> Solid:
    size = body.height / 27e-3 * (1.0 if body.name[0] != "S" else 0.75)
    canal, wide, d, frame = spine.canal_depth.value, spine.canal_width.value, body.depth, body.frame
    down = -0.2 if body.name[0] != "S" else 0.0

    def block(x: float, a: float, u: float, edges: tuple[float, float, float], lean: float = 0.0) -> Block:
        shrunk = (edges[0] - 2 * inset, edges[1] - 2 * inset, edges[2] - 2 * inset)
        turn = (frame.turn[0] - lean, 0.0, 0.0)
        return Block(centre=frame.world(x, a, u), size=shrunk, turn=turn, rounding=0.42 * min(shrunk))

    pedicle = block(wide / 2 + 4.5e-3 * size, -d - 4e-3 * size, 5e-3 * size, (8e-3 * size, 20e-3 * size, 14e-3 * size))
    joint = block(wide / 2 + 6e-3 * size, -d - 0.75 * canal, -4e-3 * size, (11e-3 * size, 10e-3 * size, 33e-3 * size))
    lamina = block(0.25 * wide, -d - canal - 3.5e-3 * size, -3e-3 * size, (0.5 * wide, 6e-3 * size, 19e-3 * size), down)
    length = 29e-3 * size if spine.surroundings == "torso" else 20e-3 * size
    spinous = block(
        0.0, -d - canal - 3e-3 * size - length / 2, -7e-3 * size, (6.5e-3 * size, length, 16e-3 * size), down
    )
    return Union(solids=(Mirrored(solid=Union(solids=(pedicle, joint, lamina))), spinous))


def _canal(spine: Spine, built: Stack, back: Curve, span: tuple[float, float]) -> list[Piece]:
    """Return epidural fat, sac, cord with grey matter, the roots in the sac and those that leave it."""
    canal, sac = spine.canal_depth.value, spine.sac_depth.value
    middle = -0.8e-3 - sac / 2
    sacral = [body.frame.z for body in built.bodies if body.name == "S2"]
    bottom = sacral[0] if sacral else span[0]
    end = span[0]
    if spine.conus and spine.conus != ABOVE:
        body = next(body for body in built.bodies if body.name == spine.conus)
        end = body.frame.z - body.height / 2

    def tube(centre: tuple[float, float], wide: float, deep: float, low: float, taper: float = 0.0) -> Tube:
        return Tube(curve=back, centre=centre, semi_axes=(wide / 2, deep / 2), span=(low, span[1]), taper=taper)

    pieces = [
        Piece(name="epidural_fat", tissue="epidural_fat", code=60,
              solid=tube((0.0, -canal / 2), spine.canal_width.value, canal, span[0])),
        Piece(name="csf", tissue="csf", code=61,
              solid=tube((0.0, middle), spine.sac_width.value, sac, bottom, 0.35 if sacral else 0.0)),
    ]  # fmt: skip
    if spine.conus:
        pieces.append(Piece(name="cauda_equina", tissue="spinal_nerve_root", code=64,
                            solid=_cauda(spine, back, (bottom + 8e-3, span[1]))))  # fmt: skip
    pieces.append(Piece(name="exiting_roots", tissue="spinal_nerve_root", solid=_exits(spine, built), code=65))
    if spine.conus == ABOVE:
        return pieces
    cord = (spine.cord_width.value, spine.cord_depth.value)
    taper = 0.55 if spine.conus else 0.0
    pieces += [
        Piece(name="cord_white_matter", tissue="spinal_cord_wm", solid=tube((0.0, middle), *cord, end, taper), code=62),
        Piece(name="cord_grey_matter", tissue="spinal_cord_gm", code=63,
              solid=tube((0.0, middle), 0.55 * cord[0], 0.35 * cord[1], end + 4e-3, taper)),
    ]  # fmt: skip
    return pieces


def _cauda(spine: Spine, back: Curve, span: tuple[float, float]) -> Solid:
    """Return the roots in the sac: strands that lie in its posterior half, drawn from the seed."""
    rng = np.random.default_rng(spine.seed + 101)
    sac, wide = spine.sac_depth.value, spine.sac_width.value
    strands = []
    for x in np.linspace(-0.32, 0.32, 9):
        arc = -0.8e-3 - sac * (0.86 - 0.9 * x * x)
        place = (float(x * wide + rng.normal(0, 0.2e-3)), float(arc + abs(rng.normal(0, 0.6e-3))))
        radius = float(rng.uniform(0.55e-3, 0.8e-3))
        low = span[0] + float(rng.uniform(0, 0.35)) * (span[1] - span[0])
        strands.append(Tube(curve=back, centre=place, semi_axes=(radius, radius), span=(low, span[1])))
    return Union(solids=tuple(strands))


def _exits(spine: Spine, built: Stack) -> Solid:
    """Return the pair of roots that leaves through the foramina at every disc."""
    reach, size = spine.canal_width.value / 2, spine.canal_depth.value / 17e-3
    pairs = []
    for disc in built.discs:
        centre = disc.frame.world(reach + 5e-3 * size, -disc.depth - 4e-3 * size, 9e-3 * size)
        turn = (disc.frame.turn[0], 0.5, 0.35)
        pairs.append(Ellipsoid(centre=centre, semi_axes=(10e-3 * size, 2.1e-3 * size, 2.6e-3 * size), turn=turn))
    return Mirrored(solid=Union(solids=tuple(pairs)))


def _ligaments(spine: Spine, back: Curve, front: Curve, span: tuple[float, float]) -> list[Piece]:
    """Return the anterior and the posterior longitudinal ligament."""
    anterior = Tube(curve=front, centre=(0.0, 0.2e-3), semi_axes=(10e-3, 1.5e-3), span=span, exponent=3.0)
    posterior = Tube(curve=back, centre=(0.0, 0.2e-3), semi_axes=(6e-3, 1.0e-3), span=span, exponent=3.0)
    return [
        Piece(name="anterior_longitudinal_ligament", tissue="ligament", solid=anterior, code=54),
        Piece(name="posterior_longitudinal_ligament", tissue="ligament", solid=posterior, code=55),
    ]
