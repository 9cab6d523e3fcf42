"""Batched, bounded Levenberg-Marquardt: LANES voxels side by side, one SIMD lane each.

Every round evaluates the residuals and the normal equations of all lanes in one vectorised sweep over the
images, then lets each lane take its own decision in scalar code. A lane whose voxel is finished takes the
next voxel at once, so no lane waits for its neighbours. A lane's arithmetic does not depend on the other
lanes: the result of a voxel is the same to the last bit wherever and with whomever it is computed.

This file is a working module whose model is a straight line, and it is the text that
`mrsim.fit.generate` copies: everything between the two marker lines is replaced by the model's own code.
The voxel's data are scaled to a largest magnitude of one; parameters in which the signal is linear are
scaled with them (their `linear` is 1).

Moré 1978, Lecture Notes in Mathematics 630:105 (Levenberg-Marquardt); Kanzow, Yamashita, Fukushima 2004,
J Comput Appl Math 172:375 (projected steps for bounds).
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import float64 as f8
from numba import int8 as i1
from numba import int64 as i8
from numba import njit, void

LANES = 16
FLAGS = {"contract"}  # fused multiply-add only: nothing may reorder the exponential's range reduction


@njit(fastmath=FLAGS, error_model="numpy")
def exponential(x):
    """Return exp(x) to 1e-15, without branches, so that loops over it vectorise.

    exp(x) = 2^k exp(r), k = round(x / ln 2), |r| <= ln(2)/2, and exp(r) by its Chebyshev polynomial of
    degree 11 (error 3e-18). Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits, which
    the shift moves into the exponent. Below exp(-708) the result stays at exp(-708) = 3e-308.
    """
    x = -708.0 if x < -708.0 else x
    x = 709.0 if x > 709.0 else x
    shifted = x * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    p = 2.511015364692893e-08
    p = p * r + 2.763279054211718e-07
    p = p * r + 2.7557240604663896e-06
    p = p * r + 2.4801485074105115e-05
    p = p * r + 0.00019841269890340666
    p = p * r + 0.0013888888952696516
    p = p * r + 0.00833333333331949
    p = p * r + 0.04166666666648666
    p = p * r + 0.1666666666666668
    p = p * r + 0.5000000000000019
    p = p * r + 1.0
    p = p * r + 1.0
    bits = np.float64(shifted).view(np.int64) + np.int64(1023)
    return p * np.int64(bits << np.int64(52)).view(np.float64)


@njit(fastmath=FLAGS, error_model="numpy")
def bessel_ratio(z):
    """Return I1(z) / I0(z) and z - log I0(z).

    The power series below 24, Hankel's asymptotic one above: both to 2e-15.
    """
    a = abs(z)
    if a < 24.0:
        # power series: all terms positive, nothing cancels
        q, term, i0, i1, k = 0.25 * a * a, 1.0, 1.0, 1.0, 1.0
        other = 1.0
        while term > 1e-17 * i0:
            term *= q / (k * k)
            other *= q / (k * (k + 1.0))
            i0 += term
            i1 += other
            k += 1.0
        ratio, gap = 0.5 * a * i1 / i0, z - math.log(i0)
    else:
        # asymptotic series of exp(-a) sqrt(2 pi a) I_n
        x, term0, term1, s0, s1 = 1.0 / (8.0 * a), 1.0, 1.0, 1.0, 1.0
        for k in range(1, 16):
            odd = (2.0 * k - 1.0) * (2.0 * k - 1.0)
            term0 *= odd * x / k
            term1 *= (odd - 4.0) * x / k
            s0 += term0
            s1 += term1
        ratio, gap = s1 / s0, z - a + 0.5 * math.log(6.283185307179586 * a) - math.log(s0)
    return (ratio if z >= 0.0 else -ratio), gap


# === model ===
PARAMETERS = 2
RICIAN = 0
HELD = 0
TEMPORARIES = 0


def tabulate(contrast, options):
    """Return the (rows, n) table of everything that depends on the images alone."""
    n = len(contrast["x"])
    return np.stack([np.broadcast_to(np.asarray(row, dtype=np.float64), (n,)) for row in (contrast["x"],)])


@njit(fastmath=FLAGS, error_model="numpy")
def accumulate(table, weight, series, work):
    """Write cost, gradient and normal matrix at the lanes' trial parameters into `work`."""
    for k in range(2 * LANES, 8 * LANES):
        work[k] = 0.0
    for i in range(weight.size):
        w, c0 = weight[i], table[0, i]
        for lane in range(LANES):
            p0, p1 = work[0 * LANES + lane], work[1 * LANES + lane]
            r = p0 + p1 * c0 - series[i * LANES + lane]
            j0, j1 = 1.0, c0
            work[2 * LANES + lane] += w * r * r
            work[3 * LANES + lane] += w * r * j0
            work[4 * LANES + lane] += w * r * j1
            work[5 * LANES + lane] += w * j0 * j0
            work[6 * LANES + lane] += w * j1 * j0
            work[7 * LANES + lane] += w * j1 * j1


