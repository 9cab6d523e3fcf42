"""What a scan costs when every spin travels by itself, told before it starts.

    seconds = spins x steps of the scan / (steps per second x threads)

The steps are those of RF, the intervals and the samples; how many a second is measured on a few of the spins. A scan
that would take longer than is allowed is refused, with what makes it cheaper.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from time import process_time

import numpy as np

from ..core.errors import InfeasibleError
from ..sequence.timeline import READOUT, RF, Timeline
from .options import Bloch

FASTEST = 2e9
"""Steps per second and thread that no machine exceeds by much: what is quick at this rate is not measured."""
QUICK = 5.0
"""Processor time, s, at the fastest rate up to which a scan is not worth a measurement."""
NOTICED = 10.0
"""Time, s, from which a scan says beforehand how long it will take."""
SAMPLE = 256
"""Spins on which the rate is measured."""


def steps_of(timeline: Timeline) -> int:
    """Return the steps that each spin takes through a scan."""
    per_pulse = np.array([len(pulse.dt) for pulse in timeline.pulses], dtype=np.int64)
    pulses = np.bincount(timeline.event[timeline.kind == RF], minlength=len(per_pulse))
    free = int(np.count_nonzero((timeline.kind != RF) & (timeline.kind != READOUT)))
    return int(pulses @ per_pulse) + int(timeline.readouts.samples.sum()) + free


def predicted_seconds(timeline: Timeline, spins: int, workers: int, travel: Callable[[], int]) -> float:
    """Return how long a scan will take, s; 0 where it is quick.

    Parameters
    ----------
    timeline : Timeline
        With the RF steps that are played.
    spins : int
        Of all classes.
    workers : int
        Threads.
    travel : callable
        Carries about `SAMPLE` spins through the scan and returns how many they were.
    """
    if spins * steps_of(timeline) < QUICK * FASTEST:
        return 0.0
    start = process_time()
    carried = travel()
    return (process_time() - start) / carried * spins / workers


def check_at_best(engine: Bloch, timeline: Timeline, spins: int, workers: int, reason: str) -> None:
    """Refuse at once what would take longer than the engine's option allows even at the fastest rate."""
    seconds = spins * steps_of(timeline) / FASTEST
    if seconds > NOTICED:
        check_longest(seconds / workers, engine, timeline, spins, workers, reason, "at least")


def tell(seconds: float, workers: int, reason: str) -> None:
    """Say what a scan will take before it starts, if somebody will notice."""
    if seconds >= NOTICED:
        said = f"every spin travels by itself ({reason}): about {spoken(seconds)} on {workers} threads"
        logging.getLogger("mrsim").info(said)


def check_longest(
    seconds: float, engine: Bloch, timeline: Timeline, spins: int, workers: int, reason: str, about: str = "about"
) -> None:  # fmt: skip
    """Raise an `InfeasibleError` where a scan would take longer than the engine's option allows."""
    if seconds <= engine.longest:
        return
    steps = steps_of(timeline)
    raise InfeasibleError(
        f"every spin would travel by itself ({reason}): {spins:.2g} spins x {steps:.2g} steps at "
        f"{spins * steps / (seconds * workers):.2g} a second and thread take {about} {spoken(seconds)} on {workers} "
        f"threads, more than the {spoken(engine.longest)} that `longest` allows. Cheaper: a smaller matrix, fewer "
        "slices, averages or images (--set), fewer subsamples, less accuracy, single precision; or allow it: "
        f"--longest '{math.ceil(seconds / 30)} min'"
    )


def spoken(seconds: float) -> str:
    """Return a time in words, two digits."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.2g} {unit}" if seconds / size < 100 else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.2g} s"
