"""Steps of random walkers between walls that reflect them or let a share of those that meet them through.

A walker that meets a wall goes through where its random number lies below the chance of that step, which rescales the
number; otherwise what is left of its step is reflected. Steps are short against the size of what walls enclose.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

NUDGE = 1e-9
"""Share of the radius by which a walker is put on its side of a wall that it has met."""
MOST = 16
"""Meetings in one step; a walker that has more stays where it met the last."""


@njit(nogil=True, cache=True)
def between_planes(x, phase, draws, lengths, chances, weights, size):
    """Walk along the normal of planes at all multiples of `size`.

    x, phase : (1, n) and (n,), changed in place. draws : (step, 2, n), a standard normal number and a uniform one.
    lengths, chances : (step,) standard deviation of a step, chance to cross. weights : (step, 1) rad/m at its end.
    """
    for s in range(len(lengths)):
        for i in range(x.shape[1]):
            at, go = x[0, i], draws[s, 0, i] * lengths[s]
            cell, number = math.floor(at / size), draws[s, 1, i]
            for _ in range(MOST):
                to = at + go
                up = to > (cell + 1) * size
                if not up and to >= cell * size:
                    break
                wall = (cell + 1) * size if up else cell * size
                left = to - wall
                if number < chances[s]:
                    number /= chances[s]
                    cell += 1 if up else -1
                else:
                    number = (number - chances[s]) / (1 - chances[s])
                    left = -left
                at, go = wall, left
            inside = min(max(at + go, cell * size), (cell + 1) * size)
            x[0, i] = inside
            phase[i] += weights[s, 0] * inside


@njit(nogil=True, cache=True)
def between_spheres(x, phase, draws, lengths, chances, weights, radius, spacing):
    """Walk around spheres, or cylinders where x has two rows; on a cubic or square lattice if `spacing` is not zero.

    x, phase : (d, n) and (n,), changed in place. draws : (step, d + 1, n), standard normal numbers and a uniform one.
    lengths, chances : (step,). weights : (step, d) rad/m at the end of each step.
    """
    dimensions = x.shape[0]
    p, go, near = np.zeros(3), np.zeros(3), np.zeros(3)
    for s in range(len(lengths)):
        for i in range(x.shape[1]):
            number = draws[s, dimensions, i]
            for d in range(dimensions):
                p[d], go[d] = x[d, i], draws[s, d, i] * lengths[s]
                near[d] = math.floor((p[d] + go[d] / 2) / spacing + 0.5) * spacing if spacing > 0 else 0.0
            for _ in range(MOST):
                b, c, a = 0.0, -radius * radius, 0.0
                for d in range(dimensions):
                    away = p[d] - near[d]
                    a += go[d] * go[d]
                    b += away * go[d]
                    c += away * away
                free = b * b - a * c
                if a == 0.0 or free <= 0.0:
                    break
                share = (-b + math.sqrt(free)) / a if c < 0 else (-b - math.sqrt(free)) / a
                if share < 0.0 or share >= 1.0:
                    break
                through, across = number < chances[s], 0.0
                number = number / chances[s] if through else (number - chances[s]) / (1 - chances[s])
                side = 1 + NUDGE if (c < 0) == through else 1 - NUDGE
                for d in range(dimensions):
                    p[d] = (p[d] + share * go[d] - near[d]) / radius
                    across += p[d] * go[d]
                for d in range(dimensions):
                    go[d] = (1 - share) * (go[d] if through else go[d] - 2 * across * p[d])
                    p[d] = near[d] + side * radius * p[d]
            else:
                go[:] = 0.0
            for d in range(dimensions):
                x[d, i] = p[d] + go[d]
                phase[i] += weights[s, d] * x[d, i]
