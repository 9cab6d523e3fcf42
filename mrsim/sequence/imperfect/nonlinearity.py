"""Gradients that are not linear in position: each coil adds the solid harmonic of third order that its symmetry allows.

    u_x = x + a_x x (4 z^2 - x^2 - y^2)
    u_y = y + a_y y (4 z^2 - x^2 - y^2)
    u_z = z + a_z z (2 z^2 - 3 x^2 - 3 y^2)

A spin at r feels every gradient as a spin at u(r) would under linear ones (Doran 2005, doi:10.1088/0031-9155/50/7/001):
images, slices and b-values follow. x, y, z count from the isocentre, the origin of the world.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.grid import Grid


def felt_position(position: NDArray[np.float64], grid: Grid, coefficients: tuple[float, ...]) -> NDArray[np.float64]:
    """Return where spins seem to be to the gradients.

    Parameters
    ----------
    position : (..., 3) array
        True places in grid axes, m.
    grid : Grid
        Its centre stays where it is: a scanner sets its frequencies there.
    coefficients : (3,) tuple
        a_x, a_y, a_z, 1/m^2.

    Returns
    -------
    (..., 3) array
        Places in grid axes, m.
    """
    world = grid.to_world(position)
    centre = np.asarray(grid.centre)
    return np.asarray((_felt(world, coefficients) - _felt(centre, coefficients)) @ grid.axes)


def _felt(world: NDArray[np.float64], coefficients: tuple[float, ...]) -> NDArray[np.float64]:
    x, y, z = world[..., 0], world[..., 1], world[..., 2]
    across = 4 * z**2 - x**2 - y**2
    along = 2 * z**2 - 3 * (x**2 + y**2)
    a_x, a_y, a_z = coefficients
    return np.stack([x * (1 + a_x * across), y * (1 + a_y * across), z * (1 + a_z * along)], axis=-1)
