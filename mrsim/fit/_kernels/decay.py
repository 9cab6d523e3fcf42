"""Magnitudes of a mono-exponential decay S_n = m0 f_n e^(-R t_n): log-linear, ARLO, and least squares with a factor.

Each voxel's echoes count from the first to the last before the magnitude falls below a floor.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit

CONVERGED, NO_SIGNAL, LIMIT, AT_BOUND, NOT_FINITE, SINGULAR = 0, 1, 2, 3, 4, 5  # core.maps.STATUS
FLAGS = {"contract"}
STEP = 1e-11
PIVOT = 1e-13
MOST_DAMPING = 1e8


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def usable(series, v, floor, least):
    """Return how many leading echoes lie at or above the floor, and the voxel's status."""
    n, count, total = series.shape[0], 0, 0.0
    for i in range(n):
        total += series[i, v]
    if not math.isfinite(total):
        return 0, NOT_FINITE
    while count < n and series[count, v] >= floor and series[count, v] > 0.0:
        count += 1
    return count, CONVERGED if count >= least else NO_SIGNAL


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def log_linear(series, start, stop, te, weight, floor, values, errors, status, cost):
    """Fit the straight line through ln S, each echo weighted with S^2 over its variance."""
    for v in range(start, stop):
        n, status[v] = usable(series, v, floor[v], 2)
        if status[v] != CONVERGED:
            continue
        s0 = s1 = s2 = y0 = y1 = 0.0
        for i in range(n):
            w = weight[i] * series[i, v] * series[i, v]
            y, t = math.log(series[i, v]), te[i]
            s0 += w
            s1 += w * t
            s2 += w * t * t
            y0 += w * y
            y1 += w * y * t
        det = s0 * s2 - s1 * s1
        if not det > PIVOT * s0 * s2:
            status[v] = SINGULAR
            continue
        rate, level = (s1 * y0 - s0 * y1) / det, (s2 * y0 - s1 * y1) / det
        values[0, v], values[1, v] = math.exp(level), rate
        errors[0, v], errors[1, v] = values[0, v] * math.sqrt(s2 / det), math.sqrt(s0 / det)
        finish(series, v, n, te, weight, values, status, cost)


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def finish(series, v, n, te, weight, values, status, cost):
    """Write the cost of a fit without a factor; a decay that grows is at its bound."""
    total = 0.0
    for i in range(n):
        r = series[i, v] - values[0, v] * math.exp(-values[1, v] * te[i])
        total += weight[i] * r * r
    cost[v] = total
    if values[1, v] <= 0.0:
        values[1, v] = 0.0
        status[v] = AT_BOUND


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def arlo(series, start, stop, te, weight, floor, values, errors, status, cost):
    """Fit by auto-regression: Simpson's integral of S over two spacings is T2* times its decrease.

    With I_i the integral, d_i = S_i - S_(i+2) and c a third of the spacing, T2* = (sum I^2 + c sum I d) /
    (c sum d^2 + sum I d) (Pei 2015, doi:10.1002/mrm.25137). The errors are those of the linearised estimate.
    """
    c = (te[1] - te[0]) / 3.0
    slope = np.empty(series.shape[0])
    for v in range(start, stop):
        n, status[v] = usable(series, v, floor[v], 3)
        if status[v] != CONVERGED:
            continue
        above = below = 0.0
        for i in range(n - 2):
            area = c * (series[i, v] + 4.0 * series[i + 1, v] + series[i + 2, v])
            d = series[i, v] - series[i + 2, v]
            above += area * area + c * area * d
            below += c * d * d + area * d
        if not (below > 0.0 and above > 0.0):
            status[v] = AT_BOUND
            values[1, v], values[0, v] = 0.0, series[0, v]
            continue
        time = above / below
        slope[:] = 0.0
        for i in range(n - 2):
            area = c * (series[i, v] + 4.0 * series[i + 1, v] + series[i + 2, v])
            d = series[i, v] - series[i + 2, v]
            by_area = (2.0 * area + c * d - time * d) / below
            by_d = (c * area - time * (2.0 * c * d + area)) / below
            slope[i] += c * by_area + by_d
            slope[i + 1] += 4.0 * c * by_area
            slope[i + 2] += c * by_area - by_d
        top = bottom = variance = tilt = 0.0
        for i in range(n):
            e = math.exp(-te[i] / time)
            top += weight[i] * series[i, v] * e
            bottom += weight[i] * e * e
        level = top / bottom
        for i in range(n):
            e = math.exp(-te[i] / time)
            variance += slope[i] * slope[i] / weight[i]
            tilt += weight[i] * e * (series[i, v] - 2.0 * level * e) * te[i] / (time * time)
        tilt /= bottom  # of the level with the time
        spread = 0.0
        for i in range(n):
            own = weight[i] * math.exp(-te[i] / time) / bottom + tilt * slope[i]
            spread += own * own / weight[i]
        values[0, v], values[1, v] = level, 1.0 / time
        errors[0, v], errors[1, v] = math.sqrt(spread), math.sqrt(variance) / (time * time)
        finish(series, v, n, te, weight, values, status, cost)


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def misfit(series, v, n, te, weight, factor, level, rate, sums):
    """Write gradient and normal matrix (5 numbers); return the cost."""
    cost = 0.0
    sums[:] = 0.0
    for i in range(n):
        e = factor[i, v] * math.exp(-rate * te[i])
        r, j = level * e - series[i, v], -level * te[i] * e
        cost += weight[i] * r * r
        sums[0] += weight[i] * r * e
        sums[1] += weight[i] * r * j
        sums[2] += weight[i] * e * e
        sums[3] += weight[i] * e * j
        sums[4] += weight[i] * j * j
    return cost


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def start_of(series, v, n, te, factor):
    """Return level and rate from the weighted line through ln(S / f) of the echoes whose factor is not small."""
    s0 = s1 = s2 = y0 = y1 = 0.0
    for i in range(n):
        if factor[i, v] < 0.05:
            continue
        w = series[i, v] * series[i, v]
        y, t = math.log(series[i, v] / factor[i, v]), te[i]
        s0 += w
        s1 += w * t
        s2 += w * t * t
        y0 += w * y
        y1 += w * y * t
    det = s0 * s2 - s1 * s1
    if not det > PIVOT * s0 * s2:
        return series[0, v], 1.0 / te[n - 1]
    return math.exp((s2 * y0 - s1 * y1) / det), max((s1 * y0 - s0 * y1) / det, 0.0)


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def with_factor(series, start, stop, te, weight, factor, floor, limit, values, errors, status, cost):
    """Fit level and rate of S_n = m0 f_n e^(-R t_n) by least squares, `factor` (echo, voxel) known."""
    sums, other = np.empty(5), np.empty(5)
    for v in range(start, stop):
        n, status[v] = usable(series, v, floor[v], 2)
        if status[v] != CONVERGED:
            continue
        level, rate = start_of(series, v, n, te, factor)
        best = misfit(series, v, n, te, weight, factor, level, rate, sums)
        damping, finished, rounds, held = 1e-4, False, 0, False
        while not finished and rounds < limit:
            rounds += 1
            held = rate <= 0.0 and sums[1] > 0.0
            a, b = sums[2] * (1.0 + damping), sums[4] * (1.0 + damping)
            det = a * b - sums[3] * sums[3]
            if held or not det > 0.0:
                d0, d1 = -sums[0] / a, 0.0
            else:
                d0, d1 = (-sums[0] * b + sums[1] * sums[3]) / det, (-sums[1] * a + sums[0] * sums[3]) / det
            new_rate = max(rate + d1, 0.0)
            small = abs(d0) <= STEP * abs(level) and abs(new_rate - rate) <= STEP * (rate + 1.0)
            now = misfit(series, v, n, te, weight, factor, level + d0, new_rate, other)
            if now <= best:
                finished = small or best - now <= 1e-18 * best
                level, rate, best = level + d0, new_rate, now
                sums[:] = other
                damping *= 0.05
            else:
                damping = max(damping * 8.0, 1e-6)
                finished = small or damping > MOST_DAMPING
        values[0, v], values[1, v], cost[v] = level, rate, best
        det = sums[2] * sums[4] - sums[3] * sums[3]
        if held:
            status[v] = AT_BOUND
            errors[0, v] = math.sqrt(1.0 / sums[2])
        elif not det > PIVOT * sums[2] * sums[4]:
            status[v] = SINGULAR
        else:
            status[v] = CONVERGED if finished else LIMIT
            errors[0, v], errors[1, v] = math.sqrt(sums[4] / det), math.sqrt(sums[2] / det)
