"""How far small motion on the road by class is from spins that travel by themselves, measured on one column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import RF, Timeline
from .by_class import by_class
from .by_spin import columns, spread_class, travel
from .class_run import Key, Known
from .classes import TissueClass
from .job import Job
from .motion_moments import moving_components
from .program import program
from .steps import divided

EXCITATIONS = 300
"""Of a section, with which the comparison ends: two or three images of a series."""


def first_order_error(job: Job, reach: tuple[float, float], known: dict[Key, Known]) -> float:
    """Return the root mean square error of the signal of one column over its root mean square; 0 if nothing moves.

    The column stands through the section where the class with most moving spins moves most; the first `EXCITATIONS`
    are compared.

    reach : as in `road.plan_of`. known : resolutions that were found for the classes.
    """
    _, parts = moving_components(job.spins.motion, job.spins.position)
    size = np.linalg.norm(parts[3:], axis=0)
    kind = max(job.classes, key=lambda k: k.pd * float((k.volumes(job.spins.volume) * size[k.members]).sum()))
    if not np.any(size[kind.members]) or (kind.r1, kind.r2) not in known:
        return 0.0
    alone, one = _column(job, kind, int(kind.members[np.argmax(size[kind.members])]))
    plan = program(alone.timeline, reach, alone.silent)
    assert not isinstance(plan, str)  # the whole scan has one
    fast = by_class(alone, plan, dict(known))[0][:, 0]
    found = known[(kind.r1, kind.r2)][0]
    place, volume = columns(alone, np.arange(len(alone.spins.volume)), found.per_layer)
    timeline = divided(alone.timeline, found.rf_split)
    exact = travel(alone, timeline, [spread_class(one, found.per_layer)], place, volume)
    return float(np.linalg.norm(fast - exact) / np.linalg.norm(exact))


def _begun(job: Job) -> tuple[Timeline, NDArray[np.bool_] | None]:
    """Return the scan up to a number of excitations."""
    line, silent = job.timeline, job.silent
    rf = np.flatnonzero(line.kind == RF)
    excites = rf[[line.pulses[event].use == "excitation" for event in line.event[rf]]]
    if len(excites) <= EXCITATIONS:
        return line, silent
    end = int(excites[EXCITATIONS])
    names = ("kind", "start", "duration", "moment", "event", "phase")
    cut = {name: getattr(line, name)[:end] for name in names}
    starts = line.tr_start[line.tr_start < end]
    return replace(line, **cut, tr_start=starts), None if silent is None else silent[:end]


def _column(job: Job, kind: TissueClass, spin: int) -> tuple[Job, TissueClass]:
    """Return the job of the spins of one class that stand in line with one of them."""
    plane = job.cells.shape[1] * job.cells.shape[2]
    source = np.flatnonzero(job.spins.cell[kind.members] % plane == job.spins.cell[spin] % plane)
    chosen = np.zeros(len(job.spins.volume), dtype=bool)
    chosen[kind.members[source]] = True
    one = kind.moved(source[np.argsort(kind.members[source])], np.arange(len(source)))
    timeline, silent = _begun(job)
    scan = replace(job, timeline=timeline, silent=silent, sensitivity=None, progress=None)
    alone = replace(scan, spins=job.spins.where(chosen), classes=[one])
    return alone, one
