"""Nonnegative least squares with a penalty on the size of the solution, and the choice of how much of it.

Lawson and Hanson's active set on the normal equations: columns enter one at a time by the largest gradient, and leave
when their amplitude would be negative. The penalty is chosen by bisection on its logarithm (chi-squared) or by the
least value on a ladder (generalised cross-validation, curvature of the L-curve).
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit

CHI2, GCV, LCURVE, NONE = 0, 1, 2, 3


@njit(nogil=True, cache=True, error_model="numpy")
def cholesky(gram, penalty, chosen, count, factor):
    """Write the factor of the chosen rows of gram + penalty; return whether it is regular."""
    for i in range(count):
        for j in range(i + 1):
            x = gram[chosen[i], chosen[j]] + (penalty if i == j else 0.0)
            for k in range(j):
                x -= factor[i, k] * factor[j, k]
            if i == j:
                if not x > 1e-15 * gram[chosen[i], chosen[i]]:
                    return False
                factor[i, i] = math.sqrt(x)
            else:
                factor[i, j] = x / factor[j, j]
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def nonnegative(gram, right, penalty, x, chosen, inside, factor, trial):
    """Write the x >= 0 that makes x G x / 2 - right x + penalty x x / 2 least; return the number of columns in use.

    Starts from the columns that `chosen` holds (inside == 1), which may be those of a neighbouring penalty.
    """
    size, count, rounds = right.size, 0, 0
    for i in range(size):
        if inside[i] and x[i] > 0.0:
            chosen[count] = i
            count += 1
        else:
            inside[i], x[i] = 0, 0.0
    scale = 0.0
    for i in range(size):
        scale = max(scale, abs(right[i]))
    fresh = count == 0
    while rounds < 6 * size:
        rounds += 1
        if fresh:
            best, entering = 1e-12 * scale, -1
            for i in range(size):
                if not inside[i]:
                    g = right[i]
                    for k in range(count):
                        g -= gram[i, chosen[k]] * x[chosen[k]]
                    if g > best:
                        best, entering = g, i
            if entering < 0:
                break
            inside[entering], chosen[count] = 1, entering
            count += 1
        while count > 0:
            if not cholesky(gram, penalty, chosen, count, factor):
                count -= 1
                inside[chosen[count]], x[chosen[count]] = 0, 0.0
                continue
            for i in range(count):
                t = right[chosen[i]]
                for k in range(i):
                    t -= factor[i, k] * trial[k]
                trial[i] = t / factor[i, i]
            for i in range(count - 1, -1, -1):
                t = trial[i]
                for k in range(i + 1, count):
                    t -= factor[k, i] * trial[k]
                trial[i] = t / factor[i, i]
            share = 1.0
            for i in range(count):
                if trial[i] <= 0.0:
                    step = x[chosen[i]] - trial[i]
                    share = min(share, x[chosen[i]] / step if step > 0.0 else 0.0)
            for i in range(count):
                x[chosen[i]] += share * (trial[i] - x[chosen[i]])
            if share == 1.0:
                break
            kept = 0
            for i in range(count):
                if x[chosen[i]] > 1e-14 * scale / gram[chosen[i], chosen[i]]:
                    chosen[kept] = chosen[i]
                    kept += 1
                else:
                    inside[chosen[i]], x[chosen[i]] = 0, 0.0
            count = kept
        fresh = True
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def misfit(gram, right, power, x):
    """Return |A x - y|^2 from the normal equations."""
    total = power
    for i in range(x.size):
        if x[i] > 0.0:
            t = -2.0 * right[i]
            for k in range(x.size):
                t += gram[i, k] * x[k]
            total += x[i] * t
    return max(total, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def freedom(gram, penalty, chosen, count, factor):
    """Return the trace of A (A^T A + penalty)^-1 A^T over the columns in use: count - penalty trace of the inverse."""
    if count == 0 or not cholesky(gram, penalty, chosen, count, factor):
        return float(count)
    trace, column = 0.0, np.empty(count)
    for j in range(count):
        for i in range(j, count):
            t = 1.0 if i == j else 0.0
            for k in range(j, i):
                t -= factor[i, k] * column[k]
            column[i] = t / factor[i, i]
            trace += column[i] * column[i]
    return count - penalty * trace


@njit(nogil=True, cache=True, error_model="numpy")
def spectra(data, start, stop, atoms, gram, kind, which, rise, penalties, out, penalty, cost):
    """Write the spectra (voxel, node) of voxels start..stop, their penalties and misfits.

    data : (voxel, n); atoms : (kind, n, node), gram : their products; which : (voxel,) number of the voxel's atoms;
    kind : how the penalty is chosen; rise : of the misfit over the least one, for CHI2; penalties : ladder, rising.
    """
    nodes, n = atoms.shape[2], atoms.shape[1]
    right, x, trial = np.empty(nodes), np.zeros(nodes), np.empty(nodes)
    chosen, inside = np.zeros(nodes, np.int64), np.zeros(nodes, np.int8)
    factor = np.zeros((nodes, nodes))
    logs = np.empty((penalties.size, 3))
    for v in range(start, stop):
        a, g = atoms[which[v]], gram[which[v]]
        power = 0.0
        for i in range(n):
            power += data[v, i] * data[v, i]
        for k in range(nodes):
            t = 0.0
            for i in range(n):
                t += a[i, k] * data[v, i]
            right[k] = t
        x[:], inside[:] = 0.0, 0
        nonnegative(g, right, 0.0, x, chosen, inside, factor, trial)
        least = misfit(g, right, power, x)
        mu = 0.0
        if kind == CHI2 and least > 0.0:
            low, high = math.log(penalties[0]), math.log(penalties[-1])
            for _ in range(14):
                middle = 0.5 * (low + high)
                nonnegative(g, right, math.exp(middle), x, chosen, inside, factor, trial)
                if misfit(g, right, power, x) > rise * least:
                    high = middle
                else:
                    low = middle
            mu = math.exp(0.5 * (low + high))
        elif kind == GCV or kind == LCURVE:
            best, at = math.inf, 0
            for step in range(penalties.size):
                count = nonnegative(g, right, penalties[step], x, chosen, inside, factor, trial)
                rest = misfit(g, right, power, x)
                size = 0.0
                for k in range(nodes):
                    size += x[k] * x[k]
                logs[step, 0], logs[step, 1] = math.log(rest + 1e-300), math.log(size + 1e-300)
                used = freedom(g, penalties[step], chosen, count, factor)
                score = rest / ((n - used) * (n - used)) if n - used > 0.0 else math.inf
                if kind == GCV and score < best:
                    best, at = score, step
            if kind == LCURVE:
                for step in range(1, penalties.size - 1):
                    dx = 0.5 * (logs[step + 1, 0] - logs[step - 1, 0])
                    dy = 0.5 * (logs[step + 1, 1] - logs[step - 1, 1])
                    ddx = logs[step + 1, 0] - 2.0 * logs[step, 0] + logs[step - 1, 0]
                    ddy = logs[step + 1, 1] - 2.0 * logs[step, 1] + logs[step - 1, 1]
                    length = (dx * dx + dy * dy) ** 1.5
                    bent = -abs(dx * ddy - dy * ddx) / length if length > 0.0 else 0.0
                    if bent < best:
                        best, at = bent, step
            mu = penalties[at]
        x[:], inside[:] = 0.0, 0
        nonnegative(g, right, mu, x, chosen, inside, factor, trial)
        out[v], penalty[v], cost[v] = x, mu, misfit(g, right, power, x)
