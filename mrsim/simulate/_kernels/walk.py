"""The walk of one tissue class through a scan: affine maps of pulses, phasors of what lies between them."""

from numba import njit

FLAGS = {"contract", "reassoc", "nsz", "arcp", "afn"}


@njit(nogil=True, cache=True, fastmath=FLAGS)
def walk(state, maps, interval, interval_e1, sample, ops, ops_phase, in_plane, layers, one, out):
    """Carry one tissue class through one repetition, for each in-plane phase and each position in the slice.

    state : (phi, 3, z), changed in place. maps : (pulse, 3, 4, z). interval, sample : (id, 2, z) decay and phase
    since the last pulse, to the next pulse and to the readout. interval_e1 : (id,). ops : (op, 3) of kind
    (0 interval, 1 pulse, 2 readout), id, row of `in_plane`. ops_phase : (op, 2) cosine and sine of the RF phase.
    in_plane : (row, 2, phi) phasor of the interval's in-plane moment. layers : (layer + 1,) bounds in z. one : 1.
    out : (readout, layer, 2, phi) mean transverse magnetisation in each layer.
    """
    for f in range(state.shape[0]):
        x, y, z = state[f, 0], state[f, 1], state[f, 2]
        count = 0
        for o in range(ops.shape[0]):
            use = ops[o, 1]
            if ops[o, 0] == 0:
                a, b = in_plane[ops[o, 2], 0, f], in_plane[ops[o, 2], 1, f]
                pr, pi, e = interval[use, 0], interval[use, 1], interval_e1[use]
                for i in range(x.size):
                    c = pr[i] * a - pi[i] * b
                    d = pr[i] * b + pi[i] * a
                    t = x[i] * c - y[i] * d
                    y[i] = x[i] * d + y[i] * c
                    x[i] = t
                    z[i] = one + e * (z[i] - one)
            elif ops[o, 0] == 1:
                c, d = ops_phase[o, 0], ops_phase[o, 1]
                p = maps[use]
                for i in range(x.size):
                    u = x[i] * c - y[i] * d
                    v = x[i] * d + y[i] * c
                    s = p[0, 0, i] * u + p[0, 1, i] * v + p[0, 2, i] * z[i] + p[0, 3, i]
                    t = p[1, 0, i] * u + p[1, 1, i] * v + p[1, 2, i] * z[i] + p[1, 3, i]
                    z[i] = p[2, 0, i] * u + p[2, 1, i] * v + p[2, 2, i] * z[i] + p[2, 3, i]
                    x[i] = s * c + t * d
                    y[i] = t * c - s * d
            else:
                pr, pi = sample[use, 0], sample[use, 1]
                for layer in range(layers.size - 1):
                    a = b = pr[0] - pr[0]
                    for i in range(layers[layer], layers[layer + 1]):
                        a += x[i] * pr[i] - y[i] * pi[i]
                        b += x[i] * pi[i] + y[i] * pr[i]
                    out[count, layer, 0, f] = a / (layers[layer + 1] - layers[layer])
                    out[count, layer, 1, f] = b / (layers[layer + 1] - layers[layer])
                count += 1
