"""Extended phase graphs of many atoms at once: echo trains and unbalanced steady-state trains.

States are rows of atoms, so that the loop over atoms is the vector loop and a train's states stay in the
first-level cache. A turn about x leaves P + N alone and mixes P - N with w = 2 Z, where F+ = iP and
conj F- = iN: 8 operations per state and atom, relaxation included. The gradient moves no data: the rows of P and N
are addressed with an offset that runs with the pulses. `tiny` keeps states that die away from becoming denormal.
Row numbers are unsigned, because a signed index that may be negative keeps the compiler from using vectors.

The states of the unbalanced train are turned by loops written as vector instructions: `WIDE` atoms of a row are one
vector, and the five factors of a turn stay in registers while the orders pass. Left to the compiler, every row
would begin with a comparison of addresses and a load of the factors, which take four times as long as the turn.
"""

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

ir = vars(cgutils)["ir"]
"""The builder of instructions as numba itself uses it."""
FLAGS = {"contract", "nsz", "arcp", "afn"}
CONTRACT = ("contract",)
LANES = 64
"""Atoms that travel through a train together."""
WIDE = 16
"""Atoms in one vector; processors with shorter registers use several for it."""
PULSES = 8
"""Pulses whose factors are made at once for all lanes; then the states of `WIDE` atoms stay near for so long."""
L1, L2, L3, L4, L5, L6, L7, L8, L9 = (np.uint64(part * LANES) for part in range(1, 10))


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

    fastest : the largest of the `LANES` rates; the last number of `series` is the largest exponent that the series
    is good for.
    """
    c0, c1, c2, c3, c4, c5, c6, c7, c8 = series[2, :9]
    squarings, scale, largest = 0, -time, fastest * time
    while largest > series[2, 11] and squarings < 40:
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


def _fma(builder, a, b, c):
    """Return a b + c, which the compiler may round once."""
    return builder.fadd(builder.fmul(a, b, flags=CONTRACT), c, flags=CONTRACT)


def _fms(builder, a, b, c):
    """Return a b - c, which the compiler may round once."""
    return builder.fsub(builder.fmul(a, b, flags=CONTRACT), c, flags=CONTRACT)


class _Rows:
    """Vectors of `WIDE` numbers in arrays, for the intrinsics."""

    def __init__(self, context, builder, signature, arguments):
        self.context, self.builder, self.types, self.values = context, builder, signature.args, arguments
        element = context.get_value_type(signature.args[0].dtype)
        self.vector, self.align = ir.VectorType(element, WIDE), context.get_abi_sizeof(element)
        self.index = context.get_value_type(types.intp)

    def _at(self, argument, index):
        array = self.context.make_array(self.types[argument])(self.context, self.builder, self.values[argument])
        return self.builder.bitcast(self.builder.gep(array.data, [index]), self.vector.as_pointer())

    def plus(self, index, more):
        """Return an index that lies a fixed distance behind another."""
        return self.builder.add(index, ir.Constant(self.index, more))

    def load(self, argument, index):
        """Return the vector that begins at an index of an array."""
        return self.builder.load(self._at(argument, index), align=self.align)

    def store(self, argument, index, value):
        """Write a vector to where it begins in an array."""
        self.builder.store(value, self._at(argument, index), align=self.align)

    def every(self, value):
        """Return a vector of equal numbers."""
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), WIDE), [0] * WIDE))

    def call(self, name, *values):
        """Return an LLVM intrinsic of vectors."""
        kind = ir.FunctionType(self.vector, [self.vector] * len(values))
        full = f"{name}.v{WIDE}{self.vector.element.intrinsic_name}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, full), values)


def _pair(rows, at_p, at_n, c, s):
    """Return the parts of P and of N as (P, N), after a turn about z by (c, s) if they are complex."""
    b = rows.builder
    p, n = rows.load(0, at_p), rows.load(1, at_n)
    if c is None:
        return [(p, n)]
    p_i, n_i = rows.load(0, rows.plus(at_p, WIDE)), rows.load(1, rows.plus(at_n, WIDE))
    ps, pc, nc, ns = (b.fmul(x, y, flags=CONTRACT) for x, y in ((p_i, s), (p_i, c), (n, c), (n, s)))
    return [(_fms(b, p, c, ps), _fma(b, n_i, s, nc)), (_fma(b, p, s, pc), _fms(b, n_i, c, ns))]


def _play_rows(context, builder, signature, arguments, parts):
    """Echo, turn, relaxation, loss and shift of `WIDE` atoms; the equations stand in the module's first lines."""
    rows = _Rows(context, builder, signature, arguments)
    at_p, at_n, at_w, count, order, lossy, at_k, at_lost = arguments[6:14]
    tiny = rows.every(arguments[16])
    c, s = (rows.every(arguments[14]), rows.every(arguments[15])) if parts == 2 else (None, None)
    k = [rows.load(3, rows.plus(at_k, part * LANES)) for part in range(10)]
    for part, (p, n) in enumerate(_pair(rows, at_p, at_n, c, s)):
        even, odd = builder.fadd(p, n), builder.fsub(p, n)
        stored = builder.fmul(k[7], rows.load(2, rows.plus(at_w, part * WIDE)), flags=CONTRACT)
        rows.store(4, arguments[17 + part], _fma(builder, k[5], even, _fma(builder, k[6], odd, stored)))
    with cgutils.for_range(builder, count) as loop:
        step = builder.mul(loop.index, rows.index(parts * WIDE))
        p_row, n_row, w_row = (builder.add(start, step) for start in (at_p, at_n, at_w))
        for part, (p, n) in enumerate(_pair(rows, p_row, n_row, c, s)):
            p_at, n_at, w_at = (rows.plus(start, part * WIDE) for start in (p_row, n_row, w_row))
            w = rows.load(2, w_at)
            u, d = builder.fmul(k[0], builder.fadd(p, n), flags=CONTRACT), builder.fsub(p, n)
            v = _fma(builder, k[1], d, _fma(builder, k[2], w, tiny))
            rows.store(0, p_at, builder.fadd(u, v, flags=CONTRACT))
            rows.store(1, n_at, builder.fsub(u, v, flags=CONTRACT))
            z = builder.fmul(k[3], d, flags=CONTRACT)
            rows.store(2, w_at, builder.fsub(_fma(builder, k[4], w, tiny), z, flags=CONTRACT))
    to_last = builder.mul(order, rows.index(parts * WIDE))
    with builder.if_then(lossy):
        sizes = [rows.load(0, builder.add(rows.plus(at_p, (part - parts) * WIDE), to_last)) for part in range(parts)]
        size = rows.call("llvm.fabs", sizes[0])
        if parts == 2:
            square = _fma(builder, sizes[0], sizes[0], builder.fmul(sizes[1], sizes[1], flags=CONTRACT))
            size = rows.call("llvm.sqrt", square)
        largest = rows.load(5, rows.plus(at_lost, LANES))
        lost = _fma(builder, k[9], rows.load(5, at_lost), size)
        rows.store(5, at_lost, lost)
        more = builder.fcmp_ordered(">", lost, largest)
        rows.store(5, rows.plus(at_lost, LANES), builder.select(more, lost, largest))
    for part in range(parts):
        rows.store(1, builder.add(rows.plus(at_n, part * WIDE), to_last), tiny)
    for part in range(parts):
        entering = rows.load(1, rows.plus(at_n, (parts + part) * WIDE))
        rows.store(0, rows.plus(at_p, (part - parts) * WIDE), builder.fneg(entering) if part == 0 else entering)
    rows.store(2, at_w, builder.fadd(rows.load(2, at_w), k[8]))
    return context.get_dummy_value()


