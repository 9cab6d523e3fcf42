"""What is known of a spine besides its tissues: regions of interest, fibres, heights of the discs."""

from __future__ import annotations

import numpy as np

from .lamellae import Lamellae
from .phantom import Roi
from .solids import HalfSpace
from .spine import Stack
from .spine_file import Spine


def spine_rois(built: Stack, others: tuple[str, ...]) -> tuple[Roi, ...]:
    """Return the regions of interest: per disc nucleus, annulus in front and behind, endplates; marrow; the others."""
    found = []
    for disc in built.discs:
        front = disc.frame.direction(-1.0, 0.0)
        middle = disc.frame.world(0.0, disc.offset, 0.0)
        split = {"anterior": front, "posterior": disc.frame.direction(1.0, 0.0)}
        annulus = tuple(f"annulus_fibrosus_{part}_{disc.name}" for part in ("inner", "outer"))
        found.append(Roi(name=f"nucleus_pulposus_{disc.name}", regions=(f"nucleus_pulposus_{disc.name}",)))
        for side, normal in split.items():
            space = HalfSpace(point=middle, normal=normal)
            found.append(Roi(name=f"annulus_{side}_{disc.name}", regions=annulus, side=space))
        found.append(Roi(name=f"endplates_{disc.name}", regions=(f"cartilage_endplate_{disc.name}",)))
    found += [Roi(name=f"marrow_{body.name}", regions=(f"marrow_{body.name}",)) for body in built.bodies]
    return (*found, *(Roi(name=name, regions=(name,)) for name in others))


def spine_lamellae(spine: Spine, built: Stack) -> tuple[Lamellae, ...]:
    """Return the annuli as stacks of lamellae."""
    return tuple(
        Lamellae(
            regions=tuple(f"annulus_fibrosus_{part}_{disc.name}" for part in ("inner", "outer")),
            outline=disc.outline(), frame=disc.frame, thickness=spine.lamella_thickness.value,
        )
        for disc in built.discs
    )  # fmt: skip


def disc_measures(spine: Spine, built: Stack) -> dict[str, dict[str, float]]:
    """Return, per disc, its heights, m, its wedge, rad, and its height over that of the bodies beside it."""
    found = {}
    for i, disc in enumerate(built.discs):
        edges = [float(disc.slab.half(np.zeros(1), np.array([a]))[0] * 2) for a in (disc.depth, 0.0, -disc.depth)]
        beside = (built.bodies[i].height + built.bodies[i + 1].height) / 2
        found[disc.name] = {
            "grade": disc.grade, "height_anterior": edges[0], "height_middle": edges[1], "height_posterior": edges[2],
            "wedge": float(np.arctan((edges[0] - edges[2]) / (2 * disc.depth))),
            "height_index": sum(edges) / 3 / beside,
        }  # fmt: skip
    return found
