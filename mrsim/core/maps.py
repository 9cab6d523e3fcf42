"""Parameter maps. A fit's result and a phantom's truth are the same noun, so evaluation is symmetric."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .shown import Shown, listing, span

STATUS = {
    0: "converged",
    1: "no signal",
    2: "stopped at the iteration limit",
    3: "at a bound",
    4: "not finite",
    5: "singular: parameters not separable",
    6: "outside the mask",
    7: "mixed voxel: no scalar truth",
    8: "a given map has no plausible value here",
    9: "another solution fits as well",
}
"""Meaning of the status codes of a map."""
VALUED = (0, 3, 9)
"""Status codes of voxels that have a value."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Maps(Shown):
    """Parameters on a grid, each with its standard error."""

    grid: Grid
    values: dict[str, NDArray[np.float64]]
    """Per parameter (z, y, x), SI units; NaN where `status` says that there is no value."""
    errors: dict[str, NDArray[np.float64]]
    """Standard error per parameter (z, y, x), the same unit; zero for a truth."""
    units: dict[str, str]
    """SI unit per parameter, e.g. ``"s"``; ``""`` for a pure number."""
    status: NDArray[np.int8]
    """(z, y, x); see `STATUS`."""
    fractions: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Truth only: volume fraction of each tissue per voxel (z, y, x), summing to at most 1."""
    chi2: NDArray[np.float64] | None = None
    """Fits only: residual variance over the noise's (z, y, x), 1 for a model that describes the data; NaN without
    a degree of freedom, without a value, or where the noise is unknown."""
    given: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Fits only: maps that the fit was given, (z, y, x), SI, e.g. of B1 from another scan."""
    model: str = ""
    """Name of the model that made the maps; ``"truth"`` for a truth."""
    history: dict[str, Any] = field(default_factory=dict)
    """Provenance."""

    def to_xarray(self) -> Any:
        """Return the maps as an `xarray.Dataset`: each parameter, ``NAME_error`` and ``status``, (z, y, x)."""
        from .labelled import SPACE, array, places, xarray

        made: dict[str, tuple[Any, str]] = {}
        for name, unit in self.units.items():
            made |= {name: (self.values[name], unit), f"{name}_error": (self.errors[name], unit)}
        made |= {f"fraction_{name}": (values, "") for name, values in self.fractions.items()}
        made["status"] = (self.status, "")
        frame = places(self.grid)
        arrays = {name: array(values, SPACE, frame, unit, name) for name, (values, unit) in made.items()}
        return xarray().Dataset(arrays, attrs={"model": self.model})

    def _facts(self) -> dict[str, str]:
        held = np.isin(self.status, VALUED)
        values = {name: span(found[held], self.units.get(name, "")) for name, found in self.values.items()}
        tissues = {"tissues": listing(self.fractions)} if self.fractions else {}
        return (
            {"": self.model, "grid": self.grid.in_words(), "voxels with a value": f"{held.sum():,}"} | values | tissues
        )