def _play_real(context, builder, signature, arguments):
    return _play_rows(context, builder, signature, arguments, 1)


def _play_complex(context, builder, signature, arguments):
    return _play_rows(context, builder, signature, arguments, 2)


def inlined(function):
    """Return what puts the instructions that a function describes into its caller."""
    return intrinsic(function)


def _play_signature(p, n, w, k, signal, lost, c, s, tiny):
    at = types.intp
    return types.void(p, n, w, k, signal, lost, at, at, at, at, at, types.boolean, at, at, c, s, tiny, at, at)


@inlined
def play_real(
    typing, p, n, w, k, signal, lost, at_p, at_n, at_w, count, order, lossy, at_k, at_lost, c, s, tiny, at_re, at_im
):
    """Play a pulse about x to `count` real orders of `WIDE` atoms, in place; `order` is the number carried."""
    return _play_signature(p, n, w, k, signal, lost, c, s, tiny), _play_real


@inlined
def play_complex(
    typing, p, n, w, k, signal, lost, at_p, at_n, at_w, count, order, lossy, at_k, at_lost, c, s, tiny, at_re, at_im
):
    """The same for complex orders, imaginary parts `WIDE` behind the real ones, after a turn about z by (c, s)."""
    return _play_signature(p, n, w, k, signal, lost, c, s, tiny), _play_complex


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
def factors(e1, e2, e_echo, flip, half, one, k):
    """Write what a pulse of the unbalanced train takes: as `coefficients`, the same three decayed to the echo instead
    of the next pulse, what 2 Z_0 recovers by, and the slower relaxation.
    """
    for l in range(L1):
        cosine, sine = flip[L1 + l], flip[L2 + l]
        a, b, c = e1[l], half * e2[l], half * e_echo[l]
        k[l], k[L1 + l], k[L2 + l] = b, b * cosine, b * sine
        k[L3 + l], k[L4 + l] = a * sine, a * cosine
        k[L5 + l], k[L6 + l], k[L7 + l] = c, c * cosine, c * sine
        k[L8 + l] = (one - a) + (one - a)
        k[L9 + l] = max(a, e2[l])


