"""Bloch kernels: RF steps, free precession and readouts.

dM/dt = gamma M x B - (Mx, My, 0)/T2 + (0, 0, M0 - Mz)/T1, so M turns about -gamma B. With h half the rotation
vector of a step, c = sqrt2 cos|h|, s = sqrt2 sin|h|/|h| and q = s h, Rodrigues' formula reads M + c t + q x t,
t = q x M; c and s are series in |h|^2, without square root or range reduction; the caller keeps |h| <= 1/2, and says
where the short series for |h| <= 1/10 will do. Phases are in turns, where range reduction is one rounding. Single
precision takes shorter series: the branch on the type is resolved when the kernel is compiled, those on the length of
a series leave the loop over spins. A small block of spins stays in the first-level cache while time runs; the loop
over the block is the vector loop. Sums run in a fixed order, so results do not depend on the number of threads.
"""

import numpy as np
from numba import njit

FLAGS = {"contract", "reassoc", "nsz", "arcp", "afn"}
SINGLE = np.dtype(np.float32)
BLOCK = 256
"""Spins in double precision that travel through time together."""
ANCHOR = 64
"""Samples after which a readout phasor is computed afresh; bounds the recurrence's round-off."""
TILE = 4
"""Samples that are kept for all spins of a block before the coils weigh them; divides ANCHOR."""
CURVE = 48
"""The same where the gradient changes from sample to sample, and so the recurrence has two stages; 3 times 2^4. Twice
as many where the second stage takes a step only at every third sample."""


@njit(nogil=True, cache=True)
def block_size(array):
    """Return the number of spins that travel together: a block takes the same memory in either precision."""
    return BLOCK * 8 // array.itemsize


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turned(x, y, z, qx, qy, qz, c):
    """Return a magnetisation turned by Rodrigues' formula, M + c t + q x t with t = q x M."""
    tx = qy * z - qz * y
    ty = qz * x - qx * z
    tz = qx * y - qy * x
    return x + c * tx + (qy * tz - qz * ty), y + c * ty + (qz * tx - qx * tz), z + c * tz + (qx * ty - qy * tx)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def into_frame(x, y, c, s):
    """Write transverse components in axes turned by the angle whose cosine and sine are c and s."""
    for i in range(x.size):
        u = c * x[i] + s * y[i]
        y[i] = c * y[i] - s * x[i]
        x[i] = u


@njit(nogil=True, cache=True, fastmath=FLAGS)
def rf_steps(m, position, offset, b1, e1, e2, recovery, pulse_b1, pulse_gradient, first, last, short, series):
    """Turn and relax a block of spins through steps `first`..`last` of one pulse, all of one length.

    m : (3, n) magnetisation over M0, changed in place. position : (3, n) m. offset, b1 : (n,).
    e1, e2, recovery : (n,) relaxation over one step, z -> e1 z + recovery. pulse_b1 : (7, steps) of `PulseTable`,
    pulse_gradient : (3, steps) in units of half rotation angle (per unit b1, per m); offset likewise.
    series : (7, 7) of `rotation_series`; `short` takes the short ones, four terms (in single precision three).
    Relaxation follows each rotation; the caller makes the splitting symmetric at the ends.

    The axes turn about z with the direction of B1, by three shears where it changes, so that h lies in the plane of
    x and z. A turn is then two reflections: with C = cos|h|, S = sin|h|/|h| and g = C y + S (hz x - hx z),
    x -> x - 2 S hz g, z -> z + 2 S hx g, y -> 2 C g - y; computed from K = 2 - 2 C, which does not lose the small
    change of y in round-off.
    """
    x, y, z = m[0], m[1], m[2]
    px, py, pz = position[0], position[1], position[2]
    k0, k1, k2, k3, k4, k5, _ = series[5]
    s0, s1, s2, s3, s4, s5, s6 = series[6]
    if short:
        k0, k1, k2, k3, k4, k5, _ = series[2]
        s0, s1, s2, s3, s4, s5, s6 = series[3]
    half = series[4, 1]
    if last > first:
        into_frame(x, y, pulse_b1[3, first], pulse_b1[4, first])
    for k in range(first, last):
        amplitude, tangent, sine = pulse_b1[2, k], pulse_b1[5, k], pulse_b1[6, k]
        gx, gy, gz = pulse_gradient[0, k], pulse_gradient[1, k], pulse_gradient[2, k]
        turning = k > first and sine != 0
        for i in range(x.size):
            hx = amplitude * b1[i]
            hz = offset[i] + gx * px[i] + gy * py[i] + gz * pz[i]
            u = hx * hx + hz * hz
            if m.dtype == SINGLE:
                if short:
                    f = u * (k0 + u * k1)
                    s = s0 + u * (s1 + u * s2)
                else:
                    f = u * (k0 + u * (k1 + u * k2))
                    s = s0 + u * (s1 + u * (s2 + u * s3))
            elif short:
                f = u * (k0 + u * (k1 + u * k2))
                s = s0 + u * (s1 + u * (s2 + u * s3))
            else:
                f = u * (k0 + u * (k1 + u * (k2 + u * (k3 + u * (k4 + u * k5)))))
                s = s0 + u * (s1 + u * (s2 + u * (s3 + u * (s4 + u * (s5 + u * s6)))))
            qx, qz = s * hx, s * hz
            a, b, c = x[i], y[i], z[i]
            if turning:
                a += tangent * b
                b -= sine * a
                a += tangent * b
            d = qz * a - qx * c - f * b
            g = b + half * d
            x[i] = e2[i] * (a - qz * g)
            y[i] = e2[i] * (b + d - f * g)
            z[i] = recovery[i] + e1[i] * (c + qx * g)
    if last > first:
        into_frame(x, y, pulse_b1[3, last - 1], -pulse_b1[4, last - 1])


