"""Magnetisation around a voxel as a sum of products of one function per axis.

    M_i(x, y, z) = sum_abc core[i, a, b, c] X_a(x) Y_b(y) Z_c(z),   i = x, y, z and the constant 1.

What happens on one axis, a pulse that selects along it or a crusher, multiplies M by a matrix that depends on the place
there: sum_k p_k(place) T_k. So Y_b becomes p_k Y_b, and the core is multiplied by T_k; what happens everywhere alike
changes the core alone. Functions stay orthonormal (with the points' shares as weights) and few: those without which M
changes by less than a bound in the root of its squared sum over the box are left out. Rotation and relaxation never
make such a change larger, so the bounds add up to one on the signal, times the root of the squared volume heard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .voxel_points import Points

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
ROUNDING = 1e-13
"""Functions of a map that are smaller than this part of its largest are rounding."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """What happens to (x, y, z, 1): the sum over k of functions[:, k] terms[k]."""

    axis: int | None
    """Along which it depends on the place; None: everywhere alike."""
    terms: Array
    """(k, 4, 4)."""
    functions: Array
    """(point, k)."""

    @classmethod
    def of(cls, maps: Array, axis: int | None) -> Step:
        """Return the step of (point, 4, 4) maps with the fewest functions."""
        u, s, v = np.linalg.svd(maps.reshape(len(maps), 16), full_matrices=False)
        kept = s > ROUNDING * max(float(s[0]), 1.0)
        return cls(axis=axis, terms=v[kept].reshape(-1, 4, 4), functions=u[:, kept] * s[kept])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Products:
    """Magnetisation over M0."""

    core: Array
    """(4, a, b, c)."""
    along: tuple[Array, Array, Array]
    """Per axis: (point, function)."""

    @classmethod
    def rest(cls, points: Points) -> Products:
        """Return the equilibrium."""
        norms = [float(np.sqrt(share.sum())) for share in points.share]
        x, y, z = (np.full((len(p), 1), 1 / n) for p, n in zip(points.place, norms, strict=True))
        core = np.array([0.0, 0.0, 1.0, 1.0]).reshape(4, 1, 1, 1) * float(np.prod(norms))
        return cls(core=core, along=(x, y, z))

    def after(self, step: Step, points: Points, least: float) -> tuple[Products, float]:
        """Return the magnetisation behind a step, and the size of what was left out, at most `least`."""
        if step.axis is None:
            return replace(self, core=np.tensordot(step.terms[0] * step.functions[0, 0], self.core, 1)), 0.0
        axis, weight = step.axis, np.sqrt(points.share[step.axis])[:, None]
        functions = (step.functions[:, :, None] * self.along[axis][:, None, :]).reshape(len(weight), -1)
        # (k, i, j) x (j, ..., b, ...) -> (i, ..., k b, ...)
        core = np.moveaxis(np.tensordot(step.terms, self.core, (2, 0)), 0, axis + 1)
        shape = list(self.core.shape)
        shape[axis + 1] = -1
        q, r = np.linalg.qr(weight * functions)
        whole = self._with(axis, q / weight, _along(r, core.reshape(shape), axis + 1))
        return whole._fewest(axis, least)

    def fewest(self, least: float) -> tuple[Products, float]:
        """Return the magnetisation with the functions that are needed, and the size of what was left out."""
        found, lost = self, 0.0
        for axis in range(3):
            found, more = found._fewest(axis, least)
            lost += more
        return found, lost

    def _fewest(self, axis: int, least: float) -> tuple[Products, float]:
        flat = np.moveaxis(self.core, axis + 1, 0).reshape(self.core.shape[axis + 1], -1)
        energy, vectors = np.linalg.eigh(flat @ flat.T)
        lost = np.cumsum(np.maximum(energy, 0.0))
        drop = min(int(np.searchsorted(lost, least**2, side="right")), len(lost) - 1)
        kept = vectors[:, drop:]
        found = self._with(axis, self.along[axis] @ kept, _along(kept.T, self.core, axis + 1))
        return found, float(np.sqrt(lost[drop - 1])) if drop else 0.0

    def _with(self, axis: int, functions: Array, core: Array) -> Products:
        x, y, z = (functions if i == axis else old for i, old in enumerate(self.along))
        return Products(core=core, along=(x, y, z))

    def transverse(self, points: Points, volume: Complex) -> Complex:
        """Return the (coil,) sums of volume times Mx + i My; volume : (coil, z, y, x)."""
        x, y, z = (points.means(axis, functions) for axis, functions in enumerate(self.along))
        seen = self.core[0] + 1j * self.core[1]
        held = np.tensordot(np.tensordot(np.tensordot(volume, x, (3, 0)), y, (2, 0)), z, (1, 0))  # (coil, a, b, c)
        return np.asarray(np.tensordot(held, seen, 3))


def _along(matrix: Array, core: Array, axis: int) -> Array:
    """Return a core with a matrix applied along one of its axes."""
    return np.moveaxis(np.tensordot(matrix, core, (1, axis)), 0, axis)
