"""Fits of signals that are known on a grid of up to three parameters, interpolated by splines of degree five.

The signal is m0 times a point of a smooth sheet in the space of a compressed basis. A voxel starts at the node whose
direction is nearest to its data, and Gauss-Newton steps with Levenberg's damping go on from there, with parameters
counted in nodes. An axis may be held at the voxel's own value. Axes that are not there have one node and one function.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit

ORDER = 6
CONVERGED, LIMIT, AT_BOUND, SINGULAR = 0, 2, 3, 5  # core.maps.STATUS
STEP = 1e-6  # a step below this, in nodes and of the amplitude, is the last one
DECREASE = 1e-6  # so is one that promises a smaller relative decrease of the cost: 3e-3 standard errors
FAST = {"reassoc", "contract", "nsz"}  # sums in any order
PIVOT = 1e-13
MOST_DAMPING = 1e9


@njit(nogil=True, cache=True, error_model="numpy")
def splines(piece, count, u, basis):
    """Write the ORDER splines that are not zero at `u`, their slopes and bends (3, ORDER); return the first's number.

    piece : (span, power, spline) of the axis, spans one node wide but for the outermost; one node: the constant.
    """
    if count == 1:
        basis[0, 0], basis[1, 0], basis[2, 0] = 1.0, 0.0, 0.0
        return 0
    # the splines' knots are the nodes but the two next to each end
    span = min(max(int(u) - 2, 0), count - ORDER)
    x = u - (span + 2.0 if span > 0 else 0.0)
    for r in range(ORDER):
        value, slope, bend = piece[span, 0, r], 0.0, 0.0
        for power in range(1, ORDER):
            bend = bend * x + slope
            slope = slope * x + value
            value = value * x + piece[span, power, r]
        basis[0, r], basis[1, r], basis[2, r] = value, slope, 2.0 * bend
    return span


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def sheet(coefficient, pieces, x, curved, basis, out):
    """Write the signal, its slopes along the three axes and its bend along axis `curved` at `x` (3,) into `out`.

    out : (5, component); curved : -1 for no bend; basis : (3, 3, ORDER) of work space, zero where an axis is not there.
    """
    n0, n1, n2, size = coefficient.shape
    i = splines(pieces[0], n0, x[0], basis[0])
    j = splines(pieces[1], n1, x[1], basis[1])
    h = splines(pieces[2], n2, x[2], basis[2])
    v0, v1, v2, v3, v4, v5 = basis[1, 0]
    s0, s1, s2, s3, s4, s5 = basis[1, 1]
    b0, b1, b2, b3, b4, b5 = basis[1, 2 if curved == 1 else 0]
    last = n1 - 1
    out[:] = 0.0
    for a in range(1 if n0 == 1 else ORDER):
        for c in range(1 if n2 == 1 else ORDER):
            value = basis[0, 0, a] * basis[2, 0, c]
            slope0, slope2 = basis[0, 1, a] * basis[2, 0, c], basis[0, 0, a] * basis[2, 1, c]
            bend = basis[0, 2 if curved == 0 else 0, a] * basis[2, 2 if curved == 2 else 0, c]
            row = coefficient[i + a, :, h + c]
            y0, y1, y2 = row[min(j, last)], row[min(j + 1, last)], row[min(j + 2, last)]
            y3, y4, y5 = row[min(j + 3, last)], row[min(j + 4, last)], row[min(j + 5, last)]
            for k in range(size):
                f = v0 * y0[k] + v1 * y1[k] + v2 * y2[k] + v3 * y3[k] + v4 * y4[k] + v5 * y5[k]
                d = s0 * y0[k] + s1 * y1[k] + s2 * y2[k] + s3 * y3[k] + s4 * y4[k] + s5 * y5[k]
                out[0, k] += value * f
                out[1, k] += slope0 * f
                out[2, k] += value * d
                out[3, k] += slope2 * f
            if curved >= 0:
                for k in range(size):
                    d = b0 * y0[k] + b1 * y1[k] + b2 * y2[k] + b3 * y3[k] + b4 * y4[k] + b5 * y5[k]
                    out[4, k] += bend * d


@njit(nogil=True, cache=True, error_model="numpy")
def evaluate(coefficient, pieces, u, out):
    """Write signal and slopes of many points u (3, voxel) into `out` (voxel, 5, component)."""
    basis = np.zeros((3, 3, ORDER))
    for v in range(u.shape[1]):
        sheet(coefficient, pieces, u[:, v].copy(), -1, basis, out[v])


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def nearest(data, direction, place, held, score, u):
    """Set the free entries of `u` to the guess whose direction has the largest product with the data.

    direction : (component, guess) of unit signals, single precision, of the first few components; place : (guess, 3);
    of held axes only guesses next to the voxel's value count; score : (guess,) of work space.
    """
    many, limited = score.size, False
    score[:] = np.float32(0.0)
    for k in range(direction.shape[0]):
        y, row = np.float32(data[k]), direction[k]
        for m in range(many):
            score[m] += y * row[m]
    for k in range(3):
        limited = limited or held[k] > 0.0
    if limited:
        for m in range(many):
            for k in range(3):
                if held[k] > 0.0 and abs(place[m, k] - u[k]) > held[k]:
                    score[m] = np.float32(-np.inf)
    chosen = np.argmax(score)
    if score[chosen] > np.float32(-np.inf):
        for k in range(3):
            if not held[k]:
                u[k] = place[chosen, k]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def normal(data, amplitude, point, free, curved, matrix, gradient):
    """Write the normal equations of (amplitude, free axes); return the cost.

    Along axis `curved` the signal's bend is part of the Hessian matrix, as long as that stays positive: there a
    signal that is flat has no slope to go by.
    """
    count, cost = free.size + 1, 0.0
    for k in range(data.size):
        r = amplitude * point[0, k] - data[k]
        cost += r * r
    for a in range(count):
        first = 0 if a == 0 else 1 + free[a - 1]
        scale = 1.0 if a == 0 else amplitude
        along = 0.0
        for k in range(data.size):
            along += point[first, k] * (amplitude * point[0, k] - data[k])
        gradient[a] = scale * along
        for b in range(a + 1):
            second = 0 if b == 0 else 1 + free[b - 1]
            product = 0.0
            for k in range(data.size):
                product += point[first, k] * point[second, k]
            matrix[a, b] = product * scale * (1.0 if b == 0 else amplitude)
    for a in range(1, count):
        if free[a - 1] == curved:
            more, mixed = 0.0, 0.0
            for k in range(data.size):
                r = amplitude * point[0, k] - data[k]
                more += amplitude * point[4, k] * r
                mixed += point[1 + curved, k] * r
            if more > -0.9 * matrix[a, a]:
                matrix[a, a] += more
                matrix[a, 0] += mixed
    return cost


@njit(nogil=True, cache=True, error_model="numpy")
def factorize(matrix, count, damping, active, factor):
    """Write the Cholesky factor of the damped matrix over the active rows; return whether it is regular."""
    for i in range(count):
        for j in range(i + 1):
            x = matrix[i, j] if active[i] and active[j] else (1.0 if i == j else 0.0)
            if i == j and active[i]:
                x *= 1.0 + damping
            least = PIVOT * x
            for k in range(j):
                x -= factor[i, k] * factor[j, k]
            if i == j:
                if not x > least:
                    return False
                factor[i, i] = math.sqrt(x)
            else:
                factor[i, j] = x / factor[j, j]
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def substitute(factor, count, x):
    """Solve for the right-hand side `x` in place."""
    for i in range(count):
        for k in range(i):
            x[i] -= factor[i, k] * x[k]
        x[i] /= factor[i, i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            x[i] -= factor[k, i] * x[k]
        x[i] /= factor[i, i]


@njit(nogil=True, cache=True, error_model="numpy")
def press(m, x, top, free, gradient, active, step):
    """Hold what lies on a bound and is pressed outwards; write the right-hand side of the others."""
    for a in range(free.size + 1):
        at = m if a == 0 else x[free[a - 1]]
        high = math.inf if a == 0 else top[free[a - 1]]
        active[a] = not ((at <= 0.0 and gradient[a] > 0.0) or (at >= high and gradient[a] < 0.0))
        step[a] = -gradient[a] if active[a] else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def refine(y, x, coefficient, pieces, top, free, curved, limit, room):
    """Improve the point `x` (3,) in place; return the amplitude, the cost, the rounds and whether it converged."""
    basis, point, tried, matrix, gradient, factor, step, active, trial = room
    size, count = y.size, free.size + 1
    sheet(coefficient, pieces, x, curved, basis, point)
    above, below = 0.0, 0.0
    for k in range(size):
        above += y[k] * point[0, k]
        below += point[0, k] * point[0, k]
    m, damping = max(above / below, 0.0), 1e-3
    best = normal(y, m, point, free, curved, matrix, gradient)
    for done in range(1, limit + 1):
        press(m, x, top, free, gradient, active, step)
        while not factorize(matrix, count, damping, active, factor):
            damping *= 10.0
            if damping > MOST_DAMPING:
                return m, best, done, True
        substitute(factor, count, step)
        trial[:] = x
        new = max(m + step[0], 0.0)
        promised, small = -gradient[0] * (new - m), abs(new - m) <= STEP * m
        for a in range(1, count):
            k = free[a - 1]
            trial[k] = min(max(x[k] + step[a], 0.0), top[k])
            promised -= gradient[a] * (trial[k] - x[k])
            small = small and abs(trial[k] - x[k]) <= STEP
        sheet(coefficient, pieces, trial, curved, basis, tried)
        reached = 0.0
        for k in range(size):
            reached += (new * tried[0, k] - y[k]) ** 2
        last = small or promised <= DECREASE * best
        if reached <= best:
            m, x[:], best = new, trial, reached
            if last:
                return m, best, done, True
            point[:] = tried
            normal(y, m, point, free, curved, matrix, gradient)
            damping = max(damping * 0.05, 1e-12)
        else:
            damping *= 8.0
        if last or damping > MOST_DAMPING:
            return m, best, done, True
    return m, best, limit, False


@njit(nogil=True, cache=True, error_model="numpy")
def spread(y, m, x, coefficient, pieces, top, free, room, errors):
    """Write the errors (4,) of amplitude and axes for unit noise; return the status."""
    basis, point, _, matrix, gradient, factor, step, active, _ = room
    count, status = free.size + 1, CONVERGED
    sheet(coefficient, pieces, x, -1, basis, point)
    normal(y, m, point, free, -1, matrix, gradient)
    for a in range(count):
        at = m if a == 0 else x[free[a - 1]]
        active[a] = 0.0 < at < (math.inf if a == 0 else top[free[a - 1]])
        if not active[a]:
            status = AT_BOUND
    if not factorize(matrix, count, 0.0, active, factor):
        return SINGULAR
    for a in range(count):
        if active[a]:
            step[:] = 0.0
            step[a] = 1.0
            substitute(factor, count, step)
            errors[0 if a == 0 else 1 + free[a - 1]] = math.sqrt(step[a])
    return status


@njit(nogil=True, cache=True, error_model="numpy")
def solve(
    data, start, stop, coefficient, pieces, top, direction, place, held, free, curved, limit, u, amplitude, errors,
    status, cost, rounds,
):  # fmt: skip
    """Fit voxels start..stop of `data` (voxel, component) whose status is CONVERGED, from the best of the guesses.

    u : (voxel, 3) in nodes, in with the held axes' values; top : (3,) last node of each axis; held : (3,) zero for a
    free axis, else how far nodes may be from the value; free : numbers of the free axes. Writes `u`, `amplitude`
    (voxel,), `errors` (voxel, 4) of amplitude and axes in nodes for unit noise, `status`, `cost` within the basis,
    `rounds`.
    """
    size = data.shape[1]
    room = (
        np.zeros((3, 3, ORDER)), np.zeros((5, size)), np.zeros((5, size)), np.zeros((4, 4)),
        np.zeros(4), np.zeros((4, 4)), np.zeros(4), np.ones(4, np.bool_), np.zeros(3),
    )  # fmt: skip
    score, x = np.zeros(direction.shape[1], np.float32), np.zeros(3)
    for v in range(start, stop):
        if status[v] != CONVERGED:
            continue
        x[:] = u[v]
        nearest(data[v], direction, place, held, score, x)
        fitted = refine(data[v], x, coefficient, pieces, top, free, curved, limit, room)
        amplitude[v], cost[v], finished, u[v] = fitted[0], fitted[1], fitted[3], x
        rounds[v] += fitted[2]
        found = spread(data[v], amplitude[v], x, coefficient, pieces, top, free, room, errors[v])
        status[v] = (CONVERGED if finished else LIMIT) if found == CONVERGED else found