@njit(nogil=True, cache=True, fastmath=FLAGS)
def phasor(turns, cosine, sine, one, single, short):
    """Return cos and sin of 2 pi turns.

    cosine, sine : eight terms of sqrt2 cos(pi p) and sqrt2 sin(pi p) / p in p^2, |p| <= 1/2, of which single precision
    has five (`short`: four of the sine): their product is the sine of the doubled angle, and one less the square of
    the second the cosine.
    """
    c0, c1, c2, c3, c4, c5, c6, c7 = cosine
    s0, s1, s2, s3, s4, s5, s6, s7 = sine
    p = turns - np.rint(turns)
    u = p * p
    if single:
        a = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)))
        b = p * (s0 + u * (s1 + u * (s2 + u * s3))) if short else p * (s0 + u * (s1 + u * (s2 + u * (s3 + u * s4))))
    else:
        a = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * (c6 + u * c7))))))
        b = p * (s0 + u * (s1 + u * (s2 + u * (s3 + u * (s4 + u * (s5 + u * (s6 + u * s7)))))))
    return one - b * b, a * b


@njit(nogil=True, cache=True, fastmath=FLAGS)
def small_phasor(turns, cosine, sine, single):
    """Return cos and sin of 2 pi turns, |turns| <= 1/32, where five terms (three) are exact to round-off."""
    c0, c1, c2, c3, c4 = cosine
    s0, s1, s2, s3, s4 = sine
    u = turns * turns
    if single:
        return c0 + u * (c1 + u * c2), turns * (s0 + u * (s1 + u * s2))
    c = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)))
    return c, turns * (s0 + u * (s1 + u * (s2 + u * (s3 + u * s4))))


@njit(nogil=True, cache=True)
def eight_terms(row):
    """Return the entries of a series as scalars, which stay in registers."""
    return row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]


@njit(nogil=True, cache=True)
def five_terms(row):
    """Return the first five entries of a series as scalars."""
    return row[0], row[1], row[2], row[3], row[4]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def phasors(turns, real, imag, series):
    """Write exp(-i 2 pi turns) of each spin.

    series : (9, 8) of `turn_series`; the third row begins with 1.
    """
    cosine, sine, one = eight_terms(series[0]), eight_terms(series[1]), series[2, 0]
    for i in range(turns.size):
        c, s = phasor(turns[i], cosine, sine, one, turns.dtype == SINGLE, False)
        real[i] = c
        imag[i] = -s


@njit(nogil=True, cache=True, fastmath=FLAGS)
def project(moment, place, offset, time, out):
    """Write moment . place + offset * time of each spin. moment : (component,); place : (component, n).

    Three components are the place of a spin at rest; those behind are displacements, with the moments of their time
    courses.
    """
    for i in range(out.size):
        out[i] = offset[i] * time
    for c in range(moment.size):
        f = moment[c]
        for i in range(out.size):
            out[i] += f * place[c, i]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def rf_ramped(m, place, offset, b1, e1, e2, recovery, pulse_b1, pulse_gradient, first, last, work, series):
    """As `rf_steps`, of fourth order where the field along z changes linearly during a step (Magnus).

    With h0 half the mean rotation vector of a step and h1 its change over the step, both of the constant B1 along
    with a changing z component, the step turns by h0 + h1 x h0 / 6. place : (component, n) as for `project`.
    pulse_gradient : (2 component, steps), the mean in each step and then its change. work : (3, n) scratch.
    """
    x, y, z = m[0], m[1], m[2]
    along_z, change, none = work[0], work[1], work[2]
    c0, c1, c2, c3, c4, c5, c6 = series[0]
    s0, s1, s2, s3, s4, s5, s6 = series[1]
    n = place.shape[0]
    one = series[4, 0]
    sixth = one / (one + one + one + one + one + one)
    for i in range(offset.size):
        none[i] = offset[i] - offset[i]
    for k in range(first, last):
        project(pulse_gradient[:n, k], place, offset, one, along_z)
        project(pulse_gradient[n:, k], place, none, one, change)
        for i in range(x.size):
            f = sixth * change[i]
            hx = b1[i] * (pulse_b1[0, k] - f * pulse_b1[1, k])
            hy = b1[i] * (pulse_b1[1, k] + f * pulse_b1[0, k])
            hz = along_z[i]
            u = hx * hx + hy * hy + hz * hz
            c = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * (c5 + u * c6)))))
            s = s0 + u * (s1 + u * (s2 + u * (s3 + u * (s4 + u * (s5 + u * s6)))))
            u, v, w = turned(x[i], y[i], z[i], s * hx, s * hy, s * hz, c)
            x[i] = e2[i] * u
            y[i] = e2[i] * v
            z[i] = recovery[i] + e1[i] * w


