"""Steady state of a spoiled gradient echo with a quadratic RF phase, by extended phase graphs, solved at once.

In a frame that turns with the RF phase, each order k moreover by k times its last step, every repetition is the same
(Denolin et al. 2005, Magn Reson Med 54:937; Ganter 2006, Magn Reson Med 55:98): with g_k = F_k, h_k = conj(F_-k)
before a pulse, e = exp(i k increment), and Z_k eliminated by its own recovery,

    g_(k+1) = E2 e (a_k g_k + b_k h_k - i s d_k),   h_(k-1) = E2 e (b_k g_k + a_k h_k + i s d_k)
    a_k = (1 + cos)/2 - w_k,  b_k = (1 - cos)/2 + w_k,  w_k = sin^2 E1 e / (1 - E1 e cos) / 2,
    d_0 = (1 - E1) / (1 - E1 cos), all other d_k = 0.

Nothing comes back from beyond the last order, so h_k = R_k g_k is found from there inwards, a continued fraction; at
k = 0 both are each other's conjugates.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def spoiled_steady(start, stop, t1, t2, flip, tr, increment, orders, out):
    """Write the transverse magnetisation (atom,) just after a pulse, over M0.

    t1, t2, flip : (atom,), s and rad; increment : of the phase's increment, rad; orders : carried; what leaves the
    last is lost.
    """
    turn = np.exp(1j * increment * np.arange(orders + 1))
    for atom in range(start, stop):
        e1, e2 = math.exp(-tr / t1[atom]), math.exp(-tr / t2[atom])
        c, s = math.cos(flip[atom]), math.sin(flip[atom])
        ratio = 0.0j  # h over g of the order beyond
        w = 0.5 * s * s * e1 * turn[orders] / (1.0 - e1 * c * turn[orders])
        a, b = 0.5 * (1.0 + c) - w, 0.5 * (1.0 - c) + w
        for k in range(orders, 0, -1):
            back = e2 * turn[k] * (b + a * ratio)  # h of the order below over g of this one
            w = 0.5 * s * s * e1 * turn[k - 1] / (1.0 - e1 * c * turn[k - 1])
            a, b = 0.5 * (1.0 + c) - w, 0.5 * (1.0 - c) + w
            passed = back * e2 * turn[k - 1]
            ratio = passed * a / (1.0 - passed * b)
        made = -1j * s * (1.0 - e1) / (1.0 - e1 * c)
        rest = passed * made / (1.0 - passed * b)
        g = (np.conj(rest) + np.conj(ratio) * rest) / (1.0 - abs(ratio) ** 2)
        out[atom] = abs(a * g + b * np.conj(g) + made)
