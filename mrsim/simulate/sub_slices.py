"""Sub-slices of the Pathways engine: panels of Gauss points through every layer, and the dephasing between them.

At a place, states vary smoothly through a layer, as the pulses' profiles do, but they are looked at with a moment k
along the slice that may wind many cycles from point to point. So a state is taken as the polynomial through its
values at the points of each panel of width H, and its dephased mean is exact for that polynomial: with z = u H / 2,

    1/2 int P_l(u) exp(-i 2 pi k z) du = (-i)^l j_l(pi k H),   F = sum_l (2 l + 1) / 2 P_l sum_j W_j P_l(u_j) F_j,

j_l being spherical Bessel functions. The error falls with H to the number of points in a panel. What the highest
polynomial of all panels contributes is an upper estimate of it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .walker import Slab

Array = NDArray[np.float64]
PANEL = 8
"""Points of a panel."""


@lru_cache(maxsize=8)
def _gauss(count: int) -> tuple[Array, Array, Array]:
    """Return the (point,) places and weights of Gauss on (-1, 1), and (l, point) what P_l weighs the points with."""
    place, weight = np.polynomial.legendre.leggauss(count)
    order = np.arange(count)
    legendre = np.polynomial.legendre.legvander(place, count - 1).T
    return place, weight / 2, (2 * order[:, None] + 1) * legendre * weight / 2


class SubSlices:
    """The points through the slab at which states are held, and how readouts weigh them.

    Parameters
    ----------
    slab : Slab
        With an ideal profile there is one point for all layers.
    per_layer : int
        Points wanted in each layer; rounded up to whole panels.
    """

    def __init__(self, slab: Slab, per_layer: int) -> None:
        wanted = 1 if slab.ideal else per_layer
        order = min(wanted, PANEL)
        panels = -(-wanted // order)
        self.layers = 1 if slab.ideal else slab.layers
        self.each = order * panels
        """Points of a layer."""
        self.width = slab.thickness / slab.layers / panels
        """Of a panel, m."""
        self.centres = slab.positions(1)
        """(layer,) m."""
        place, share, self.polynomials = _gauss(order)
        """(l, point) what the polynomials weigh the points of a panel with."""
        middles = self.width * (np.arange(panels) - (panels - 1) / 2)
        inside = (middles[:, None] + place * self.width / 2).ravel()
        self.z: Array = np.zeros(1) if slab.ideal else (self.centres[:, None] + inside).ravel()
        """(lane,) m; those of one layer follow each other."""
        self.share: Array = np.tile(share / panels, panels * self.layers)
        """(lane,) of its layer that each point stands for."""