@njit(nogil=True, cache=True, fastmath=FLAGS)
def sum_samples(wr, wi, cr, ci, first, last, out):
    """Add sum_i w_i c_i^s to out[s] for s = first..last and leave w_i c_i^(last - first) in w."""
    s = first
    while s + 4 <= last:
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = wr[0] - wr[0]
        for i in range(wr.size):
            c, d = cr[i], ci[i]
            x0, y0 = wr[i], wi[i]
            x1 = x0 * c - y0 * d
            y1 = x0 * d + y0 * c
            x2 = x1 * c - y1 * d
            y2 = x1 * d + y1 * c
            x3 = x2 * c - y2 * d
            y3 = x2 * d + y2 * c
            wr[i] = x3 * c - y3 * d
            wi[i] = x3 * d + y3 * c
            a0 += x0
            b0 += y0
            a1 += x1
            b1 += y1
            a2 += x2
            b2 += y2
            a3 += x3
            b3 += y3
        out[0, s] += a0
        out[1, s] += b0
        out[0, s + 1] += a1
        out[1, s + 1] += b1
        out[0, s + 2] += a2
        out[1, s + 2] += b2
        out[0, s + 3] += a3
        out[1, s + 3] += b3
        s += 4
    while s < last:
        a0 = b0 = wr[0] - wr[0]
        for i in range(wr.size):
            x0, y0 = wr[i], wi[i]
            a0 += x0
            b0 += y0
            wr[i] = x0 * cr[i] - y0 * ci[i]
            wi[i] = x0 * ci[i] + y0 * cr[i]
        out[0, s] += a0
        out[1, s] += b0
        s += 1


@njit(nogil=True, cache=True, fastmath=FLAGS)
def readout_constant(wr, wi, turns, step, decay, work, series, out):
    """Sample a block under a constant gradient: out[s] += sum_i w_i exp(-i 2 pi (turns_i + s step_i)) decay_i^s.

    wr, wi (changed in place), turns, step, decay : (n,). work : (6, n) scratch. out : (2, samples), added to.
    One complex multiply per sample and spin; phasors are computed afresh every ANCHOR samples.
    """
    ar, ai, cr, ci, phase, long = work[0], work[1], work[2], work[3], work[4], work[5]
    phasors(step, cr, ci, series)
    for i in range(wr.size):
        cr[i] *= decay[i]
        ci[i] *= decay[i]
        long[i] = decay[i]
    for _ in range(6):  # decay over ANCHOR = 2^6 samples
        for i in range(wr.size):
            long[i] *= long[i]
    samples = out.shape[1]
    for first in range(0, samples, ANCHOR):
        for i in range(wr.size):
            phase[i] = turns[i] + first * step[i]
        phasors(phase, ar, ai, series)
        for i in range(wr.size):
            x = wr[i] * ar[i] - wi[i] * ai[i]
            ai[i] = wr[i] * ai[i] + wi[i] * ar[i]
            ar[i] = x
        sum_samples(ar, ai, cr, ci, first, min(first + ANCHOR, samples), out)
        for i in range(wr.size):
            wr[i] *= long[i]
            wi[i] *= long[i]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def readout_general(wr, wi, position, offset, decay, moment, time, series, out):
    """Sample a block under any gradient; moment : (samples, 3) 1/m and time : (samples,) s at each sample.

    decay : (n,) from one sample to the next; w, changed in place, holds the state at the first sample. Two samples
    at a time share the loads.
    """
    cosine, sine, one = eight_terms(series[0]), eight_terms(series[4]), series[2, 0]
    px, py, pz = position[0], position[1], position[2]
    samples = out.shape[1]
    for s in range(0, samples, 2):
        n = min(s + 1, samples - 1)
        kx, ky, kz, t = moment[s, 0], moment[s, 1], moment[s, 2], time[s]
        lx, ly, lz, v = moment[n, 0], moment[n, 1], moment[n, 2], time[n]
        a0 = b0 = a1 = b1 = one - one
        for i in range(wr.size):
            x, y = wr[i], wi[i]
            turns = kx * px[i] + ky * py[i] + kz * pz[i] + offset[i] * t
            c, d = phasor(turns, cosine, sine, one, wr.dtype == SINGLE, True)
            a0 += x * c + y * d
            b0 += y * c - x * d
            x *= decay[i]
            y *= decay[i]
            turns = lx * px[i] + ly * py[i] + lz * pz[i] + offset[i] * v
            c, d = phasor(turns, cosine, sine, one, wr.dtype == SINGLE, True)
            a1 += x * c + y * d
            b1 += y * c - x * d
            wr[i] = x * decay[i]
            wi[i] = y * decay[i]
        out[0, s] += a0
        out[1, s] += b0
        if n > s:
            out[0, n] += a1
            out[1, n] += b1


