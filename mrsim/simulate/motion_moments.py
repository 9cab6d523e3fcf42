"""Moments of the played gradients with the time courses of a motion, in closed form.

With x(t) = x0 + sum_j u_j f_j(t) the phase over an interval is 2 pi (x0.m + sum_j u_j.m_j), in turns

    m = gamma_bar integral G dt,    m_j = gamma_bar integral G f_j dt.

G is piecewise linear. Between the knots of G and of f a power of t or a straight line times G is a cubic, which
Gauss-Legendre quadrature with two nodes integrates exactly; for cos(w t) with h the length of a piece, a = w h / 2,
t its middle, g the mean and d the difference of G at its ends,

    integral G cos = h (g cos(w t) sin(a) / a - d sin(w t) (sin a - a cos a) / (2 a^2)).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..phantom.motion import Course, Motion, Trace, Wave
from ..sequence.timeline import READOUT, RF, Pulse, Timeline

Array = NDArray[np.float64]
NS = 1e-9


def moving(timeline: Timeline, motions: tuple[Motion, ...], position: Array) -> tuple[Timeline, Array]:
    """Return what `direct_signal` takes for spins that rest at (n, 3) `position`, m: timeline and components."""
    if not motions:
        return timeline, position
    courses, parts = moving_components(motions, position)
    return moving_timeline(timeline, courses), parts.T


def moving_components(motions: tuple[Motion, ...], position: Array) -> tuple[tuple[Course, ...], Array]:
    """Return the distinct time courses and the (3 (1 + course), n) rest places and displacements of each course."""
    courses: dict[Course, Array] = {}
    for motion in motions:
        for course, vectors in motion.terms(position):
            courses[course] = courses.get(course, 0.0) + vectors
    return tuple(courses), np.concatenate([position.T, *(vectors.T for vectors in courses.values())])


def moving_timeline(timeline: Timeline, courses: tuple[Course, ...]) -> Timeline:
    """Return the timeline with moments of 3 (1 + course) components and a pulse of its own for every RF segment."""
    if not timeline.knots:
        raise InputError("a moving object needs the gradients' waveforms, which this timeline does not hold")
    start = timeline.start * NS
    edges = np.append(start, start[-1] + timeline.duration[-1] * NS)
    event = timeline.event.copy()
    pulses: list[Pulse] = []
    for s in np.flatnonzero(timeline.kind == RF):
        pulse = timeline.pulses[int(timeline.event[s])]
        event[s] = len(pulses)
        pulses.append(_moving_pulse(timeline, courses, pulse, float(start[s])))
    table = timeline.readouts
    window = np.zeros((*table.moment.shape[:2], 3 * len(courses)))
    for s in np.flatnonzero(timeline.kind == READOUT):
        row = int(timeline.event[s])
        count = int(table.samples[row])
        seen = start[s] + np.concatenate([[0.0], (np.arange(count) + 0.5) * table.dwell[row]])
        window[row, :count] = np.cumsum(course_moments(timeline, courses, seen), axis=0)
        window[row, count:] = window[row, count - 1]
    return replace(
        timeline,
        moment=np.concatenate([timeline.moment, course_moments(timeline, courses, edges)], axis=1),
        event=event,
        pulses=tuple(pulses),
        readouts=replace(table, moment=np.concatenate([table.moment, window], axis=2)),
    )


def _moving_pulse(timeline: Timeline, courses: tuple[Course, ...], pulse: Pulse, start: float) -> Pulse:
    """Return a pulse that starts at `start`, s, with the mean and the change of every component in each step."""
    ends = np.cumsum(pulse.dt)
    edges = np.sort(np.concatenate([[0.0], ends - pulse.dt / 2, ends]))
    halves = course_moments(timeline, courses, start + edges) / timeline.gamma_bar
    mean = (halves[::2] + halves[1::2]) / pulse.dt[:, None]
    change = 4 * (halves[1::2] - halves[::2]) / pulse.dt[:, None]
    own = np.zeros_like(pulse.gradient) if pulse.change is None else pulse.change
    return replace(
        pulse,
        gradient=np.concatenate([pulse.gradient, mean], axis=1),
        change=np.concatenate([own, change], axis=1),
    )


def course_moments(timeline: Timeline, courses: tuple[Course, ...], edges: Array) -> Array:
    """Return (interval, 3 course) moments between consecutive edges, s: x, y, z of each course, 1/m times its unit."""
    result = np.zeros((len(edges) - 1, 3 * len(courses)))
    for axis, whole in enumerate(timeline.knots):
        knots, amplitudes = _knots_around(*whole, edges)
        inner = knots[(knots > edges[0]) & (knots < edges[-1])]
        for j, course in enumerate(courses):
            own = np.array(course.times) if isinstance(course, Trace) else np.zeros(0)
            own = own[(own > edges[0]) & (own < edges[-1])]
            cuts = np.unique(np.concatenate([edges, inner, own]))
            low, high = np.asarray(cuts[:-1], np.float64), np.asarray(cuts[1:], np.float64)
            pieces = _piece_moments(course, low, high, *_ends(knots, amplitudes, low, high))
            first = np.searchsorted(cuts, edges[:-1])
            result[:, 3 * j + axis] = timeline.gamma_bar * np.add.reduceat(pieces, first)
    return result


def _knots_around(times: NDArray[np.int64], amplitudes: Array, edges: Array) -> tuple[Array, Array]:
    """Return the knots, s, between the first edge and the last, and one or more on either side where there are."""
    low = np.searchsorted(times, math.floor(edges[0] / NS) - 1) - 1
    high = np.searchsorted(times, math.ceil(edges[-1] / NS) + 1, side="right") + 1
    some = slice(max(int(low), 0), int(high))
    return np.asarray(times[some] * NS, dtype=np.float64), amplitudes[some]


def _ends(knots: Array, amplitudes: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the gradient at both ends of pieces that lie between knots, seen from inside."""
    middle = (low + high) / 2
    piece = np.clip(np.searchsorted(knots, middle, side="right") - 1, 0, len(knots) - 2)
    length = knots[piece + 1] - knots[piece]
    slope = (amplitudes[piece + 1] - amplitudes[piece]) / np.where(length > 0, length, 1.0)
    return amplitudes[piece] + slope * (low - knots[piece]), amplitudes[piece] + slope * (high - knots[piece])


def _piece_moments(course: Course, low: Array, high: Array, begin: Array, end: Array) -> Array:
    """Return the integral of a straight gradient times the course over each piece."""
    h, middle, mean, change = high - low, (low + high) / 2, (begin + end) / 2, end - begin
    if isinstance(course, Wave):
        w = 2 * math.pi * course.frequency
        a = w * h / 2
        small = np.abs(a) < 1e-2
        safe = np.where(small, 1.0, a)
        odd = np.where(small, a / 6 - a**3 / 60 + a**5 / 1680, (np.sin(safe) - safe * np.cos(safe)) / (2 * safe**2))
        even = np.sinc(a / math.pi)
        c, s = np.cos(w * middle), np.sin(w * middle)
        return np.asarray(
            h * (mean * s * even + change * c * odd if course.sine else mean * c * even - change * s * odd)
        )
    node = 1 / math.sqrt(3)
    parts = [(mean + sign * change * node / 2) * course.at(middle + sign * h * node / 2) for sign in (-1, 1)]
    return np.asarray(h / 2 * (parts[0] + parts[1]))
