"""Gradient shapes on the raster with exact areas.

One function makes them all: `bridge` joins two amplitudes with two equal ramps around a plateau and hits a
given area. From zero to zero it is a trapezoid (or a triangle), from a slice-selection plateau to zero it is a
rephaser, from zero to the plateau a crusher. Areas are exact because the plateau's amplitude is the free number:

    area = start r / 2 + plateau (duration - r) + end r / 2,   r = length of a ramp

Limits are those of the physical axes divided by the largest sum of absolute values in a row of the rotation, so
that all three grid axes may play at once in any oblique orientation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError
from .events import NS, Gradient
from .scanner import Scanner

MOST_TRIED = 10_000_000
"""Pairs of a ramp and a length among which a lobe is looked for; usual ones have thousands."""
SLACK = 1.0 + 1e-9
"""Limits are compared with this factor: round-off is no violation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one grid axis may do, whatever the others play."""

    gradient: float
    """T/m."""
    slew: float
    """T/m/s."""
    raster: int
    """ns."""

    def ramp(self, step: float) -> int:
        """Return the shortest ramp, ns, that changes the amplitude by `step` T/m."""
        return max(1, math.ceil(abs(step) / self.slew * NS / self.raster / SLACK)) * self.raster

    def up(self, time: float) -> int:
        """Return `time` ns rounded up to the raster."""
        return math.ceil(time / self.raster) * self.raster


def logical_limits(scanner: Scanner, axes: NDArray[np.float64], max_slew: float = math.inf) -> Limits:
    """Return the limits of the grid axes under the (3, 3) rotation `axes`, slewing at most at `max_slew`, T/m/s."""
    worst = max(1.0, float(np.max(np.sum(np.abs(axes), axis=1))))
    return Limits(
        gradient=scanner.max_gradient / worst,
        slew=min(scanner.max_slew, max_slew) / worst,
        raster=scanner.timing_raster,
    )


def bridge(limits: Limits, start: float, end: float, area: float, duration: int | None = None) -> Gradient:
    """Return a gradient from one amplitude to another with a given area.

    Parameters
    ----------
    limits : Limits
    start, end : float
        Amplitudes at the two ends, T/m.
    area : float
        Integral over the whole gradient, T s/m.
    duration : int, optional
        Length, ns, on the raster; the shortest possible if not given. A lobe that cannot last so long waits at the
        end where it is zero.
    """
    ramp, length = _bridge_times(limits, start, end, area, duration)
    plateau = (area - (start + end) * ramp / NS / 2) / ((length - ramp) / NS)
    times, amplitudes = [0, ramp, length - ramp, length], [start, plateau, plateau, end]
    if length == 2 * ramp:
        del times[2], amplitudes[2]
    wait = 0 if duration is None else duration - length
    if wait and end == 0.0:
        times, amplitudes = [*times, length + wait], [*amplitudes, 0.0]
    elif wait:
        times, amplitudes = [0, *(time + wait for time in times)], [0.0, *amplitudes]
    return Gradient(times=np.array(times, dtype=np.int64), amplitudes=np.array(amplitudes))


@lru_cache(maxsize=4096)
def _bridge_times(limits: Limits, start: float, end: float, area: float, duration: int | None) -> tuple[int, int]:
    """Return ramp and total length, ns: the shortest total, and for it the shortest ramp.

    The total is `duration` if one is given, or less where the lobe has to wait at zero.
    """
    raster = limits.raster
    longest_ramp = limits.ramp(limits.gradient + max(abs(start), abs(end)))
    if duration is None:
        lasts = 4 * longest_ramp + abs(area) / limits.gradient * NS  # infinite where the area is too large a number
        if not lasts / raster * (longest_ramp / raster) <= MOST_TRIED:
            raise InfeasibleError(
                f"a gradient lobe of {area * 1e6:.4g} mT/m ms would last {lasts / NS:.3g} s within "
                f"{limits.gradient * 1e3:.4g} mT/m and {limits.slew:.4g} T/m/s; ask for less area or a faster slew"
            )
        most = limits.up(lasts)
        totals = np.arange(2 * raster, most + raster, raster, dtype=np.int64)
    else:
        totals = np.array([duration], dtype=np.int64)
        longest_ramp = min(longest_ramp, max(raster, duration // 2))
    ramps = np.arange(raster, longest_ramp + raster, raster, dtype=np.int64)
    ramp, total = ramps[None, :], totals[:, None]
    possible = _possible(limits, start, end, area, ramp, total)
    rows = np.flatnonzero(possible.any(axis=1))
    if len(rows) == 0 and duration is not None and 0.0 in (start, end):
        shortest = _bridge_times(limits, start, end, area, None)
        if shortest[1] < duration:
            return shortest
    if len(rows) == 0:
        raise InfeasibleError(_too_short(limits, start, end, area, duration))
    return int(ramps[np.argmax(possible[rows[0]])]), int(totals[rows[0]])


def _too_short(limits: Limits, start: float, end: float, area: float, duration: int | None) -> str:
    asked = f"a gradient lobe of {area * 1e6:.4g} mT/m ms from {start * 1e3:.3g} to {end * 1e3:.3g} mT/m"
    if duration is None:
        return f"{asked} exceeds {limits.gradient * 1e3:.4g} mT/m; use a thicker slice or a longer pulse"
    shortest = _bridge_times(limits, start, end, area, None)[1]
    if duration < shortest:
        return f"{asked} does not fit into {duration / 1e6:g} ms; it needs at least {shortest / 1e6:g} ms"
    # between equal signs a little more time adds more area than the slew rate can take away again
    longer = duration + limits.raster
    while not _possible(limits, start, end, area, np.arange(limits.raster, longer, limits.raster), longer).any():
        longer += limits.raster
    return f"{asked} cannot last {duration / 1e6:g} ms; it can last {shortest / 1e6:g} ms, or {longer / 1e6:g} ms"


def _possible(
    limits: Limits, start: float, end: float, area: float, ramp: NDArray[np.int64], total: NDArray[np.int64] | int
) -> NDArray[np.bool_]:
    """Return which ramps, ns, give a lobe of which total lengths, ns; one long enough to pass zero always exists."""
    with np.errstate(divide="ignore", invalid="ignore"):
        plateau = (area - (start + end) * ramp / NS / 2) / ((total - ramp) / NS)
    step = np.maximum(np.abs(plateau - start), np.abs(plateau - end))
    possible = (2 * ramp <= total) & (np.abs(plateau) <= limits.gradient * SLACK)
    return np.asarray(possible & (step <= limits.slew * ramp / NS * SLACK))


def trapezoid(limits: Limits, area: float, duration: int | None = None) -> Gradient:
    """Return a trapezoid of `area` T s/m, the shortest or one of `duration` ns."""
    return bridge(limits, 0.0, 0.0, area, duration)


def flat_top(limits: Limits, amplitude: float, flat: int, ramp: int | None = None) -> Gradient:
    """Return a trapezoid with a plateau of `amplitude` T/m for `flat` ns and ramps of `ramp` ns (or shortest)."""
    if abs(amplitude) > limits.gradient * SLACK:
        raise InfeasibleError(
            f"a gradient of {abs(amplitude) * 1e3:.4g} mT/m exceeds the {limits.gradient * 1e3:.4g} mT/m of one axis "
            "in this orientation"
        )
    rise = limits.ramp(amplitude) if ramp is None else max(ramp, limits.ramp(amplitude))
    times = np.array([0, rise, rise + flat, 2 * rise + flat], dtype=np.int64)
    return Gradient(times=times, amplitudes=np.array([0.0, amplitude, amplitude, 0.0]))


def shifted(gradient: Gradient, by: int) -> Gradient:
    """Return the gradient `by` ns later."""
    return Gradient(times=gradient.times + by, amplitudes=gradient.amplitudes)


def scaled(gradient: Gradient, factor: float) -> Gradient:
    """Return the gradient with its amplitudes multiplied by `factor`."""
    return Gradient(times=gradient.times, amplitudes=gradient.amplitudes * factor)


def joined(*parts: Gradient | None) -> Gradient | None:
    """Return gradients of one axis, in time order, as one; None if nothing is played.

    Where one ends and the next begins at the same time they must share the amplitude; knots that change nothing
    are dropped.
    """
    played = [part for part in parts if part is not None and np.any(part.amplitudes)]
    if not played:
        return None
    times, amplitudes = played[0].times, played[0].amplitudes
    for part in played[1:]:
        skip = int(part.times[0] == times[-1])
        times = np.concatenate([times, part.times[skip:]])
        amplitudes = np.concatenate([amplitudes, part.amplitudes[skip:]])
    return Gradient(times=times, amplitudes=amplitudes)


def moments(gradient: Gradient | None, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the integral of a piecewise-linear gradient from the block's start to each time, T s/m.

    Parameters
    ----------
    gradient : Gradient or None
    at : (n,) array
        Times, ns from the start of the block.

    Returns
    -------
    (n,) array
        Exact: the trapezoidal rule on the knots plus the last, partial piece.
    """
    if gradient is None:
        return np.zeros(len(at))
    t, g = gradient.times, gradient.amplitudes
    at_knots = np.concatenate([[0.0], np.cumsum((g[1:] + g[:-1]) / 2 * (t[1:] - t[:-1]))]) / NS
    inside = np.minimum(np.maximum(at, t[0]), t[-1])
    piece = np.minimum(np.searchsorted(t, inside, side="right"), len(t) - 1) - 1
    since = (inside - t[piece]) / NS
    slope = (g[piece + 1] - g[piece]) / ((t[piece + 1] - t[piece]) / NS)
    return np.asarray(at_knots[piece] + (g[piece] + slope * since / 2) * since)


def area(gradient: Gradient | None) -> float:
    """Return the integral of the whole gradient, T s/m."""
    if gradient is None:
        return 0.0
    return float(moments(gradient, gradient.times[-1:])[0])
