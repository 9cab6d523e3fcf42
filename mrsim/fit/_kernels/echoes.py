"""Complex gradient echoes of one or two species in one field: batched least squares, and the search for a start.

    s_n = f_n e^(i phi) sum_k A_k a_kn e^(-R t_n - i 2 pi psi t_n)

with real amplitudes A_k of species whose spectra give the known phasors a_kn (1 for water), one common phase phi, the
off-resonance psi, the decay rate R and a known real factor f_n. Noise is independent in both quadrature channels, so
the problem is least squares in twice as many real numbers. The second species may decay by d faster than the first,
with a prior on d: where there is next to nothing of it, the echoes say nothing of d.

For a given (psi, R) amplitudes and phase have a closed form (Bydder 2011, doi:10.1016/j.mri.2010.08.011): with
b_k = sum_n conj(a_kn f_n e^(...)) s_n and M = Re(sum conj(a_k) a_l f^2 e^(-2 R t)), the phase is half that of
b^T M^-1 b and what is explained is (b^H M^-1 b + |b^T M^-1 b|) / 2.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit

CONVERGED, NO_SIGNAL, LIMIT, AT_BOUND, NOT_FINITE, SINGULAR = 0, 1, 2, 3, 4, 5  # core.maps.STATUS
FLAGS = {"contract"}
STEP = 1e-8  # Gauss-Newton steps shrink quadratically: what is left after such a one is below 1e-14
PIVOT = 1e-13
LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e8


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def amplitudes(series, v, te, basis, factor, weight, offset, decay, faster, out):
    """Write the closed-form amplitudes and the phase at (offset, decay, faster) into `out`."""
    kinds, n = basis.shape
    column = v if factor.shape[1] > 1 else 0
    m00 = m01 = m11 = 0.0
    b0, b1 = 0j, 0j
    for i in range(n):
        size = factor[i, column] * math.exp(-decay * te[i])
        turn = -2.0 * math.pi * offset * te[i]
        u = size * complex(math.cos(turn), math.sin(turn))
        w = weight[i]
        c0 = u * basis[0, i]
        m00 += w * (c0.real * c0.real + c0.imag * c0.imag)
        b0 += w * c0.conjugate() * series[i, v]
        if kinds == 2:
            c1 = u * basis[1, i] * math.exp(-faster * te[i])
            m01 += w * (c0.real * c1.real + c0.imag * c1.imag)
            m11 += w * (c1.real * c1.real + c1.imag * c1.imag)
            b1 += w * c1.conjugate() * series[i, v]
    if kinds == 1:
        out[0] = abs(b0) / m00
        out[1] = math.atan2(b0.imag, b0.real)
        return
    det = m00 * m11 - m01 * m01
    x0, x1 = (m11 * b0 - m01 * b1) / det, (m00 * b1 - m01 * b0) / det
    square = b0 * x0 + b1 * x1
    phase = 0.5 * math.atan2(square.imag, square.real)
    back = complex(math.cos(phase), -math.sin(phase))
    out[0], out[1] = (x0 * back).real, (x1 * back).real
    if out[0] + out[1] < 0.0:
        out[0], out[1] = -out[0], -out[1]
        phase += math.pi
    out[2] = phase


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def normal_equations(series, v, te, basis, factor, weight, p, free, prior, gradient, normal, re, im):
    """Write gradient and normal matrix at the parameters `p`; return the cost, with that of the prior."""
    kinds, n = basis.shape
    size = p.size
    column = v if factor.shape[1] > 1 else 0
    gradient[:], normal[:, :] = 0.0, 0.0
    cost = 0.0
    for i in range(n):
        t, w = te[i], weight[i]
        turn = p[kinds] - 2.0 * math.pi * p[kinds + 1] * t
        scale = factor[i, column] * math.exp(-p[kinds + 2] * t)
        c, s = scale * math.cos(turn), scale * math.sin(turn)
        mr = mi = 0.0
        for k in range(kinds):
            e = math.exp(-p[size - 1] * t) if k == 1 and free == 2 else 1.0
            re[k] = e * (c * basis[k, i].real - s * basis[k, i].imag)
            im[k] = e * (c * basis[k, i].imag + s * basis[k, i].real)
            mr += p[k] * re[k]
            mi += p[k] * im[k]
        re[kinds], im[kinds] = -mi, mr
        re[kinds + 1], im[kinds + 1] = 2.0 * math.pi * t * mi, -2.0 * math.pi * t * mr
        re[kinds + 2], im[kinds + 2] = (-t * mr, -t * mi) if free else (0.0, 0.0)
        if free == 2:
            re[size - 1], im[size - 1] = -t * p[1] * re[1], -t * p[1] * im[1]
        dr, di = mr - series[i, v].real, mi - series[i, v].imag
        cost += w * (dr * dr + di * di)
        for a in range(size):
            gradient[a] += w * (re[a] * dr + im[a] * di)
            for b in range(a + 1):
                normal[a, b] += w * (re[a] * re[b] + im[a] * im[b])
    if free == 2:
        gradient[size - 1] += prior * p[size - 1]
        normal[size - 1, size - 1] += prior
        cost += prior * p[size - 1] * p[size - 1]
    return cost


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def cholesky(normal, damping, held, factor):
    """Write the lower factor of the damped normal matrix, whose parameter `held` (or -1) is left alone."""
    size = normal.shape[0]
    for i in range(size):
        for j in range(i + 1):
            x = normal[i, j] if i != held and j != held else (1.0 if i == j else 0.0)
            if i == j and i != held:
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


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def back_substitute(factor, x):
    """Solve L L^T y = x in place."""
    size = factor.shape[0]
    for i in range(size):
        for k in range(i):
            x[i] -= factor[i, k] * x[k]
        x[i] /= factor[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            x[i] -= factor[k, i] * x[k]
        x[i] /= factor[i, i]


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def triage(series, v, floor):
    """Return the status of a voxel before it is fitted."""
    total, n = 0.0, series.shape[0]
    for i in range(n):
        total += series[i, v].real ** 2 + series[i, v].imag ** 2
    if not math.isfinite(total):
        return NOT_FINITE
    return NO_SIGNAL if total == 0.0 or total < n * floor * floor else CONVERGED


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def spread(normal, held, factor, step, values, errors, together, v):
    """Write the roots of the inverse normal matrix's diagonal, and its element 0, 1; return the status."""
    if not cholesky(normal, 0.0, held, factor):
        return SINGULAR
    for a in range(normal.shape[0]):
        step[:] = 0.0
        step[a] = 1.0
        back_substitute(factor, step)
        errors[a, v] = math.sqrt(step[a]) if a != held else np.nan
        if a == 1:
            together[v] = step[0]
    return CONVERGED


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def fit_echoes(
    series, start, stop, te, basis, factor, weight, free, floor, prior, highest, limit,
    values, errors, together, status, cost,
):  # fmt: skip
    """Fit voxels start..stop of `series` (n, voxel), from the offset and the decay in `values`.

    `values` (kinds + 3, voxel) holds amplitudes, phase (rad), offset (Hz), decay (1/s), and in one more row how much
    faster the second species decays. `free` is 0: the decays stay as they are; 1: both have one; 2: each has its own,
    with `prior` (voxel,) the variance of the noise over that of the difference. `errors` are for unit noise in an echo
    of weight 1, `together` (voxel,) is the covariance of the two amplitudes. A decay below zero or above `highest` is
    held there (AT_BOUND).
    """
    kinds, size = basis.shape[0], values.shape[0]
    last = kinds + 2
    p, trial, step, re, im = np.empty(size), np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    gradient, normal, lower = np.empty(size), np.empty((size, size)), np.zeros((size, size))
    new_gradient, new_normal = np.empty(size), np.empty((size, size))
    for v in range(start, stop):
        status[v] = triage(series, v, floor[v])
        if status[v] != CONVERGED:
            continue
        p[kinds + 1], p[last] = values[kinds + 1, v], values[last, v]
        if free == 2:
            p[size - 1] = values[size - 1, v]
        amplitudes(series, v, te, basis, factor, weight, p[kinds + 1], p[last], p[size - 1] if free == 2 else 0.0, p)
        best = normal_equations(series, v, te, basis, factor, weight, p, free, prior[v], gradient, normal, re, im)
        damping, finished, rounds, held = 1e-3, False, 0, -1
        while not finished and rounds < limit:
            rounds += 1
            pressed = (p[last] <= 0.0 and gradient[last] > 0.0) or (p[last] >= highest and gradient[last] < 0.0)
            held = last if pressed or free == 0 else -1
            while not cholesky(normal, damping, held, lower) and damping < MOST_DAMPING:
                damping *= 10.0
            step[:] = -gradient
            if held >= 0:
                step[held] = 0.0
            back_substitute(lower, step)
            small = True
            for a in range(size):
                trial[a] = p[a] + step[a]
            trial[last] = min(max(trial[last], 0.0), highest) if free else p[last]
            if free == 2:
                trial[size - 1] = min(max(trial[size - 1], -highest), highest)
            reach = abs(p[0]) + (abs(p[1]) if kinds == 2 else 0.0)
            for a in range(size):
                unit = reach if a < kinds else 1.0
                small = small and abs(trial[a] - p[a]) <= STEP * (abs(p[a]) + unit)
            now = normal_equations(
                series, v, te, basis, factor, weight, trial, free, prior[v], new_gradient, new_normal, re, im
            )  # fmt: skip
            if now <= best:
                p[:], gradient[:], normal[:, :] = trial, new_gradient, new_normal
                finished, best = small or best - now <= 1e-18 * best, now
                damping = max(damping * 0.05, LEAST_DAMPING)
            else:
                damping *= 8.0
                finished = small or damping > MOST_DAMPING
        for a in range(size):
            values[a, v] = p[a]
        cost[v] = best
        status[v] = spread(normal, held, lower, step, values, errors, together, v)
        if status[v] == CONVERGED:
            status[v] = LIMIT if not finished else (AT_BOUND if free > 0 and held >= 0 else CONVERGED)


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def candidates(series, start, stop, weight, turns, projected, inverse, offsets, cost, where):
    """Write, per voxel, the offsets at which the misfit has its deepest local minima, circular, and the misfit there.

    `turns` (offset, n) is e^(+i 2 pi psi t), `projected` (decay, kind, n) is conj(a) e^(-R t) times the weight,
    `inverse` (decay, kind, kind) is M^-1, `offsets` (offset,) Hz. `cost` (candidate, voxel) is relative to the voxel's
    energy, infinite where there are fewer minima; `where` (candidate, voxel) is the decay's index + offset's index
    times the number of decays.
    """
    decays, kinds, n = projected.shape
    many, keep = offsets.size, cost.shape[0]
    misfit, chosen = np.empty(many), np.zeros(many, np.int64)
    rotated = np.empty(n, np.complex128)
    for v in range(start, stop):
        energy = 0.0
        for i in range(n):
            energy += weight[i] * (series[i, v].real ** 2 + series[i, v].imag ** 2)
        for g in range(many):
            misfit[g] = energy
            for i in range(n):
                rotated[i] = turns[g, i] * series[i, v]
            for d in range(decays):
                b0, b1 = 0j, 0j
                for i in range(n):
                    b0 += projected[d, 0, i] * rotated[i]
                    if kinds == 2:
                        b1 += projected[d, 1, i] * rotated[i]
                if kinds == 2:
                    x0 = inverse[d, 0, 0] * b0 + inverse[d, 0, 1] * b1
                    x1 = inverse[d, 1, 0] * b0 + inverse[d, 1, 1] * b1
                    square = b0 * x0 + b1 * x1
                    straight = (b0.conjugate() * x0 + b1.conjugate() * x1).real
                else:
                    square = b0 * b0 * inverse[d, 0, 0]
                    straight = abs(square)
                left = energy - 0.5 * (straight + abs(square))
                if left < misfit[g]:
                    misfit[g], chosen[g] = left, d
        cost[:, v], where[:, v] = np.inf, 0
        for g in range(many):
            if misfit[g] < misfit[g - 1] and misfit[g] <= misfit[(g + 1) % many]:
                relative = misfit[g] / energy if energy > 0.0 else 0.0
                place = keep
                while place > 0 and relative < cost[place - 1, v]:
                    place -= 1
                for k in range(keep - 1, place, -1):
                    cost[k, v], where[k, v] = cost[k - 1, v], where[k - 1, v]
                if place < keep:
                    cost[place, v], where[place, v] = relative, chosen[g] + g * decays
        if cost[0, v] == np.inf:
            cost[0, v] = 0.0


