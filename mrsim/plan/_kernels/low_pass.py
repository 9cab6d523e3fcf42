"""First-order low passes of the slew rate."""

from numba import njit


@njit(nogil=True, cache=True)
def stimulate(slew, share, weight, state, level):
    """Write the stimulation of each axis, and leave the filters as they are at the end.

    slew : (n, 3). share, weight, state : (axis, filter), `state` changed in place; the second filter of an axis sees
    the magnitude of the slew rate, and the magnitudes of all filters count. level : (n, 3).
    """
    for axis in range(3):
        first, second, third = state[axis, 0], state[axis, 1], state[axis, 2]
        p, q, r = share[axis, 0], share[axis, 1], share[axis, 2]
        for i in range(slew.shape[0]):
            s = slew[i, axis]
            first = p * s + (1 - p) * first
            second = q * abs(s) + (1 - q) * second
            third = r * s + (1 - r) * third
            level[i, axis] = weight[axis, 0] * abs(first) + weight[axis, 1] * second + weight[axis, 2] * abs(third)
        state[axis, 0], state[axis, 1], state[axis, 2] = first, second, third
