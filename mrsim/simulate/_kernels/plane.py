"""Sums of a class over its layers, for readouts whose phase encoding stands still."""

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
