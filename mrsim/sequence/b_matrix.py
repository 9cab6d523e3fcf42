"""Diffusion weighting of any sequence: q(t) and the b-matrix, exact on piecewise-linear gradients.

    q(t) = 2 pi gamma_bar integral of G dt,   b = integral of q q^T dt   (Stejskal and Tanner 1965; Mattiello 1994)

q starts at zero in the centre of each excitation and turns its sign at every refocusing pulse. A storage pulse
puts it on the longitudinal axis: it stays as it is whatever plays, and the mixing time counts towards b; the
recalling pulse brings it back with the opposite sign (the stimulated echo). Between two knots G is linear, q is
quadratic and q q^T of fourth degree, so that Gauss's rule with three points integrates it exactly. Every gradient
counts: slice, read, crushers and their cross terms with the diffusion lobes.

The one pathway that is followed is the one a sequence intends: in a train of refocusing pulses the one that each
of them refocuses. Diffusion during a stimulated pathway of an imperfect train is a matter for the engines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .events import NS
from .timeline import READOUT, RF, Timeline

TURNS = ("refocusing", "storage", "recall")
"""Uses of a pulse that change q; an excitation starts it anew."""
SOME = 1024
"""Readouts whose distances from the centre of k-space are found together."""
_ROOT = np.sqrt(3.0 / 5.0)
_NODES = np.array([(1 - _ROOT) / 2, 0.5, (1 + _ROOT) / 2])
_WEIGHTS = np.array([5.0, 8.0, 5.0]) / 18.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Course:
    """One transverse life: gradients from an excitation on, and what the pulses do to q."""

    times: NDArray[np.int64]
    """(n,) knots, ns, the first at the excitation's centre; every turn is a knot."""
    gradient: NDArray[np.float64]
    """(n, 3) T/m, linear in between."""
    turns: tuple[tuple[int, str], ...] = ()
    """(time in ns, one of `TURNS`, or ``"excitation"`` where the next life begins), ascending."""


