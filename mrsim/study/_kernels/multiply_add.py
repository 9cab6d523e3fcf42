"""The limit of the benchmark: multiply-adds alone, on numbers that stay in the registers."""

from numba import njit

CHAIN = 32
"""Multiply-adds of one number after the other; numbers beside each other fill the time that one takes."""


@njit(nogil=True, cache=True, fastmath={"contract"})
def multiply_adds(x, factor, term, rounds):
    """Replace every x by factor x + term, CHAIN times in each of so many rounds. x : (n,), in the nearest cache."""
    for _ in range(rounds):
        for i in range(x.size):
            v = x[i]
            for _ in range(CHAIN):
                v = v * factor + term
            x[i] = v
