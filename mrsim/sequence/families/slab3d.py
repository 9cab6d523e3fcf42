"""Three-dimensional Cartesian protocols: a slab is excited, and phase encoding runs along it as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...core.errors import InputError
from ...core.grid import Grid
from ...core.units import Lengths
from .cartesian import Cartesian, check_share, covered
from .protocol import Placed, positive


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab3D(Cartesian):
    """Fields that all families of this kind have."""

    fov: Lengths = (0.160, 0.128, 0.064)
    """Field of view, read x phase x partition, m."""
    matrix: tuple[int, ...] = (160, 128, 16)
    """Encoded points, read x phase x partition."""
    slab_fraction: float = 1.0
    """Width of the excited slab over the field of view along it; below 1 its edges do not fold in."""
    partial_fourier_slab: float = 1.0
    """Part of the partitions that is covered, above 0.5."""
    acceleration_slab: int = 1
    """Every how many-th partition is read."""
    caipirinha: int = 0
    """By how many lines the pattern moves from one partition that is read to the next."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could encode."""
        self.check_matrix(3, "read x phase x partition")
        Placed.__post_init__(self)
        positive("slab_fraction", self.slab_fraction)
        check_share("partial_fourier_slab", self.partial_fourier_slab)
        most = self.matrix[2] // 2
        if not 1 <= self.acceleration_slab <= most:
            raise InputError(f"is {self.acceleration_slab}; use 1 to {most}", key="acceleration_slab")
        if not 0 <= self.caipirinha < self.acceleration:
            problem = f"is {self.caipirinha}; every {self.acceleration}. line is read: use 0 to {self.acceleration - 1}"
            raise InputError(problem, key="caipirinha")

    @property
    def selected(self) -> float:
        """Width of the excited slab, m."""
        return self.fov[2] * self.slab_fraction

    @property
    def slab_position(self) -> float:
        """Centre of the encoded slab along z from the grid's origin, m: half a partition below it for even numbers."""
        nz = self.matrix[2]
        return ((nz - 1) / 2 - nz // 2) * self.fov[2] / nz

    def grid(self) -> Grid:
        """Return the encoded grid."""
        nx, ny, nz = self.matrix
        return Grid(
            shape=(nz, ny, nx),
            spacing=(self.fov[0] / nx, self.fov[1] / ny, self.fov[2] / nz),
            centre=self.origin(),
            axes=self.axes(),
        )

    def encodings(self) -> Iterator[tuple[int, int, int]]:
        """Yield (average, partition, line), lines fastest; line -1 stands for a dummy."""
        mask = self.read_mask(self.matrix[2], self.acceleration_slab, self.caipirinha)
        for _ in range(self.dummies):
            yield 0, -1, -1
        for average in range(self.averages):
            for partition in covered(self.matrix[2], self.partial_fourier_slab):
                for line in np.flatnonzero(mask[partition]).tolist():
                    yield average, partition, line
