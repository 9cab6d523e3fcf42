"""Magnitudes of water and fat, |W + F a_n| e^(-R t_n): least squares from two starts, of which the better one counts.

With b_n = |a_n|^2 the squared magnitude is W^2 + 2 W F Re a_n + F^2 b_n; W + F > 0, and either may pass below zero a
little where the noise wants it.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit

CONVERGED, NO_SIGNAL, LIMIT, AT_BOUND, NOT_FINITE, SINGULAR = 0, 1, 2, 3, 4, 5  # core.maps.STATUS
FLAGS = {"contract"}
STEP = 1e-10
PIVOT = 1e-13
MOST_DAMPING = 1e8


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def equations(series, v, te, fat, weight, w, f, r, sums):
    """Write gradient (3) and normal matrix (6: 00 10 11 20 21 22); return the cost."""
    cost = 0.0
    sums[:] = 0.0
    for i in range(te.size):
        re, im = w + f * fat[i].real, f * fat[i].imag
        size, e = math.sqrt(re * re + im * im), math.exp(-r * te[i])
        inverse = 1.0 / size if size > 0.0 else 0.0
        j0 = e * re * inverse
        j1 = e * (re * fat[i].real + im * fat[i].imag) * inverse
        j2 = -te[i] * size * e
        d = size * e - series[i, v]
        cost += weight[i] * d * d
        sums[0] += weight[i] * d * j0
        sums[1] += weight[i] * d * j1
        sums[2] += weight[i] * d * j2
        sums[3] += weight[i] * j0 * j0
        sums[4] += weight[i] * j1 * j0
        sums[5] += weight[i] * j1 * j1
        sums[6] += weight[i] * j2 * j0
        sums[7] += weight[i] * j2 * j1
        sums[8] += weight[i] * j2 * j2
    return cost


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def invert(sums, damping, held, inverse):
    """Write the inverse of the damped normal matrix, with the rate held or not; False if singular."""
    a, b, c = sums[3] * (1.0 + damping), sums[4], sums[5] * (1.0 + damping)
    d, e, f = (0.0, 0.0, 1.0) if held else (sums[6], sums[7], sums[8] * (1.0 + damping))
    c0, c1, c2 = c * f - e * e, d * e - b * f, b * e - c * d
    det = a * c0 + b * c1 + d * c2
    if not det > PIVOT * a * c * f:
        return False
    inverse[0], inverse[1], inverse[2] = c0 / det, c1 / det, (a * f - d * d) / det
    inverse[3], inverse[4], inverse[5] = c2 / det, (b * d - a * e) / det, (a * c - b * b) / det
    return True


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def descend(series, v, te, fat, weight, limit, p, sums, other, inverse):
    """Improve water, fat and rate in `p`; return cost, whether it converged and whether the rate is held at zero."""
    best = equations(series, v, te, fat, weight, p[0], p[1], p[2], sums)
    damping, rounds, held = 1e-3, 0, False
    while rounds < limit:
        rounds += 1
        held = p[2] <= 0.0 and sums[2] > 0.0
        while not invert(sums, damping, held, inverse) and damping < MOST_DAMPING:
            damping *= 10.0
        if damping >= MOST_DAMPING:
            return best, False, held
        g2 = 0.0 if held else sums[2]
        d0 = -(inverse[0] * sums[0] + inverse[1] * sums[1] + inverse[3] * g2)
        d1 = -(inverse[1] * sums[0] + inverse[2] * sums[1] + inverse[4] * g2)
        d2 = 0.0 if held else -(inverse[3] * sums[0] + inverse[4] * sums[1] + inverse[5] * g2)
        rate = max(p[2] + d2, 0.0)
        reach = abs(p[0]) + abs(p[1])
        small = abs(d0) + abs(d1) <= STEP * reach and abs(rate - p[2]) <= STEP * (p[2] + 1.0)
        now = equations(series, v, te, fat, weight, p[0] + d0, p[1] + d1, rate, other)
        if now <= best:
            done = small or best - now <= 1e-18 * best
            p[0], p[1], p[2], best = p[0] + d0, p[1] + d1, rate, now
            sums[:] = other
            damping = max(damping * 0.1, 1e-12)
            if done:
                return best, True, held
        else:
            damping *= 6.0
            if small or damping > MOST_DAMPING:
                return best, small, held
    return best, False, held


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def fit_magnitudes(
    series, start, stop, te, fat, weight, fractions, limit, values, errors, together, status, cost
):  # fmt: skip
    """Fit voxels start..stop of `series` (n, voxel); rows of `values` and `errors` are water, fat and rate."""
    p, kept, sums, other, inverse = np.empty(3), np.empty(3), np.empty(9), np.empty(9), np.empty(6)
    for v in range(start, stop):
        largest = 0.0
        for i in range(te.size):
            largest = max(largest, series[i, v])
        if not largest > 0.0:
            continue
        best, converged, bound = np.inf, False, False
        for fraction in fractions:
            p[0], p[1], p[2] = largest * (1.0 - fraction), largest * fraction, 30.0
            found, well, held = descend(series, v, te, fat, weight, limit, p, sums, other, inverse)
            if p[0] + p[1] < 0.0:
                p[0], p[1] = -p[0], -p[1]
            if found < best:
                best, converged, bound = found, well, held
                kept[:] = p
        values[:, v], cost[v] = kept, best
        equations(series, v, te, fat, weight, kept[0], kept[1], kept[2], sums)
        if not invert(sums, 0.0, bound, inverse):
            status[v] = SINGULAR
            continue
        status[v] = LIMIT if not converged else (AT_BOUND if bound else CONVERGED)
        errors[0, v], errors[1, v] = math.sqrt(inverse[0]), math.sqrt(inverse[2])
        errors[2, v] = np.nan if bound else math.sqrt(inverse[5])
        together[v] = inverse[1]
