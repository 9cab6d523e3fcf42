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
DECREASE = 1e-7  # so is one that promises a smaller relative decrease of the cost: 1e-3 standard errors
DOUBT = 4.0  # a start is given up where this many times the promised decrease would not be enough
CERTAIN, EARLY = 1e-3, 3  # and the damping is less than this after more than these rounds
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

    out : (5, component); curved : -1 for no bend; basis : (3, 3, ORDER) of work space.
    """
    n0, n1, n2, size = coefficient.shape
    i = splines(pieces[0], n0, x[0], basis[0])
    j = splines(pieces[1], n1, x[1], basis[1])
    h = splines(pieces[2], n2, x[2], basis[2])
    d0, d1, d2 = 2 if curved == 0 else 0, 2 if curved == 1 else 0, 2 if curved == 2 else 0
    out[:] = 0.0
    for a in range(1 if n0 == 1 else ORDER):
        v0, s0, c0 = basis[0, 0, a], basis[0, 1, a], basis[0, d0, a]
        for c in range(1 if n2 == 1 else ORDER):
            v2, s2, c2 = basis[2, 0, c], basis[2, 1, c], basis[2, d2, c]
            w, w0, w2, w4 = v0 * v2, s0 * v2, v0 * s2, c0 * c2
            for b in range(1 if n1 == 1 else ORDER):
                v1, s1 = basis[1, 0, b], basis[1, 1, b]
                row = coefficient[i + a, j + b, h + c]
                f, f0, f1, f2 = w * v1, w0 * v1, w * s1, w2 * v1
                f4 = w4 * basis[1, d1, b] if curved >= 0 else 0.0
                for k in range(size):
                    y = row[k]
                    out[0, k] += f * y
                    out[1, k] += f0 * y
                    out[2, k] += f1 * y
                    out[3, k] += f2 * y
                    out[4, k] += f4 * y


@njit(nogil=True, cache=True, error_model="numpy")
def evaluate(coefficient, pieces, u, out):
    """Write signal and slopes of many points u (3, voxel) into `out` (voxel, 5, component)."""
    basis = np.zeros((3, 3, ORDER))
    for v in range(u.shape[1]):
        sheet(coefficient, pieces, u[:, v].copy(), -1, basis, out[v])


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def nearest(data, direction, place, branch, wanted, held, u):
    """Set the free entries of `u` to the node whose direction has the largest product with the data.

    direction : (node, component), unit; place : (node, 3); only nodes whose `branch` is the wanted one count, and of
    held axes those next to the voxel's value.
    """
    best, chosen = -math.inf, -1
    for m in range(place.shape[0]):
        near = branch[m] == wanted
        for k in range(3):
            if held[k] and abs(place[m, k] - u[k]) > held[k]:
                near = False
        if near:
            product = 0.0
            for k in range(data.size):
                product += data[k] * direction[m, k]
            if product > best:
                best, chosen = product, m
    if chosen >= 0:
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
def refine(y, x, coefficient, pieces, top, free, curved, limit, enough, room):
    """Improve the point `x` (3,) in place; return the amplitude, the cost, the rounds and whether it converged.

    A start that is unlikely to reach a cost below `enough` is given up.
    """
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
            if last or (done > EARLY and damping < CERTAIN and best - DOUBT * promised > enough):
                return m, best, done, last
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
    data, start, stop, coefficient, pieces, top, direction, place, branch, held, free, curved, limit, margin, share,
    sure, u, amplitude, errors, status, cost, rounds,
):  # fmt: skip
    """Fit voxels start..stop of `data` (voxel, component) whose status is CONVERGED.

    u : (voxel, 3) in nodes, in with the held axes' values; top : (3,) last node of each axis; held : (3,) zero for a
    free axis, else how far nodes may be from the value; free : numbers of the free axes. Every branch of nodes (0, 1)
    has a start of its own; what the second finds must be below `share` of the first's cost less `margin` (voxel,), and
    where the first's is below `sure` (voxel,) it is not tried. Writes `u`, `amplitude`
    (voxel,), `errors` (voxel, 4) of amplitude and axes in nodes for unit noise, `status`, `cost` within the basis,
    `rounds`.
    """
    size = data.shape[1]
    room = (
        np.zeros((3, 3, ORDER)), np.zeros((5, size)), np.zeros((5, size)), np.zeros((4, 4)),
        np.zeros(4), np.zeros((4, 4)), np.zeros(4), np.ones(4, np.bool_), np.zeros(3),
    )  # fmt: skip
    branches, x = branch.max() + 1, np.zeros(3)
    for v in range(start, stop):
        if status[v] != CONVERGED:
            continue
        cost[v] = math.inf
        given = u[v].copy()
        for wanted in range(branches):
            x[:] = given
            nearest(data[v], direction, place, branch, wanted, held, x)
            enough = share * cost[v] - margin[v]
            m, reached, done, finished = refine(data[v], x, coefficient, pieces, top, free, curved, limit, enough, room)
            rounds[v] += done
            if wanted == 0 or reached < enough:
                amplitude[v], cost[v], u[v] = m, reached, x
                status[v] = CONVERGED if finished else LIMIT
            if cost[v] <= sure[v]:
                break
        found = spread(data[v], amplitude[v], u[v], coefficient, pieces, top, free, room, errors[v])
        status[v] = status[v] if found == CONVERGED else found
