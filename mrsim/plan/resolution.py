"""The resolution that an image really has: the width of a point, blurred by decay and cut off in k-space.

Along an axis the k-space of a point is w(k) = exp(-t/T2 - |tau|/T2') with the times at which each k is read (of
`echo_times`), and 0 outside what is read. Its transform is the point spread; its full width at half maximum is 1.207
voxels where nothing decays (the width of a sinc). Lines that partial Fourier leaves out count as their opposites: its
reconstruction makes them so. Of spokes and spirals w depends on |k| and the point spread is that of a disc, 1.41 voxels
wide, or of a ball, 1.59.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..phantom.tissue import Tissue
from ..sequence.timeline import Timeline
from .echo_times import SampleTimes, along, crosses, sample_times

Array = NDArray[np.float64]
AXES = ("read", "phase", "partition")
FINE = 64
"""Points of k-space at least: few lines may stand for many."""
REACH, STEP = 6.0, 0.005
"""Voxels to which the point spread is followed, and its step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The width of a point of one tissue along one axis of one image."""

    tissue: str
    image: int
    axis: str
    """read, phase, partition, or radius where k-space is read in spokes or spirals."""
    voxel: float
    """Nominal, m."""
    width: float
    """Full width at half maximum of the point spread, m."""
    blur: float
    """Width over that without decay."""


def resolutions(
    timeline: Timeline, tissues: tuple[Tissue, ...], field: float, image: int = 0
) -> tuple[Resolution, ...]:
    """Return the widths of a point of every tissue along the encoded axes of an image.

    Parameters
    ----------
    timeline : Timeline
        Of images, not of spectra.
    tissues : tuple of Tissue
        The water pool of each, or its only pool.
    field : float
        T.
    image : int
        Which image of the series.
    """
    times, grid = sample_times(timeline, image), timeline.encoding.grid
    found = []
    cartesian = crosses(times)
    count = (3 if timeline.encoding.kind == "3d" else 2) if cartesian else 1
    for tissue in tissues:
        pool = max(tissue.pools(field), key=lambda pool: pool.pd)
        for axis in range(count):
            if cartesian:
                k, decay, dephasing = along(times, axis)
                psf = _line(
                    k, _weight(decay, dephasing, pool.t2, pool.t2_prime), grid.shape[2 - axis], grid.spacing[axis]
                )
                flat = _line(k, np.ones_like(k), grid.shape[2 - axis], grid.spacing[axis])
            else:
                psf, flat = _round(times, pool.t2, pool.t2_prime, grid.spacing[0], timeline.encoding.kind == "3d")
            found.append(
                Resolution(
                    tissue=tissue.name, image=image, axis=AXES[axis] if cartesian else "radius",
                    voxel=grid.spacing[axis], width=psf * grid.spacing[axis], blur=psf / flat,
                )
            )  # fmt: skip
    return tuple(found)


def _weight(decay: Array, dephasing: Array, t2: float, t2_prime: float) -> Array:
    """Return w, 1 at the largest so that short T2 do not vanish."""
    exponent = -decay / t2 - np.abs(dephasing) / t2_prime
    return np.asarray(np.exp(exponent - exponent.max()))


def _line(k: Array, weight: Array, points: int, spacing: float) -> float:
    """Return the width, voxels, of the point spread along a straight axis."""
    points = max(points, FINE)
    fov = points * spacing
    grid = (np.arange(points) - points // 2) / fov
    step = 0.5 / fov
    read = (grid >= k[0] - step) & (grid <= k[-1] + step)
    w = np.interp(np.where(read, grid, -grid), k, weight)
    return half_width(w, grid * spacing)


def half_width(weight: Array, cycles: Array) -> float:
    """Return the full width at half maximum, voxels, of |sum w exp(i 2 pi k x)|; `cycles` is k per voxel."""
    return _width(_places(), np.abs(_phasors(cycles.tobytes()) @ weight))


def _places() -> Array:
    """Return where a point spread is looked at, voxels."""
    return np.arange(-REACH, REACH + STEP / 2, STEP)


@lru_cache(maxsize=4)
def _phasors(cycles: bytes) -> NDArray[np.complex128]:
    """Return the (place, k) phasors of k per voxel, which all tissues share."""
    return np.asarray(np.exp(2j * np.pi * np.outer(_places(), np.frombuffer(cycles))), dtype=np.complex128)


def _width(x: Array, psf: Array) -> float:
    top = int(np.argmax(psf))
    half = psf[top] / 2
    below = psf < half
    right, left = top + int(np.argmax(below[top:])), top - int(np.argmax(below[top::-1]))
    if not (below[top:].any() and below[: top + 1].any()):
        return 2 * REACH

    def crossing(inner: int, outer: int) -> float:
        share = (psf[inner] - half) / (psf[inner] - psf[outer])
        return float(x[inner] + share * (x[outer] - x[inner]))

    return crossing(right - 1, right) - crossing(left + 1, left)


def _round(times: SampleTimes, t2: float, t2_prime: float, spacing: float, solid: bool) -> tuple[float, float]:
    """Return the width, voxels, of the point spread of a disc or ball of k-space, with decay and without."""
    from scipy.special import j0

    radius = np.linalg.norm(times.k, axis=2).ravel() * spacing
    weight = _weight(times.decay.ravel(), times.dephasing.ravel(), t2, t2_prime)
    edges = np.linspace(0.0, radius.max(), 65)
    middle = (edges[1:] + edges[:-1]) / 2
    bins = np.clip(np.digitize(radius, edges) - 1, 0, 63)
    count = np.bincount(bins, minlength=64)
    mean = np.bincount(bins, weight, minlength=64) / np.maximum(count, 1)
    mean = np.interp(middle, middle[count > 0], mean[count > 0])
    x = _places()
    angle = 2 * np.pi * np.outer(x, middle)
    kernel = np.sinc(angle / np.pi) * middle**2 if solid else j0(angle) * middle
    return _width(x, np.abs(kernel @ mean)), _width(x, np.abs(kernel @ np.ones_like(mean)))
