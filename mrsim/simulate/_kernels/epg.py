"""Extended phase graphs of many atoms at once: echo trains and unbalanced steady-state trains.

States are rows of `LANES` atoms, so that the loop over atoms is the vector loop and a train's states stay in the
first-level cache. A turn about x leaves P + N alone and mixes P - N with w = 2 Z, where F+ = iP and
conj F- = iN: 8 operations per state and atom, relaxation included. The gradient moves no data: the rows of P and N
are addressed with an offset that runs with the pulses. `tiny` keeps states that die away from becoming denormal.
Row numbers are unsigned, because a signed index that may be negative keeps the compiler from using vectors.
"""

import math

import numpy as np
from numba import njit

FLAGS = {"contract", "nsz", "arcp", "afn"}
LANES = 64
"""Atoms that travel through a train together."""
L1, L2, L3, L4 = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES), np.uint64(4 * LANES)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turns_to_flips(flip, series):
    """Write cos and sin of 2 pi turns behind the `LANES` turns.

    series : (3, 12): as for the Bloch kernels' phasors, and the terms of the exponential.
    """
    c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, big = series[0]
    s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, one = series[1]
    for i in range(L1):
        p = flip[i] - ((flip[i] + big) - big)
        u = p * p
        a = c0 + u * (
            c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * (c6 + u * (c7 + u * (c8 + u * (c9 + u * c10))))))))
        )
        b = s0 + u * (
            s1 + u * (s2 + u * (s3 + u * (s4 + u * (s5 + u * (s6 + u * (s7 + u * (s8 + u * (s9 + u * s10))))))))
        )
        b *= p
        flip[L1 + i] = one - b * (b + b)
        flip[L2 + i] = a * (b + b)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def decays(rate, fastest, time, series, out):
    """Write exp(-rate * time): a series of the exponent over a power of two, squared back.

    fastest : the largest of the `LANES` rates.
    """
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = series[2, :9]
    squarings, scale, largest = 0, -time, fastest * time
    while largest > 1 / 16 and squarings < 40:
        largest /= 2
        scale = scale / (c0 + c0)
        squarings += 1
    for i in range(LANES):
        x = rate[i] * scale
        out[i] = c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * (c5 + x * (c6 + x * (c7 + x * c8)))))))
    for _ in range(squarings):
        for i in range(LANES):
            out[i] *= out[i]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def coefficients(e1, e2, to_z, to_f, flip, half, out):
    """Write the five factors of a turn with relaxation: e2/2, e2 cos/2, to_f sin/2, to_z sin, e1 cos."""
    for l in range(L1):
        cosine, sine = flip[L1 + l], flip[L2 + l]
        out[l] = half * e2[l]
        out[L1 + l] = half * e2[l] * cosine
        out[L2 + l] = half * to_f[l] * sine
        out[L3 + l] = to_z[l] * sine
        out[L4 + l] = e1[l] * cosine


@njit(nogil=True, cache=True, fastmath=FLAGS)
def mix(p, n, w, row_p, row_n, row_w, k, tiny):
    """Turn and relax one state of `LANES` atoms about x, in place."""
    for l in range(L1):
        u = k[l] * (p[row_p + l] + n[row_n + l])
        d = p[row_p + l] - n[row_n + l]
        z = w[row_w + l]
        v = k[L1 + l] * d + (k[L2 + l] * z + tiny)
        p[row_p + l] = u + v
        n[row_n + l] = u - v
        w[row_w + l] = (k[L4 + l] * z + tiny) - k[L3 + l] * d


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turn_mix(p, n, w, row_p, row_n, row_w, k, c, s, tiny):
    """The same for complex states, imaginary parts `LANES` behind the real ones, after a turn about z by (c, s)."""
    for l in range(L1):
        pr = p[row_p + l] * c - p[row_p + L1 + l] * s
        pi = p[row_p + l] * s + p[row_p + L1 + l] * c
        nr = n[row_n + l] * c + n[row_n + L1 + l] * s
        ni = n[row_n + L1 + l] * c - n[row_n + l] * s
        k0, k1, k2, k3, k4 = k[l], k[L1 + l], k[L2 + l], k[L3 + l], k[L4 + l]
        u = k0 * (pr + nr)
        d = pr - nr
        z = w[row_w + l]
        v = k1 * d + (k2 * z + tiny)
        p[row_p + l] = u + v
        n[row_n + l] = u - v
        w[row_w + l] = (k4 * z + tiny) - k3 * d
        u = k0 * (pi + ni)
        d = pi - ni
        z = w[row_w + L1 + l]
        v = k1 * d + (k2 * z + tiny)
        p[row_p + L1 + l] = u + v
        n[row_n + L1 + l] = u - v
        w[row_w + L1 + l] = (k4 * z + tiny) - k3 * d


