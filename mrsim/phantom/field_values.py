"""The fields of a phantom, one number or a map: what values they may have, and what they are at a place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid

Array = NDArray[np.float64]

MOST_OFFSET = 1e5
"""Largest off-resonance of an object, Hz: beyond what a receiver hears, and what metal does."""
MOST_B1 = 100.0
"""Largest transmit field relative to the nominal one."""


def check_fields(offset: float | FieldMap, b1: float | FieldMap) -> None:
    """Raise an `InputError` unless off-resonance, Hz, and relative B1 are numbers that an object can have."""
    far, high = _largest(offset), _largest(b1)
    if not far <= MOST_OFFSET:  # also of NaN
        raise InputError(f"is {far:g} Hz; an object's off-resonance lies within {MOST_OFFSET:g} Hz", key="offset")
    if not high <= MOST_B1:
        raise InputError(f"is {high:g} of the nominal transmit field; it must be at most {MOST_B1:g}", key="b1")


def on_grid(field: float | FieldMap, grid: Grid, position: Array, key: str) -> Array:
    """Return the (n,) field at (n, 3) places in grid axes, m."""
    if not isinstance(field, FieldMap):  # no need of places in the world
        return np.full(len(position), float(field))
    return field_at(field, grid.to_world(position), key)


def field_at(field: float | FieldMap, world: Array, key: str) -> Array:
    """Return the (n,) field at (n, 3) world positions, m."""
    if isinstance(field, FieldMap):
        return np.asarray(field.at(world, key), dtype=np.float64)
    return np.full(len(world), float(field))


def _largest(field: float | FieldMap) -> float:
    return float(np.abs(field.values).max(initial=0.0)) if isinstance(field, FieldMap) else abs(float(field))
