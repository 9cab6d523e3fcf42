"""Many small symmetric systems at once: Cholesky factors, solutions and inverses, and eigenvalues of 3 x 3 matrices.

Matrices are packed by their lower triangle, row by row: element (i, j <= i) is row i (i + 1) / 2 + j. Systems lie along
the last axis, `LANES` of them in step, so that the compiler turns the innermost loops into vector instructions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LANES = 8
SWEEPS = 8


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def solve_packed(gram, right, least, inverse, solution, regular):  # noqa: PLR0912
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
def eigen(tensor, values, vectors):
    """Find the eigenvalues, ascending, and unit eigenvectors of symmetric 3 x 3 matrices by Jacobi's rotations.

    tensor : (6, system) xx, yy, zz, xy, xz, yz; values : (3, system); vectors : (3, 3, system) component, which.
    """
    a, v = np.zeros((3, 3)), np.zeros((3, 3))
    for s in range(tensor.shape[1]):
        for i in range(3):
            for j in range(3):
                v[i, j] = 1.0 if i == j else 0.0
            a[i, i] = tensor[i, s]
        a[0, 1], a[0, 2], a[1, 2] = tensor[3, s], tensor[4, s], tensor[5, s]
        for _ in range(SWEEPS):
            off = abs(a[0, 1]) + abs(a[0, 2]) + abs(a[1, 2])
            if not off > 1e-17 * (abs(a[0, 0]) + abs(a[1, 1]) + abs(a[2, 2])):
                break
            for i in range(2):
                for j in range(i + 1, 3):
                    if a[i, j] == 0.0:
                        continue
                    theta = (a[j, j] - a[i, i]) / (2.0 * a[i, j])
                    t = math.copysign(1.0, theta) / (abs(theta) + math.sqrt(theta * theta + 1.0))
                    c = 1.0 / math.sqrt(t * t + 1.0)
                    sn = t * c
                    a[i, i] -= t * a[i, j]
                    a[j, j] += t * a[i, j]
                    a[i, j] = 0.0
                    k = 3 - i - j
                    p0, p1 = min(i, k), max(i, k)
                    q0, q1 = min(j, k), max(j, k)
                    one, two = a[p0, p1], a[q0, q1]
                    a[p0, p1] = c * one - sn * two
                    a[q0, q1] = sn * one + c * two
                    for r in range(3):
                        one, two = v[r, i], v[r, j]
                        v[r, i] = c * one - sn * two
                        v[r, j] = sn * one + c * two
        first = 0 if a[0, 0] <= a[1, 1] and a[0, 0] <= a[2, 2] else (1 if a[1, 1] <= a[2, 2] else 2)
        last = 2 if a[2, 2] >= a[1, 1] and a[2, 2] >= a[0, 0] else (1 if a[1, 1] >= a[0, 0] else 0)
        if first == last:
            first, last = 0, 2
        middle = 3 - first - last
        for r in range(3):
            vectors[r, 0, s], vectors[r, 1, s], vectors[r, 2, s] = v[r, first], v[r, middle], v[r, last]
        values[0, s], values[1, s], values[2, s] = a[first, first], a[middle, middle], a[last, last]