@njit(nogil=True, cache=True, fastmath=FLAGS)
def readout_moving(wr, wi, place, offset, decay, moment, time, work, series, out):
    """As `readout_general` for spins that move; place, moment : (component, n), (samples, component)."""
    turns, ar, ai = work[0], work[1], work[2]
    for s in range(out.shape[1]):
        project(moment[s], place, offset, time[s], turns)
        phasors(turns, ar, ai, series)
        a = b = series[2, 0] - series[2, 0]
        for i in range(wr.size):
            a += wr[i] * ar[i] - wi[i] * ai[i]
            b += wr[i] * ai[i] + wi[i] * ar[i]
            wr[i] *= decay[i]
            wi[i] *= decay[i]
        out[0, s] += a
        out[1, s] += b


@njit(nogil=True, cache=True, fastmath=FLAGS)
def bend(vr, vi, cr, ci, position, bends, series, out):
    """Sample v while it turns by c from sample to sample, and c by exp(-i 2 pi k.r), |k.r| at most 1/32 turn.

    bends : (samples, 3) k, 1/m. out : (2, samples), added to. v and c are left as they are after a multiple of four.
    """
    zero = series[2, 0] - series[2, 0]
    cosine, sine = five_terms(series[2]), five_terms(series[3])
    px, py, pz = position[0], position[1], position[2]
    samples = out.shape[1]
    for s in range(0, samples, 4):
        n, o, p = min(s + 1, samples - 1), min(s + 2, samples - 1), min(s + 3, samples - 1)
        a0 = b0 = a1 = b1 = a2 = b2 = a3 = b3 = zero
        for i in range(vr.size):
            x, y, c, d = vr[i], vi[i], cr[i], ci[i]
            a0 += x
            b0 += y
            x, y = x * c - y * d, x * d + y * c
            a1 += x
            b1 += y
            turns = bends[s, 0] * px[i] + bends[s, 1] * py[i] + bends[s, 2] * pz[i]
            e, f = small_phasor(turns, cosine, sine, vr.dtype == SINGLE)
            c, d = c * e + d * f, d * e - c * f
            x, y = x * c - y * d, x * d + y * c
            a2 += x
            b2 += y
            turns = bends[n, 0] * px[i] + bends[n, 1] * py[i] + bends[n, 2] * pz[i]
            e, f = small_phasor(turns, cosine, sine, vr.dtype == SINGLE)
            c, d = c * e + d * f, d * e - c * f
            x, y = x * c - y * d, x * d + y * c
            a3 += x
            b3 += y
            turns = bends[o, 0] * px[i] + bends[o, 1] * py[i] + bends[o, 2] * pz[i]
            e, f = small_phasor(turns, cosine, sine, vr.dtype == SINGLE)
            c, d = c * e + d * f, d * e - c * f
            vr[i] = x * c - y * d
            vi[i] = x * d + y * c
            turns = bends[p, 0] * px[i] + bends[p, 1] * py[i] + bends[p, 2] * pz[i]
            e, f = small_phasor(turns, cosine, sine, vr.dtype == SINGLE)
            cr[i] = c * e + d * f
            ci[i] = d * e - c * f
        out[0, s] += a0
        out[1, s] += b0
        if n > s:
            out[0, n] += a1
            out[1, n] += b1
        if o > n:
            out[0, o] += a2
            out[1, o] += b2
        if p > o:
            out[0, p] += a3
            out[1, p] += b3


