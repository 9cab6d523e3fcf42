"""Diffusion lobes: the shortest echo time that a b-value needs, and where its lobes stand.

Three schemes, each a set of equal-amplitude trapezoids around the refocusing or storing pulses:

- ``monopolar`` (Stejskal and Tanner 1965): one lobe on each side of a refocusing pulse;
- ``bipolar`` (twice refocused, Reese 2003, doi:10.1002/mrm.10308): + 180 - + 180 -, the two pulses half an echo
  time apart. The outer lobes are equal and so are the inner ones, whatever their lengths: each pair refocuses;
- ``steam``: one lobe in each half of a stimulated echo, with the mixing time between them.

All lobes use the largest amplitude that an axis has in this orientation, so that the longest direction vector
along one axis is feasible and so are all others. b grows with every raster step that an echo time is longer; the
shortest that reaches the wanted b is found by bisection on exact b-values. Lower b-values keep the timing and
scale the amplitude by sqrt(b / b_max).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError
from .b_matrix import Course, b_course
from .events import NS, Gradient
from .gradients import Limits

SCHEMES = ("monopolar", "bipolar", "steam")
_LONGEST = 2 * NS
"""No echo time is longer than this, ns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What an echo time must hold besides the lobes, ns."""

    lead: int
    """From the excitation's centre to where a lobe may start."""
    side: int
    """From where a lobe must have ended to the centre of the next pulse; the same after it."""
    tail: int
    """From the end of the last lobe to the echo."""
    mixing: int = 0
    """From the storing to the recalling pulse (steam)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lobes:
    """The encoding of one scheme: times of its pulses and trapezoids, ns from the excitation's centre."""

    te: int
    """Echo time: for steam without the mixing time."""
    turns: tuple[tuple[int, str], ...]
    """Centre and use of each pulse after the excitation."""
    starts: tuple[int, ...]
    """Start of each lobe."""
    lengths: tuple[int, ...]
    """Length of each lobe with its ramps."""
    signs: tuple[float, ...]
    """Sign of each lobe as played."""
    ramp: int
    amplitude: float
    """Of the largest b, T/m."""
    b: float
    """Of these lobes alone at `amplitude`, s/m^2."""

    def lobe(self, index: int, scale: float) -> Gradient | None:
        """Return a lobe from its own start, at `scale` times the amplitude; None at zero."""
        if scale == 0.0:
            return None
        flat = self.lengths[index] - 2 * self.ramp
        times = np.array([0, self.ramp, self.ramp + flat, self.lengths[index]], dtype=np.int64)
        height = self.signs[index] * self.amplitude * scale
        return Gradient(times=times, amplitudes=np.array([0.0, height, height, 0.0]))


def solve_lobes(scheme: str, b: float, room: Room, limits: Limits, gamma_bar: float, te: int | None = None) -> Lobes:
    """Return the lobes that reach `b` in the shortest echo time, or in a given one with the amplitude it needs.

    Parameters
    ----------
    scheme : str
        One of `SCHEMES`.
    b : float
        Largest b-value of the scan, s/m^2.
    room : Room
    limits : Limits
        Of one axis; its amplitude is used in full where the echo time is the shortest.
    gamma_bar : float
        Hz/T.
    te : int, optional
        Echo time, ns, on twice the raster; the shortest if not given.
    """
    step = 2 * limits.raster
    least = shortest_te(scheme, room, limits)
    if te is None:
        te = _bisect(scheme, b, room, limits, gamma_bar, least, step)
    elif te < least:
        raise InfeasibleError(_too_short(scheme, b, te, _bisect(scheme, b, room, limits, gamma_bar, least, step)))
    full = _arranged(scheme, te, room, limits, gamma_bar)
    if full.b < b * (1 - 1e-12):
        raise InfeasibleError(_too_short(scheme, b, te, _bisect(scheme, b, room, limits, gamma_bar, least, step)))
    return _scaled(full, b)