@njit(nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def pass_messages(data, place, weight, period, smoothness, shape, rounds, messages, choice):
    """Choose one candidate per voxel: sequential min-sum belief propagation on the voxels' grid.

    The energy is sum data + smoothness sum_edges w (d / period)^2, d the circular distance of neighbours' offsets.
    `data` and `place` (candidate, voxel), `weight` (voxel,), `messages` (6, candidate, voxel) of zeros: what voxel v
    hears from its lower and upper neighbour along each axis. Messages run along lines, forwards and backwards, so
    that one round carries them across the whole grid (Tappen and Freeman 2003, doi:10.1109/ICCV.2003.1238444).
    """
    kinds, voxels = data.shape
    strides = (shape[1] * shape[2], shape[2], 1)
    belief = np.empty(kinds)
    for _ in range(rounds):
        for direction in range(6):
            axis, up = direction // 2, direction % 2 == 0  # even: from the lower neighbour to the upper one
            stride, count = strides[axis], shape[axis]
            if count == 1:
                continue
            for number in range(voxels):
                v = number if up else voxels - 1 - number
                position = (v // stride) % count
                if (up and position == count - 1) or (not up and position == 0):
                    continue
                other = v + stride if up else v - stride
                for k in range(kinds):
                    belief[k] = data[k, v]
                    for m in range(6):
                        if m != direction + (1 if up else -1):  # not what `other` itself said
                            belief[k] += messages[m, k, v]
                link = smoothness * math.sqrt(weight[v] * weight[other])
                lowest = np.inf
                for k in range(kinds):
                    best = np.inf
                    for j in range(kinds):
                        if belief[j] < np.inf:
                            d = (place[j, v] - place[k, other]) / period
                            d -= math.floor(d + 0.5)
                            best = min(best, belief[j] + link * d * d)
                    messages[direction, k, other] = best
                    lowest = min(lowest, best)
                for k in range(kinds):
                    messages[direction, k, other] -= lowest
    for v in range(voxels):
        best = np.inf
        for k in range(kinds):
            total = data[k, v]
            for m in range(6):
                total += messages[m, k, v]
            if total < best:
                best, choice[v] = total, k
