"""Configuration states of one class at many sub-slices: where they go, how they decay, how pulses mix them.

Every state holds, per pool, six rows of lanes (sub-slices): real and imaginary parts of F(k), of conj F(-k) and of
Z(k). The loop over lanes is the vector loop. A pulse is a real affine map of (Mx, My, Mz) at every lane, which needs
half the work of its complex form.
"""

import math

import numpy as np
from numba import njit

FLAGS = {"contract", "nsz", "arcp", "afn", "reassoc"}


@njit(nogil=True, cache=True)
def destinations(names, by, near, multipliers, table, rows, found, slots, flips):
    """Find the states that free evolution leads to; return how many there are.

    names : (n, 4); by : (4,) what transverse states move by; near : (4,) names that differ by less are the same;
    multipliers : (4,) uint64; table, rows : hash table of labels and slots, of a power of two above 4 n;
    found : (3 n, 4) receives the names, 0 first; slots : (3, n) where F, conj F(-) and Z go;
    flips : (2, n) True where the opposite name is the one that is held.
    """
    count, mask = names.shape[0], np.uint64(table.size - 1)
    rows[:] = -1
    found[0] = 0
    size = 1
    new = np.empty(4, np.int64)
    for part in range(-1, 3):
        for s in range(1 if part in (-1, 1) else 0, 2 if part == -1 else count):
            flip, sign = False, 0
            for a in range(3, -1, -1):
                if part == -1:
                    new[a] = 0
                elif part == 0:
                    new[a] = names[s, a] + by[a]
                elif part == 1:
                    new[a] = by[a] - names[s, a]
                else:
                    new[a] = names[s, a]
                if sign == 0 and abs(new[a]) * 10 > 3 * near[a]:
                    sign = 1 if new[a] > 0 else -1
            flip = sign < 0
            label = np.uint64(0)
            for a in range(4):
                value = 0 if sign == 0 else sign * new[a]
                new[a] = value
                label += np.uint64((value + near[a] * 37 // 100) // near[a]) * multipliers[a]
            at = (label ^ (label >> np.uint64(29))) & mask
            while rows[at] >= 0 and table[at] != label:
                at = (at + np.uint64(1)) & mask
            if rows[at] < 0:
                table[at] = label
                rows[at] = 0 if part == -1 else size
                if part != -1:
                    found[size] = new
                    size += 1
            if part >= 0:
                slots[part, s] = rows[at]
                if part < 2:
                    flips[part, s] = flip
    return size


@njit(nogil=True, cache=True, fastmath=FLAGS)
def spread(values, rows, slots, flips, weight, transverse, longitudinal, recovery, out):
    """Relax, exchange and move all states into `out`, which starts as zeros.

    values : (m, pool, 6, lane); rows : (n,) of `values` that are carried on; slots, flips : from
    `destinations`; weight : (3, n) decay by diffusion;
    transverse : (pool, pool, 2) real and imaginary parts; longitudinal : (pool, pool); recovery : (pool,).
    """
    count, pools, lanes = rows.size, values.shape[1], values.shape[3]
    for s in range(count):
        for p in range(pools):
            for q in range(pools):
                source = values[rows[s], q]
                for part in range(2):
                    if part == 1 and s == 0:
                        continue
                    a = weight[part, s] * transverse[p, q, 0]
                    b = weight[part, s] * transverse[p, q, 1]
                    if a == 0 and b == 0:
                        continue
                    # conj F(-) turns the other way; a state held under its opposite name is conjugated
                    if part == 1:
                        b = -b
                    target = out[slots[part, s], p]
                    row = 2 if flips[part, s] else 0
                    sign = -1.0 if flips[part, s] != (part == 1) else 1.0
                    for l in range(lanes):
                        re, im = source[2 * part, l], source[2 * part + 1, l]
                        target[row, l] += a * re - b * im
                        target[row + 1, l] += sign * (a * im + b * re)
                c = weight[2, s] * longitudinal[p, q]
                target = out[slots[2, s], p]
                for l in range(lanes):
                    target[4, l] += c * source[4, l]
                    target[5, l] += c * source[5, l]
    for p in range(pools):
        for l in range(lanes):
            out[0, p, 4, l] += recovery[p]
            out[0, p, 2, l] = out[0, p, 0, l]
            out[0, p, 3, l] = -out[0, p, 1, l]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turn(values, maps):
    """Apply a pulse in place; maps : (pool, 3, 4, lane) real affine maps of (Mx, My, Mz)."""
    half = 0.5
    for s in range(values.shape[0]):
        for p in range(values.shape[1]):
            v, a = values[s, p], maps[p]
            for l in range(values.shape[3]):
                # F = X + iY and conj F(-) = X - iY, of complex X and Y
                xr, xi = half * (v[0, l] + v[2, l]), half * (v[1, l] + v[3, l])
                yr, yi = half * (v[1, l] - v[3, l]), half * (v[2, l] - v[0, l])
                zr, zi = v[4, l], v[5, l]
                xa = a[0, 0, l] * xr + a[0, 1, l] * yr + a[0, 2, l] * zr
                xb = a[0, 0, l] * xi + a[0, 1, l] * yi + a[0, 2, l] * zi
                ya = a[1, 0, l] * xr + a[1, 1, l] * yr + a[1, 2, l] * zr
                yb = a[1, 0, l] * xi + a[1, 1, l] * yi + a[1, 2, l] * zi
                v[4, l] = a[2, 0, l] * xr + a[2, 1, l] * yr + a[2, 2, l] * zr
                v[5, l] = a[2, 0, l] * xi + a[2, 1, l] * yi + a[2, 2, l] * zi
                v[0, l], v[1, l] = xa - yb, xb + ya
                v[2, l], v[3, l] = xa + yb, xb - ya
    for p in range(values.shape[1]):
        v, a = values[0, p], maps[p]
        for l in range(values.shape[3]):
            v[0, l] += a[0, 3, l]
            v[1, l] += a[1, 3, l]
            v[2, l] += a[0, 3, l]
            v[3, l] -= a[1, 3, l]
            v[4, l] += a[2, 3, l]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def sizes(values, rows, layers, out):
    """Write the largest contribution to a layer's magnetisation, summed over the pools, of the states in `rows`."""
    lanes = values.shape[3]
    each = lanes // layers
    for s in range(rows.size):
        largest = 0.0
        for layer in range(layers):
            total = 0.0
            for p in range(values.shape[1]):
                v = values[rows[s], p]
                for l in range(layer * each, (layer + 1) * each):
                    f = math.sqrt(v[0, l] * v[0, l] + v[1, l] * v[1, l])
                    m = math.sqrt(v[2, l] * v[2, l] + v[3, l] * v[3, l])
                    z = 4 * (v[4, l] * v[4, l] + v[5, l] * v[5, l])
                    total += math.sqrt((f + m) * (f + m) + z)
            largest = max(largest, total / each)
        out[s] = largest


@njit(nogil=True, cache=True, fastmath=FLAGS)
def through(values, state, opposite, k, z, layers, out):
    """Write the mean over each layer of transverse states, dephased along the slice.

    state, opposite : (n,) row of `values`, and whether it is the state of the opposite name that is looked at;
    k : (n, sample) moment along the slice, 1/m; z : (lane,) m, evenly spaced; out : (n, layer, pool, sample, 2).
    """
    lanes = values.shape[3]
    each = lanes // layers
    step = z[1] - z[0] if lanes > 1 else 0.0
    for i in range(state.size):
        row = 2 if opposite[i] else 0
        sign = -1.0 if opposite[i] else 1.0
        for sample in range(k.shape[1]):
            turn_c, turn_s = math.cos(2 * math.pi * k[i, sample] * step), math.sin(2 * math.pi * k[i, sample] * step)
            for layer in range(layers):
                first = layer * each
                angle = 2 * math.pi * k[i, sample] * z[first]
                start_c, start_s = math.cos(angle), math.sin(angle)
                for p in range(values.shape[1]):
                    c, s, re, im = start_c, start_s, 0.0, 0.0
                    for l in range(first, first + each):
                        a, b = values[state[i], p, row, l], sign * values[state[i], p, row + 1, l]
                        re += a * c + b * s
                        im += b * c - a * s
                        c, s = c * turn_c - s * turn_s, s * turn_c + c * turn_s
                    out[i, layer, p, sample, 0] = re / each
                    out[i, layer, p, sample, 1] = im / each
