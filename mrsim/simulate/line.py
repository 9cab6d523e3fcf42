"""The signal of a Lorentzian line of offsets whose response depends on the offset, without sampling the line.

With s(u) the transverse magnetisation at a window's start of what lies u from the centre of the line, and L the line of
half width w = R2' / 2 pi, the window sees

    S(t) = exp(-R2 t - i 2 pi f t) int L(u) s(u) exp(-i 2 pi u t) du.

s is known at nodes u_j = w sinh(x_j), dense where the line is high, and is a cubic spline in x between them. Its value
far out is taken apart, since it leaves exp(-R2' t); the rest is one FFT. The nodes are doubled until those that are new
lie on the spline through the old ones, weighted with the line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
REACH = 64.0
"""Half widths to which the response is followed; it is taken as constant beyond, where 1 % of the line lies."""
FIRST, LAST = 3, 65
"""Nodes with which the search begins and at which it stops; the error that is left is reported."""
FEW, SURE = 5, 0.25
"""So many nodes tell little between them: there the error must be below this share of what is wanted."""
FINE = 4.0
"""Points of the integral per half width, and per inverse of the window's length."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Line:
    """The response over a line."""

    width: float
    """Half width at half maximum, Hz; 0 for a single offset."""
    place: NDArray[np.float64]
    """(node,) x."""
    value: Complex
    """(node, ...) s."""
    error: float
    """What the spline between the nodes, and the constant beyond them, leave, over the `scale` that was given."""

    def signal(self, start: float, dwell: float, samples: int) -> Complex:
        """Return the (..., sample) integral over the line at `start` + n dwell, s, without exp(-R2 t - i 2 pi f t)."""
        from scipy.fft import fft, next_fast_len
        from scipy.interpolate import CubicSpline

        time = start + dwell * np.arange(samples)
        if not self.width:
            return np.asarray(self.value[0].T[..., None] * np.ones(samples))
        step = 1 / FINE * min(self.width, 1 / (dwell * samples))
        length = next_fast_len(max(math.ceil(1 / (step * dwell)), samples))
        step = 1 / (length * dwell)
        count = int(REACH * self.width / step)
        number = np.arange(-count, count + 1)
        place = number * step
        spline = CubicSpline(self.place, self.value)
        edge = (self.value[0] + self.value[-1]) / 2
        shape = step / (np.pi * self.width) / (1 + (place / self.width) ** 2)
        rest = (spline(np.arcsinh(place / self.width)) - edge).T * shape
        rest *= np.exp(-2j * np.pi * place * start)
        folded = np.zeros((*rest.shape[:-1], length), dtype=np.complex128)
        for first in range(0, len(number), length):  # the band of the window may be narrower than the line
            part = slice(first, first + length)
            folded[..., number[part] % length] += rest[..., part]
        whole = np.exp(-2 * np.pi * self.width * time)
        return np.asarray(edge.T[..., None] * whole + fft(folded, axis=-1)[..., :samples])


def follow(respond: Callable[[float], Complex], width: float, wanted: float, scale: float) -> Line:
    """Return the response over a line.

    Parameters
    ----------
    respond : callable
        Offset from the centre of the line, Hz -> (...) response.
    width : float
        Half width at half maximum of the line, Hz.
    wanted : float
        Largest error, over `scale`.
    scale : float
        Largest magnitude that the response may have.
    """
    from scipy.interpolate import CubicSpline

    if width == 0:
        return Line(width=0.0, place=np.zeros(1), value=respond(0.0)[None], error=0.0)
    end = math.asinh(REACH)
    place = np.linspace(-end, end, FIRST)
    value = np.array([respond(width * math.sinh(x)) for x in place])
    while True:
        between = (place[:-1] + place[1:]) / 2
        found = np.array([respond(width * math.sinh(x)) for x in between])
        off = np.abs(CubicSpline(place, value)(between) - found).reshape(len(between), -1)
        # the line as a density in x: each new node stands for the distance between old ones
        mass = (place[1] - place[0]) / (np.pi * np.cosh(between))
        error = float((mass @ off).max(initial=0.0)) / scale
        place, value = _merged(place, between), np.concatenate([value, found])[_order(len(place))]
        if error <= (SURE * wanted if len(place) <= FEW else wanted) or len(place) >= LAST:
            break
    far = np.abs(width * np.sinh(place)) > REACH * width / 4
    edge = (value[0] + value[-1]) / 2
    tail = 2 / math.pi * math.atan(1 / REACH) * float(np.abs(value[far] - edge).max(initial=0.0)) / scale
    return Line(width=width, place=place, value=value, error=error + tail)


def _merged(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.concatenate([old, new])[_order(len(old))])


def _order(old: int) -> NDArray[np.int64]:
    """Return the order that puts old - 1 new nodes between the old ones."""
    order = np.zeros(2 * old - 1, dtype=np.int64)
    order[0::2], order[1::2] = np.arange(old), old + np.arange(old - 1)
    return order