@njit(void(f8[:, ::1], f8[::1], f8[:, :, ::1]), nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def evaluate(table, work, out):
    """Write signal and Jacobian at the lanes' parameters into `out` (1 + parameters, n, LANES)."""
    for i in range(table.shape[1]):
        c0 = table[0, i]
        for lane in range(LANES):
            out[0, i, lane] = work[0 * LANES + lane] + work[1 * LANES + lane] * c0
            out[1, i, lane] = 1.0
            out[2, i, lane] = c0


# === solver ===
# Rows of `work`, LANES numbers each: trial parameters, what is held, temporaries, then what `accumulate` writes ...
COST = PARAMETERS + HELD + TEMPORARIES
GRADIENT = COST + 1
NORMAL = GRADIENT + PARAMETERS
NORMALS = PARAMETERS * (PARAMETERS + 1) // 2
# ... then what each lane remembers of its best point so far, and its bounds.
POINT = NORMAL + NORMALS
KEPT_GRADIENT = POINT + PARAMETERS
KEPT_NORMAL = KEPT_GRADIENT + PARAMETERS
LOW = KEPT_NORMAL + NORMALS
HIGH = LOW + PARAMETERS
BEST = HIGH + PARAMETERS
DAMPING = BEST + 1
ROWS = DAMPING + 1

CONVERGED, LIMIT, AT_BOUND, SINGULAR = 0, 2, 3, 5  # core.maps.STATUS
STEP = 1e-8  # a relative step below this is the last one
DECREASE = 1e-18  # so is one that promises a smaller relative decrease of the cost: it is beyond rounding
PIVOT = 1e-13  # a Cholesky pivot that lost this much of its diagonal is zero
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-12, 1e8


@njit(fastmath=FLAGS, error_model="numpy")
def factorize(lane, work, damping, factor):
    """Write L D L^T of the lane's damped normal matrix over its free parameters; False if singular.

    `factor` (PARAMETERS, PARAMETERS + 1) holds L below, 1/D on and D L^T above the diagonal; its last
    column comes in as 1 for a free parameter, 0 for one that is held.
    """
    position = KEPT_NORMAL
    for i in range(PARAMETERS):
        for j in range(i):
            x = work[position * LANES + lane] * factor[i, PARAMETERS] * factor[j, PARAMETERS]
            position += 1
            for k in range(j):
                x -= factor[j, k] * factor[k, i]
            factor[j, i] = x
            factor[i, j] = x * factor[j, j]
        free = factor[i, PARAMETERS]
        x = work[position * LANES + lane] * free * (1.0 + damping) + (1.0 - free)
        position += 1
        least = PIVOT * x
        for k in range(i):
            x -= factor[i, k] * factor[k, i]
        if not x > least:
            return False
        factor[i, i] = 1.0 / x
    return True


@njit(fastmath=FLAGS, error_model="numpy")
def substitute(factor, x):
    """Solve the factorized system for the right-hand side `x`, in place."""
    for i in range(PARAMETERS):
        for k in range(i):
            x[i] -= factor[i, k] * x[k]
    for i in range(PARAMETERS - 1, -1, -1):
        x[i] *= factor[i, i]
        for k in range(i + 1, PARAMETERS):
            x[i] -= factor[k, i] * x[k]


@njit(fastmath=FLAGS, error_model="numpy")
def judge(lane, work, first):
    """Keep the lane's trial if it is the best so far, and adapt its damping."""
    if first or work[COST * LANES + lane] <= work[BEST * LANES + lane]:
        damping = work[DAMPING * LANES + lane] * 0.05
        work[DAMPING * LANES + lane] = FIRST_DAMPING if first else max(damping, LEAST_DAMPING)
        work[BEST * LANES + lane] = work[COST * LANES + lane]
        for k in range(PARAMETERS):
            work[(POINT + k) * LANES + lane] = work[k * LANES + lane]
        for k in range(PARAMETERS + NORMALS):
            work[(KEPT_GRADIENT + k) * LANES + lane] = work[(GRADIENT + k) * LANES + lane]
    else:
        work[DAMPING * LANES + lane] *= 8.0


@njit(fastmath=FLAGS, error_model="numpy")
def recall(lane, work):
    """Write the lane's best point so far where its trial stands."""
    for k in range(PARAMETERS):
        work[k * LANES + lane] = work[(POINT + k) * LANES + lane]


@njit(fastmath=FLAGS, error_model="numpy")
def propose(lane, work, linear, factor, step):
    """Write the lane's next trial; return whether the step to it is too small to matter.

    A parameter on its bound that the gradient presses outwards is held; the step of the others is cut at
    the bounds. A singular matrix raises the damping; one that stays singular leaves the best point as the trial.
    """
    diagonal = KEPT_NORMAL
    recall(lane, work)
    for k in range(PARAMETERS):
        x, g = work[(POINT + k) * LANES + lane], work[(KEPT_GRADIENT + k) * LANES + lane]
        low, high = work[(LOW + k) * LANES + lane], work[(HIGH + k) * LANES + lane]
        held = (x <= low and g > 0.0) or (x >= high and g < 0.0) or not work[diagonal * LANES + lane] > 0.0
        factor[k, PARAMETERS] = 0.0 if held else 1.0
        step[k] = 0.0 if held else -g
        diagonal += k + 2
    damping = work[DAMPING * LANES + lane]
    while not factorize(lane, work, damping, factor):
        damping *= 10.0
        if not damping < MOST_DAMPING:
            return True
    work[DAMPING * LANES + lane] = damping
    substitute(factor, step)
    small, decrease = True, 0.0
    for k in range(PARAMETERS):
        x = work[(POINT + k) * LANES + lane]
        trial = min(max(x + step[k], work[(LOW + k) * LANES + lane]), work[(HIGH + k) * LANES + lane])
        work[k * LANES + lane] = trial
        decrease -= work[(KEPT_GRADIENT + k) * LANES + lane] * (trial - x)
        small = small and abs(trial - x) <= STEP * (abs(x) + linear[k])
    return small or abs(decrease) <= DECREASE * work[BEST * LANES + lane]


@njit(fastmath=FLAGS, error_model="numpy")
def spread(lane, work, factor, step, size, linear, values, errors, voxel):
    """Write the lane's parameters and the roots of the inverse normal matrix's diagonal; return the status.

    A parameter on its bound has no standard error (NaN); the others have theirs given that bound.
    """
    status = CONVERGED
    for k in range(PARAMETERS):
        x = work[k * LANES + lane]
        values[k, voxel] = x * size if linear[k] != 0.0 else x
        errors[k, voxel] = np.nan
        factor[k, PARAMETERS] = 1.0
        if not work[(LOW + k) * LANES + lane] < x < work[(HIGH + k) * LANES + lane]:
            factor[k, PARAMETERS], status = 0.0, AT_BOUND
    if not factorize(lane, work, 0.0, factor):
        return SINGULAR
    for k in range(PARAMETERS):
        if factor[k, PARAMETERS] == 1.0:
            for j in range(PARAMETERS):
                step[j] = 1.0 if j == k else 0.0
            substitute(factor, step)
            errors[k, voxel] = math.sqrt(step[k]) if linear[k] != 0.0 else math.sqrt(step[k]) / size
    return status


@njit(fastmath=FLAGS, error_model="numpy")
def load(lane, voxel, series, size, linear, lower, upper, held, values, own, work):
    """Give the lane a voxel: its data and its linear parameters over `size`, its guess, its bounds, what is held."""
    for k in range(HELD):
        work[(PARAMETERS + k) * LANES + lane] = held[k, voxel] / (size if RICIAN > k else 1.0)
    for i in range(series.shape[0]):
        own[i * LANES + lane] = series[i, voxel] / size
    for k in range(PARAMETERS):
        unit = size if linear[k] != 0.0 else 1.0
        low, high = lower[k] / unit, upper[k] / unit
        work[(LOW + k) * LANES + lane], work[(HIGH + k) * LANES + lane] = low, high
        work[k * LANES + lane] = min(max(values[k, voxel] / unit, low), high)


SOLVE = void(
    f8[:, ::1], i8, i8, f8[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[:, ::1], i8,
    f8[::1], f8[:, ::1], f8[:, ::1], i1[::1], f8[::1], i8[::1],
)  # fmt: skip


@njit(SOLVE, nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def solve(
    series, start, stop, table, weight, lower, upper, linear, held, limit,
    scale, values, errors, status, cost, rounds,
):  # fmt: skip
    """Fit voxels start..stop of `series` (n, voxel) whose `status` is CONVERGED, from the guess in `values`.

    `scale` (voxel,) is the largest magnitude of the data; `held` (option, voxel) what the model's options that
    differ between voxels are. Writes, per voxel: `values` (parameter, voxel);
    `errors`, the standard errors for unit noise; `status`; `cost`, the weighted sum of squared residuals;
    `rounds`, the evaluations it took.
    """
    own, work = np.zeros(weight.size * LANES), np.ones(ROWS * LANES)
    factor, step = np.zeros((PARAMETERS, PARAMETERS + 1)), np.zeros(PARAMETERS)
    voxel, count = np.zeros(LANES, np.int64) - 1, np.zeros(LANES, np.int64)
    following, busy = start, 0
    while True:
        for lane in range(LANES):
            while voxel[lane] < 0 and following < stop:
                if status[following] == CONVERGED:
                    voxel[lane], count[lane], busy = following, 0, busy + 1
                    load(lane, following, series, scale[following], linear, lower, upper, held, values, own, work)
                following += 1
        if busy == 0:
            return
        accumulate(table, weight, own, work)
        for lane in range(LANES):
            v = voxel[lane]
            if v < 0:
                continue
            judge(lane, work, count[lane] == 0)
            count[lane] += 1
            finished = propose(lane, work, linear, factor, step)
            if finished or count[lane] >= limit:
                size = scale[v]
                if not finished:  # the last trial was never looked at
                    recall(lane, work)
                status[v] = spread(lane, work, factor, step, size, linear, values, errors, v)
                if not finished and status[v] != SINGULAR:
                    status[v] = LIMIT
                cost[v], rounds[v] = work[BEST * LANES + lane] * size * size, count[lane]
                voxel[lane], busy = -1, busy - 1