def shortest_te(scheme: str, room: Room, limits: Limits) -> int:
    """Return the shortest echo time, ns, that holds the pulses and lobes of no plateau."""
    step = 2 * limits.raster
    lobe = 2 * limits.ramp(limits.gradient) + limits.raster
    half = max(room.lead, room.tail) + lobe + room.side
    if scheme == "bipolar":
        needed = max(2 * (2 * room.side + 2 * lobe), room.lead + room.tail + 2 * (lobe + room.side) + 4 * step)
        return -(-needed // (2 * step)) * 2 * step
    return -(-2 * half // step) * step


def _bisect(scheme: str, b: float, room: Room, limits: Limits, gamma_bar: float, least: int, step: int) -> int:
    """Return the shortest te whose lobes reach b at full amplitude."""
    step = 2 * step if scheme == "bipolar" else step
    low, high = 0, (_LONGEST - least) // step
    if _arranged(scheme, least + high * step, room, limits, gamma_bar).b < b:
        raise InfeasibleError(
            f"b {b * 1e-6:g} s/mm^2 needs an echo time above {_LONGEST / NS:g} s with the "
            f"{limits.gradient * 1e3:.4g} mT/m of one axis; lower b or use a scanner with stronger gradients"
        )
    while low < high:
        middle = (low + high) // 2
        if _arranged(scheme, least + middle * step, room, limits, gamma_bar).b >= b:
            high = middle
        else:
            low = middle + 1
    return least + low * step


def _too_short(scheme: str, b: float, te: int, least: int) -> str:
    return (
        f"te {te / 1e6:.6g} ms is shorter than {least / 1e6:.6g} ms, the shortest in which {scheme} lobes reach "
        f"b {b * 1e-6:g} s/mm^2; raise te or lower b"
    )


def _arranged(scheme: str, te: int, room: Room, limits: Limits, gamma_bar: float) -> Lobes:
    """Return the lobes that fill an echo time, at full amplitude."""
    if scheme == "bipolar":
        turns, starts, lengths, signs = _bipolar(te, room, limits)
    else:
        turns, starts, lengths, signs = _pair(scheme, te, room)
    lobes = Lobes(te=te, turns=turns, starts=starts, lengths=lengths, signs=signs,
                  ramp=limits.ramp(limits.gradient), amplitude=limits.gradient, b=0.0)  # fmt: skip
    return _weighed(lobes, gamma_bar)


_Plan = tuple[tuple[tuple[int, str], ...], tuple[int, ...], tuple[int, ...], tuple[float, ...]]


def _pair(scheme: str, te: int, room: Room) -> _Plan:
    """One lobe before and one after; both as long as the tighter half allows, as far apart as possible."""
    length = te // 2 - room.side - max(room.lead, room.tail)
    if scheme == "steam":
        recalled = te // 2 + room.mixing
        turns = ((te // 2, "storage"), (recalled, "recall"))
        return turns, (room.lead, recalled + te // 2 - room.tail - length), (length, length), (1.0, 1.0)
    return ((te // 2, "refocusing"),), (room.lead, te - room.tail - length), (length, length), (1.0, 1.0)


def _bipolar(te: int, room: Room, limits: Limits) -> _Plan:
    """Four lobes; the outer pair shares what is left of half an echo time outside the two pulses."""
    outer = (te // 2 - room.lead - room.tail - 2 * room.side) // 2 // limits.raster * limits.raster
    first = room.lead + outer + room.side
    inner = (te // 4 - room.side) // limits.raster * limits.raster
    second = first + te // 2
    middle = second - room.side - inner
    starts = (room.lead, first + room.side, middle, te - room.tail - outer)
    return ((first, "refocusing"), (second, "refocusing")), starts, (outer, inner, inner, outer), (1.0, -1.0, 1.0, -1.0)


def _weighed(lobes: Lobes, gamma_bar: float) -> Lobes:
    collected = float(b_course(lobe_course(lobes, np.array([1.0, 0.0, 0.0])), gamma_bar)[-1, 0, 0])
    return replace(lobes, b=collected)


def _scaled(lobes: Lobes, b: float) -> Lobes:
    return replace(lobes, amplitude=lobes.amplitude * float(np.sqrt(b / lobes.b)), b=b)


def lobe_course(lobes: Lobes, direction: NDArray[np.float64]) -> Course:
    """Return the course of the lobes alone along a (3,) direction, excitation to echo."""
    shapes = [(start, lobes.lobe(index, 1.0)) for index, start in enumerate(lobes.starts)]
    played = [(start, lobe) for start, lobe in shapes if lobe is not None]
    echo = lobes.te + (lobes.turns[1][0] - lobes.turns[0][0] if lobes.turns[0][1] == "storage" else 0)
    knots = [np.array([0, echo, *[time for time, _ in lobes.turns]], dtype=np.int64)]
    knots += [start + lobe.times for start, lobe in played]
    times = np.unique(np.concatenate(knots))
    height = np.zeros(len(times))
    for start, lobe in played:
        height += np.interp(times, start + lobe.times, lobe.amplitudes, left=0.0, right=0.0)
    return Course(times=times, gradient=height[:, None] * direction, turns=lobes.turns)
