"""Steady state of a spoiled gradient echo with a quadratic RF phase, by extended phase graphs, pulse by pulse."""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit

SPAN = 64  # pulses between two looks at whether the signal still changes


@njit(nogil=True, cache=True, error_model="numpy")
def spoiled_steady(start, stop, t1, t2, flip, tr, increment, orders, most, tolerance, out):
    """Write the transverse magnetisation (atom,) just after a pulse, over M0.

    t1, t2, flip : (atom,), s and rad; increment : of the phase's increment, rad; orders : carried; what leaves the
    last is lost. The frame turns with the RF phase: before pulse n it advances by n times the increment. Ends when the
    signal changes by less than `tolerance` over SPAN pulses, or after `most`.
    """
    fp, fm = np.zeros(orders + 2, np.complex128), np.zeros(orders + 2, np.complex128)
    z = np.zeros(orders + 2, np.complex128)
    for atom in range(start, stop):
        e1, e2 = math.exp(-tr / t1[atom]), math.exp(-tr / t2[atom])
        c, s = math.cos(flip[atom]), math.sin(flip[atom])
        up, down = 0.5 * (1.0 + c), 0.5 * (1.0 - c)
        fp[:], fm[:], z[:] = 0.0, 0.0, 0.0
        z[0] = (1.0 - e1) / (1.0 - e1 * c)
        before, angle = 0.0, 0.0
        for pulse in range(most):
            for k in range(orders):
                p, m, w = fp[k], fm[k], z[k]
                fp[k] = up * p + down * m - 1j * s * w
                fm[k] = down * p + up * m + 1j * s * w
                z[k] = c * w - 0.5j * s * (p - m)
            if pulse % SPAN == SPAN - 1:
                size = abs(fp[0])
                if abs(size - before) < tolerance * size:
                    break
                before = size
            angle = (angle + increment) % (2.0 * math.pi)
            turn = complex(math.cos(angle), -math.sin(angle)) * e2
            first = fm[1] * turn.conjugate()
            for k in range(orders, 0, -1):
                fp[k] = fp[k - 1] * turn
            for k in range(orders):
                fm[k] = fm[k + 1] * turn.conjugate()
                z[k] *= e1
            fm[0] = first
            fp[0] = first.conjugate()
            fm[orders], z[orders] = 0.0, 0.0
            z[0] += 1.0 - e1
        out[atom] = abs(fp[0])
