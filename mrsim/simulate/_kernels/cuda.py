"""Bloch kernels for CUDA: one thread carries one spin, with its magnetisation in registers, through many segments.

The maths is that of the CPU kernels (`bloch.py`). Where a window is sampled the threads of a block change sides: they
leave their spins in shared memory, and each takes a few samples, spaced evenly over the window, and a share of the
block's spins. So a sum over spins grows in the registers of one thread, a spin's sine and cosine are shared by all
samples of a thread, and only the shares are added through shared memory. Every sum has a fixed order: blocks write
partial sums, `add_blocks` adds them one after the other. All control flow is the same for all threads of a block.
"""

import math

import numba.cuda
import numpy as np

cuda = vars(numba)["cuda"]  # what it holds is known to the compiler of kernels, not to a checker of types
SIMULATED = bool(vars(numba)["config"].ENABLE_CUDASIM)
"""True under numba's CUDA simulator, which knows neither inlining nor the fast intrinsics."""
COS, SIN = 0, 1


def device(function):
    """Compile a function for threads to call."""
    return cuda.jit(device=True, **({} if SIMULATED else {"forceinline": True}))(function)


def rotation_terms(real, kind):
    """Return the terms of cos h, or of 2 sin h / h, in powers of h^2 that matter for h <= 1/2: five, or seven."""
    count = 5 if real is np.float32 else 7
    found = [(-1.0) ** n / math.factorial(2 * n + kind) for n in range(count)]
    return tuple(real((1 + kind) * term) for term in found)


def series_of(c):
    """Return a device function u -> the series with the five, seven or eight terms c."""

    def five(u):
        return c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * c[4])))

    def seven(u):
        return c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * (c[5] + u * c[6])))))

    def eight(u):
        return c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * (c[5] + u * (c[6] + u * c[7]))))))

    return device({5: five, 7: seven, 8: eight}[len(c)])


def phasor_of(real, turns):
    """Return a device function: turns -> cos and sin of -2 pi turns.

    turns : (2, 8) series of sqrt2 cos(pi p) and sqrt2 sin(pi p)/p in p^2, zeros behind their last term.
    """
    cosine, sine = (series_of(tuple(real(c) for c in row if c != 0)) for row in turns)
    big = real(1.5 * 2.0 ** np.finfo(real).nmant)  # adding it rounds to an integer
    one = real(1)

    @device
    def phasor(turn):
        p = turn - ((turn + big) - big)
        u = p * p
        b = p * sine(u)
        return one - b * b, -cosine(u) * b

    return phasor


def quick_phasor_of(real, turns):
    """Return a device function: turns -> cos and sin of -2 pi turns; in single precision the chip's own functions.

    Theirs err by at most 2^-20.9 in [-pi, pi]: for one sample, not for a factor that is raised to powers.
    """
    if SIMULATED or real is np.float64:
        return phasor_of(real, turns)
    from numba.cuda import libdevice

    big, scale = real(1.5 * 2.0 ** np.finfo(real).nmant), real(-2 * math.pi)

    @device
    def phasor(turn):
        p = (turn - ((turn + big) - big)) * scale
        return libdevice.fast_cosf(p), libdevice.fast_sinf(p)

    return phasor


