"""Extended phase graph of a crushed echo train whose pulses are matrices, different from place to place in the slice.

Between the pulses every half echo spacing winds the transverse magnetisation by one order. What a pulse stores along z
while it is wound outlives the repetition, the next excitation recalls it, and the crushers of the next train unwind it:
with a TR of 1.4 T1 this is 1 % of an echo. So the orders are carried from repetition to repetition, until the state
before the excitation repeats (`play_wound`). Trains after a saturation carry order zero alone, in closed form (`play`).
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit

ORDERS = 40
"""Highest order that is carried, and at least the last that one train can unwind; the next ones add 1e-5 to echoes."""
TOLERANCE = 1e-14
"""Largest change, over M0, from one repetition to the next of what an excitation makes."""
MOST = 400
"""Repetitions until a state that does not repeat is used as it is; reached by T1 above a hundred TR."""


@njit(nogil=True, cache=True, error_model="numpy")
def relaxed(rotation, exposure, phase, duration, r1, r2, out):
    """Write a pulse's matrix with relaxation in the basis (F+, F-, Z): ++, +-, +z, z+, zz.

    R exp(-r1 tau - (r2 - r1) A), A the exposure: exact up to commutators of relaxation at different times, of the order
    (r2 tau)^2 / 24 of the change. phase : what the gradient of half the pulse adds, rad; it is taken out on both sides.
    """
    a, total, term, new = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    squarings, rate = 0, (r2 - r1) * duration
    while abs(rate) > 0.25 and squarings < 30:
        rate *= 0.5
        squarings += 1
    factor = -(r2 - r1) / 2.0**squarings
    for i in range(3):
        for j in range(3):
            a[i, j] = factor * exposure[i, j]
            term[i, j] = 1.0 if i == j else 0.0
            total[i, j] = term[i, j]
    for n in range(1, 8):
        multiply(term, a, new)
        for i in range(3):
            for j in range(3):
                term[i, j] = new[i, j] / n
                total[i, j] += term[i, j]
    for _ in range(squarings):
        multiply(total, total, new)
        total[:] = new
    multiply(rotation, total, new)
    decay = math.exp(-r1 * duration)
    half = complex(math.cos(phase), math.sin(phase))
    out[0] = 0.5 * decay * complex(new[0, 0] + new[1, 1], new[1, 0] - new[0, 1]) * half * half
    out[1] = 0.5 * decay * complex(new[0, 0] - new[1, 1], new[1, 0] + new[0, 1])
    out[2] = decay * complex(new[0, 2], new[1, 2]) * half
    out[3] = 0.5 * decay * complex(new[2, 0], -new[2, 1]) * half
    out[4] = decay * new[2, 2]


@njit(nogil=True, cache=True, error_model="numpy")
def multiply(a, b, out):
    """Write the product of two 3 x 3 matrices."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@njit(nogil=True, cache=True, error_model="numpy")
def mix(t, count, fp, fm, z):
    """Turn and relax the first `count` orders by the matrix `t`."""
    for i in range(count):
        p, m, w = fp[i], fm[i], z[i]
        fp[i] = t[0] * p + t[1] * m + t[2] * w
        fm[i] = t[1].conjugate() * p + t[0].conjugate() * m + t[2].conjugate() * w
        z[i] = t[3] * p + t[3].conjugate() * m + t[4] * w


@njit(nogil=True, cache=True, error_model="numpy")
def echoes(t, which, excited, e1, e2, fp, fm, z, out):
    """Write the echoes (echo,) of the excited transverse magnetisation; e1, e2: decays of half the free spacing."""
    n = which.size
    fp[: n + 2], fm[: n + 2], z[: n + 2] = 0.0, 0.0, 0.0
    fp[0] = e2 * excited
    for echo in range(n):
        count = min(echo + 1, n - echo + 1)
        mix(t[which[echo]], count, fp, fm, z)
        out[echo] = fm[0].conjugate() * e2
        first = fm[0].conjugate()
        for i in range(count, 0, -1):
            fp[i] = fp[i - 1] * (e2 * e2)
        fp[0] = first * (e2 * e2)
        for i in range(count + 1):
            fm[i] = fm[i + 1] * (e2 * e2) if i < count else 0.0
            z[i] = z[i] * (e1 * e1)


