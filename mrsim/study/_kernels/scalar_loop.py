"""The baseline of the benchmark: one spin after the other, one step after the other, with library sine and cosine."""

import math

from numba import njit


@njit(nogil=True, cache=True)
def scalar_rf(m, position, offset, b1, e1, e2, field, gradient, factor):
    """Turn and relax each spin by itself through all steps of a pulse.

    m : (3, n), changed in place. position : (3, n) m. offset : (n,) Hz. b1, e1, e2 : (n,). field : (2, step) Hz.
    gradient : (3, step) Hz/m. factor : -2 pi dt.
    """
    for i in range(m.shape[1]):
        x, y, z = m[0, i], m[1, i], m[2, i]
        for k in range(field.shape[1]):
            wx, wy = factor * field[0, k] * b1[i], factor * field[1, k] * b1[i]
            wz = offset[i] + gradient[0, k] * position[0, i] + gradient[1, k] * position[1, i]
            wz = factor * (wz + gradient[2, k] * position[2, i])
            angle = math.sqrt(wx * wx + wy * wy + wz * wz)
            if angle > 0:
                nx, ny, nz = wx / angle, wy / angle, wz / angle
                c, s = math.cos(angle), math.sin(angle)
                d = (nx * x + ny * y + nz * z) * (1 - c)
                x, y, z = (
                    x * c + (ny * z - nz * y) * s + nx * d,
                    y * c + (nz * x - nx * z) * s + ny * d,
                    z * c + (nx * y - ny * x) * s + nz * d,
                )
            x, y, z = x * e2[i], y * e2[i], 1 - e1[i] + z * e1[i]
        m[0, i], m[1, i], m[2, i] = x, y, z


@njit(nogil=True, cache=True)
def scalar_readout(weight, position, offset, decay, moment, time, out):
    """Add the samples of each spin by itself; weight : (2, n); moment : (sample, 3) 1/m; out : (2, sample)."""
    for i in range(weight.shape[1]):
        a = 1.0
        for s in range(out.shape[1]):
            turns = moment[s, 0] * position[0, i] + moment[s, 1] * position[1, i] + moment[s, 2] * position[2, i]
            p = -2 * math.pi * (turns + offset[i] * time[s])
            c, d = math.cos(p) * a, math.sin(p) * a
            out[0, s] += weight[0, i] * c - weight[1, i] * d
            out[1, s] += weight[0, i] * d + weight[1, i] * c
            a *= decay[i]
