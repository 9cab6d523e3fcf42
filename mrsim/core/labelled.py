"""Arrays with named axes: views of the nouns as xarray sees them, for those who have it (`pip install mrsim[xarray]`).

The data are not copied. Axes are ``contrast``, ``z``, ``y``, ``x``, ``coil``, ``readout``, ``sample``, ``voxel``,
``time``; coordinates along the grid are metres from its origin, and the attribute ``units`` names the SI unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from .grid import Grid

SPACE = ("z", "y", "x")


def xarray() -> Any:
    """Return the package xarray."""
    try:
        import xarray as found
    except ImportError:
        raise InputError("xarray is not installed; pip install 'mrsim[xarray]'", key="to_xarray") from None
    return found


def places(grid: Grid) -> dict[str, Any]:
    """Return the coordinates of a grid's axes, m."""
    return {
        name: (name, grid.coordinates(axis), {"units": "m", "long_name": f"along grid {name}"})
        for axis, name in enumerate(("x", "y", "z"))
    }


def along(axis: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a table as coordinates of an axis; names that axes have already get an underscore."""
    return {
        f"{name}_" if name in (*SPACE, axis) else name: (axis, np.asarray(values)) for name, values in table.items()
    }


def array(data: Any, axes: tuple[str, ...], coordinates: Mapping[str, Any], unit: str, name: str, **facts: Any) -> Any:
    """Return a labelled array; `facts` become its attributes."""
    return xarray().DataArray(data, dims=axes, coords=coordinates, name=name, attrs={"units": unit, **facts})