def q_course(course: Course, gamma_bar: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return q after and before the pulse at each knot.

    Returns
    -------
    after, before : (n, 3) arrays, rad/m
        They differ at turns alone. Interval i runs from after[i] to before[i + 1].
    """
    steps = np.diff(course.times)[:, None] / NS * (course.gradient[1:] + course.gradient[:-1]) / 2
    area = 2 * np.pi * gamma_bar * np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    places = np.searchsorted(course.times, np.array([time for time, _ in course.turns], dtype=np.int64))
    # behind each turn q = start + area - area there, or stays at start while it is stored
    start, origin = np.zeros((len(places) + 1, 3)), np.zeros((len(places) + 1, 3))
    moves = np.ones(len(places) + 1)
    for index, (at, (_, kind)) in enumerate(zip(places.tolist(), course.turns, strict=True)):
        here = start[index] + moves[index] * (area[at] - origin[index])
        start[index + 1] = 0.0 if kind == "excitation" else here if kind == "storage" else -here
        origin[index + 1], moves[index + 1] = area[at], float(kind != "storage")
    numbers = np.arange(len(course.times))

    def carried(piece: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(start[piece] + moves[piece, None] * (area - origin[piece]))

    after, before = np.searchsorted(places, numbers, side="right"), np.searchsorted(places, numbers, side="left")
    return carried(after), carried(before)


def b_course(course: Course, gamma_bar: float) -> NDArray[np.float64]:
    """Return the (n, 3, 3) b-matrix collected up to each knot, s/m^2."""
    after, before = q_course(course, gamma_bar)
    length = np.diff(course.times) / NS
    slope = 2 * np.pi * gamma_bar * np.diff(course.gradient, axis=0) / 2
    begin, end = after[:-1], before[1:]
    slope[held(course)] = 0.0
    begin, change, bend = np.ascontiguousarray(begin.T), np.ascontiguousarray((end - begin).T), (slope.T * length)
    total = np.zeros((3, 3, len(length) + 1))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        # The quadratic through both ends with the second derivative that the slope of G gives it.
        q = begin + change * node + bend * (node * (node - 1))
        weighted = weight * length * q
        for i in range(3):
            for j in range(i + 1):
                total[i, j, 1:] += weighted[i] * q[j]
    for i in range(3):
        for j in range(i + 1):
            np.cumsum(total[i, j], out=total[i, j])
            total[j, i] = total[i, j]
    return np.moveaxis(total, 2, 0)


def held(course: Course) -> NDArray[np.bool_]:
    """Return per interval (n - 1,) whether the magnetisation is stored."""
    middle = (course.times[1:] + course.times[:-1]) / 2
    stored = np.array([False, *(kind == "storage" for _, kind in course.turns)])
    turned = np.array([time for time, _ in course.turns], dtype=np.float64)
    return np.asarray(stored[np.searchsorted(turned, middle)])


def b_matrices(timeline: Timeline, at: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return the (readout, 3, 3) b-matrix of each readout, grid axes, s/m^2.

    It is taken at the sample with the smallest nominal k of the readout: the echo of a line. Readouts before the first
    excitation have zeros.

    at : (readout,) times of the echoes, ns, where they are known.
    """
    at = echo_times(timeline) if at is None else at
    found = np.zeros((len(timeline.readouts.dwell), 3, 3))
    whole = whole_course(timeline, at)
    if whole is None:
        return found
    course, begins = whole
    collected = b_course(course, timeline.gamma_bar)
    owner = np.searchsorted(begins, at) - 1
    seen = owner >= 0
    first = np.searchsorted(course.times, begins[owner[seen]])
    found[seen] = collected[np.searchsorted(course.times, at[seen])] - collected[first]
    return found


def whole_course(timeline: Timeline, at: NDArray[np.int64]) -> tuple[Course, NDArray[np.int64]] | None:
    """Return all lives with readouts behind each other, and the (excitation,) times at which any begins, ns.

    Every excitation turns q to zero; between a life's last readout and the next such life nothing plays. None for a
    scan without excitations before its readouts.

    Parameters
    ----------
    timeline : Timeline
    at : (readout,) array
        What counts as the time of each readout, ns; each becomes a knot.
    """
    centres, uses = pulse_times(timeline)
    begins = centres[uses == "excitation"]
    if len(begins) == 0 or len(at) == 0 or at.max() <= begins[0]:
        return None
    heard = np.sort(at[at > begins[0]])
    owner = np.searchsorted(begins, heard) - 1
    last = np.flatnonzero(np.diff(owner, append=len(begins)))
    opens, closes = begins[owner[last]], heard[last]
    inside = (centres > opens[0]) & _within(centres, opens, closes) & np.isin(uses, ("excitation", *TURNS))
    turns = tuple((int(t), str(u)) for t, u in zip(centres[inside], uses[inside], strict=True))
    times, gradient = _between(timeline, opens, closes, [*heard, *[time for time, _ in turns]])
    return Course(times=times, gradient=gradient, turns=turns), begins


def pulse_times(timeline: Timeline) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return the centre of every pulse that is played, ns, and its use."""
    rf = np.flatnonzero(timeline.kind == RF)
    pulses = [timeline.pulses[event] for event in timeline.event[rf]]
    centres = timeline.start[rf] + np.array([round(pulse.centre * NS) for pulse in pulses], dtype=np.int64)
    return centres, np.array([pulse.use for pulse in pulses], dtype=np.str_)


def b_of_contrasts(timeline: Timeline) -> NDArray[np.float64]:
    """Return the (contrast, 3, 3) b-matrix of each image, s/m^2: of its imaging readout nearest to the centre of k."""
    table = timeline.readouts
    images = table.labels.get("contrast", np.zeros(len(table.dwell), dtype=np.int64))
    distance = np.array([np.min(np.linalg.norm(k, axis=-1)) for k in table.k])
    distance[np.array(table.purpose) != "imaging"] = np.inf
    matrices = b_matrices(timeline)
    wanted = range(int(images.max()) + 1)
    return np.stack([matrices[np.flatnonzero(images == c)[np.argmin(distance[images == c])]] for c in wanted])


def echo_times(timeline: Timeline) -> NDArray[np.int64]:
    """Return the (readout,) time of the sample nearest to k = 0, ns from the start of the scan."""
    table = timeline.readouts
    starts = timeline.start[timeline.kind == READOUT]
    # Of two samples at equal distances the first, whatever round-off says.
    some = range(SOME, len(table.k), SOME)
    nearest = np.concatenate(
        [np.argmin(np.round(np.linalg.norm(k, axis=-1), 6), axis=1) for k in np.split(table.k, some)]
    )
    return np.asarray(starts + np.round((nearest + 0.5) * table.dwell * NS).astype(np.int64))


def courses(timeline: Timeline, at: NDArray[np.int64]) -> list[tuple[Course, NDArray[np.int64]]]:
    """Return each excitation's course up to its last readout, with the readouts that belong to it.

    Parameters
    ----------
    timeline : Timeline
    at : (readout,) array
        What counts as the time of each readout, ns from the start of the scan; a knot of its course.
    """
    centres, uses = pulse_times(timeline)
    begins = centres[uses == "excitation"]
    owner = np.searchsorted(begins, at) - 1
    found = []
    for index in np.unique(owner[owner >= 0]):
        members = np.flatnonzero(owner == index)
        first, last = int(begins[index]), int(at[members].max())
        inside = (centres > first) & (centres < last) & np.isin(uses, TURNS)
        turns = tuple((int(t), str(u)) for t, u in zip(centres[inside], uses[inside], strict=True))
        opens, closes = np.array([[first], [last]], dtype=np.int64)
        times, gradient = _between(timeline, opens, closes, [*at[members], *[time for time, _ in turns]])
        found.append((Course(times=times, gradient=gradient, turns=turns), members))
    return found


def _within(times: NDArray[np.int64], opens: NDArray[np.int64], closes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which times lie in one of the lives from `opens` to `closes`, ascending."""
    life = np.searchsorted(opens, times, side="right") - 1
    return np.asarray((life >= 0) & (times <= closes[life]))


def _between(
    timeline: Timeline, opens: NDArray[np.int64], closes: NDArray[np.int64], extra: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return knots and (n, 3) gradients of the lives from `opens` to `closes`, ns, zero between them.

    There are knots at `extra`, too.
    """
    apart = closes[:-1] + 2 < opens[1:]
    rests = [closes[:-1][apart] + 1, opens[1:][apart] - 1]
    pieces = [times[_within(times, opens, closes)] for times, _ in timeline.knots]
    times = np.sort(np.concatenate([*pieces, opens, closes, *rests, np.array(extra, dtype=np.int64)]), kind="stable")
    times = times[np.concatenate([[True], np.diff(times) > 0])]
    gradient = np.stack([np.interp(times, t, g) for t, g in timeline.knots], axis=-1)
    gradient[~_within(times, opens, closes)] = 0.0
    return times, gradient
