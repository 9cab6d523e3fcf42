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
