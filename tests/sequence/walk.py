"""Follow the spins' k through a timeline by hand: the slow twin of the nominal k, used by several tests."""

from __future__ import annotations

import numpy as np

from mrsim.sequence.timeline import FREE, RF, Timeline


def pulse_halves(timeline: Timeline, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments (3,) of a pulse's gradients before and after its centre, 1/m."""
    pulse = timeline.pulses[index]
    edges = np.concatenate([[0.0], np.cumsum(pulse.dt)])
    before = np.clip((pulse.centre - edges[:-1]) / pulse.dt, 0.0, 1.0)
    step = pulse.gradient * pulse.dt[:, None] * timeline.gamma_bar
    return np.sum(step * before[:, None], axis=0), np.sum(step * (1 - before)[:, None], axis=0)


def played_k(timeline: Timeline) -> tuple[np.ndarray, np.ndarray]:
    """Return (readout, sample, 3) k and (readout, sample) t since the excitation from what is played.

    An excitation sets k to zero, a refocusing pulse turns it around, both at their centres; t comes from summing
    segment lengths.
    """
    k, clock, origin = np.zeros(3), 0, 0.0
    rows, times = [], []
    halves = [pulse_halves(timeline, i) for i in range(len(timeline.pulses))]
    table = timeline.readouts
    for kind, length, moment, event in zip(
        timeline.kind, timeline.duration, timeline.moment, timeline.event, strict=True
    ):
        if kind == RF:
            pulse, (before, after) = timeline.pulses[event], halves[event]
            if pulse.use == "excitation":
                k, origin = after.copy(), clock + pulse.centre * 1e9
            elif pulse.use == "refocusing":
                k = after - (k + before)
            else:
                k = k + moment
        else:
            if kind != FREE:
                rows.append(k + table.moment[event])
                samples = np.arange(table.moment.shape[1]) + 0.5
                times.append((clock - origin) * 1e-9 + samples * table.dwell[event])
            k = k + moment
        clock += int(length)
    return np.array(rows), np.array(times)


def between_pulses(timeline: Timeline) -> np.ndarray:
    """Return the (interval, 3) moments from each pulse's centre to the next one's, 1/m."""
    halves = [pulse_halves(timeline, i) for i in range(len(timeline.pulses))]
    intervals, running = [], None
    for kind, moment, event in zip(timeline.kind, timeline.moment, timeline.event, strict=True):
        if kind == RF:
            if running is not None:
                intervals.append(running + halves[event][0])
            running = halves[event][1].copy()
        elif running is not None:
            running = running + moment
    return np.array(intervals)
