"""Where the water of a phantom's tissues diffuses most: the fibres that streamlines should follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from .diffusion import compartments
from .lamellae import FibreCourse, rotation
from .phantom import Phantom
from .tissue import Tissue

Array = NDArray[np.float64]
ALIKE = 1e-6
"""Relative difference of the two largest eigenvalues below which a tensor has no first direction."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fibres:
    """Directions of one tissue's diffusion, world axes; their signs have no meaning.

    Where fibres turn from place to place (`fibre_rotations`), these are the directions that turn.
    """

    each: Array
    """(fibre, 3) unit vectors: of lamellae that alternate, two."""
    mean: Array
    """(3,) first eigenvector of all compartments' mean tensor: what a voxel of many lamellae shows."""


def tissue_fibres(tissue: Tissue, field: float) -> Fibres | None:
    """Return the fibres of a tissue; None where its water diffuses alike in all directions, or is not known."""
    found = compartments(tissue, field)
    own = [axis for one in found if (axis := _first(one.tensor)) is not None]
    mean = _first(sum((one.fraction * one.tensor for one in found), np.zeros((3, 3))))
    if mean is None or not own:
        return None
    each: list[Array] = []
    for axis in own:
        if all(abs(axis @ other) < 1 - ALIKE for other in each):
            each.append(axis)
    return Fibres(each=np.stack(each), mean=mean)


def fibres_of(phantom: Phantom) -> dict[str, Fibres]:
    """Return the fibres of every tissue of a phantom that has them."""
    found = {tissue.name: tissue_fibres(tissue, phantom.field) for tissue in phantom.tissues}
    return {name: fibres for name, fibres in found.items() if fibres is not None}


def fibre_rotations(phantom: Phantom, grid: Grid) -> dict[str, Array]:
    """Return the (z, y, x, 3, 3) rotation of every tissue whose fibres turn from place to place, at voxel centres."""
    course = FibreCourse.of(phantom, grid)
    if course is None:
        return {}
    x, y, z = (grid.coordinates(axis) for axis in range(3))
    position = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1).reshape(-1, 3)
    found = np.zeros((len(position), 3, 3))
    for turn, here in course.groups(position):
        found[here] = rotation(turn)
    return {phantom.tissues[index].name: found.reshape(*grid.shape, 3, 3) for index in course.tissues}


def _first(tensor: Array) -> Array | None:
    values, axes = np.linalg.eigh(tensor)
    return None if values[2] - values[1] <= ALIKE * abs(values[2]) else np.asarray(axes[:, 2])
