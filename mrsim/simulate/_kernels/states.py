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
                    c, d = a, b
                    if flips[part, s] != (part == 1):
                        c, d = -a, -b
                    for l in range(lanes):
                        re, im = source[2 * part, l], source[2 * part + 1, l]
                        target[row, l] += a * re - b * im
                        target[row + 1, l] += c * im + d * re
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
def turn(values, maps, share, layers, half, sizes):
    """Apply a pulse in place, and write every state's largest contribution to a layer's magnetisation.

    maps : (pool, 3, 4, lane) real affine maps of (Mx, My, Mz); share : (lane,) of its layer; half : 1/2;
    sizes : (state,), summed over the pools, with the mean of the amplitudes bounded by their root mean square.
    """
    each = values.shape[3] // layers
    one = half + half
    four = one + one + one + one
    for s in range(values.shape[0]):
        add = one if s == 0 else one - one
        largest = one - one
        for layer in range(layers):
            total = one - one
            for p in range(values.shape[1]):
                v, a = values[s, p], maps[p]
                f, m, z = one - one, one - one, one - one
                for l in range(layer * each, (layer + 1) * each):
                    # F = X + iY and conj F(-) = X - iY, of complex X and Y
                    xr, xi = half * (v[0, l] + v[2, l]), half * (v[1, l] + v[3, l])
                    yr, yi = half * (v[1, l] - v[3, l]), half * (v[2, l] - v[0, l])
                    zr, zi = v[4, l], v[5, l]
                    xa = a[0, 0, l] * xr + a[0, 1, l] * yr + a[0, 2, l] * zr + add * a[0, 3, l]
                    xb = a[0, 0, l] * xi + a[0, 1, l] * yi + a[0, 2, l] * zi
                    ya = a[1, 0, l] * xr + a[1, 1, l] * yr + a[1, 2, l] * zr + add * a[1, 3, l]
                    yb = a[1, 0, l] * xi + a[1, 1, l] * yi + a[1, 2, l] * zi
                    za = a[2, 0, l] * xr + a[2, 1, l] * yr + a[2, 2, l] * zr + add * a[2, 3, l]
                    zb = a[2, 0, l] * xi + a[2, 1, l] * yi + a[2, 2, l] * zi
                    fr, fi, mr, mi = xa - yb, xb + ya, xa + yb, xb - ya
                    v[0, l], v[1, l], v[2, l], v[3, l], v[4, l], v[5, l] = fr, fi, mr, mi, za, zb
                    f += share[l] * (fr * fr + fi * fi)
                    m += share[l] * (mr * mr + mi * mi)
                    z += share[l] * (za * za + zb * zb)
                both = math.sqrt(f) + math.sqrt(m)
                total += math.sqrt(both * both + four * z)
            largest = max(largest, total)
        sizes[s] = largest


