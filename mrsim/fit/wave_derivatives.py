"""Derivatives of waves over voxels, only where all that they need lies inside the mask, and sums over local windows.

Second differences of a plane wave exp(-i k x) give -(2 - 2 cos k h) / h^2 in place of -k^2: they overrate a modulus by
(k h)^2 / 12, 3.4 % at 10 and 1.0 % at 18 voxels per wavelength.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.wave_filters import boxed
from .inversion import Array, Complex, Field, Mask


def shifted(values: NDArray[Any], axis: int, step: int) -> NDArray[Any]:
    """Return values[i + step] at i along one of the last three axes; zero beyond the edge."""
    place = values.ndim - 3 + axis
    found = np.zeros_like(values)
    size = values.shape[place]
    to, source = [slice(None)] * values.ndim, [slice(None)] * values.ndim
    to[place] = slice(max(0, -step), size - max(0, step))
    source[place] = slice(max(0, step), size - max(0, -step))
    found[tuple(to)] = values[tuple(source)]
    return found


def whole(mask: Mask, axes: tuple[int, ...]) -> Mask:
    """Return where a voxel and its neighbours along the axes lie in the mask."""
    inside = mask.copy()
    for axis in axes:
        inside &= shifted(mask, axis, 1) & shifted(mask, axis, -1)
    return inside


def second_differences(field: Field) -> Complex:
    """Return (axis, frequency, component, z, y, x) second differences of the displacement, 1/m, per axis of `axes`."""
    u = field.u
    parts = [(shifted(u, axis, 1) - 2 * u + shifted(u, axis, -1)) / field.spacing[axis] ** 2 for axis in field.axes]
    return np.stack(parts)


def central_differences(u: Complex, spacing: tuple[float, ...], axes: tuple[int, ...]) -> Complex:
    """Return (axis, ...) first derivatives by central differences."""
    return np.stack([(shifted(u, a, 1) - shifted(u, a, -1)) / (2 * spacing[a]) for a in axes])


def sided_differences(u: Complex, mask: Mask, spacing: tuple[float, ...], axes: tuple[int, ...]) -> Complex:
    """Return (axis, ...) first derivatives between neighbours in the mask: to one side at its edge, 0 between edges."""
    parts = []
    for a in axes:
        up, down = (mask & shifted(mask, a, step) for step in (1, -1))
        rise = np.where(up, shifted(u, a, 1) - u, 0) + np.where(down, u - shifted(u, a, -1), 0)
        parts.append(rise / (np.maximum(1, 1 * up + 1 * down) * spacing[a]))
    return np.stack(parts)


def local_wavenumber(u: Complex, spacing: tuple[float, ...], axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return (axis, ...) gradients of the phase, rad/m, and of the logarithm of the magnitude, 1/m.

    Both are exact for a single plane wave with more than two voxels per wavelength. They are not finite where u is 0.
    """
    phase, decay = [], []
    with np.errstate(divide="ignore", invalid="ignore"):
        for a in axes:
            up, down = shifted(u, a, 1), shifted(u, a, -1)
            phase.append((np.angle(up * np.conj(u)) + np.angle(u * np.conj(down))) / (2 * spacing[a]))
            decay.append((np.log(np.abs(up)) - np.log(np.abs(down))) / (2 * spacing[a]))
    return np.stack(phase), np.stack(decay)


def window_sum(values: NDArray[Any], valid: Mask, field: Field) -> NDArray[Any]:
    """Return sums of (..., z, y, x) values over the valid voxels of the window of each voxel."""
    reach = round(float(field.options.get("window", 0)))
    z, y, x = (2 * reach + 1 if a in field.axes else 1 for a in range(3))
    return boxed(np.where(valid, values, 0), (z, y, x))
