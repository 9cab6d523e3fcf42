"""Which road a job takes: by class, with what happens through the slice computed once, or spin by spin."""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..sequence.timeline import Timeline
from .classes import TissueClass
from .job import Job
from .plane import pencils_suffice
from .program import Program, program, selected_along
from .small_motion import why_not_small


def obstacle(timeline: Timeline, classes: list[TissueClass], moving: bool) -> str | None:
    """Return what keeps the spins from travelling alone in linear fields at rest, or None."""
    if timeline.spatial is not None:
        return "fields are not linear in position"
    if moving:
        return "the object moves"
    return "pools exchange magnetisation" if any(kind.exchange for kind in classes) else None


def plan_of(job: Job, reach: tuple[float, float]) -> Program | str:
    """Return how the slice is reused, or why it is not.

    reach : extent of the object in the plane and of the slab, m.
    """
    if job.on_cuda:
        return "on a graphics processor every spin travels by itself"
    if not job.engine.reuse:
        return "reuse is switched off"
    if job.engine.ideal_slice and np.any(selected_along(job.timeline)):
        return "pulses select in the plane, where their nominal flip is not the same everywhere"
    exchanging = any(kind.exchange for kind in job.classes)
    if job.spins.motion and (exchanging or job.timeline.spatial is not None):
        what = "pools that exchange" if exchanging else "spins in fields that are not linear in position"
        raise InputError(f"{what} cannot move; take them out, or the motion", key="motion")
    moving = why_not_small(job) if job.spins.motion else None
    reason = moving or obstacle(job.timeline, job.classes, moving=False)
    if reason:
        return reason
    plan = program(job.timeline, reach, job.silent)
    if job.spins.motion and not isinstance(plan, str) and not pencils_suffice(job.timeline.readouts, plan):
        return "the object moves while readouts run along curves"
    return plan
