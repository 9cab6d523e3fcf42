"""Regular undersampling: which lines of (kz, ky) a lattice holds, and which voxels it folds onto each other.

A lattice skips `ry` lines along y and `rz` partitions along z; each further partition that it holds starts `shift`
lines later (CAIPIRINHA, Breuer 2006, doi:10.1002/mrm.20787). The zero-filled image is the true one convolved with h,
the transform of the lattice, which differs from zero at rz * ry displacements only, where it has the modulus
1 / (rz ry).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

LARGEST = 12
"""Largest acceleration that is looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lattice:
    """The lines (z, y) with z = z0 + rz a and y = y0 + shift a + ry b for whole a and b."""

    shape: tuple[int, int]
    """Encoded (z, y)."""
    rz: int
    ry: int
    shift: int = 0
    z0: int = 0
    y0: int = 0

    @property
    def acceleration(self) -> int:
        """Encoded lines over lines of the lattice."""
        return self.rz * self.ry

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(z, y): True where the lattice has a line."""
        z, y = np.indices(self.shape)
        step, rest = np.divmod(z - self.z0, self.rz)
        return np.asarray((rest == 0) & ((y - self.y0 - self.shift * step) % self.ry == 0))

    def folding(self) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
        """Return the (acceleration, 2) displacements (z, y) and the (acceleration,) values of h there."""
        h = np.fft.ifftn(np.fft.ifftshift(self.mask))
        where = np.argwhere(np.abs(h) > 0.5 / self.acceleration)
        return where, h[tuple(where.T)]

    def offsets(self, z: int, y: int, count: int) -> list[tuple[int, int]]:
        """Return how far the `count` nearest lines of the lattice lie from a line (z, y) steps after one of its own."""
        reach_z, reach_y = self.rz * (count if self.shape[0] > 1 else 0), self.ry * (count + 1)
        near = [
            (dz, dy)
            for dz, dy in product(range(-reach_z, reach_z + 1), range(-reach_y, reach_y + 1))
            if (dz + z) % self.rz == 0 and (dy + y - self.shift * ((dz + z) // self.rz)) % self.ry == 0
        ]
        return sorted(near, key=lambda d: (d[0] ** 2 + d[1] ** 2, d))[:count]


def find_lattice(mask: NDArray[np.bool_]) -> Lattice | None:
    """Return the densest lattice whose lines were all acquired, or None.

    Parameters
    ----------
    mask : (z, y) bool array
        What was acquired; it may hold more than the lattice.
    """
    nz, ny = mask.shape
    steps = sorted(
        ((rz, ry) for rz, ry in product(_divisors(nz), _divisors(ny)) if rz * ry <= LARGEST),
        key=lambda r: (r[0] * r[1], r[0]),
    )
    lines = int(np.count_nonzero(mask))
    for rz, ry in steps:
        if nz * ny > lines * rz * ry:
            continue
        for shift in range(ry if rz > 1 else 1):
            if shift * (nz // rz) % ry:
                continue
            for z0, y0 in product(range(rz), range(ry)):
                found = Lattice(shape=(nz, ny), rz=rz, ry=ry, shift=shift, z0=z0, y0=y0)
                if mask[z0, y0] and mask[found.mask].all():
                    return found
    return None


def _divisors(n: int) -> list[int]:
    return [r for r in range(1, min(n, LARGEST) + 1) if n % r == 0]