def play_of(real):
    """Return the device function that plays a pulse on one spin."""
    cosine, sine = series_of(rotation_terms(real, COS)), series_of(rotation_terms(real, SIN))
    half, one, sixth = real(0.5), real(1), real(1 / 6)

    @device
    def play(x, y, z, px, py, pz, offset, b1, r1, r2, first_run, last_run, runs, span, steps):
        """Relax half a step, rotate and relax step by step, relax the last half.

        runs : (run, 2) s of a step, factor from Hz to half a rotation angle. span : (run, 3) first step, one past
        the last, and 1 where the gradient changes during steps. steps : (step, 8) half rotation angle per unit b1
        (x, y) and per m (x, y, z), and the change of the latter during the step: with it the turn is of fourth order
        (Magnus), by h0 + h1 x h0 / 6 as in `rf_ramped`.
        """
        for run in range(first_run, last_run):
            dt, off = runs[run, 0], runs[run, 1] * offset
            f1, f2 = math.exp(-half * dt * r1), math.exp(-half * dt * r2)
            e1, e2 = f1 * f1, f2 * f2
            recovery = one - e1
            x, y, z = x * f2, y * f2, one + f1 * (z - one)
            last, ramped = span[run, 1] - 1, span[run, 2] != 0
            for k in range(span[run, 0], last + 1):
                hx, hy = steps[k, 0] * b1, steps[k, 1] * b1
                if ramped:
                    f = sixth * (steps[k, 5] * px + steps[k, 6] * py + steps[k, 7] * pz)
                    hx, hy = hx - f * hy, hy + f * hx
                hz = off + steps[k, 2] * px + steps[k, 3] * py + steps[k, 4] * pz
                u = hx * hx + hy * hy + hz * hz
                c, s = cosine(u), sine(u)
                qx, qy, qz = s * hx, s * hy, s * hz
                tx, ty, tz = qy * z - qz * y, qz * x - qx * z, qx * y - qy * x
                x += c * tx + half * (qy * tz - qz * ty)
                y += c * ty + half * (qz * tx - qx * tz)
                z += c * tz + half * (qx * ty - qy * tx)
                if k < last:
                    x, y, z = x * e2, y * e2, recovery + e1 * z
            x, y, z = x * f2, y * f2, one + f1 * (z - one)
        return x, y, z

    return play


