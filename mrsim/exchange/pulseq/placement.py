"""Where the user puts the field of view of a sequence file, as at the scanner's console."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, did_you_mean
from ...core.grid import orientation_axes
from ...core.toml import structure
from ...core.units import Angle, Lengths
from .tables import PulseqFile


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where the user puts the field of view, as at the console; what is None comes from the file."""

    orientation: str | None = None
    """axial, coronal or sagittal; without GridAxes in the file axial."""
    tilt: Angle = 0.0
    """Rotation about x, rad."""
    in_plane: Angle = 0.0
    """Rotation about z, rad."""
    centre: Lengths | None = None
    """World position of the gradients' isocentre, RAS, m; without GridCentre in the file the origin."""
    fov: Lengths | None = None
    """x, y, z, m; without FOV in the file from the steps of the trajectory."""
    matrix: tuple[int, ...] | None = None
    """x, y, z; from the trajectory."""

    def __post_init__(self) -> None:
        """Refuse what places nothing."""
        for key, count in (("centre", 3), ("fov", 3), ("matrix", 3)):
            value = getattr(self, key)
            if value is not None and (len(value) != count or not all(math.isfinite(v) for v in value)):
                raise InputError(f"is {value}; expected {count} finite values", key=key)
        if self.fov is not None and min(self.fov) <= 0:
            raise InputError("must be positive", key="fov")
        if self.matrix is not None and not all(1 <= n <= 4096 for n in self.matrix):
            raise InputError(f"is {self.matrix}; expected 1 to 4096 on every axis", key="matrix")

    def axes(self, file: PulseqFile) -> NDArray[np.float64]:
        """Return the world directions of the gradient axes, in columns."""
        written = written_numbers(file, "GridAxes", 9)
        if self.orientation is None and not (self.tilt or self.in_plane) and written is not None:
            axes = written.reshape(3, 3)
            if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-6) or np.linalg.det(axes) < 0:
                raise file.definition_error("GridAxes", "GridAxes is no rotation")
            return axes
        return orientation_axes(self.orientation or "axial", self.tilt, self.in_plane)

    def isocentre(self, file: PulseqFile) -> NDArray[np.float64]:
        """Return the (3,) world position of the gradients' isocentre, m."""
        if self.centre is not None:
            return np.array(self.centre)
        written = written_numbers(file, "GridCentre", 3)
        return np.zeros(3) if written is None else written


def written_numbers(file: PulseqFile, key: str, count: int) -> NDArray[np.float64] | None:
    """Return numbers of the definitions, or None if they are not there or not that many."""
    words = file.definitions.get(key, "").replace(",", " ").split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        return None
    return values if len(values) == count and bool(np.all(np.isfinite(values))) else None


def read_placement(entries: Mapping[str, str]) -> Placement:
    """Return a placement from texts with units: ``{"orientation": "sagittal", "centre": "0 0 12 mm"}``."""
    known = [entry.name for entry in fields(Placement)]
    table: dict[str, object] = {}
    for key, text in entries.items():
        if key not in known:
            problem = f"unknown key of a sequence file{did_you_mean(key, known)}"
            raise InputError(problem, key=f"--set {key}")
        table[key] = text.replace(",", " ").split() if key == "matrix" else text
    try:
        return structure(table, Placement, Path())
    except InputError as error:
        raise InputError(error.problem, key=f"--set {error.key}") from None
