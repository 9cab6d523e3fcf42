"""Rotations of spins 1/2 by a part of a pulse, at many places, and how far they turn apart meanwhile.

A rotation is [[a, b], [-b*, a*]]. Arrays come in with their shapes checked; nothing is returned but what is written
into `a`, `b`, `p` and `q`.
"""

import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def turn_half(x, y, z, a, b):
    """Return a rotation behind that by exp(+i (x, y, z) . I), rad."""
    angle = math.sqrt(x * x + y * y + z * z)
    scale = math.sin(angle / 2) / angle if angle > 1e-150 else 0.5
    own_a = complex(math.cos(angle / 2), z * scale)
    own_b = complex(y * scale, x * scale)
    return own_a * a - own_b * b.conjugate(), own_a * b + own_b * a.conjugate()


@njit(nogil=True, cache=True)
def vectors(a, b, r):
    """Write the (3, 3) rotation of magnetisation."""
    aa, bb, ab, ac = a * a, b * b, a * b, a * b.conjugate()
    r[0, 0], r[0, 1], r[0, 2] = aa.real - bb.real, aa.imag + bb.imag, -2 * ab.real
    r[1, 0], r[1, 1], r[1, 2] = bb.imag - aa.imag, aa.real + bb.real, 2 * ab.imag
    r[2, 0], r[2, 1] = 2 * ac.real, 2 * ac.imag
    r[2, 2] = a.real * a.real + a.imag * a.imag - b.real * b.real - b.imag * b.imag


@njit(nogil=True, cache=True)
def add_apart(turned, left, right, weight, late, p, q):
    """Add weight R_i^T R_j of every pair to p, and late times that to q; turned : (spin, 3, 3)."""
    for pair in range(len(left)):
        one, two = turned[left[pair]], turned[right[pair]]
        for k in range(3):
            for m in range(3):
                value = weight * (one[0, k] * two[0, m] + one[1, k] * two[1, m] + one[2, k] * two[2, m])
                p[pair, k, m] += value
                q[pair, k, m] += late * value


@njit(nogil=True, cache=True)
def turn_through(place, offset, gamma_bar, dt, b1, gradient, change, left, right, a, b, p, q):
    """Follow all spins through the steps of a part of a pulse.

    Parameters
    ----------
    place : (place, 3) array
        m.
    offset : (spin,) array
        Hz.
    gamma_bar : float
        Hz/T.
    dt : (step,) array
        s.
    b1 : (step,) complex array
        T.
    gradient, change : (step, 3) arrays
        Mean during a step, and its change from start to end, T/m.
    left, right : (pair,) integer arrays
        Coupled spins.
    a, b : (place, spin) complex arrays
        The rotations, written.
    p, q : (place, pair, 3, 3) arrays
        Moments of R_i^T R_j, s, by Simpson's rule over each step; zero at first.
    """
    spins, length = len(offset), dt.sum()
    turned = np.empty((spins, 3, 3))
    for n in range(len(place)):
        a[n], b[n] = 1.0, 0.0
        elapsed = 0.0
        for s in range(spins):
            vectors(a[n, s], b[n, s], turned[s])
        for step in range(len(dt)):
            h = dt[step]
            add_apart(turned, left, right, h / 6, elapsed / length - 0.5, p[n], q[n])
            scale = math.pi * h  # 2 pi times half a step
            x, y = scale * gamma_bar * b1[step].real, scale * gamma_bar * b1[step].imag
            g, d = 0.0, 0.0
            for k in range(3):
                g += place[n, k] * gradient[step, k]
                d += place[n, k] * change[step, k]
            # Magnus to fourth order: w0 - w1 x w0 / 12 with the change w1 of w0 over the half
            twist = math.pi * h / 24 * gamma_bar * d
            for half in range(2):
                z = scale * gamma_bar * (g + (half - 0.5) * d / 2)
                for s in range(spins):
                    whole = z + scale * offset[s]
                    a[n, s], b[n, s] = turn_half(x + twist * y, y - twist * x, whole, a[n, s], b[n, s])
                    if len(left) > 0:
                        vectors(a[n, s], b[n, s], turned[s])
                if half == 0:
                    late = (elapsed + h / 2) / length - 0.5
                    add_apart(turned, left, right, 4 * h / 6, late, p[n], q[n])
            elapsed += h
            add_apart(turned, left, right, h / 6, elapsed / length - 0.5, p[n], q[n])
