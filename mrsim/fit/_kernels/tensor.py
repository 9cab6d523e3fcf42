"""Scalars of many symmetric 3 x 3 tensors at once, with their errors to first order.

Tensors lie in lanes along the last axis of flat arrays whose rows begin at fixed places, so that the compiler knows
that rows do not overlap and turns the loops over lanes into vector instructions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

L = 64
SWEEPS = 10
SMALL = 1e-17
"""Off-diagonal elements over the diagonal at which a matrix is diagonal."""


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def diagonalise(w):
    """Turn 3 x 3 matrices diagonal by Jacobi's rotations and order them, ascending.

    w : (15 L,) rows xx, yy, zz, xy, xz, yz of the matrices, then the vectors: component r of vector c is row
    6 + 3 r + c. Every turn takes away the element xy and renames the axes, so that three of them are a sweep.
    """
    for k in range(9):
        for t in range(L):
            w[(6 + k) * L + t] = 1.0 if k % 4 == 0 else 0.0
    for turn in range(3 * SWEEPS):
        if turn % 3 == 0:
            left = 0
            for t in range(L):
                off = abs(w[3 * L + t]) + abs(w[4 * L + t]) + abs(w[5 * L + t])
                left += 1 if off > SMALL * (abs(w[t]) + abs(w[L + t]) + abs(w[2 * L + t])) else 0
            if left == 0:
                break
        for t in range(L):
            xx, yy, zz = w[t], w[L + t], w[2 * L + t]
            xy, xz, yz = w[3 * L + t], w[4 * L + t], w[5 * L + t]
            apart = yy - xx
            # tan of the angle, of the smaller of two that do it; nothing is added to it but where both are zero
            tan = 2.0 * xy / (abs(apart) + math.sqrt(apart * apart + 4.0 * xy * xy) + 1e-300)
            tan = tan if apart >= 0.0 else -tan
            c = 1.0 / math.sqrt(1.0 + tan * tan)
            s = tan * c
            w[t], w[L + t], w[2 * L + t] = yy + tan * xy, zz, xx - tan * xy
            w[3 * L + t], w[4 * L + t], w[5 * L + t] = s * xz + c * yz, 0.0, c * xz - s * yz
            for r in range(3):
                at = (6 + 3 * r) * L + t
                one, two, three = w[at], w[at + L], w[at + 2 * L]
                w[at], w[at + L], w[at + 2 * L] = s * one + c * two, three, c * one - s * two
    for k in range(3):
        a = 1 if k == 1 else 0
        for t in range(L):
            low, high = w[a * L + t], w[(a + 1) * L + t]
            swap = low > high
            w[a * L + t], w[(a + 1) * L + t] = high if swap else low, low if swap else high
            for r in range(3):
                at = (6 + 3 * r + a) * L + t
                one, two = w[at], w[at + L]
                w[at], w[at + L] = two if swap else one, one if swap else two


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def slopes(w, d, g, out, begin, count):
    """Write scalars of tensors and what they change by with every element.

    w : (15 L,) as `diagonalise` leaves it; d : (6 L,) xx, yy, zz, xy, xz, yz; g : (4, 6 L) derivatives of MD, FA, AD
    and RD; out : (10, system) MD, FA, AD, RD, first eigenvector, colours.
    """
    md, fa, ad, rd = out[0], out[1], out[2], out[3]
    for t in range(count):
        at = begin + t
        a, b, c = w[t], w[L + t], w[2 * L + t]
        mean = (a + b + c) / 3.0
        power = a * a + b * b + c * c
        away = (a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2
        md[at], ad[at], rd[at] = mean, c, 0.5 * (a + b)
        fa[at] = math.sqrt(1.5 * away / (power if power > 0.0 else 1.0))
    for t in range(count):
        x, y, z = w[8 * L + t], w[11 * L + t], w[14 * L + t]
        sign = -1.0 if z + 1e-6 * y + 1e-12 * x < 0.0 else 1.0
        w[8 * L + t], w[11 * L + t], w[14 * L + t] = sign * x, sign * y, sign * z
    for r in range(3):
        for t in range(count):
            value = w[(8 + 3 * r) * L + t]
            out[4 + r, begin + t] = value
            out[7 + r, begin + t] = abs(value) * fa[begin + t]
    for k in range(6):
        i, j = (k, k) if k < 3 else ((0, 1) if k == 3 else ((0, 2) if k == 4 else (1, 2)))
        trace, twice = (1.0, 1.0) if k < 3 else (0.0, 2.0)
        mean_slope, fa_slope, axial, radial = g[0], g[1], g[2], g[3]
        for t in range(count):
            a, b, c = w[t], w[L + t], w[2 * L + t]
            whole, power = a + b + c, a * a + b * b + c * c
            # FA^2 = 3/2 (1 - tr(D)^2 / (3 |D|^2))
            fa_slope[k * L + t] = (whole * whole * twice * d[k * L + t] / power - whole * trace) / (
                2.0 * fa[begin + t] * power
            )
            along = twice * w[(8 + 3 * i) * L + t] * w[(8 + 3 * j) * L + t]
            mean_slope[k * L + t] = trace / 3.0
            axial[k * L + t] = along
            radial[k * L + t] = 0.5 * (trace - along)


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def tensor_scalars(tensor, covariance, out, error, vectors):
    """Find MD, FA, AD, RD, first eigenvector and colours of tensors, with the errors of the first four.

    tensor : (6, system) xx, yy, zz, xy, xz, yz, rows of a fit behind ln S0; covariance : (packed, system) of the fit's
    parameters, lower triangle row by row; out : (10, system); error : (4, system); vectors : (3, 3, system) component,
    which, eigenvalues ascending.
    """
    w, d, g, total = np.zeros(15 * L), np.zeros(6 * L), np.zeros((4, 6 * L)), np.zeros(L)
    for begin in range(0, tensor.shape[1], L):
        count = min(L, tensor.shape[1] - begin)
        for k in range(6):
            for t in range(count):
                w[k * L + t] = d[k * L + t] = tensor[k, begin + t]
        diagonalise(w)
        slopes(w, d, g, out, begin, count)
        for r in range(3):
            for c in range(3):
                for t in range(count):
                    vectors[r, c, begin + t] = w[(6 + 3 * r + c) * L + t]
        for which in range(4):
            slope = g[which]
            for t in range(L):
                total[t] = 0.0
            for i in range(6):
                for j in range(i + 1):
                    row = covariance[(i + 1) * (i + 2) // 2 + j + 1]
                    times = 1.0 if i == j else 2.0
                    for t in range(count):
                        total[t] += times * slope[i * L + t] * slope[j * L + t] * row[begin + t]
            for t in range(count):
                error[which, begin + t] = math.sqrt(0.0 if total[t] < 0.0 else total[t])