def reduce_of(real, threads):
    """Return the device function that adds the shares of a block's samples, in a fixed order."""

    @device
    def reduce(buffer, group, count, first, out):
        """Add out[first + o] = sum over shares of buffer[(o // group) * threads + share * group + o % group].

        buffer holds a thread's k-th sample at k * threads + thread; count samples of the chunk are wanted.
        """
        thread = cuda.threadIdx.x
        cuda.syncthreads()
        for o in range(thread, count, threads):
            base = (o // group) * threads + o % group
            total = buffer[base]
            for at in range(base + group, base - o % group + threads, group):
                total += buffer[at]
            out[first + o] = total
        cuda.syncthreads()

    return reduce


def constant_of(real, threads, per_thread, turns):
    """Return the device function that samples a block under a constant gradient."""
    phasor, reduce = phasor_of(real, turns), reduce_of(real, threads)
    zero, half = real(0), real(0.5)

    @device
    def sample_constant(tile, buffer, group, dwell, samples, out):
        """Sample out[:, s] = sum_i w_i exp(-i 2 pi (turns_i + s step_i)) exp(-rate_i (s + 1/2) dwell).

        tile : (8, threads) of wr, wi, turns, step, rate, and the factor from one of a thread's samples to its next.
        A thread takes every `group`-th sample: one complex multiplication each.
        """
        thread = cuda.threadIdx.x
        lane = thread % group
        share = thread - lane
        a, b = cuda.local.array(per_thread, real), cuda.local.array(per_thread, real)
        for chunk in range(0, samples, group * per_thread):
            for k in range(per_thread):
                a[k] = b[k] = zero
            first = real(chunk + lane)
            time = (first + half) * dwell
            for j in range(share, share + group):
                c, s = phasor(tile[2, j] + first * tile[3, j])
                level = math.exp(-tile[4, j] * time)
                x, y = level * tile[0, j], level * tile[1, j]
                x, y = x * c - y * s, x * s + y * c
                c, s = tile[5, j], tile[6, j]
                for k in range(per_thread):
                    a[k] += x
                    b[k] += y
                    x, y = x * c - y * s, x * s + y * c
            count = min(group * per_thread, samples - chunk)
            for k in range(per_thread):
                buffer[k * threads + thread] = a[k]
            reduce(buffer, group, count, chunk, out[0])
            for k in range(per_thread):
                buffer[k * threads + thread] = b[k]
            reduce(buffer, group, count, chunk, out[1])

    return sample_constant


def any_of(real, threads, per_thread, together, turns):
    """Return the device function that samples a block under any gradient, for `together` coils at a time."""
    phasor, reduce = quick_phasor_of(real, turns), reduce_of(real, threads)
    zero, half, weighed = real(0), real(0.5), together == 1

    @device
    def sample_any(tile, heard, buffer, group, dwell, samples, moment, out, coil):
        """Sample out[coil, :, s] = sum_i w_i M_i exp(-i 2 pi (k_s.r_i + offset_i t_s)) exp(-rate_i t_s) for some coils.

        t_s = (s + 1/2) dwell. tile : (8, threads) of M+ (real, imaginary), x, y, z, offset, rate, and the decay from
        one of a thread's samples to its next. heard : (2 together, threads) real and imaginary w of each coil; a
        spin's sine and cosine serve all of them. A single coil's w is in M+ already. moment : (sample, 3) 1/m.
        out : (coil, 2, sample), from `coil` on.
        """
        thread = cuda.threadIdx.x
        lane = thread % group
        share = thread - lane
        a, b, t = (
            cuda.local.array((together, per_thread), real),
            cuda.local.array((together, per_thread), real),
            cuda.local.array(per_thread, real),
        )
        kx, ky, kz = (
            cuda.local.array(per_thread, real),
            cuda.local.array(per_thread, real),
            cuda.local.array(per_thread, real),
        )
        for chunk in range(0, samples, group * per_thread):
            for k in range(per_thread):
                for c in range(together):
                    a[c, k] = b[c, k] = zero
                s = min(chunk + lane + k * group, samples - 1)
                kx[k], ky[k], kz[k] = moment[s, 0], moment[s, 1], moment[s, 2]
                t[k] = (real(s) + half) * dwell
            for j in range(share, share + group):
                level = math.exp(-tile[6, j] * t[0])
                x, y = level * tile[0, j], level * tile[1, j]
                for k in range(per_thread):
                    p, q = phasor(kx[k] * tile[2, j] + ky[k] * tile[3, j] + kz[k] * tile[4, j] + t[k] * tile[5, j])
                    u, v = x * p - y * q, x * q + y * p
                    if weighed:
                        a[0, k] += u
                        b[0, k] += v
                    else:
                        for c in range(together):
                            wr, wi = heard[2 * c, j], heard[2 * c + 1, j]
                            a[c, k] += u * wr - v * wi
                            b[c, k] += u * wi + v * wr
                    x *= tile[7, j]
                    y *= tile[7, j]
            count = min(group * per_thread, samples - chunk)
            for c in range(together):
                if coil + c < out.shape[0]:
                    for k in range(per_thread):
                        buffer[k * threads + thread] = a[c, k]
                    reduce(buffer, group, count, chunk, out[coil + c, 0])
                    for k in range(per_thread):
                        buffer[k * threads + thread] = b[c, k]
                    reduce(buffer, group, count, chunk, out[coil + c, 1])

    return sample_any


def loads_of(real, turns):
    """Return the two device functions with which a thread leaves its spin in shared memory for a readout."""
    phasor = phasor_of(real, turns)
    half = real(0.5)

    @device
    def load_constant(tile, px, py, pz, offset, r2, moment, stride, dwell, group):
        i = cuda.threadIdx.x
        jump = real(group)
        step = stride[0] * px + stride[1] * py + stride[2] * pz + offset * dwell
        tile[2, i] = moment[0, 0] * px + moment[0, 1] * py + moment[0, 2] * pz + offset * (half * dwell)
        tile[3, i] = step
        tile[4, i] = r2
        c, s = phasor(jump * step)
        level = math.exp(-r2 * (jump * dwell))
        tile[5, i], tile[6, i] = level * c, level * s

    @device
    def load_any(tile, x, y, px, py, pz, offset, r2, dwell, group):
        i = cuda.threadIdx.x
        tile[0, i], tile[1, i] = x, y
        tile[2, i], tile[3, i], tile[4, i], tile[5, i] = px, py, pz, offset
        tile[6, i] = r2
        tile[7, i] = math.exp(-r2 * (real(group) * dwell))

    return load_constant, load_any


def carry_of(real, threads, per_constant, per_any, together, turns):
    """Return the kernel that carries spins through segments first..last of a scan; `turns` as for `phasor_of`."""
    play, phasor = play_of(real), phasor_of(real, turns)
    sample_constant, sample_any = (
        constant_of(real, threads, per_constant, turns),
        any_of(real, threads, per_any, together, turns),
    )
    load_constant, load_any = loads_of(real, turns)
    size = threads * max(per_constant, per_any)
    zero, one, weighed = real(0), real(1), together == 1

    @cuda.jit
    def carry(
        state, spin, weight, first, last, kind, event, moment, seconds, phase, pulse_run, runs, span, steps,
        form, samples, stride, dwell, group, first_readout, partial,
    ):  # fmt: skip
        """Carry one spin a thread; a thread without a spin carries one of no weight.

        state : (3, n), changed in place. spin : (7, n) x, y, z m, offset Hz, b1, r1, r2 1/s. weight : (coil, 2, n).
        kind, event, seconds : (segment,); moment : (segment, 3); phase : (segment, 2) cosine and sine of the RF phase.
        pulse_run : (pulse + 1,) into runs; runs, span, steps as for `play`. form : (readout,) 2 under a constant
        gradient, else any; samples : (readout, sample, 3) 1/m; stride : (readout, 3) 1/m; dwell s; group : (readout,)
        threads among which a window's samples are dealt, a power of two.
        partial : (block, readout - first_readout, coil, 2, sample) signal of each block.
        """
        tile = cuda.shared.array((8, threads), real)
        heard = cuda.shared.array((2 * together, threads), real)
        buffer = cuda.shared.array(size, real)
        i = cuda.grid(1)
        alive = i < state.shape[1]
        i = min(i, state.shape[1] - 1)
        x, y, z = state[0, i], state[1, i], state[2, i]
        px, py, pz = spin[0, i], spin[1, i], spin[2, i]
        offset, b1, r1, r2 = spin[3, i], spin[4, i], spin[5, i], spin[6, i]
        for s in range(first, last):
            e = event[s]
            if kind[s] == 1:
                c, d = phase[s, 0], phase[s, 1]
                x, y = x * c - y * d, x * d + y * c
                x, y, z = play(
                    x, y, z, px, py, pz, offset, b1, r1, r2, pulse_run[e], pulse_run[e + 1], runs, span, steps
                )
                x, y = x * c + y * d, y * c - x * d
                continue
            if kind[s] == 2:
                me, out = cuda.threadIdx.x, partial[cuda.blockIdx.x, e - first_readout]
                if form[e] == 2:
                    load_constant(tile, px, py, pz, offset, r2, samples[e], stride[e], dwell, group[e])
                    for coil in range(weight.shape[0]):
                        wr = weight[coil, 0, i] if alive else zero
                        wi = weight[coil, 1, i] if alive else zero
                        tile[0, me], tile[1, me] = x * wr - y * wi, x * wi + y * wr
                        cuda.syncthreads()
                        sample_constant(tile, buffer, group[e], dwell, samples.shape[1], out[coil])
                elif weighed:
                    wr = weight[0, 0, i] if alive else zero
                    wi = weight[0, 1, i] if alive else zero
                    load_any(tile, x * wr - y * wi, x * wi + y * wr, px, py, pz, offset, r2, dwell, group[e])
                    cuda.syncthreads()
                    sample_any(tile, heard, buffer, group[e], dwell, samples.shape[1], samples[e], out, 0)
                else:
                    load_any(tile, x, y, px, py, pz, offset, r2, dwell, group[e])
                    for coil in range(0, weight.shape[0], together):
                        for c in range(together):
                            there = alive and coil + c < weight.shape[0]
                            heard[2 * c, me] = weight[coil + c, 0, i] if there else zero
                            heard[2 * c + 1, me] = weight[coil + c, 1, i] if there else zero
                        cuda.syncthreads()
                        sample_any(tile, heard, buffer, group[e], dwell, samples.shape[1], samples[e], out, coil)
            t = seconds[s]
            c, d = phasor(moment[s, 0] * px + moment[s, 1] * py + moment[s, 2] * pz + offset * t)
            f1, f2 = math.exp(-t * r1), math.exp(-t * r2)
            x, y = f2 * (x * c - y * d), f2 * (x * d + y * c)
            z = one + f1 * (z - one)
        if alive:
            state[0, i], state[1, i], state[2, i] = x, y, z

    return carry


@cuda.jit
def add_blocks(partial, first, count, total):
    """Add `count` numbers of each block, one block after the other, to total[first...]; one thread a number.

    partial : (block, number). total : (number,) float64.
    """
    i = cuda.grid(1)
    if i < count:
        value = total[first + i]
        for block in range(partial.shape[0]):
            value += partial[block, i]
        total[first + i] = value
