"""Diffusion lobes taken out of a timeline: the echo of one pathway does not see what it refocuses.

A scan of many directions winds every image by moments of its own, which share no divisor and would send every spin on
its way alone. Of the intended pathway, the only one that is left at the echo, the winding M of the intervals between
the pulses counts with signs: after refocusing pulses sum (-1)^(n - j) M_j, after storage and recall M_last - M_first.
Any change of the moments that keeps this sum keeps the echo. So all weighted repetitions get the moments that the
least weighted one has before its last pulse, and the last interval keeps the sum; attenuation (`diffusion`) goes by the
gradients as played. Pathways that crushers kill without the lobes stay dead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..sequence.b_matrix import TURNS
from ..sequence.timeline import FREE, READOUT, RF, Timeline
from .diffusion import WEIGHTED, Weighting


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Life:
    """One excitation up to its first readout."""

    pattern: tuple[str, ...]
    """Uses of the pulses behind the excitation."""
    intervals: tuple[tuple[int, int], ...]
    """Segments between the pulses."""
    b: float
    """Largest trace, s/m^2."""

    def signs(self) -> list[int]:
        """Return how each interval's moment counts at the echo."""
        if "storage" in self.pattern:
            return [-1, 0, 1]
        last = len(self.pattern)
        return [(-1) ** (last - index) for index in range(last + 1)]


def without_lobes(timeline: Timeline, weight: Weighting) -> Timeline:
    """Return the timeline with the moments of the least weighted repetition; itself where nothing is weighted."""
    if weight.largest <= WEIGHTED or timeline.spatial is not None:
        return timeline
    moment, references = timeline.moment.copy(), dict[tuple[str, ...], _Life]()
    lives = _lives(timeline, weight)
    for life in lives:
        if life.pattern not in references or life.b < references[life.pattern].b:
            references[life.pattern] = life
    for life in lives:
        _like(references[life.pattern], life, timeline, moment)
    return replace(timeline, moment=moment)


def _like(model: _Life, life: _Life, timeline: Timeline, moment: NDArray[np.float64]) -> None:
    """Give a life the moments of another before its last pulse, in place."""
    signs, places = life.signs(), [_free(timeline, *interval) for interval in life.intervals]
    if None in places:
        return
    owed = np.zeros(moment.shape[1])
    for sign, place, (a, b), (c, d) in zip(signs[:-1], places, life.intervals, model.intervals, strict=False):
        change = timeline.moment[c:d].sum(axis=0) - timeline.moment[a:b].sum(axis=0)
        moment[place] += change
        owed -= sign * change
    moment[places[-1]] += owed


def _free(timeline: Timeline, first: int, last: int) -> int | None:
    """Return the longest segment of an interval in which nothing else happens."""
    free = np.flatnonzero(timeline.kind[first:last] == FREE)
    return None if len(free) == 0 else first + int(free[np.argmax(timeline.duration[first:last][free])])


def _lives(timeline: Timeline, weight: Weighting) -> list[_Life]:
    """Return the lives whose signal a single pathway makes behind at least one turn."""
    pulses, windows = np.flatnonzero(timeline.kind == RF), np.flatnonzero(timeline.kind == READOUT)
    uses = np.array([timeline.pulses[e].use for e in timeline.event[pulses]], dtype=np.str_)
    begins = np.flatnonzero(uses == "excitation")
    trace, found = np.trace(weight.matrices, axis1=1, axis2=2), []
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(pulses)], strict=True):
        limit = pulses[end] if end < len(pulses) else len(timeline.kind)
        mine = windows[(windows > pulses[begin]) & (windows < limit)]
        inside = [p for p in range(begin + 1, end) if len(mine) and pulses[p] < mine[0]]
        rows = timeline.event[mine]
        pattern = tuple(uses[inside].tolist())
        late = any(uses[p] in TURNS and pulses[p] > mine[0] for p in range(begin + 1, end)) if len(mine) else True
        if late or not pattern or not set(pattern) <= set(TURNS) or np.any(weight.many[rows]):
            continue
        edges = [int(pulses[p]) for p in (begin, *inside)]
        ends = [*edges[1:], int(mine[0])]
        spans = tuple((a + 1, b) for a, b in zip(edges, ends, strict=True))
        found.append(_Life(pattern=pattern, intervals=spans, b=float(trace[rows].max())))
    return found
