"""What a shaped pulse does to magnetisation at many places: one rotation, and how long it leaves what transverse."""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def pulse_matrices(signal, dwell, offset, scale, rotation, exposure):
    """Write rotation and exposure (scale, place, 3, 3) of a pulse.

    signal : (sample,) complex, rad/s; dwell : s; offset : (place,) rad/s; scale : (scale,).
    With R(t) the rotation up to t and P the projection on x and y, the exposure is the integral of R^T P R dt. Every
    sample is turned in one step, and its exposure taken in its middle.
    """
    r, step, middle, new = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for a in range(scale.size):
        for p in range(offset.size):
            r[:] = 0.0
            r[0, 0] = r[1, 1] = r[2, 2] = 1.0
            exposure[a, p] = 0.0
            for k in range(signal.size):
                x, y, z = scale[a] * signal[k].real, scale[a] * signal[k].imag, offset[p]
                rate = math.sqrt(x * x + y * y + z * z)
                if rate > 0.0:
                    x, y, z = x / rate, y / rate, z / rate
                turn(x, y, z, 0.5 * rate * dwell, step)
                product(step, r, middle)
                product(step, middle, new)
                for i in range(3):
                    for j in range(3):
                        exposure[a, p, i, j] += dwell * (middle[0, i] * middle[0, j] + middle[1, i] * middle[1, j])
                r[:] = new
            rotation[a, p] = r


@njit(nogil=True, cache=True, error_model="numpy")
def turn(x, y, z, angle, out):
    """Write the matrix of dM/dt = M x omega after omega t = angle about the unit vector (x, y, z)."""
    c, s = math.cos(angle), math.sin(angle)
    v = 1.0 - c
    out[0, 0], out[0, 1], out[0, 2] = c + x * x * v, x * y * v + z * s, x * z * v - y * s
    out[1, 0], out[1, 1], out[1, 2] = x * y * v - z * s, c + y * y * v, y * z * v + x * s
    out[2, 0], out[2, 1], out[2, 2] = x * z * v + y * s, y * z * v - x * s, c + z * z * v


@njit(nogil=True, cache=True, error_model="numpy")
def product(a, b, out):
    """Write the product of two 3 x 3 matrices."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]
