"""T1 from variable flip angles with the spoiling that RF phase cycling really gives, by extended phase graphs.

With a quadratic RF phase the steady state of a spoiled gradient echo differs from Ernst's by some per cent, by how
much depends on the increment, the flip, TR / T1 and T2. Here it is solved for with one gradient order per
repetition. T2 is given: it hardly matters where TR is short against it. Diffusion, which helps the spoiling, is left
out. M0 holds the decay until TE.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..method import Method, Scan
from ..model import B1, FLIP, M0, SHORT_TR, T1, Option
from ..solve import over_chunks
from ..tabulated import Axis, tabulated

Array = NDArray[np.float64]
T2_GIVEN = Option(
    name="t2", default=0.08, unit="s", symbol="T_2", description="transverse relaxation time", lower=1e-3, upper=10.0
)
T1_FITTED = replace(T1, lower=0.08, upper=6.0)
LASTING = 24.0
"""Orders carried, in T2 over TR: what leaves the last has decayed to 4e-11."""
FEWEST, MOST_ORDERS = 12, 400


def axes(scan: Scan) -> tuple[Axis, ...]:
    """Return the axes of the grid: T1 and, where it is a map, B1."""
    t1, b1 = Axis.of(T1_FITTED, 48), scan.options["b1"]
    if np.ndim(b1) == 0:
        return (t1,)
    low, high = float(np.min(b1, initial=1.0)) - 0.01, float(np.max(b1, initial=1.0)) + 0.01
    return t1, Axis(name="b1", lower=low, upper=high, count=16, logarithmic=False)


def atoms(scan: Scan, values: dict[str, Array]) -> Array:
    """Return the (n, atom) signals."""
    increment, tr = float(scan.fact("phase_increment", "spgr-epg")), scan.column("tr")
    t1 = np.ascontiguousarray(values["t1"])
    b1 = np.broadcast_to(values["b1"] if "b1" in values else scan.options["b1"], t1.shape)
    t2 = np.broadcast_to(float(scan.options["t2"]), t1.shape).copy()
    orders = int(np.clip(LASTING * scan.options["t2"] / tr, FEWEST, MOST_ORDERS))
    flips, place = np.unique(scan.contrast["flip"], return_inverse=True)
    out = np.empty((len(flips), t1.size))
    for flip, row in zip(flips, out, strict=True):
        settings = (t1, t2, b1 * flip, tr, increment, orders, row)
        over_chunks(partial(_part, settings), 0, t1.size, None)
    return out[place]


def _part(settings: tuple[Any, ...], start: int, stop: int) -> None:
    from ...core._kernels.spoiled_steady import spoiled_steady

    spoiled_steady(start, stop, *settings)


METHOD = tabulated(
    atoms,
    axes,
    partial(
        Method,
        name="spgr-epg",
        title="spoiled gradient echo with the true RF spoiling, T1 from variable flip angles",
        reference="Zur et al. 1991, Magn Reson Med 21:251; Preibisch and Deichmann 2009, Magn Reson Med 61:125",
        parameters=(M0, T1_FITTED),
        contrast=(FLIP, SHORT_TR),
        options=(B1, T2_GIVEN),
        constant=("tr",),
        assumes=("profile",),
        likelihoods=("gaussian", "rician"),
        formula=r"S = M_0 \, \mathrm{EPG}_\infty[b_1 \alpha, T_R, T_1, T_2, \Delta\varphi]",
    ),
)
