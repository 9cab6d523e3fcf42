"""The anisotropy that noise makes where there is none, from the standard errors of fitted tensors.

Noise adds to a tensor a traceless part of mean square

    E |dev|^2 = sum_i var D_ii - 3 var MD + 2 sum_(i<j) var D_ij

so that an isotropic tissue shows FA = c sqrt(3/2 E|dev|^2 / (E|dev|^2 + 3 MD^2)). Its five elements being normal and
alike, its mean length is c = sqrt(2/5) Gamma(3) / Gamma(5/2) = 0.952 of the root of that.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..core.maps import Maps

Array = NDArray[np.float64]
SORTED = ("fa", "ad", "rd")
"""What depends on the order of the eigenvalues, which noise makes."""
MEAN_LENGTH = math.sqrt(2 / 5) * math.gamma(3) / math.gamma(2.5)
DIAGONAL, BESIDE = ("d_xx", "d_yy", "d_zz"), ("d_xy", "d_xz", "d_yz")
SHARE = 0.5
"""Of the anisotropy that a region shows; from there on noise is named beside it: it then lifts it by 12 % and more."""


def noise_anisotropy(maps: Maps) -> Array | None:
    """Return the (z, y, x) anisotropy that noise alone shows; None where the maps hold no tensors or no noise."""
    if not maps.history.get("noisy", True) or not {*DIAGONAL, *BESIDE, "md", "fa"} <= maps.errors.keys():
        return None
    error = maps.errors
    apart = sum((error[name] ** 2 for name in DIAGONAL), np.zeros(maps.grid.shape)) - 3 * error["md"] ** 2
    apart = np.maximum(apart + 2 * sum((error[name] ** 2 for name in BESIDE), np.zeros(maps.grid.shape)), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(MEAN_LENGTH * np.sqrt(1.5 * apart / (apart + 3 * maps.values["md"] ** 2)))


def noise_flag(maps: Maps, parameter: str, inside: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return a flag where noise makes a good part of the anisotropy that a region shows.

    inside : (z, y, x) array of bool, the region's voxels that have a value.
    """
    alone = noise_anisotropy(maps) if parameter in SORTED else None
    if alone is None or not np.isfinite(alone[inside]).any():
        return ()
    made, shown = float(np.nanmean(alone[inside])), float(maps.values["fa"][inside].mean())
    if made < SHARE * shown:
        return ()
    return (f"noise: it alone shows FA {made:.2g} where there is none",)