@njit(nogil=True, cache=True, fastmath=FLAGS)
def move(values, source, target, size):
    """Copy `size` numbers to where they do not overlap."""
    for l in range(size):
        values[target + l] = values[source + l]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def play_pulses(p, n, w, k, lost, begin, end, count, at, spin, tiny, signal):
    """Play pulses `begin` to `end` to `WIDE` of the lanes; the gradient shifts their states.

    P and N have room for twice the orders of w, through which the first order runs downwards and upwards; at the
    end the rows are moved back to where they began.
    """
    parts = signal.shape[0]
    width, states = parts * WIDE, w.size // (parts * WIDE)
    half = np.uint64(states * width)
    for i in range(begin, end):
        back = i % states
        m, lossy = min(i + 1, states, count - i), i + 1 >= states and i + states < count
        at_p, at_n, at_k = (states - back) * width, back * width, (i - begin) * 10 * LANES + at
        re, c, s = i * LANES + at, spin[i, 0], spin[i, 1]
        if parts == 1:
            play_real(p, n, w, k, signal, lost, at_p, at_n, 0, m, states, lossy, at_k, at, c, s, tiny, re, re)
        else:
            im = re + count * LANES
            play_complex(p, n, w, k, signal, lost, at_p, at_n, 0, m, states, lossy, at_k, at, c, s, tiny, re, im)
        if back + 1 == states:
            move(p, np.uint64(0), half, half)
            move(n, half, np.uint64(0), half)


@njit(nogil=True, cache=True)
def hand_out(signal, sign, rows, out):
    """Write (part, pulse, lane) signals, times the (pulse,) signs, to the given rows of `out`, (atom, pulse, part).

    By tiles that stay in the first-level cache, because one of the two is always read or written across its rows.
    """
    parts, count = signal.shape[0], signal.shape[1]
    for begin in range(0, count, WIDE):
        end = min(begin + WIDE, count)
        for l in range(rows.size):
            target = out[rows[l]]
            for part in range(parts):
                for i in range(begin, end):
                    target[i, part] = signal[part, i, l] * sign[i]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def unbalanced(r1, r2, b1, mz, turns, spin, tr, te, sign, states, series, tiny, rows, out, bound):
    """Signals of a train with one gradient order per repetition, by at most `states` orders.

    r1, r2, b1, mz : (n,) rates 1/s, relative B1 and magnetisation at the start; turns : (pulse,) flips over 2 pi;
    spin : (pulse, 2) cosine and sine of the RF phase's change since the pulse before; tr, te : (pulse,) s;
    sign : (pulse,) factor of the signals; rows : (atom,) row of `out` for each of the up to n atoms that are wanted;
    out : (atom, pulse, 1 or 2) P_0 at the echo, one part if all phases are 0 and pi (signs of `turns`);
    bound : (n,) the largest that the amplitudes which left the last order and might have come back sum up to, each
    decayed since then by the slower relaxation.
    """
    count, dtype, parts = turns.size, r1.dtype, out.shape[2]
    width = parts * WIDE
    signal = np.empty((parts, count, LANES), dtype)
    blocks, room = LANES // WIDE, (states + 1) * width
    p, n = np.empty((blocks, 2 * room), dtype), np.empty((blocks, 2 * room), dtype)
    w = np.empty((blocks, states * width), dtype)
    k, flip, lost = np.empty(PULSES * 10 * LANES, dtype), np.empty(3 * LANES, dtype), np.empty(2 * LANES, dtype)
    e1, e2, e_echo = np.empty(LANES, dtype), np.empty(LANES, dtype), np.empty(LANES, dtype)
    half, one = series[1, 11] / (series[1, 11] + series[1, 11]), series[1, 11]
    for first in range(0, r1.size, LANES):
        rate1, rate2, scale = (r1[first : first + LANES], r2[first : first + LANES], b1[first : first + LANES])
        fast1, fast2 = rate1.max(), rate2.max()
        lost[:] = 0
        p[:], n[:], w[:] = tiny, tiny, tiny
        for l in range(LANES):
            w[l // WIDE, l % WIDE] = mz[first + l] + mz[first + l]
        for begin in range(0, count, PULSES):
            end = min(begin + PULSES, count)
            for i in range(begin, end):
                if i == 0 or tr[i] != tr[i - 1]:
                    decays(rate1, fast1, tr[i], series, e1)
                    decays(rate2, fast2, tr[i], series, e2)
                if i == 0 or te[i] != te[i - 1]:
                    decays(rate2, fast2, te[i], series, e_echo)
                if i == 0 or turns[i] != turns[i - 1]:
                    for l in range(LANES):
                        flip[l] = scale[l] * turns[i]
                    turns_to_flips(flip, series)
                factors(e1, e2, e_echo, flip, half, one, k[(i - begin) * 10 * LANES :])
            for block in range(blocks):
                states_of = (p[block], n[block], w[block])
                play_pulses(*states_of, k, lost, begin, end, count, block * WIDE, spin, tiny, signal)
        hand_out(signal, sign, rows[first : first + LANES], out)
        bound[first : first + LANES] = lost[LANES:]