@njit(nogil=True, cache=True, fastmath=FLAGS)
def bend_slightly(vr, vi, cr, ci, position, bends, series, out):
    """Sample v while it turns by c three times, c by exp(-i 2 pi k.r) after three samples, and those in between more.

    bends : (samples, 3) 1/m of `SampleForms` where the gradient is very smooth: in three rows the turn of c, and by
    how much the two samples in between lie off equal turns, in such units that their sine begins with them. They are
    turned only to be summed. All turns are three shears, by the tangent of half the angle, its sine and the tangent.
    series : four terms of tangent and sine for either, in single precision two and one. v and c are left as they are
    after a multiple of three.
    """
    zero = series[2, 0] - series[2, 0]
    p0, p1, p2, p3, _ = five_terms(series[5])
    q0, q1, q2, q3, _ = five_terms(series[6])
    r0, r1, r2, r3, _ = five_terms(series[7])
    s1, s2, s3 = series[8, 1], series[8, 2], series[8, 3]
    px, py, pz = position[0], position[1], position[2]
    samples = out.shape[1]
    for s in range(0, samples, 3):
        n, o = min(s + 1, samples - 1), min(s + 2, samples - 1)
        a0 = b0 = a1 = b1 = a2 = b2 = zero
        for i in range(vr.size):
            x, y, c, d = vr[i], vi[i], cr[i], ci[i]
            a0 += x
            b0 += y
            x, y = x * c - y * d, x * d + y * c
            turns = bends[n, 0] * px[i] + bends[n, 1] * py[i] + bends[n, 2] * pz[i]
            u = turns * turns
            if vr.dtype == SINGLE:
                t, f = r0 * turns, turns
            else:
                t, f = turns * (r0 + u * (r1 + u * (r2 + u * r3))), turns + turns * u * (s1 + u * (s2 + u * s3))
            e = x + t * y
            g = y - f * e
            a1 += e + t * g
            b1 += g
            x, y = x * c - y * d, x * d + y * c
            turns = bends[o, 0] * px[i] + bends[o, 1] * py[i] + bends[o, 2] * pz[i]
            u = turns * turns
            if vr.dtype == SINGLE:
                t, f = r0 * turns, turns
            else:
                t, f = turns * (r0 + u * (r1 + u * (r2 + u * r3))), turns + turns * u * (s1 + u * (s2 + u * s3))
            e = x + t * y
            g = y - f * e
            a2 += e + t * g
            b2 += g
            vr[i] = x * c - y * d
            vi[i] = x * d + y * c
            turns = bends[s, 0] * px[i] + bends[s, 1] * py[i] + bends[s, 2] * pz[i]
            u = turns * turns
            if vr.dtype == SINGLE:
                t, f = turns * (p0 + u * p1), turns * (q0 + u * q1)
            else:
                t, f = turns * (p0 + u * (p1 + u * (p2 + u * p3))), turns * (q0 + u * (q1 + u * (q2 + u * q3)))
            c += t * d
            d -= f * c
            cr[i] = c + t * d
            ci[i] = d
        out[0, s] += a0
        out[1, s] += b0
        if n > s:
            out[0, n] += a1
            out[1, n] += b1
        if o > n:
            out[0, o] += a2
            out[1, o] += b2


@njit(nogil=True, cache=True, fastmath=FLAGS)
def readout_curved(wr, wi, position, offset, decay, moment, stride, bends, time, very, work, series, out):
    """Sample a block under a gradient that changes smoothly, or very smoothly.

    stride, bends : (samples, 3) of `SampleForms`, 1/m; the rest as for
    `readout_general`, with work : (8, n). Two complex multiplies per sample and spin.
    """
    turns, ar, ai, cr, ci, vr, vi, long = work[0], work[1], work[2], work[3], work[4], work[5], work[6], work[7]
    px, py, pz = position[0], position[1], position[2]
    samples = out.shape[1]
    dwell = time[1] - time[0]
    for i in range(wr.size):
        long[i] = decay[i] * decay[i] * decay[i]
    for _ in range(5 if very else 4):  # decay over `anchor` samples
        for i in range(wr.size):
            long[i] *= long[i]
    anchor = 2 * CURVE if very else CURVE
    for first in range(0, samples, anchor):
        last = min(first + anchor, samples)
        kx, ky, kz, t = moment[first, 0], moment[first, 1], moment[first, 2], time[first]
        for i in range(wr.size):
            turns[i] = kx * px[i] + ky * py[i] + kz * pz[i] + offset[i] * t
        phasors(turns, ar, ai, series)
        kx, ky, kz = stride[first, 0], stride[first, 1], stride[first, 2]
        for i in range(wr.size):
            vr[i] = wr[i] * ar[i] - wi[i] * ai[i]
            vi[i] = wr[i] * ai[i] + wi[i] * ar[i]
            turns[i] = kx * px[i] + ky * py[i] + kz * pz[i] + offset[i] * dwell
        phasors(turns, cr, ci, series)
        for i in range(wr.size):
            cr[i] *= decay[i]
            ci[i] *= decay[i]
        if very:
            bend_slightly(vr, vi, cr, ci, position, bends[first:last], series, out[:, first:last])
        else:
            bend(vr, vi, cr, ci, position, bends[first:last], series, out[:, first:last])
        for i in range(wr.size):
            wr[i] *= long[i]
            wi[i] *= long[i]


