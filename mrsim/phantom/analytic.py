"""k-space of simple shapes in closed form: s(k) = integral of exp(-i 2 pi k.x) over the shape, m^2.

Bracewell, The Fourier Transform and Its Applications: an ellipse transforms to a J1 "jinc", a rectangle to
a product of sincs; a shift of the centre multiplies by exp(-i 2 pi k.centre).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .shapes import Box, Ellipse, Shape


def shape_kspace(shape: Shape, k: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the (...) transform of a shape, m^2, at (..., 2) spatial frequencies in the shape's plane, 1/m.

    Known for ellipses (exponent 2) and for boxes with sharp corners and finite size.
    """
    if isinstance(shape, Ellipse) and shape.exponent == 2.0:
        return ellipse_kspace(k, shape.centre, shape.semi_axes, shape.angle)
    if isinstance(shape, Box) and shape.rounding == 0.0 and np.all(np.isfinite(shape.size)):
        return rectangle_kspace(k, shape.centre, shape.size, shape.angle)
    raise InputError("no closed form of k-space for this shape; use an ellipse of exponent 2 or a sharp, finite box")


def ellipse_kspace(
    k: NDArray[np.float64], centre: tuple[float, float], semi_axes: tuple[float, float], angle: float = 0.0
) -> NDArray[np.complex128]:
    """Return a b J1(2 pi q) / q with q = |(a ku, b kv)|, shifted to the centre, m^2.

    Parameters
    ----------
    k : (..., 2) array
        Spatial frequency, 1/m.
    centre, semi_axes : (float, float)
        m.
    angle : float
        Rotation of the first semi-axis from the first axis towards the second, rad.
    """
    from scipy.special import j1

    ku, kv = _turned(k, angle)
    a, b = semi_axes
    q = np.hypot(a * ku, b * kv)
    safe = np.where(q < 1e-9, 1.0, q)
    body = np.where(q < 1e-9, np.pi, j1(2 * np.pi * safe) / safe)
    return np.asarray(a * b * body * _shift(k, centre))


def rectangle_kspace(
    k: NDArray[np.float64], centre: tuple[float, float], size: tuple[float, float], angle: float = 0.0
) -> NDArray[np.complex128]:
    """Return w h sinc(w ku) sinc(h kv), with sinc(x) = sin(pi x) / (pi x), shifted to the centre, m^2.

    Parameters
    ----------
    k : (..., 2) array
        Spatial frequency, 1/m.
    centre, size : (float, float)
        Centre and full width and height, m.
    angle : float
        Rotation of the width from the first axis towards the second, rad.
    """
    ku, kv = _turned(k, angle)
    w, h = size
    return np.asarray(w * h * np.sinc(w * ku) * np.sinc(h * kv) * _shift(k, centre))


def _turned(k: NDArray[np.float64], angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    c, s = np.cos(angle), np.sin(angle)
    return c * k[..., 0] + s * k[..., 1], c * k[..., 1] - s * k[..., 0]


def _shift(k: NDArray[np.float64], centre: tuple[float, float]) -> NDArray[np.complex128]:
    return np.asarray(np.exp(-2j * np.pi * (k @ np.asarray(centre))))