@njit(nogil=True, cache=True, fastmath=FLAGS)
def cpmg(half1, half2, start, b1, turns, series, tiny, out):
    """Echo amplitudes of a CPMG train; only orders that can still come back are carried, so nothing is cut off.

    half1, half2 : (n,) relaxation over half an echo spacing; start : (n,) excited magnetisation; b1 : (n,);
    turns : (echo,) refocusing flips over 2 pi; out : (echo, n). n is a multiple of `LANES`.
    """
    count = turns.size
    rows = count + count // 2 + 3
    dtype = half1.dtype
    p, n, w = np.empty(rows * LANES, dtype), np.empty(rows * LANES, dtype), np.empty(rows * LANES, dtype)
    k, flip = np.empty(5 * LANES, dtype), np.empty(3 * LANES, dtype)
    e1, e2, e12 = np.empty(LANES, dtype), np.empty(LANES, dtype), np.empty(LANES, dtype)
    half = series[1, 11] / (series[1, 11] + series[1, 11])
    for first in range(0, half1.size, LANES):
        p[:], n[:], w[:] = tiny, tiny, tiny
        for l in range(LANES):
            a, b = half1[first + l], half2[first + l]
            e1[l], e2[l], e12[l] = a * a, b * b, a * b
            p[(count + 1) * LANES + l] = start[first + l]
        for i in range(count):
            if i == 0 or turns[i] != turns[i - 1]:
                for l in range(LANES):
                    flip[l] = b1[first + l] * turns[i]
                turns_to_flips(flip, series)
                coefficients(e1, e2, e12, e12, flip, half, k)
            for j in range(1, min(i + 1, count - i) + 1):
                row_p, row_n = np.uint64((count - i + j) * LANES), np.uint64((j + i) * LANES)
                mix(p, n, w, row_p, row_n, np.uint64(j * LANES), k, tiny)
            for l in range(LANES):
                echo = n[(1 + i) * LANES + l]
                p[(count - i) * LANES + l] = echo
                out[i, first + l] = echo


@njit(nogil=True, cache=True, fastmath=FLAGS)
def echo(p, n, w, row_p, row_n, flip, decay, half, signal, column):
    """Write P_0 after the pulse, decayed to the echo: half of (P + N) + cos (P - N) + sin w."""
    for l in range(L1):
        a, b = p[row_p + l], n[row_n + l]
        signal[column + l] = half * decay[l] * (a + b + flip[L1 + l] * (a - b) + flip[L2 + l] * w[l])


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turn_echo(p, w, row_p, flip, decay, c, s, half, real, imag, column):
    """The same for complex states; N_0 = -conj P_0, so the sum is 2i Im P and the difference 2 Re P."""
    for l in range(L1):
        x = p[row_p + l] * c - p[row_p + L1 + l] * s
        y = p[row_p + l] * s + p[row_p + L1 + l] * c
        real[column + l] = decay[l] * (flip[L1 + l] * x + half * flip[L2 + l] * w[l])
        imag[column + l] = decay[l] * y


@njit(nogil=True, cache=True, fastmath=FLAGS)
def add_lost(p, row, dropped):
    """Add the amplitudes of a row of real states to `dropped`."""
    for l in range(L1):
        dropped[l] += abs(p[row + l])


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turn_add_lost(p, row, dropped):
    """Add the amplitudes of a row of complex states to `dropped`."""
    for l in range(L1):
        dropped[l] += math.sqrt(p[row + l] * p[row + l] + p[row + L1 + l] * p[row + L1 + l])