@njit(nogil=True, cache=True, fastmath=FLAGS)
def sample_block(form, wr, wi, position, offset, decay, moment, stride, bends, time, work, series, out):
    """Sample a block by the cheapest exact way: form 2 under a constant gradient, 1 a smooth one, 3 a very
    smooth one, 0 any.

    work : (8, n) scratch.
    """
    if position.shape[0] > 3:
        readout_moving(wr, wi, position, offset, decay, moment, time, work[:7], series, out)
    elif form == 1 or form == 3:
        readout_curved(wr, wi, position, offset, decay, moment, stride, bends, time, form == 3, work, series, out)
    elif form == 0:
        readout_general(wr, wi, position, offset, decay, moment, time, series, out)
    else:
        turns, step = work[6], work[7]
        kx, ky, kz, t = moment[0, 0], moment[0, 1], moment[0, 2], time[0]
        dx, dy, dz, dwell = stride[0, 0], stride[0, 1], stride[0, 2], time[time.size - 1] - time[0]
        if time.size > 1:
            dwell /= time.size - 1
        px, py, pz = position[0], position[1], position[2]
        for i in range(wr.size):
            turns[i] = kx * px[i] + ky * py[i] + kz * pz[i] + offset[i] * t
            step[i] = dx * px[i] + dy * py[i] + dz * pz[i] + offset[i] * dwell
        readout_constant(wr, wi, turns, step, decay, work[:6], series, out)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def weigh_tile(tile, heard, first, last, out):
    """Add what coils hear of samples first..last: out[c, :, first + s] += sum_i heard[c, i] tile[s, i], complex.

    tile : (TILE, 2, n). heard : (coil, 2, n). out : (coil, 2, samples). Four samples share the loads of the weights.
    """
    x0, x1, x2, x3 = tile[0, 0], tile[1, 0], tile[2, 0], tile[3, 0]
    y0, y1, y2, y3 = tile[0, 1], tile[1, 1], tile[2, 1], tile[3, 1]
    for coil in range(heard.shape[0]):
        cr, ci = heard[coil, 0], heard[coil, 1]
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = cr[0] - cr[0]
        for i in range(cr.size):
            c, d = cr[i], ci[i]
            a0 += c * x0[i] - d * y0[i]
            b0 += c * y0[i] + d * x0[i]
            a1 += c * x1[i] - d * y1[i]
            b1 += c * y1[i] + d * x1[i]
            a2 += c * x2[i] - d * y2[i]
            b2 += c * y2[i] + d * x2[i]
            a3 += c * x3[i] - d * y3[i]
            b3 += c * y3[i] + d * x3[i]
        out[coil, 0, first] += a0
        out[coil, 1, first] += b0
        if first + 1 < last:
            out[coil, 0, first + 1] += a1
            out[coil, 1, first + 1] += b1
        if first + 2 < last:
            out[coil, 0, first + 2] += a2
            out[coil, 1, first + 2] += b2
        if first + 3 < last:
            out[coil, 0, first + 3] += a3
            out[coil, 1, first + 3] += b3


@njit(nogil=True, cache=True, fastmath=FLAGS)
def sample_coils(
    form, m, heard, place, offset, time_class, e2, half, moment, stride, time, work, tile, series, out
):  # fmt: skip
    """Sample a block in several coils without changing it; each phasor is worked out once and heard by all coils.

    heard : (coil, 2, n) weight of each spin in each coil, complex. work : (7, n) scratch; tile : (TILE, 2, n)
    scratch; the rest as for `sample_state`. out : (coil, 2, samples), added to.
    """
    wr, wi, decay, turns, cr, ci, step = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    samples, one = out.shape[2], series[2, 0]
    constant = form == 2 and samples > 1 and place.shape[0] == 3
    for i in range(wr.size):
        wr[i] = m[0, i] * half[time_class[i]]
        wi[i] = m[1, i] * half[time_class[i]]
        decay[i] = e2[time_class[i]]
    if constant:
        project(stride[0], place, offset, (time[samples - 1] - time[0]) / (one * (samples - 1)), step)
        phasors(step, cr, ci, series)
        for i in range(wr.size):
            cr[i] *= decay[i]
            ci[i] *= decay[i]
    for first in range(0, samples, TILE):
        last = min(first + TILE, samples)
        for s in range(first, last):
            x, y = tile[s - first, 0], tile[s - first, 1]
            if constant and s % ANCHOR > 0:
                p, q = tile[(s - 1) % TILE, 0], tile[(s - 1) % TILE, 1]
                for i in range(wr.size):
                    u, v = p[i], q[i]
                    x[i] = u * cr[i] - v * ci[i]
                    y[i] = u * ci[i] + v * cr[i]
            else:
                project(moment[s], place, offset, time[s], turns)
                phasors(turns, x, y, series)
                for i in range(wr.size):
                    u, v = x[i], y[i]
                    x[i] = wr[i] * u - wi[i] * v
                    y[i] = wr[i] * v + wi[i] * u
            if not constant or s % ANCHOR == 0:
                for _ in range(ANCHOR if constant else 1):
                    for i in range(wr.size):
                        wr[i] *= decay[i]
                        wi[i] *= decay[i]
        weigh_tile(tile, heard, first, last, out)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def play_pulse(m, position, offset, b1, time_class, recover, e1, e2, runs, pulse_b1, pulse_gradient, work, series):
    """Play one pulse on a block: relax half a step, rotate and relax step by step, relax the last half.

    runs : (run, 7) of `PulseTable`: first step, one past the last, rows of e1 and e2 for half a step and for a step,
    the factor from an offset in Hz to half a rotation angle, 1 where the gradient changes during steps or spins move,
    and 1 where no step turns by more than the short series allow.
    e1, e2 : (time, class). time_class : (n,) class of each spin. recover : 1 for the full equation, 0 for its
    homogeneous part. work : (7, n) scratch. pulse_gradient as for `rf_ramped`.
    """
    f1, f2, fr, off = work[0], work[1], work[2], work[3]
    for run in range(runs.shape[0]):
        first, last = int(runs[run, 0]), int(runs[run, 1])
        for stage in range(3):  # half a step; steps but the last; the last with half a step of relaxation
            row = int(runs[run, 3]) if stage == 1 else int(runs[run, 2])
            for i in range(off.size):
                f1[i] = e1[row, time_class[i]]
                f2[i] = e2[row, time_class[i]]
                fr[i] = recover * (recover - f1[i])
                off[i] = runs[run, 4] * offset[i]
            if stage == 0:
                for i in range(off.size):
                    m[0, i] *= f2[i]
                    m[1, i] *= f2[i]
                    m[2, i] = fr[i] + f1[i] * m[2, i]
                continue
            begin, end = (first, last - 1) if stage == 1 else (last - 1, last)
            if runs[run, 5] > 0:
                rf_ramped(m, position, off, b1, f1, f2, fr, pulse_b1, pulse_gradient, begin, end, work[4:7], series)
            else:
                short = runs[run, 6] > 0
                rf_steps(m, position, off, b1, f1, f2, fr, pulse_b1, pulse_gradient, begin, end, short, series)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def turn(m, c, s):
    """Turn the transverse magnetisation of a block by the angle whose cosine and sine are c and s."""
    for i in range(m.shape[1]):
        x = m[0, i] * c - m[1, i] * s
        m[1, i] = m[0, i] * s + m[1, i] * c
        m[0, i] = x