@njit(nogil=True, cache=True, error_model="numpy")
def stored(t, which, first, back, e1, e2, pulse, fp, fm, z):
    """Return the longitudinal magnetisation at the end of the train of what starts with `first`.

    back : 1 with recovery, 0 without; pulse : decay along z during half a pulse.
    """
    n = which.size
    fp[: n + 2], fm[: n + 2], z[: n + 2] = 0.0, 0.0, 0.0
    z[0] = first * e1 + back * (1.0 - e1)
    for echo in range(n):
        z[0] += back * (1.0 - pulse)
        count = min(echo + 1, n - echo + 1)
        mix(t[which[echo]], count, fp, fm, z)
        z[0] += back * (1.0 - pulse)
        for i in range(count, 0, -1):
            fp[i] = fp[i - 1] * (e2 * e2)
        for i in range(count + 1):
            fm[i] = fm[i + 1] * (e2 * e2) if i < count else 0.0
        fp[0] = fm[0].conjugate()
        full = e1 * e1 if echo + 1 < n else e1
        for i in range(count + 1):
            z[i] = z[i] * full
        z[0] += back * (1.0 - full)
    return z[0].real


@njit(nogil=True, cache=True, error_model="numpy")
def play(
    start, stop, r1, r2, rotation, exposure, phase, duration, transverse, kept, excited, which, spacing, tr, saturated,
    delays, weight, out
):  # fmt: skip
    """Write the echoes of atoms start..stop, (atom, delay, echo) complex over M0.

    r1, r2 : (atom,), 1/s; rotation, exposure : (atom's B1, flip, place, 3, 3) of the refocusing pulses, with
    `phase` (place,) and `duration`; transverse, kept : (B1, place) what the excitation makes of unit longitudinal
    magnetisation; excited : (atom,) index of B1; which : (echo,) index of the flip; saturated : (B1, place) what a
    saturation leaves of it, `delays` (delay,) before the excitation; weight : (place,) of the sum. A saturation that
    leaves all is none.
    """
    n, places, flips = which.size, phase.size, rotation.shape[1]
    fp, fm, z = np.zeros(n + 3, np.complex128), np.zeros(n + 3, np.complex128), np.zeros(n + 3, np.complex128)
    t, heard = np.empty((flips, 5), np.complex128), np.empty(n, np.complex128)
    free = 0.5 * (spacing - duration)
    for atom in range(start, stop):
        b = excited[atom]
        e1, e2 = math.exp(-free * r1[atom]), math.exp(-free * r2[atom])
        pulse = math.exp(-0.5 * duration * r1[atom])
        out[atom] = 0.0
        for p in range(places):
            for f in range(flips):
                relaxed(rotation[b, f, p], exposure[b, f, p], phase[p], duration, r1[atom], r2[atom], t[f])
            echoes(t, which, transverse[b, p], e1, e2, fp, fm, z, heard)
            lasting = stored(t, which, kept[b, p], 0.0, e1, e2, pulse, fp, fm, z)
            regained = stored(t, which, 0.0, 1.0, e1, e2, pulse, fp, fm, z)
            for d in range(delays.size):
                # (1 - ...): what lacks of equilibrium decays, over the rest of TR, the saturation and the delay
                rest = math.exp(-(tr - n * spacing - delays[d]) * r1[atom])
                left = saturated[b, p] * math.exp(-delays[d] * r1[atom])
                new = 1.0 - math.exp(-delays[d] * r1[atom]) + left * (1.0 - rest + rest * regained)
                mz = new / (1.0 - left * rest * lasting)
                for echo in range(n):
                    out[atom, d, echo] += mz * weight[p] * heard[echo]


