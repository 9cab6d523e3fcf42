"""Initial guesses on a grid: for every voxel, the node whose linear fit explains the data best.

A model that is linear in some parameters is, at fixed values of the others, an ordinary linear fit. The
others are laid on a grid, the same for all voxels, so that the linear problem of each node is solved
once and every voxel only needs projections on it (variable projection: Golub and Pereyra 1973, SIAM J
Numer Anal 10:413). Nothing here depends on the model but the sizes.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import float64 as f8
from numba import int8 as i1
from numba import int64 as i8
from numba import njit, void

FLAGS = {"contract"}
STRIP = 256  # voxels whose guesses are made together: their data stay in the first-level cache
FITTED, NO_SIGNAL, NOT_FINITE = 0, 1, 4  # core.maps.STATUS


@njit(fastmath=FLAGS, error_model="numpy")
def project(series, start, stop, basis, row):
    """Write the projections of voxels start..stop on `basis` (n,) into `row`, four images at a time."""
    n, count = series.shape[0], stop - start
    row[:] = 0.0
    for i in range(0, n, 4):
        a, b = series[i][start:stop], series[min(i + 1, n - 1)][start:stop]
        c, d = series[min(i + 2, n - 1)][start:stop], series[min(i + 3, n - 1)][start:stop]
        qa = basis[i]
        qb = basis[i + 1] if i + 1 < n else 0.0
        qc = basis[i + 2] if i + 2 < n else 0.0
        qd = basis[i + 3] if i + 3 < n else 0.0
        for v in range(count):
            row[v] += qa * a[v] + qb * b[v] + qc * c[v] + qd * d[v]


@njit(fastmath=FLAGS, error_model="numpy")
def guess(series, start, stop, nodes, basis, triangle, lower, upper, linear, scale, values):
    """Write each voxel's scale and the best grid node, with the linear parameters that suit it best.

    `basis` (node, linear, n) is orthonormal over the images, so the squared projections of the data on it
    are what a linear fit at that node explains; `triangle` (node, linear, linear) turns the projections
    into linear parameters. Nodes whose linear parameters leave their bounds do not compete; where none
    is left, the middle node starts with the largest datum as the amplitude.
    """
    count, unknowns = stop - start, basis.shape[1]
    score, chosen = np.full(count, -1.0), np.full(count, -1)
    row, kept = np.empty((unknowns, count)), np.empty((unknowns, count))
    slots = np.flatnonzero(linear)
    largest = scale[start:stop]
    largest[:] = 0.0
    for i in range(series.shape[0]):
        image = series[i][start:stop]
        for v in range(count):
            size = abs(image[v])
            largest[v] = size if size > largest[v] or size != size else largest[v]
    for m in range(nodes.shape[0]):
        for b in range(unknowns):
            project(series, start, stop, basis[m, b], row[b])
        for v in range(count):
            explained = 0.0
            for b in range(unknowns):
                explained += row[b, v] * row[b, v]
            if explained > score[v]:
                inside = True
                for a in range(unknowns):
                    x = 0.0
                    for b in range(unknowns):
                        x += triangle[m, a, b] * row[b, v]
                    inside = inside and lower[slots[a]] <= x <= upper[slots[a]]
                if inside:
                    score[v], chosen[v] = explained, m
                    for b in range(unknowns):
                        kept[b, v] = row[b, v]
    for v in range(count):
        m = chosen[v]
        for k in range(nodes.shape[1]):
            values[k, start + v] = nodes[m if m >= 0 else nodes.shape[0] // 2, k]
        for a in range(unknowns):
            x = 0.0
            for b in range(unknowns):
                x += triangle[m, a, b] * kept[b, v] if m >= 0 else 0.0
            values[slots[a], start + v] = x if m >= 0 or lower[slots[a]] < 0.0 else scale[start + v]


@njit(fastmath=FLAGS, error_model="numpy")
def triage(start, stop, series, floor, scale, values, errors, status):
    """Set the status of voxels without signal (root mean square below `floor`) or with data not finite."""
    n = series.shape[0]
    for v in range(start, stop):
        total = 0.0
        for i in range(n):
            total += series[i, v] * series[i, v]
        status[v] = FITTED
        if not math.isfinite(total):
            status[v] = NOT_FINITE
        elif scale[v] == 0.0 or total < n * floor[v] * floor[v]:
            status[v] = NO_SIGNAL
        if status[v] != FITTED:
            values[:, v] = np.nan
            errors[:, v] = np.nan


PREPARE = void(
    f8[:, ::1], i8, i8, f8[:, ::1], f8[:, :, ::1], f8[:, :, ::1], f8[::1], f8[::1], f8[::1], f8[::1],
    f8[::1], f8[:, ::1], f8[:, ::1], i1[::1],
)  # fmt: skip


@njit(PREPARE, nogil=True, cache=True, fastmath=FLAGS, error_model="numpy")
def prepare(
    series, start, stop, nodes, basis, triangle, lower, upper, linear, floor, scale, values, errors, status
):  # fmt: skip
    """Write scale, guess and status of voxels start..stop of `series` (n, voxel)."""
    for first in range(start, stop, STRIP):
        last = min(first + STRIP, stop)
        guess(series, first, last, nodes, basis, triangle, lower, upper, linear, scale, values)
    triage(start, stop, series, floor, scale, values, errors, status)