@njit(nogil=True, cache=True, fastmath=FLAGS)
def precess(m, position, offset, time_class, moment, seconds, e1, e2, work, series):
    """Carry a block through an interval without RF.

    moment : (component,) 1/m, as for `project`. e1, e2 : (class,). work : (3, n) scratch.
    """
    turns, pr, pi = work[0], work[1], work[2]
    x, y, z = m[0], m[1], m[2]
    project(moment, position, offset, seconds, turns)
    phasors(turns, pr, pi, series)
    one = series[2, 0]
    for i in range(x.size):
        f1, f2 = e1[time_class[i]], e2[time_class[i]]
        t = f2 * (x[i] * pr[i] - y[i] * pi[i])
        y[i] = f2 * (x[i] * pi[i] + y[i] * pr[i])
        x[i] = t
        z[i] = f1 * (z[i] - one) + one


@njit(nogil=True, cache=True, fastmath=FLAGS)
def sample_state(
    form, m, weight, position, offset, time_class, e2, half, moment, stride, bends, time, work, series, out
):
    """Sample a block without changing it, from the middle of the first dwell on.

    weight : (n,). e2, half : (class,) transverse decay over a dwell and half a dwell. work : (11, n) scratch; the
    rest as for `sample_block`.
    """
    wr, wi, decay = work[8], work[9], work[10]
    for i in range(decay.size):
        f = half[time_class[i]] * weight[i]
        wr[i] = m[0, i] * f
        wi[i] = m[1, i] * f
        decay[i] = e2[time_class[i]]
    sample_block(form, wr, wi, position, offset, decay, moment, stride, bends, time, work[:8], series, out)


