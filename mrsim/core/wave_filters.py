"""Filters of wave images, each with its kernel stated; what is outside a mask never leaks in.

Spatial frequencies count cycles, 1/m. The transfer functions act on the periodic continuation of the grid, so a
sharp-edged mask rings; smoothing by a Gaussian or a box divides by the share of the kernel that lies inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Array = NDArray[np.float64]
Spacing = tuple[float, float, float]


def boxed(values: NDArray[Any], sizes: tuple[int, int, int]) -> NDArray[Any]:
    """Return sums of (..., z, y, x) values over boxes of odd sizes around each voxel; nothing lies beyond the edge."""
    from scipy.ndimage import uniform_filter1d

    found = values
    for axis, size in enumerate(sizes):
        if size > 1:
            place = values.ndim - 3 + axis
            parts = [found.real, found.imag] if np.iscomplexobj(found) else [found]
            done = [uniform_filter1d(p, size, axis=place, mode="constant") * size for p in parts]
            found = done[0] + 1j * done[1] if len(done) > 1 else done[0]
    return found


def gaussian(u: NDArray[Any], mask: NDArray[np.bool_], sd: float) -> NDArray[Any]:
    """Return waves smoothed by a Gaussian exp(-r^2 / (2 sd^2)) over the voxels of the mask, cut at 4 sd.

    Parameters
    ----------
    u : (..., z, y, x) array
    mask : (z, y, x) array of bool
    sd : float
        Standard deviation, voxels; axes of one voxel are left alone.
    """
    from scipy.ndimage import gaussian_filter1d

    if sd == 0:
        return u
    held = np.where(mask, u, 0)

    def smooth(values: NDArray[Any]) -> NDArray[Any]:
        for axis in (-3, -2, -1):
            if values.shape[axis] > 1:
                values = gaussian_filter1d(values, sd, axis=axis, mode="constant")
        return values

    share = smooth(mask.astype(np.float64))
    total = smooth(held.real) + 1j * smooth(held.imag) if np.iscomplexobj(held) else smooth(held)
    return np.where(mask, total / np.where(mask, share, 1.0), 0)


def frequencies(shape: tuple[int, ...], spacing: Spacing) -> tuple[Array, Array, Array]:
    """Return the spatial frequencies of the discrete transform along z, y and x, 1/m, ready to broadcast."""
    z, y, x = (np.asarray(np.fft.fftfreq(n, d), np.float64) for n, d in zip(shape[-3:], spacing, strict=True))
    return z[:, None, None], y[None, :, None], x[None, None, :]


def filtered(u: NDArray[Any], transfer: Array) -> Complex:
    """Return (..., z, y, x) waves multiplied by a (z, y, x) transfer function in the frequencies of their axes."""
    axes = (-3, -2, -1)
    return np.asarray(np.fft.ifftn(np.fft.fftn(u, axes=axes) * transfer, axes=axes))


def butterworth(
    shape: tuple[int, ...], spacing: Spacing, cutoff: float, order: int = 1, kind: str = "low", in_plane: bool = True
) -> Array:
    """Return the transfer function 1 / (1 + (f / cutoff)^(2 order)), or one minus it, of the radius f, 1/m.

    Parameters
    ----------
    shape : (z, y, x)
    spacing : (z, y, x), m
    cutoff : float
        Spatial frequency at which half is left, 1/m.
    order : int
    kind : str
        ``"low"`` or ``"high"``.
    in_plane : bool
        Take the radius in the plane of the image.
    """
    z, y, x = frequencies(shape, spacing)
    radius = np.sqrt(x**2 + y**2 + (0 if in_plane else z**2) + 0 * z)
    low = 1 / (1 + (radius / cutoff) ** (2 * order))
    return np.asarray(low if kind == "low" else 1 - low)


def directions(shape: tuple[int, ...], spacing: Spacing, count: int, power: int = 2, first: float = 0.0) -> Array:
    """Return (count, z, y, x) filters cos^power of the angle to `count` directions, the first at `first`, rad.

    A wave exp(-i k . r) that travels along +x has its spectrum at -k; the filter of a direction passes waves that
    travel towards it. With power 2 and three directions or more, evenly spread, a pair of opposite directions sums
    to cos^2, and all filters of a direction's half-circle to count / 4. Frequency zero is blocked.
    """
    z, y, x = frequencies(shape, spacing)
    radius = np.sqrt(x**2 + y**2 + 0 * z)
    safe = np.where(radius > 0, radius, 1.0)
    angles = first + 2 * np.pi * np.arange(count) / count
    cosines = np.stack([-(x * np.cos(a) + y * np.sin(a)) / safe for a in angles])
    return np.where(radius > 0, np.maximum(cosines, 0.0) ** power, 0.0)


def curl(u: Complex, spacing: Spacing) -> Complex:
    """Return the curl of (..., component x y z, z, y, x) displacements by central differences, 1; one-sided at edges.

    It removes the compressional wave, whose wavelength is hundreds of times that of the shear wave, and multiplies a
    shear wave by i k sin(k h) / (k h), the same everywhere.
    """

    def derivative(component: int, axis: int) -> NDArray[Any]:
        values = u[..., component, :, :, :]
        place = -1 - axis
        if values.shape[place] < 2:
            return np.zeros_like(values)
        return np.gradient(values, spacing[2 - axis], axis=place)

    parts = [derivative((c + 2) % 3, (c + 1) % 3) - derivative((c + 1) % 3, (c + 2) % 3) for c in range(3)]
    return np.stack(parts, axis=-4)
