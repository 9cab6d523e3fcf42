"""A scan in parts: stop before any segment of the timeline, keep the state of every spin, and go on later.

The spins travel by themselves and each part takes its step sizes and spins from the whole scan, so that a scan in
parts is the undivided scan bit for bit (of very many spins, which that carries in `blocks`, to rounding). An object
that moves goes on from where its motion has brought it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.coils import Coils
from ..core.errors import InputError
from ..core.spin_state import SpinState
from ..phantom.phantom import Phantom
from ..sequence.timeline import Timeline
from .bloch import job_of, task_of
from .by_spin import Spread, by_loss, spread_spins
from .classes import TissueClass
from .direct import direct_signal
from .job import Job
from .motion_moments import moving
from .options import Bloch
from .receiver import acquisition, by_kind, check_readouts
from .road import obstacle


def simulate_part(
    timeline: Timeline,
    phantom: Phantom,
    engine: Bloch | None = None,
    *,
    start: SpinState | None = None,
    stop: int | None = None,
    threads: int | None = None,
    coils: Coils | None = None,
) -> tuple[Acquisition, SpinState]:
    """Simulate the segments of a scan from where a state was kept to where the next is to be.

    Parameters
    ----------
    timeline : Timeline
        The whole scan.
    phantom : Phantom
        The object.
    engine : Bloch, optional
        Every spin travels by itself, whatever `reuse` says.
    start : SpinState, optional
        From an earlier part of the same scan; equilibrium before the first segment by default.
    stop : int, optional
        The first segment that is not played; the end by default.
    threads : int, optional
        Worker threads; the result does not depend on it.
    coils : Coils, optional
        The receive coils.

    Returns
    -------
    raw : Acquisition
        All readouts of the scan; those of other parts are zero, so that the parts add up to the scan.
    state : SpinState
        What to go on from.
    """
    check_readouts(timeline)
    chosen = replace(engine or Bloch(), reuse=False)
    job, _ = job_of(task_of(timeline, phantom, chosen, threads, None, coils))
    reason = obstacle(timeline, job.classes, moving=False) or ("spins are on a GPU" if job.on_cuda else None)
    if reason:
        raise InputError(f"the state of a scan cannot be kept where {reason}", key="start")
    spread = spread_spins(job)
    played, place = moving(spread.timeline, job.spins.motion, spread.position)
    spread = replace(spread, timeline=played, position=place)
    mark = _fingerprint(job, spread)
    if start is not None and start.fingerprint != mark:
        raise InputError("the state is of another scan, object or engine; start from equilibrium", key="start")
    first, last = (0 if start is None else start.segment), (len(timeline.kind) if stop is None else stop)
    if not first <= last <= len(timeline.kind):
        raise InputError(f"segment {last} is not from {first} to {len(timeline.kind)}", key="stop")
    part = _cut(spread.timeline, first, last)
    before = np.zeros((3, spread.spins))
    before[2] = 1
    if start is not None:
        before = start.magnetisation
    signal, after = _played(job, part, spread, before)
    facts = {"engine": "bloch", "segments": [first, last], **spread.facts, "warnings": ()}
    state = SpinState(magnetisation=after, segment=last, fingerprint=mark)
    return acquisition(timeline, signal, facts, coils), state


def _played(
    job: Job, part: Timeline, spread: Spread, before: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return the (readout, coil, sample) signal of some segments, and the (3, spin) state behind them."""
    after, heard = before.copy(), spread.sensitivity(job)
    owner = np.repeat(np.arange(len(spread.classes)), [len(kind.members) for kind in spread.classes])

    def carried(kinds: list[TissueClass]) -> NDArray[np.complex128]:
        numbers = [index for index, kind in enumerate(spread.classes) if any(kind is one for one in kinds)]
        mine = np.flatnonzero(np.isin(owner, numbers))

        def run(windows: Timeline) -> NDArray[np.complex128]:
            state = before[:, mine]
            options: dict[str, Any] = {"dtype": job.engine.dtype, "threads": job.workers}
            place = (spread.position, spread.volume)
            signal = direct_signal(windows, kinds, *place, state=state, sensitivity=heard, **options)
            after[:, mine] = state
            return signal

        return by_kind(part, run)

    signal = by_loss(spread.classes, carried)
    return signal[:, None] if heard is None else signal, after


def _cut(timeline: Timeline, first: int, last: int) -> Timeline:
    """Return the segments `first` to `last` of a timeline, with all of its readouts."""
    within = slice(first, last)
    return replace(
        timeline,
        kind=timeline.kind[within],
        start=timeline.start[within],
        duration=timeline.duration[within],
        moment=timeline.moment[within],
        event=timeline.event[within],
        phase=timeline.phase[within],
    )


def _fingerprint(job: Job, spread: Spread) -> str:
    """Return a digest of all that the state of the spins depends on."""
    digest = hashlib.sha256(job.engine.precision.encode())
    timeline = spread.timeline
    arrays = [timeline.kind, timeline.duration, timeline.moment, timeline.event, timeline.phase, spread.position]
    for pulse in timeline.pulses:
        arrays += [pulse.dt, pulse.b1, pulse.gradient]
    for kind in spread.classes:
        arrays += [kind.members, kind.offsets(), kind.b1s(), np.array([kind.r1, kind.r2, kind.pd])]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