@njit(nogil=True, cache=True, error_model="numpy")
def repeat(t, which, turned, kept, e1, e2, pulse, line, z, heard):
    """Play one repetition from the longitudinal orders `z` before its excitation; write the echoes.

    t : (flip, 5) matrices of the refocusing pulses with the decay until the next; turned, kept : what the excitation
    makes of unit longitudinal magnetisation; e1, e2 : decays of half the free spacing; pulse : decay along z during
    half a pulse; line : work space, the transverse orders in a row, along which order zero walks. `z` ends half a free
    spacing before where the next refocusing pulse would be.
    """
    n, orders = which.size, z.size
    zero = orders - 1 + 2 * n
    line[:] = 0.0
    for i in range(orders):
        line[zero + i] = e2 * turned * z[i]
        line[zero - i] = e2 * turned * z[i].conjugate()
        z[i] *= kept * e1
    z[0] += 1.0 - e1
    zero -= 1
    back = (1.0 - pulse) * e1 * e1 + 1.0 - e1 * e1
    for echo in range(n):
        f = which[echo]
        t0, t1, t2, t3, t3c, t4r = t[f, 0], t[f, 1], t[f, 2], t[f, 3], t[f, 3].conjugate(), t[f, 4].real
        z[0] += 1.0 - pulse
        for i in range(orders):
            p, m, w = line[zero + i], line[zero - i].conjugate(), z[i]
            line[zero - i] = t1 * p.conjugate() + t0 * m.conjugate() + t2 * w.conjugate()
            line[zero + i] = t0 * p + t1 * m + t2 * w
            z[i] = t3 * p + t3c * m + t4r * w
        z[0] += back
        heard[echo] = line[zero - 1] / e2
        zero -= 2


@njit(nogil=True, cache=True, error_model="numpy")
def settle(t, which, turned, kept, e1, e2, pulse, left, gain, line, x, z, heard):
    """Repeat from the orders `x` until they repeat; `heard` holds the echoes.

    left : what saturation and relaxation leave of the end of a repetition; gain : recovery. Every second repetition
    what changes is taken for one decaying mode, and its end for the next start.
    """
    norm, played = 0.0, 0
    before = np.zeros_like(x)
    while played < MOST:
        z[:] = x
        repeat(t, which, turned, kept, e1, e2, pulse, line, z, heard)
        played += 1
        z *= left
        z[0] += gain
        along, square, most = 0.0, 0.0, 0.0
        for i in range(x.size):
            d = z[i] - x[i]
            size = d.real * d.real + d.imag * d.imag
            along += before[i].real * d.real + before[i].imag * d.imag
            square += size
            most = max(most, size)
            before[i] = d
            x[i] = z[i]
        if math.sqrt(most) * abs(turned) <= TOLERANCE:
            break
        if played % 2 == 0 and norm > 0.0:
            mode = along / norm
            if 0.0 < mode < 1.0:
                for i in range(x.size):
                    x[i] += before[i] * (mode / (1.0 - mode))
        norm = square


@njit(nogil=True, cache=True, error_model="numpy")
def play_wound(
    start, stop, r1, r2, rotation, exposure, phase, duration, transverse, kept, excited, which, spacing, tr, weight, out
):
    """Write the echoes of atoms start..stop, (atom, 1, echo) complex over M0; arguments as in `play`."""
    n, places, flips = which.size, phase.size, rotation.shape[1]
    orders = max(2 * n, ORDERS) + 1
    x, z = np.zeros(orders, np.complex128), np.zeros(orders, np.complex128)
    line = np.zeros(2 * (orders + n) - 1, np.complex128)
    t, heard = np.empty((flips, 5), np.complex128), np.empty(n, np.complex128)
    free = 0.5 * (spacing - duration)
    for atom in range(start, stop):
        b = excited[atom]
        e1, e2 = math.exp(-free * r1[atom]), math.exp(-free * r2[atom])
        pulse = math.exp(-0.5 * duration * r1[atom])
        out[atom] = 0.0
        for p in range(places):
            for f in range(flips):
                relaxed(rotation[b, f, p], exposure[b, f, p], phase[p], duration, r1[atom], r2[atom], t[f])
                t[f, :3] *= e2 * e2
                t[f, 3:] *= e1 * e1
            x[:] = 0.0
            x[0] = 1.0
            # from where the train left off over the rest of TR
            rest = math.exp(-(tr - n * spacing - free) * r1[atom])
            settle(t, which, transverse[b, p], kept[b, p], e1, e2, pulse, rest, 1.0 - rest, line, x, z, heard)
            for echo in range(n):
                out[atom, 0, echo] += weight[p] * heard[echo]
