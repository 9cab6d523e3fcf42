"""Many small symmetric systems at once: Cholesky factors, solutions and inverses; and what kurtosis needs.

Matrices are packed by their lower triangle, row by row: element (i, j <= i) is row i (i + 1) / 2 + j. Systems lie along
the last axis, `LANES` of them in step, so that the compiler turns the innermost loops into vector instructions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LANES = 64


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def solve_packed(gram, right, least, inverse, solution, regular):
    """Solve gram x = right for every system and invert it.

    gram, inverse : (packed, system); right, solution : (p, system); regular : (system,) bool, False where a pivot falls
    below `least` of its diagonal element, whose row then counts for nothing.
    """
    p, systems = right.shape
    low = np.zeros((p * (p + 1) // 2, LANES))
    inv = np.zeros((p * (p + 1) // 2, LANES))
    y = np.zeros((p, LANES))
    for begin in range(0, systems, LANES):
        count = min(LANES, systems - begin)
        for k in range(low.shape[0]):
            for t in range(LANES):
                low[k, t] = gram[k, begin + min(t, count - 1)]
        for t in range(count):
            regular[begin + t] = True
        for j in range(p):
            jj = j * (j + 1) // 2
            for t in range(LANES):
                whole = low[jj + j, t]
                pivot = whole
                for k in range(j):
                    pivot -= low[jj + k, t] * low[jj + k, t]
                if not pivot > least * whole:
                    pivot = math.inf
                    if t < count:
                        regular[begin + t] = False
                low[jj + j, t] = 1.0 / math.sqrt(pivot)
            for i in range(j + 1, p):
                ii = i * (i + 1) // 2
                for k in range(j):
                    for t in range(LANES):
                        low[ii + j, t] -= low[ii + k, t] * low[jj + k, t]
                for t in range(LANES):
                    low[ii + j, t] *= low[jj + j, t]
        # the inverse of the triangle, by columns; diagonals are inverse already
        for j in range(p):
            for t in range(LANES):
                inv[j * (j + 1) // 2 + j, t] = low[j * (j + 1) // 2 + j, t]
            for i in range(j + 1, p):
                ii = i * (i + 1) // 2
                for t in range(LANES):
                    inv[ii + j, t] = 0.0
                for k in range(j, i):
                    for t in range(LANES):
                        inv[ii + j, t] -= low[ii + k, t] * inv[k * (k + 1) // 2 + j, t]
                for t in range(LANES):
                    inv[ii + j, t] *= low[ii + i, t]
        for i in range(p):
            for t in range(LANES):
                y[i, t] = 0.0
            for k in range(i + 1):
                for t in range(LANES):
                    y[i, t] += inv[i * (i + 1) // 2 + k, t] * right[k, begin + min(t, count - 1)]
        for i in range(p):
            for t in range(count):
                solution[i, begin + t] = 0.0
            for k in range(i, p):
                for t in range(count):
                    solution[i, begin + t] += inv[k * (k + 1) // 2 + i, t] * y[k, t]
            for j in range(i + 1):
                at = i * (i + 1) // 2 + j
                for t in range(count):
                    inverse[at, begin + t] = 0.0
                for k in range(i, p):
                    for t in range(count):
                        inverse[at, begin + t] += inv[k * (k + 1) // 2 + i, t] * inv[k * (k + 1) // 2 + j, t]


@njit(nogil=True, cache=True)
def hildreth(point, rows, turned, broken, sweeps):
    """Move a free optimum to that within rows @ x <= 0: multipliers of the dual, raised one after another.

    point : (p,), changed; rows : (m, p); turned : (m, p) rows @ inverse of the programme's matrix.
    """
    m, p = rows.shape
    multiplier, size = np.zeros(m), np.zeros(m)
    for i in range(m):
        for k in range(p):
            size[i] += turned[i, k] * rows[i, k]
    for _ in range(sweeps):
        worst = 0.0
        for i in range(m):
            over = 0.0
            for k in range(p):
                over += rows[i, k] * point[k]
            if over > worst:
                worst = over
            change = max(over / size[i], -multiplier[i])
            if change != 0.0:
                multiplier[i] += change
                for k in range(p):
                    point[k] -= change * turned[i, k]
        if worst <= broken:
            break
    return point


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def kurtosis_scalars(tensor, fourth, vectors, second_table, fourth_table, weights, turns, out):
    """Find mean, axial and radial kurtosis of tensors.

    tensor : (system, 6); fourth : (system, 15); vectors : (3, 3, system) eigenvectors, ascending; second_table,
    fourth_table : (6, direction), (15, direction) monomials over the sphere; weights : (direction,); turns : (2, k)
    cosines and sines around the circle; out : (3, system). NaN where a direction does not diffuse.
    """
    directions = len(weights)
    d, v = np.empty(directions), np.empty(directions)
    for s in range(tensor.shape[0]):
        for n in range(directions):
            d[n], v[n] = 0.0, 0.0
        for e in range(6):
            for n in range(directions):
                d[n] += tensor[s, e] * second_table[e, n]
        for e in range(15):
            for n in range(directions):
                v[n] += fourth[s, e] * fourth_table[e, n]
        total, least = 0.0, d[0]
        for n in range(directions):
            total += weights[n] * v[n] / (d[n] * d[n])
            least = min(least, d[n])
        out[0, s] = total if least > 0.0 else math.nan
        out[1, s] = _along(tensor, fourth, s, vectors[0, 2, s], vectors[1, 2, s], vectors[2, 2, s])
        total = 0.0
        for k in range(turns.shape[1]):
            c, sn = turns[0, k], turns[1, k]
            x = c * vectors[0, 1, s] + sn * vectors[0, 0, s]
            y = c * vectors[1, 1, s] + sn * vectors[1, 0, s]
            z = c * vectors[2, 1, s] + sn * vectors[2, 0, s]
            total += _along(tensor, fourth, s, x, y, z)
        out[2, s] = total / turns.shape[1]


@njit(nogil=True, cache=True)
def _along(tensor, fourth, s, x, y, z):
    """Return the kurtosis along one direction; elements in the order of `core.tensors`."""
    d = (
        tensor[s, 0] * x * x + tensor[s, 1] * y * y + tensor[s, 2] * z * z
        + 2 * (tensor[s, 3] * x * y + tensor[s, 4] * x * z + tensor[s, 5] * y * z)
    )  # fmt: skip
    if not d > 0.0:
        return math.nan
    f = fourth[s]
    xx, yy, zz = x * x, y * y, z * z
    v = f[0] * xx * xx + 4 * xx * x * (f[1] * y + f[2] * z) + 6 * xx * (f[3] * yy + 2 * f[4] * y * z + f[5] * zz)
    v += 4 * x * (f[6] * yy * y + 3 * f[7] * yy * z + 3 * f[8] * y * zz + f[9] * zz * z)
    v += f[10] * yy * yy + 4 * f[11] * yy * y * z + 6 * f[12] * yy * zz + 4 * f[13] * y * zz * z + f[14] * zz * zz
    return v / (d * d)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def kurtosis_errors(tensor, fourth, vectors, second_table, fourth_table, weights, turns, packed, out):
    """Propagate the covariance of tensors to mean, axial and radial kurtosis and the mean of the kurtosis tensor.

    Arguments as in `kurtosis_scalars`; packed : (system, 253) lower triangle of the covariance of ln M0, tensor and V;
    out : (4, system). The axes turn with the tensor: of the
    first, dv1 = sum_j v_j (v_j . dD v1) / (l1 - lj), and D(v1, u) = 0 for u across it.
    """
    g, q, frame, u = np.empty((4, 21)), np.empty(2), np.empty((3, 3)), np.empty(3)
    second_row, fourth_row = np.empty(6), np.empty(15)
    directions = len(weights)
    d_all, v_all = np.empty(directions), np.empty(directions)
    for s in range(tensor.shape[0]):
        t, f = tensor[s], fourth[s]
        for scalar in range(4):
            for e in range(21):
                g[scalar, e] = 0.0
        for n in range(directions):
            d_all[n], v_all[n] = 0.0, 0.0
        for e in range(6):
            for n in range(directions):
                d_all[n] += t[e] * second_table[e, n]
        for e in range(15):
            for n in range(directions):
                v_all[n] += f[e] * fourth_table[e, n]
        for n in range(directions):  # gradients of w V / D^2 by D and by V
            share = weights[n] / (d_all[n] * d_all[n])
            d_all[n], v_all[n] = -2 * share * v_all[n] / d_all[n], share
        for e in range(6):
            total = 0.0
            for n in range(directions):
                total += d_all[n] * second_table[e, n]
            g[0, e] = total
        for e in range(15):
            total = 0.0
            for n in range(directions):
                total += v_all[n] * fourth_table[e, n]
            g[0, 6 + e] = total
        for axis in range(3):
            for e in range(3):
                frame[axis, e] = vectors[e, axis, s]
        low, middle, first = frame[0], frame[1], frame[2]
        _monomials(first[0], first[1], first[2], second_row, fourth_row)
        largest = _add_ratio(g[1], t, f, second_row, fourth_row, 1.0)
        for j in range(2):
            q[j] = _slope(f, first, frame[j], second_row, fourth_row) / (largest * largest)
        _add_turn(g[1], t, low, middle, first, largest, q)
        q[0], q[1] = 0.0, 0.0
        for k in range(turns.shape[1]):
            for e in range(3):
                u[e] = turns[0, k] * middle[e] + turns[1, k] * low[e]
            _monomials(u[0], u[1], u[2], second_row, fourth_row)
            d = _add_ratio(g[2], t, f, second_row, fourth_row, 1.0 / turns.shape[1])
            change = _slope(f, u, first, second_row, fourth_row) / (d * d * turns.shape[1])
            q[0] -= turns[1, k] * change
            q[1] -= turns[0, k] * change
        _add_turn(g[2], t, low, middle, first, largest, q)
        md = (t[0] + t[1] + t[2]) / 3
        mean = (f[0] + f[10] + f[14] + 2 * (f[3] + f[5] + f[12])) / (5 * md * md)
        for e in range(3):
            g[3, e] = -2 * mean / (3 * md)
        for e, share in ((0, 1), (10, 1), (14, 1), (3, 2), (5, 2), (12, 2)):
            g[3, 6 + e] = share / (5 * md * md)
        a0, a1, a2, a3 = 0.0, 0.0, 0.0, 0.0
        for r in range(21):
            for c in range(r + 1):
                known = packed[s, (r + 1) * (r + 2) // 2 + c + 1] * (1.0 if c == r else 2.0)
                a0 += known * g[0, r] * g[0, c]
                a1 += known * g[1, r] * g[1, c]
                a2 += known * g[2, r] * g[2, c]
                a3 += known * g[3, r] * g[3, c]
        out[0, s], out[1, s], out[2, s], out[3, s] = math.sqrt(a0), math.sqrt(a1), math.sqrt(a2), math.sqrt(a3)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def _monomials(x, y, z, second_row, fourth_row):
    """Write the monomials of one direction with their multiplicities, in the order of `core.tensors`."""
    xx, yy, zz = x * x, y * y, z * z
    second_row[0], second_row[1], second_row[2] = xx, yy, zz
    second_row[3], second_row[4], second_row[5] = 2 * x * y, 2 * x * z, 2 * y * z
    fourth_row[0], fourth_row[10], fourth_row[14] = xx * xx, yy * yy, zz * zz
    fourth_row[1], fourth_row[2] = 4 * xx * x * y, 4 * xx * x * z
    fourth_row[3], fourth_row[4], fourth_row[5] = 6 * xx * yy, 12 * xx * y * z, 6 * xx * zz
    fourth_row[6], fourth_row[7], fourth_row[8] = 4 * x * yy * y, 12 * x * yy * z, 12 * x * y * zz
    fourth_row[9], fourth_row[11], fourth_row[12] = 4 * x * zz * z, 4 * yy * y * z, 6 * yy * zz
    fourth_row[13] = 4 * y * zz * z


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def _add_ratio(g, t, f, second_row, fourth_row, weight):
    """Add the gradient of weight V / D^2 along one direction; return D there."""
    d, v = 0.0, 0.0
    for e in range(6):
        d += t[e] * second_row[e]
    for e in range(15):
        v += f[e] * fourth_row[e]
    a = weight / (d * d)
    b = -2 * a * v / d
    for e in range(6):
        g[e] += b * second_row[e]
    for e in range(15):
        g[6 + e] += a * fourth_row[e]
    return d


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def _slope(f, n, w, second_row, fourth_row):
    """Return dV(n + h w) / dh: five points are exact for what is of fourth degree."""
    total = 0.0
    for h, share in ((1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)):
        _monomials(n[0] + h * w[0], n[1] + h * w[1], n[2] + h * w[2], second_row, fourth_row)
        for e in range(15):
            total += share / 12 * f[e] * fourth_row[e]
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def _add_turn(g, t, low, middle, first, largest, q):
    """Add what turning the first axis by q towards the lowest and the middle one does."""
    for j in range(2):
        other = low if j == 0 else middle
        x, y, z = other[0], other[1], other[2]
        here = t[0] * x * x + t[1] * y * y + t[2] * z * z + 2 * (t[3] * x * y + t[4] * x * z + t[5] * y * z)
        share = q[j] / (largest - here)
        for e in range(3):
            g[e] += share * other[e] * first[e]
        g[3] += share * (other[0] * first[1] + other[1] * first[0])
        g[4] += share * (other[0] * first[2] + other[2] * first[0])
        g[5] += share * (other[1] * first[2] + other[2] * first[1])