@njit(nogil=True, cache=True, fastmath=FLAGS)
def shift_orders(p, n, w, e1, one, row_p, row_n, last_n, parts, tiny):
    """Move every state up by one order: empty the last row of N, fill P_0 = -conj N_0, let Z_0 recover."""
    for l in range(L1):
        n[last_n + l] = tiny
        w[l] += (one - e1[l]) + (one - e1[l])
    if parts == 2:
        for l in range(L1):
            n[last_n + L1 + l] = tiny
            p[row_p + L1 + l] = n[row_n + L1 + l]
    for l in range(L1):
        p[row_p + l] = -n[row_n + l]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def unbalanced(r1, r2, b1, mz, turns, spin, tr, te, states, series, tiny, signal, bound):
    """Signals of a train with one gradient order per repetition, by at most `states` orders.

    r1, r2, b1, mz : (n,) rates 1/s, relative B1 and magnetisation at the start; turns : (pulse,) flips over 2 pi;
    spin : (pulse, 2) cosine and sine of the RF phase's change since the pulse before; tr, te : (pulse,) s;
    signal : (1 or 2, pulse, n) P_0 at the echo, one part if all phases are 0 and pi (signs of `turns`);
    bound : (n,) sum of the amplitudes that left the last order and might have come back.
    """
    count, dtype, parts = turns.size, r1.dtype, signal.shape[0]
    width = parts * LANES
    p, n, w = np.empty(states * width, dtype), np.empty(states * width, dtype), np.empty(states * width, dtype)
    k, flip = np.empty(5 * LANES, dtype), np.empty(3 * LANES, dtype)
    e1, e2, e_echo = np.empty(LANES, dtype), np.empty(LANES, dtype), np.empty(LANES, dtype)
    half, one = series[1, 11] / (series[1, 11] + series[1, 11]), series[1, 11]
    for first in range(0, r1.size, LANES):
        rate1, rate2, scale = (r1[first : first + LANES], r2[first : first + LANES], b1[first : first + LANES])
        fast1, fast2 = rate1.max(), rate2.max()
        dropped = bound[first : first + LANES]
        dropped[:] = 0
        p[:], n[:], w[:] = tiny, tiny, tiny
        for l in range(LANES):
            w[l] = mz[first + l] + mz[first + l]
        for i in range(count):
            if i == 0 or tr[i] != tr[i - 1]:
                decays(rate1, fast1, tr[i], series, e1)
                decays(rate2, fast2, tr[i], series, e2)
            if i == 0 or te[i] != te[i - 1]:
                decays(rate2, fast2, te[i], series, e_echo)
            if i == 0 or turns[i] != turns[i - 1]:
                for l in range(LANES):
                    flip[l] = scale[l] * turns[i]
                turns_to_flips(flip, series)
            coefficients(e1, e2, e1, e2, flip, half, k)
            zero, start, column = (states - i % states) % states, i % states, np.uint64(first)
            row_p, row_n = np.uint64(zero * width), np.uint64(start * width)
            c, s = spin[i, 0], spin[i, 1]
            if parts == 1:
                echo(p, n, w, row_p, row_n, flip, e_echo, half, signal[0, i], column)
            else:
                turn_echo(p, w, row_p, flip, e_echo, c, s, half, signal[0, i], signal[1, i], column)
            at_p, at_n = zero, start
            for j in range(min(i + 1, states, count - i)):
                row_p, row_n, row_w = np.uint64(at_p * width), np.uint64(at_n * width), np.uint64(j * width)
                if parts == 1:
                    mix(p, n, w, row_p, row_n, row_w, k, tiny)
                else:
                    turn_mix(p, n, w, row_p, row_n, row_w, k, c, s, tiny)
                at_p = at_p + 1 if at_p + 1 < states else 0
                at_n = at_n + 1 if at_n + 1 < states else 0
            leaving = np.uint64((zero + states - 1) % states * width)
            if i + 1 >= states and i + states < count:
                if parts == 1:
                    add_lost(p, leaving, dropped)
                else:
                    turn_add_lost(p, leaving, dropped)
            entering = np.uint64((i + 1) % states * width)
            shift_orders(p, n, w, e1, one, leaving, entering, np.uint64(start * width), parts, tiny)
