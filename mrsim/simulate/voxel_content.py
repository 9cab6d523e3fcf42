"""What a class holds in the cells of its box, as a small core between few functions along each axis.

A sum over cells of content times X(x) Y(y) Z(z) needs X, Y and Z only where the content differs from place to place: a
box that is filled evenly is one product, tissues are few dozen. With the singular vectors of the content along each
axis (a Tucker decomposition; De Lathauwer 2000, doi:10.1137/S0895479896305696) the sum is one over the core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
EXACT = 1e-10
"""Share of the content's norm that may be left out along each axis: roundings."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Content:
    """A (coil, z, y, x) array as a core and its (rank, cell) functions along x, y and z."""

    core: Complex
    """(coil, z rank, y rank, x rank)."""
    along: tuple[Complex, Complex, Complex]

    @classmethod
    def of(cls, volume: Complex) -> Content:
        """Return the content of (coil, z, y, x) cells, m^3 times what each coil hears."""
        least = EXACT * float(np.linalg.norm(volume))
        core, along = volume, list[Complex]()
        for place in (3, 2, 1):
            first = np.moveaxis(core, place, 0)
            left, sizes, _ = np.linalg.svd(first.reshape(len(first), -1), full_matrices=False)
            behind = np.sqrt(np.cumsum(sizes[::-1] ** 2))[::-1]
            functions = left[:, : max(1, int(np.count_nonzero(behind > least)))].T
            core = np.moveaxis(np.tensordot(functions.conj(), first, 1), 0, place)
            along.append(np.ascontiguousarray(functions))
        return cls(core=np.ascontiguousarray(core), along=(along[0], along[1], along[2]))

    def sums(self, x: Complex, y: Complex, z: Complex) -> Complex:
        """Return the (coil, product) sums over all cells of products of functions.

        Parameters
        ----------
        x : (x rank,) array
            One function along x, as `seen` returns it.
        y, z : (product, rank) array
            The others.
        """
        lines = (self.core @ x) @ y.T  # (coil, z rank, product)
        return np.asarray(np.einsum("czp,pz->cp", lines, z))

    def seen(self, axis: int, means: Complex) -> Complex:
        """Return what of (cell,) means along an axis the content sees: (rank,)."""
        return np.asarray(self.along[axis] @ means)
