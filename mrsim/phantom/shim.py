"""Shimming: spherical harmonics taken out of a field, as the shim coils of a scanner do.

    R_l^m(x, y, z) = Pi_l^m(z, r^2) Re or Im (x + iy)^m

are the real solid harmonics: the fields that currents far away can make (Romeo and Hoult 1984,
doi:10.1002/mrm.1910010107). Order 0 is the centre frequency, 1 the gradients, 2 what clinical machines have besides.
The fit is linear least squares over a region, so a field that is a harmonic vanishes. Coils are taken as pure
harmonics without limits of their current.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from .offset_map import places

Array = NDArray[np.float64]
MOST = 8
"""Highest order: 81 harmonics."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shim:
    """The harmonics that a shim sets and the field that it leaves."""

    names: tuple[str, ...]
    """Per term, e.g. ``"2 +1"``: degree, order; positive for the cosine."""
    coefficients: Array
    """(term,) of the field that was taken out, Hz/m^degree."""
    left: FieldMap
    """Hz."""


def solid_harmonics(position: Array, order: int) -> tuple[tuple[str, ...], Array]:
    """Return names and (term, ...) values of the real solid harmonics up to a degree, at (..., 3) places, m."""
    if not 0 <= order <= MOST:
        raise InputError(f"{order} is outside 0 to {MOST}", key="shim_order")
    x, y, z = np.moveaxis(position, -1, 0)
    square = x * x + y * y + z * z
    names, values = [], []
    for m in range(order + 1):
        round_z = (x + 1j * y) ** m
        two_below, below = np.zeros_like(z), np.ones_like(z)
        for degree in range(m, order + 1):
            if degree > m:
                following = ((2 * degree - 1) * z * below - (degree + m - 1) * square * two_below) / (degree - m)
                two_below, below = below, following
            names.append(f"{degree} +{m}" if m else f"{degree} 0")
            values.append(below * round_z.real)
            if m:
                names.append(f"{degree} -{m}")
                values.append(below * round_z.imag)
    return tuple(names), np.array(values)


def shim(field: FieldMap, region: NDArray[np.bool_] | Array, order: int) -> Shim:
    """Return the shim that leaves the least square of a field over a region.

    Parameters
    ----------
    field : FieldMap
        Off-resonance, Hz.
    region : (z, y, x) array
        Weight of each voxel, 0 outside; a mask will do.
    order : int
        Highest degree of the harmonics.
    """
    weight = np.asarray(region, dtype=np.float64)
    if weight.shape != field.grid.shape:
        raise InputError(f"the region has {weight.shape} voxels, the field {field.grid.shape}", key="region")
    place = places(field.grid)
    reach = float(np.abs(place).max()) or 1.0
    names, terms = solid_harmonics(place / reach, order)
    inside = weight > 0
    if np.count_nonzero(inside) < len(names):
        raise InputError(
            f"the region has {np.count_nonzero(inside)} voxels, too few for {len(names)} harmonics; lower the order"
        )
    root = np.sqrt(weight[inside])
    found = np.linalg.lstsq((terms[:, inside] * root).T, np.real(field.values[inside]) * root, rcond=1e-12)[0]
    left = np.real(field.values) - np.tensordot(found, terms, axes=1)
    degree = np.array([int(name.split()[0]) for name in names])
    return Shim(names=names, coefficients=found / reach**degree, left=replace(field, values=left))
