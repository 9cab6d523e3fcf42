"""The field that magnetised matter adds to the main field.

Susceptibilities are small, so every volume element is a dipole along the main field, and the fields add up:

    dB/B0 (r) = sum over voxels of chi_v [ 1/3 - N(r - r_v) ]

N is the demagnetising factor along B0 of a uniformly magnetised cuboid (Joseph and Schloemann 1965,
doi:10.1063/1.1703091), seen from its centre's lattice, and 1/3 the sphere of Lorentz: a nucleus sits in the middle of
one. In k-space the bracket is 1/3 - k_z^2/k^2 (Marques and Bowtell 2005, doi:10.1002/cmr.b.20034), whose value at
k = 0 is undefined and stands for what surrounds the grid. Taken in real space the kernel needs no such choice: a
grid that is zero-padded to twice its size gives the field of its content in an infinite medium, with nothing wrapped
around. Along an axis with a single voxel the object is endless.

Left out: the field's own effect on the magnetisation (chi^2), and the sides of the field across B0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ENDLESS = 1e6
"""Length of what is endless, in widths: its field differs from the limit by 1e-12."""


def dipole_field(chi: Array, spacing: tuple[float, float, float]) -> Array:
    """Return the (z, y, x) relative change dB/B0 of the field along B0.

    Parameters
    ----------
    chi : (z, y, x) array
        Susceptibility relative to the medium around the grid, a pure number (1 ppm = 1e-6).
    spacing : (float, float, float)
        Voxel size x, y, z, m; B0 is along z.
    """
    from scipy.fft import irfftn, next_fast_len, rfftn

    counts = chi.shape
    padded = tuple(next_fast_len(2 * n - 1, real=True) if n > 1 else 1 for n in counts)
    kernel = _wrapped(dipole_kernel(counts, spacing), padded)
    spectrum = rfftn(kernel)
    spectrum *= rfftn(chi, padded)
    field = irfftn(spectrum, padded)
    return np.ascontiguousarray(field[: counts[0], : counts[1], : counts[2]])


def dipole_kernel(counts: tuple[int, int, int], spacing: tuple[float, float, float]) -> Array:
    """Return dB/B0 per unit susceptibility of one voxel at (z, y, x) voxels' distance; one octant, the rest mirrors it.

    Parameters
    ----------
    counts : (int, int, int)
        Voxels along z, y, x.
    spacing : (float, float, float)
        Voxel size x, y, z, m.
    """
    size = np.array(spacing[::-1])
    width = max((s for s, n in zip(size, counts, strict=True) if n > 1), default=size.max())
    size = np.where(np.array(counts) > 1, size, ENDLESS * width * max(counts))
    edges = [(np.arange(n + 1) - 0.5) * s for n, s in zip(counts, size, strict=True)]
    z, y, x = np.meshgrid(*edges, indexing="ij", sparse=True)
    corner = np.arctan(x * y / (z * np.sqrt(x * x + y * y + z * z))) / (4 * math.pi)
    for axis in range(3):
        corner = np.diff(corner, axis=axis)
    return np.asarray(1 / 3 * (np.indices(counts).sum(axis=0) == 0) - corner)


def _wrapped(octant: Array, padded: tuple[int, ...]) -> Array:
    """Return the kernel on the padded grid, distances below 0 at its end."""
    kernel = np.zeros(padded)
    n = octant.shape
    kernel[: n[0], : n[1], : n[2]] = octant
    for axis, count in enumerate(n):
        if count > 1:
            low = [slice(None)] * 3
            high = [slice(None)] * 3
            low[axis] = slice(count - 1, 0, -1)
            high[axis] = slice(padded[axis] - count + 1, None)
            kernel[tuple(high)] = kernel[tuple(low)]
    return kernel
