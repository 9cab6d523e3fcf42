"""The Bloch engine: spins through a timeline.

Piecewise-constant RF steps are exact rotations with relaxation split symmetrically around them (error of
second order in the step); RF-free intervals are closed forms of the gradient moments. Where the sequence
allows it (`program`), what happens through the slice is computed once per tissue class and used at every
place in the plane; otherwise every spin is carried through by itself. Both give the same numbers.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.coils import Coils
from ..core.errors import InputError
from ..phantom.phantom import Phantom
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .by_class import by_class
from .by_spin import by_spin
from .classes import ClassOptions, TissueClass, tissue_classes
from .cuda import device_name, on_cuda
from .in_plane import contrast_weights, in_plane_error
from .job import Job
from .object_cells import aliased_spoilers, outside_field_of_view, sampling_grid
from .options import Bloch, Progress
from .program import Program, program
from .receiver import acquisition, check_readouts


def run_bloch(
    timeline: Timeline,
    phantom: Phantom,
    engine: Bloch,
    threads: int | None = None,
    progress: Progress | None = None,
    coils: Coils | None = None,
) -> Acquisition:
    """Simulate a scan of a phantom; return noise-free raw data, in m^3 of proton density 1."""
    check_readouts(timeline)
    job, dephasing_error = job_of(timeline, phantom, engine, threads, progress, coils)
    cells, spins = job.cells, job.spins
    signal, contrast, facts = _signal(job)
    warned = tuple(facts.pop(name) for name in ("field_warning",) if name in facts)
    spacing = (*cells.spacing[:2], cells.spacing[2] * cells.shape[0] / facts["sub_slices"])
    facts = {
        "engine": "bloch",
        "precision": engine.precision,
        "device": device_name() if job.on_cuda else "cpu",
        "classes": len(job.classes),
        "t2_prime_error": dephasing_error,
        "in_plane_error": in_plane_error(phantom, timeline.encoding.grid, cells, spins, contrast),
        "warnings": (*outside_field_of_view(timeline, phantom), *aliased_spoilers(timeline, spacing), *warned),
        **facts,
    }
    return acquisition(timeline, signal, facts, coils)


def job_of(
    timeline: Timeline,
    phantom: Phantom,
    engine: Bloch,
    threads: int | None,
    progress: Progress | None,
    coils: Coils | None,
) -> tuple[Job, float]:
    """Return the simulation that is to be done and the error of its T2'."""
    cells = sampling_grid(timeline, phantom, engine)
    spins = phantom.sample(cells)
    if len(spins.volume) == 0:
        raise InputError(f"phantom '{phantom.name}' has no spins in the slice; move the slice or the phantom")
    classes, dephasing_error = _classes(timeline, spins, engine)
    job = Job(
        timeline=timeline,
        classes=classes,
        spins=spins,
        cells=cells,
        engine=engine,
        workers=threads or os.cpu_count() or 1,
        progress=progress,
        sensitivity=None if coils is None else coils.sensitivity(cells.to_world(spins.position)),
        on_cuda=on_cuda(engine.device, obstacle(timeline, classes, bool(spins.motion))),
    )
    return job, dephasing_error


def _classes(timeline: Timeline, spins: Spins, engine: Bloch) -> tuple[list[TissueClass], float]:
    """Return the classes that the engine is asked to simulate and the error of their T2'."""
    options = ClassOptions(
        t2_prime_accuracy=engine.t2_prime_accuracy if engine.t2_prime else math.inf,
        chemical_shift=engine.chemical_shift,
    )
    classes, error = tissue_classes(spins, timeline, options)
    if engine.only:
        classes = [kind for kind in classes if kind.tissue in engine.only]
        if not classes:
            raise InputError(
                f"no spins of {', '.join(engine.only)} in the slice; tissues: {', '.join(spins.tissues)}", key="only"
            )
    return classes, error


def obstacle(timeline: Timeline, classes: list[TissueClass], moving: bool) -> str | None:
    """Return what keeps the spins from travelling alone in linear fields at rest, or None."""
    if timeline.spatial is not None:
        return "fields are not linear in position"
    if moving:
        return "the object moves"
    return "pools exchange magnetisation" if any(kind.exchange for kind in classes) else None


def _signal(job: Job) -> tuple[NDArray[np.complex128], NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, coil, sample) signal, m^3, the (image, tissue) contrast, and what the numerics were."""
    cells, engine = job.cells, job.engine
    reach = (2 * float(np.abs(job.spins.position[:, :2]).max()), cells.spacing[2] * cells.shape[0])
    plan = _plan(job, reach)
    if not isinstance(plan, str):
        signal, magnetisation, report = by_class(job, plan)
        return signal, contrast_weights(job.timeline, magnetisation), {"reuse": "through the slice", **report}
    for key, asked in (("ideal_slice", engine.ideal_slice), ("start", engine.start == "steady")):
        if asked:
            raise InputError(f"needs reuse through the slice, but {plan}", key=key)
    signal, report = by_spin(job)
    pd = np.array([sum(pool.pd for pool in pools) for pools in job.spins.pools], dtype=np.complex128)
    return signal, pd[None], {"reuse": plan, **report}


def _plan(job: Job, reach: tuple[float, float]) -> Program | str:
    """Return how the slice is reused, or why it is not."""
    if job.on_cuda:
        return "on a graphics processor every spin travels by itself"
    if not job.engine.reuse:
        return "reuse is switched off"
    exchanging = any(kind.exchange for kind in job.classes)
    if job.spins.motion and (exchanging or job.timeline.spatial is not None):
        what = "pools that exchange" if exchanging else "spins in fields that are not linear in position"
        raise InputError(f"{what} cannot move; take them out, or the motion", key="motion")
    if job.timeline.spatial is not None:
        return "fields are not linear in position"
    if exchanging:
        return "pools exchange magnetisation"
    if job.spins.motion:
        return "the object moves"
    return program(job.timeline, reach)
