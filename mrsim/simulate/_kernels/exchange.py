"""Bloch-McConnell kernels: RF with gradients on pools that exchange, and intervals without RF.

Symmetric splitting: relaxation and exchange over half a step, rotation of every liquid pool about its own field and
saturation of semisolid ones, relaxation and exchange over half a step. Neighbouring halves are joined. Second order
in the step; the loop over spins is the vector loop.
"""

import numpy as np
from numba import njit

FLAGS = {"contract", "reassoc", "nsz", "arcp", "afn"}
BLOCK = 128
"""Spins that travel through time together."""


@njit(nogil=True, cache=True, fastmath=FLAGS)
def mix(m, matrix, recovery, scratch):
    """Replace the (pool, n) components by matrix @ m + recovery."""
    for p in range(m.shape[0]):
        for i in range(m.shape[1]):
            scratch[p, i] = recovery[p]
        for q in range(m.shape[0]):
            f = matrix[p, q]
            for i in range(m.shape[1]):
                scratch[p, i] += f * m[q, i]
    for p in range(m.shape[0]):
        for i in range(m.shape[1]):
            m[p, i] = scratch[p, i]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turn_pool(x, y, z, position, offset, bx, by, gx, gy, gz, series):
    """Turn one pool of a block by one step; fields in units of half a rotation angle, at most 1/2."""
    px, py, pz = position[0], position[1], position[2]
    c0, c1, c2, c3, c4, c5, c6 = series[0]
    s0, s1, s2, s3, s4, s5, s6 = series[1]
    for i in range(x.size):
        hz = offset + gx * px[i] + gy * py[i] + gz * pz[i]
        u = bx * bx + by * by + hz * hz
        c = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * c6)))))
        s = s0 + u * (s1 + u * (s2 + u * (s3 + u * (s4 + u * (s5 + u * s6)))))
        qx, qy, qz = s * bx, s * by, s * hz
        tx = qy * z[i] - qz * y[i]
        ty = qz * x[i] - qx * z[i]
        tz = qx * y[i] - qy * x[i]
        x[i] += c * tx + (qy * tz - qz * ty)
        y[i] += c * ty + (qz * tx - qx * tz)
        z[i] += c * tz + (qx * ty - qy * tx)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def exchange_steps(x, y, z, position, offset, b1, gradient, kept, half, whole, series):
    """Carry all spins of one class through equal steps, in place.

    x, y : (liquid, n). z : (pool, n), liquid pools first. position : (3, n) m. offset : (liquid,), b1 : (2, step),
    gradient : (3, step) in units of half a rotation angle (per m). kept : (step, semisolid) share of the longitudinal
    magnetisation that saturation leaves. half, whole : three arrays for half a step and for a step, of transverse
    (liquid, liquid) and longitudinal (pool, pool) matrices and recovery (pool,). series : (5, 7) of `rotation_series`.
    """
    liquids, steps = x.shape[0], b1.shape[1]
    scratch = np.empty((z.shape[0], BLOCK), x.dtype)
    none = np.zeros(liquids, x.dtype)
    for begin in range(0, x.shape[1], BLOCK):
        end = min(x.shape[1], begin + BLOCK)
        bx, by, bz, r, w = (
            x[:, begin:end],
            y[:, begin:end],
            z[:, begin:end],
            position[:, begin:end],
            scratch[:, : end - begin],
        )
        mix(bx, half[0], none, w)
        mix(by, half[0], none, w)
        mix(bz, half[1], half[2], w)
        for k in range(steps):
            gx, gy, gz = gradient[0, k], gradient[1, k], gradient[2, k]
            for p in range(liquids):
                turn_pool(bx[p], by[p], bz[p], r, offset[p], b1[0, k], b1[1, k], gx, gy, gz, series)
            for p in range(kept.shape[1]):
                for i in range(end - begin):
                    bz[liquids + p, i] *= kept[k, p]
            last = k == steps - 1
            mix(bx, half[0] if last else whole[0], none, w)
            mix(by, half[0] if last else whole[0], none, w)
            mix(bz, half[1] if last else whole[1], half[2] if last else whole[2], w)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def exchange_free(x, y, z, position, moment, turns, transverse, longitudinal, recovery, series):
    """Carry all spins of one class through an interval without RF, in place: exchange, relaxation, precession.

    x, y : (liquid, n). z : (pool, n). position : (3, n) m. moment : (3,) 1/m. turns : off resonance of water, in
    turns. transverse : (2, liquid, liquid) real and imaginary parts; longitudinal : (pool, pool); recovery : (pool,).
    series : (2, 8), sqrt2 cos(pi p) and sqrt2 sin(pi p) / p in powers of p^2 for |p| <= 1/2, of `turn_series`.
    """
    liquids = x.shape[0]
    c0, c1, c2, c3, c4, c5, c6, c7 = series[0]
    s0, s1, s2, s3, s4, s5, s6, s7 = series[1]
    new_x, new_y = np.empty((liquids, BLOCK), x.dtype), np.empty((liquids, BLOCK), x.dtype)
    scratch = np.empty((z.shape[0], BLOCK), x.dtype)
    c, s = np.empty(BLOCK, x.dtype), np.empty(BLOCK, x.dtype)
    for begin in range(0, x.shape[1], BLOCK):
        size = min(x.shape[1] - begin, BLOCK)
        for i in range(size):
            at = begin + i
            turn = moment[0] * position[0, at] + moment[1] * position[1, at] + moment[2] * position[2, at] + turns
            turn -= np.rint(turn)
            u = turn * turn
            wave = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * (c6 + u * c7))))))
            short = s0 + u * (s1 + u * (s2 + u * (s3 + u * (s4 + u * (s5 + u * (s6 + u * s7))))))
            c[i], s[i] = wave * wave - 1, wave * short * turn
        for p in range(liquids):
            for i in range(size):
                new_x[p, i], new_y[p, i] = 0.0, 0.0
            for q in range(liquids):
                a, b = transverse[0, p, q], transverse[1, p, q]
                for i in range(size):
                    new_x[p, i] += a * x[q, begin + i] - b * y[q, begin + i]
                    new_y[p, i] += a * y[q, begin + i] + b * x[q, begin + i]
        for p in range(liquids):
            for i in range(size):
                x[p, begin + i] = new_x[p, i] * c[i] + new_y[p, i] * s[i]
                y[p, begin + i] = new_y[p, i] * c[i] - new_x[p, i] * s[i]
        mix(z[:, begin : begin + size], longitudinal, recovery, scratch[:, :size])