@njit(nogil=True, cache=True, fastmath=FLAGS)
def apart(values, row, others, other, share, layers):
    """Return the sum of the amplitudes by which two sets of states differ; row, other : (slot,), -1 where not held."""
    each = values.shape[3] // layers
    result = 0.0
    for s in range(row.size):
        i, j = row[s], other[s]
        largest = 0.0
        for layer in range(layers):
            total = 0.0
            for p in range(values.shape[1]):
                part = np.zeros(3, values.dtype)
                for c in range(6):
                    square = part[0] - part[0]
                    if i >= 0 and j >= 0:
                        a, b = values[i, p, c], others[j, p, c]
                        for l in range(layer * each, (layer + 1) * each):
                            square += share[l] * (a[l] - b[l]) * (a[l] - b[l])
                    else:
                        a = values[i, p, c] if i >= 0 else others[j, p, c]
                        for l in range(layer * each, (layer + 1) * each):
                            square += share[l] * a[l] * a[l]
                    part[c // 2] += square
                both = math.sqrt(part[0]) + math.sqrt(part[1])
                total += math.sqrt(both * both + 4 * part[2])
            largest = max(largest, total)
        result += largest
    return result


@njit(nogil=True, cache=True)
def spherical_bessel(x, out):
    """Write j_l(x) for l = 0, 1, ... into out: upwards where that is stable, downwards (Miller) elsewhere."""
    count, v = out.size, abs(x)
    if v < 1e-8:
        out[:] = 0.0
        out[0] = 1.0
        if count > 1:
            out[1] = x / 3
        return
    first, second = math.sin(v) / v, math.sin(v) / (v * v) - math.cos(v) / v
    if v >= count:
        for l in range(count):
            out[l] = first
            first, second = second, (2 * l + 3) / v * second - first
    else:
        after, now = 0.0, 1e-290
        for l in range(count + 20, -1, -1):
            if l < count:
                out[l] = now
            after, now = now, (2 * l + 1) / v * now - after
            if abs(now) > 1e200:
                after, now = after * 1e-250, now * 1e-250
                for other in range(l, count):
                    out[other] *= 1e-250
        # j_0 and j_1 are never small together
        scale = first / out[0] if count == 1 or abs(first) > abs(second) else second / out[1]
        for l in range(count):
            out[l] *= scale
    if x < 0:
        for l in range(1, count, 2):
            out[l] = -out[l]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def through(values, state, opposite, k, width, polynomials, layers, out):
    """Write the means over each layer of transverse states that dephase, seen from the layer's centre.

    state, opposite : (n,) row of `values`, and whether it is the state of the opposite name that is looked at;
    k : (n, sample) moment along the slice, 1/m; width : of a panel, m; polynomials : (l, point) what they weigh the
    points of a panel with; out : (n, layer, pool, sample, 4) real and imaginary parts of the mean, and of what the
    highest polynomial contributes to it.
    """
    order = polynomials.shape[0]
    each = values.shape[3] // layers
    panels = each // order
    bessel, acc = np.empty(order), np.empty((2, order), values.dtype)
    weight = np.empty((4, order), values.dtype)
    turns = np.empty((2, panels), values.dtype)
    for i in range(state.size):
        row = 2 if opposite[i] else 0
        for sample in range(k.shape[1]):
            spherical_bessel(math.pi * k[i, sample] * width, bessel)
            weight[:] = 0
            for l in range(order):
                # (-i)^l
                part, sign = (1, -1.0) if l % 2 else (0, 1.0)
                factor = (sign if l % 4 < 2 else -sign) * bessel[l] / panels
                for j in range(order):
                    weight[part, j] += factor * polynomials[l, j]
                    if l == order - 1:
                        weight[2 + part, j] = factor * polynomials[l, j]
            angle = 2 * math.pi * k[i, sample] * width
            step_c, step_s = math.cos(angle), math.sin(angle)
            c, s = math.cos(angle * (panels - 1) / 2), -math.sin(angle * (panels - 1) / 2)
            for panel in range(panels):
                turns[0, panel], turns[1, panel] = c, s
                c, s = c * step_c - s * step_s, s * step_c + c * step_s
            for layer in range(layers):
                for p in range(values.shape[1]):
                    real, imag = values[state[i], p, row], values[state[i], p, row + 1]
                    acc[:] = 0
                    for panel in range(panels):
                        first = layer * each + panel * order
                        tc, ts = turns[0, panel], turns[1, panel]
                        if opposite[i]:
                            for j in range(order):
                                acc[0, j] += real[first + j] * tc - imag[first + j] * ts
                                acc[1, j] -= imag[first + j] * tc + real[first + j] * ts
                        else:
                            for j in range(order):
                                acc[0, j] += real[first + j] * tc + imag[first + j] * ts
                                acc[1, j] += imag[first + j] * tc - real[first + j] * ts
                    for part in range(0, 4, 2):
                        re, im = acc[0, 0] * 0, acc[0, 0] * 0
                        for j in range(order):
                            re += weight[part, j] * acc[0, j] - weight[part + 1, j] * acc[1, j]
                            im += weight[part, j] * acc[1, j] + weight[part + 1, j] * acc[0, j]
                        out[i, layer, p, sample, part], out[i, layer, p, sample, part + 1] = re, im