@njit(nogil=True, cache=True, fastmath=FLAGS)
def evolve(
    m, weight, heard, position, offset, b1, time_class, kind, event, row, moment, seconds, phase, e1, e2, pulse_run,
    runs, pulse_b1, pulse_gradient, dwell_row, form, samples, stride, bends, sample_time, rf_series, series, out,
):  # fmt: skip
    """Carry all spins through a whole timeline, a block at a time, and add their signal.

    m : (3, n) state, changed in place. weight : (n,) m^3. heard : (coil, 2, n) m^3, what each of several coils hears
    of each spin, real and imaginary; without coils all weigh by `weight`. position : (component, n), three for spins
    at rest and more as for `project`, where all moments have as many. time_class : (n,). kind, event, row, seconds,
    phase : (segment,); moment : (segment, component). e1, e2 : (row, class). pulse_run : (pulse + 1,) into runs.
    dwell_row : row of one dwell and of half a dwell. form : (readout,) as for `sample_block`; samples, stride,
    bends : (readout, sample, component) moments and their differences; sample_time : (sample,) s from the start.
    out : (readout, coil, 2, sample), added to; one coil where `heard` has none.
    """
    block = block_size(m)
    one, coils = series[2, 0], heard.shape[0]
    for begin in range(0, m.shape[1], block):
        end = min(begin + block, m.shape[1])
        # arrays of their own: the compiler does not use vectors on slices of rows, whose neighbours may lie apart
        b, w = np.empty((3, end - begin), m.dtype), np.empty((11, end - begin), m.dtype)
        r = np.empty((position.shape[0], end - begin), m.dtype)
        b[:] = m[:, begin:end]
        r[:] = position[:, begin:end]
        tile, listening = np.zeros((TILE, 2, end - begin), m.dtype), np.empty((coils, 2, end - begin), m.dtype)
        listening[:] = heard[:, :, begin:end]
        off, group = offset[begin:end], time_class[begin:end]
        for s in range(kind.size):
            k = event[s]
            if kind[s] == 1:
                c, d = phase[s, 0], phase[s, 1]
                used = runs[pulse_run[k] : pulse_run[k + 1]]
                turn(b, c, d)
                play_pulse(
                    b, r, off, b1[begin:end], group, one, e1, e2, used, pulse_b1, pulse_gradient, w, rf_series
                )  # fmt: skip
                turn(b, c, -d)
                continue
            if kind[s] == 2 and coils > 0:
                sample_coils(
                    form[k], b, listening, r, off, group, e2[dwell_row[0]], e2[dwell_row[1]],
                    samples[k], stride[k], sample_time, w, tile, series, out[k],
                )  # fmt: skip
            elif kind[s] == 2:
                sample_state(
                    form[k], b, weight[begin:end], r, off, group, e2[dwell_row[0]], e2[dwell_row[1]],
                    samples[k], stride[k], bends[k], sample_time, w, series, out[k, 0],
                )  # fmt: skip
            precess(b, r, off, group, moment[s], seconds[s], e1[row[s]], e2[row[s]], w, series)
        m[:, begin:end] = b


@njit(nogil=True, cache=True, fastmath=FLAGS)
def propagators(position, offset, b1, e1, e2, runs, pulse_b1, pulse_gradient, rf_series, out):
    """Write the affine map of one pulse for each spin of one class: out[r, c] = column c of the matrix, out[r, 3]
    the recovery. position : (3, n); offset, b1 : scalars; e1, e2 : (row, 1); out : (3, 4, n).
    """
    n = position.shape[1]
    block = block_size(position)
    one = rf_series[4, 0]
    for begin in range(0, n, block):
        end = min(n, begin + block)
        # arrays of their own, as in `evolve`
        work, r = np.empty((7, end - begin), position.dtype), np.empty((3, end - begin), position.dtype)
        off, relative = np.empty(end - begin, position.dtype), np.empty(end - begin, position.dtype)
        group = np.zeros(end - begin, np.int32)
        r[:] = position[:, begin:end]
        off[:] = offset
        relative[:] = b1
        for column in range(4):
            m = np.zeros((3, end - begin), position.dtype)
            if column < 3:
                m[column, :] = one
            full = one if column == 3 else one - one
            play_pulse(m, r, off, relative, group, full, e1, e2, runs, pulse_b1, pulse_gradient, work, rf_series)
            out[:, column, begin:end] = m


@njit(nogil=True, cache=True, fastmath=FLAGS)
def plane_readouts(weight, position, start, step, decay, series, out):
    """Sum the readouts of one class over its places in the plane, under constant gradients.

    weight : (readout, 2, n). position : (2, n) m. start, step : (readout, 3) moment at the first sample and from
    sample to sample (x, y in 1/m) and the phase of the class's offset likewise (turns). decay : scalar per sample.
    out : (readout, 2, sample), added to.
    """
    block = block_size(position)
    work = np.empty((11, block), position.dtype)
    work[8, :] = decay
    for k in range(weight.shape[0]):
        for begin in range(0, position.shape[1], block):
            end = min(position.shape[1], begin + block)
            w = work[:, : end - begin]
            w[9] = weight[k, 0, begin:end]
            w[10] = weight[k, 1, begin:end]
            for i in range(end - begin):
                x, y = position[0, begin + i], position[1, begin + i]
                w[6, i] = start[k, 0] * x + start[k, 1] * y + start[k, 2]
                w[7, i] = step[k, 0] * x + step[k, 1] * y + step[k, 2]
            readout_constant(w[9], w[10], w[6], w[7], w[8], w[:6], series, out[k])


@njit(nogil=True, cache=True, fastmath=FLAGS)
def column_readout(form, weight, position, offset, decay, moment, stride, bends, time, series, out):
    """Sum one readout of one class over its places; weight : (2, n); position : (3, n); offset, decay : scalars.

    The rest as for `sample_block`; out : (2, sample), added to.
    """
    block = block_size(position)
    work = np.empty((12, block), position.dtype)
    work[10, :] = offset
    work[11, :] = decay
    for begin in range(0, position.shape[1], block):
        end = min(position.shape[1], begin + block)
        w = work[:, : end - begin]
        w[8] = weight[0, begin:end]
        w[9] = weight[1, begin:end]
        sample_block(
            form, w[8], w[9], position[:, begin:end], w[10], w[11], moment, stride, bends, time, w[:8], series, out
        )
