"""A played gradient over the whole scan: piecewise linear, plus exponentials, with integrals in closed form.

Between two knots the gradient has the slope s. An eddy current of time constant T follows e' = s - e / T, so that

    e(h) = e0 E + s T (1 - E),   E = exp(-h / T)
    integral of e over h = e0 T (1 - E) + s T (h - T (1 - E))

and the played gradient is G - sum of amplitude * e: exact, whatever the knots. Jumps of the gradient add to e at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PiecewiseLinear:
    """Values at knots, linear in between, zero outside."""

    times: Array
    """(n,) s, ascending."""
    values: Array
    """(n,) T/m."""

    def integral(self, at: Array) -> Array:
        """Return the integral from the first knot to each time (s), T s/m."""
        t, g = self.times, self.values
        steps = np.diff(t)
        before = np.concatenate([[0.0], np.cumsum((g[1:] + g[:-1]) / 2 * steps)])
        inside = np.clip(at, t[0], t[-1])
        piece = np.clip(np.searchsorted(t, inside, side="right") - 1, 0, len(t) - 2)
        since = inside - t[piece]
        slope = np.divide(g[piece + 1] - g[piece], steps[piece], out=np.zeros_like(since), where=steps[piece] > 0)
        return np.asarray(before[piece] + (g[piece] + slope * since / 2) * since)

    def at(self, times: Array) -> Array:
        """Return the values at times, s."""
        return np.interp(times, self.times, self.values, left=0.0, right=0.0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Exponential:
    """What one eddy current has left at every knot of the gradient that makes it."""

    source: PiecewiseLinear
    time_constant: float
    """s."""
    left: Array
    """(n,) e just after each knot, T/m per unit amplitude."""
    collected: Array
    """(n,) integral of e up to each knot, T s/m."""

    @classmethod
    def of(cls, source: PiecewiseLinear, time_constant: float) -> Exponential:
        """Return the exponential that a gradient leaves behind, from rest."""
        steps = np.diff(source.times)
        change = np.diff(source.values)
        decay = np.exp(-steps / time_constant)
        ramped = np.where(steps > 0, -np.expm1(-steps / time_constant) * time_constant, 0.0)
        slope = np.divide(change, steps, out=np.zeros_like(steps), where=steps > 0)
        added = np.where(steps > 0, slope * ramped, change)
        left = np.empty(len(source.times))
        left[0] = source.values[0]
        e = float(left[0])
        for i, (keep, more) in enumerate(zip(decay.tolist(), added.tolist(), strict=True), 1):
            e = e * keep + more
            left[i] = e
        area = left[:-1] * ramped + slope * time_constant * (steps - ramped)
        return cls(
            source=source,
            time_constant=time_constant,
            left=left,
            collected=np.concatenate([[0.0], np.cumsum(area)]),
        )

    def integral(self, at: Array) -> Array:
        """Return the integral of e from the first knot to each time (s), T s/m."""
        piece, since, slope = self._where(at)
        kept = -np.expm1(-since / self.time_constant) * self.time_constant
        return np.asarray(self.collected[piece] + self.left[piece] * kept + slope * self.time_constant * (since - kept))

    def at(self, times: Array) -> Array:
        """Return e at times (s), T/m."""
        piece, since, slope = self._where(times)
        gone = -np.expm1(-since / self.time_constant)
        return np.asarray(self.left[piece] * (1 - gone) + slope * self.time_constant * gone)

    def _where(self, at: Array) -> tuple[NDArray[np.int64], Array, Array]:
        """Return the piece of each time, the time since its knot and the slope of the source; after the end it is 0."""
        t, g = self.source.times, self.source.values
        piece = np.clip(np.searchsorted(t, at, side="right") - 1, 0, len(t) - 1)
        following = np.minimum(piece + 1, len(t) - 1)
        step = t[following] - t[piece]
        slope = np.divide(g[following] - g[piece], step, out=np.zeros(len(piece)), where=step > 0)
        return piece, np.maximum(at - t[piece], 0.0), slope


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AxisWave:
    """One physical axis as it is played: a gradient minus shares of exponentials."""

    gradient: PiecewiseLinear
    taken: tuple[tuple[float, Exponential], ...] = ()
    """Amplitude and exponential of each eddy current that acts along this axis."""

    def integral(self, at: Array) -> Array:
        """Return the integral of the played gradient from the start of the scan to each time (s), T s/m."""
        total = self.gradient.integral(at)
        for amplitude, exponential in self.taken:
            total = total - amplitude * exponential.integral(at)
        return total

    def at(self, times: Array) -> Array:
        """Return the played gradient at times (s), T/m."""
        value = self.gradient.at(times)
        for amplitude, exponential in self.taken:
            value = value - amplitude * exponential.at(times)
        return value

    def knots(self, fine: float = 0.0625) -> Array:
        """Return times (s) between which a straight line describes the axis.

        Pieces are cut at `fine` time constants, up to five of them: a line then errs by at most 0.2 % of what
        the gradient's largest step leaves. Integrals do not use it.
        """
        times = self.gradient.times
        for _, exponential in self.taken:
            cuts = np.arange(1, round(5 / fine) + 1) * fine * exponential.time_constant
            length = np.diff(times)
            inner = [start + cuts[cuts < span] for start, span in zip(times[:-1], length, strict=True)]
            times = np.unique(np.concatenate([times, *inner]))
        return times
