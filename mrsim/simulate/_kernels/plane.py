"""Sums of a class over its layers, for readouts whose phase encoding stands still."""

import numpy as np
from numba import njit

FLAGS = {"contract", "reassoc", "nsz", "arcp", "afn"}


@njit(nogil=True, cache=True, fastmath=FLAGS)
def weigh(value, step, shape, row, out):
    """Add to out[r, c, x] the sum over layers of value[step[r], c, layer, x] * shape[row[r], layer, x].

    value : (step, coil, layer, x) and shape : (row, layer, x) complex; step, row : (readout,).
    """
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            for layer in range(value.shape[2]):
                v, s, o = value[step[r], c, layer], shape[row[r], layer], out[r, c]
                for x in range(o.size):
                    o[x] += v[x] * s[x]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def moving_pencils(real, imag, shifts, ends, moment, wind, y, seen, series, out):
    """Add to out[r, (part, c), layer, x] the sum over y of density * exp(-2 pi i (wind y + moment . shift)) * part.

    real, imag : (c, layer, y, x) density; shifts : (layer, y, k, x); ends : (layer, y, 2) first place and one past the
    last where it is not zero; moment : (r, k); wind : (r,); y : (y,). The first part is 1, the others are
    shifts[:, :, seen]. series : `steps.turn_series`, whose first rows make cosine and sine of a turn.
    """
    coils, layers, rows, columns = real.shape
    c0, c1, c2, c3, c4, c5, c6, c7 = series[0]
    s0, s1, s2, s3, s4, s5, s6, s7 = series[1]
    cosine, sine, re, im = np.empty(columns), np.empty(columns), np.empty(columns), np.empty(columns)
    sums = np.empty((2, out.shape[1], columns))
    for r in range(out.shape[0]):
        for layer in range(layers):
            sums[:] = 0.0
            for j in range(rows):
                low, high = ends[layer, j]
                re[low:high] = wind[r] * y[j]
                for k in range(shifts.shape[2]):
                    m, shift = moment[r, k], shifts[layer, j, k]
                    for x in range(low, high):
                        re[x] += m * shift[x]
                for x in range(low, high):
                    p = re[x] - np.rint(re[x])
                    u = p * p
                    a = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * (c6 + u * c7))))))
                    b = p * (s0 + u * (s1 + u * (s2 + u * (s3 + u * (s4 + u * (s5 + u * (s6 + u * s7)))))))
                    cosine[x], sine[x] = 1.0 - b * b, -a * b
                for c in range(coils):
                    dr, di = real[c, layer, j], imag[c, layer, j]
                    for x in range(low, high):
                        re[x] = dr[x] * cosine[x] - di[x] * sine[x]
                        im[x] = dr[x] * sine[x] + di[x] * cosine[x]
                    add(re, im, low, high, sums, c)
                    for part in range(seen.size):
                        add_times(re, im, shifts[layer, j, seen[part]], low, high, sums, (part + 1) * coils + c)
            for c in range(out.shape[1]):
                for x in range(columns):
                    out[r, c, layer, x] += complex(sums[0, c, x], sums[1, c, x])


@njit(nogil=True, cache=True, fastmath=FLAGS)
def add(re, im, low, high, sums, row):
    """Add a line of values to a row of sums."""
    a, b = sums[0, row], sums[1, row]
    for x in range(low, high):
        a[x] += re[x]
        b[x] += im[x]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def add_times(re, im, factor, low, high, sums, row):
    """Add a line of values times a factor to a row of sums."""
    a, b = sums[0, row], sums[1, row]
    for x in range(low, high):
        a[x] += re[x] * factor[x]
        b[x] += im[x] * factor[x]
