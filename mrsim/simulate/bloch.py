"""The Bloch engine: spins through a timeline.

Piecewise-constant RF steps are exact rotations with relaxation split symmetrically around them (error of
second order in the step); RF-free intervals are closed forms of the gradient moments. Where the sequence
allows it (`program`), what happens through the slice is computed once per tissue class and used at every
place in the plane; otherwise every spin is carried through by itself. Both give the same numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.coils import Coils
from ..core.cores import available_cores
from ..core.errors import InputError
from ..phantom.phantom import Phantom
from ..sequence.timeline import Timeline
from .by_class import by_class
from .by_section import MAX_LAYERS, by_section
from .by_spin import by_spin
from .by_voxel import by_voxel
from .class_run import Key, Known
from .cuda import device_name, on_cuda
from .diffusion import Diffusing
from .in_plane import contrast_weights, in_plane_error
from .job import Job
from .lobes import without_lobes
from .memory import check_memory
from .motion_check import first_order_error
from .object_cells import aliased_spoilers, outside_field_of_view, sampling_grid
from .options import Bloch, Progress
from .program import selected_along, why_not
from .receiver import acquisition, check_readouts
from .road import obstacle, plan_of
from .sections import sections_of
from .task import Task

MOTION = 0.02
"""Error of the first order of small motion, over the signal, above which it is told."""


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
    task = task_of(timeline, phantom, engine, threads, progress, coils)
    timeline, slab = task.timeline, task.slab
    thickness = slab.spacing[2] * slab.shape[0]
    alike = phantom.uniform_through(timeline.encoding.grid, thickness) and not phantom.motion
    sections = sections_of(timeline, slab, engine, alike)
    layers = slab.shape[0] if len(sections) == 1 or not engine.reuse else 1 if alike else MAX_LAYERS // 2
    held = layers * slab.shape[1] * slab.shape[2]
    check_memory(engine.memory, timeline, held, 1 if coils is None else len(coils.maps))
    if len(sections) > 1 and engine.reuse and engine.device == "cpu":
        found = by_section(task, sections, alike)
        if not isinstance(found, str):
            return _received(task, *found)
    selects = why_not(timeline) or np.any(selected_along(timeline))
    if engine.reuse and engine.device == "cpu" and engine.start == "equilibrium" and selects:
        alone = by_voxel(task)
        if not isinstance(alone, str):
            return _received(task, *alone)
    job, dephasing_error = job_of(task)
    signal, contrast, facts = _signal(job)
    spacing = (*slab.spacing[:2], slab.spacing[2] * slab.shape[0] / facts["sub_slices"])
    warned = tuple(facts.pop(name) for name in ("field_warning",) if name in facts)
    facts |= {
        "warnings": (*aliased_spoilers(timeline, spacing), *warned),
        "device": device_name() if job.on_cuda else "cpu",
        "classes": len(job.classes),
        "t2_prime_error": dephasing_error,
        "in_plane_error": in_plane_error(timeline.encoding.grid, slab, job.spins, contrast),
    }
    return _received(task, signal, facts)


def task_of(
    timeline: Timeline,
    phantom: Phantom,
    engine: Bloch,
    threads: int | None,
    progress: Progress | None,
    coils: Coils | None,
) -> Task:
    """Return what is asked for, with the cells of the slab that it takes."""
    diffusing = Diffusing(
        timeline=timeline, accuracy=engine.accuracy, wanted=engine.diffuse, walkers=engine.walkers, seed=engine.seed
    )
    moving = bool(phantom.motion)
    return Task(
        timeline=timeline if moving or not timeline.knots else without_lobes(timeline, diffusing.weighting()),
        phantom=phantom,
        engine=engine,
        workers=threads or available_cores(),
        progress=progress,
        coils=coils,
        slab=sampling_grid(timeline, phantom, engine),
        diffusing=diffusing,
    )


def _received(task: Task, signal: NDArray[np.complex128], facts: dict[str, Any]) -> Acquisition:
    """Return what the receiver makes of the (readout, coil, sample) signal, with what the numerics were."""
    history = {"engine": "bloch", "precision": task.engine.precision, "device": "cpu", **facts}
    said = (*facts["warnings"], *_dephasing_warning(task, facts), *_motion_warning(facts), *task.diffusing.warnings)
    history["warnings"] = (*outside_field_of_view(task.timeline.encoding, task.phantom), *said)
    history["diffusion_loss"] = task.diffusing.loss
    if task.diffusing.walk_error:
        history["walk_error"] = task.diffusing.walk_error
    return acquisition(task.timeline, signal, history, task.coils)


def _dephasing_warning(task: Task, facts: dict[str, Any]) -> tuple[str, ...]:
    """Return a warning where T2' is further off than is wanted."""
    error, wanted = facts["t2_prime_error"], task.engine.t2_prime_accuracy
    said = f"dephasing by T2' is off by up to {error:.1e} of M0 in all, not {wanted:g} (t2_prime_accuracy)"
    return (said,) if error > wanted else ()


def _motion_warning(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return a warning where the first order of the motion is not enough."""
    error = facts.get("motion_error", 0.0)
    said = f"small motion, taken to first order, is off by {error:.1%} of the signal; reuse=False carries every spin"
    return (said,) if error > MOTION else ()


def job_of(task: Task) -> tuple[Job, float]:
    """Return the simulation of the whole slab at once and the error of its T2'."""
    job, error = task.job(task.slab, 0.0)
    if len(job.spins.volume) == 0:
        raise InputError(f"phantom '{task.phantom.name}' has no spins in the slice; move the slice or the phantom")
    if not job.classes:
        raise _none_of(task.engine, job)
    hindrance = obstacle(task.timeline, job.classes, bool(job.spins.motion))
    return replace(job, on_cuda=on_cuda(task.engine.device, hindrance)), error


def _none_of(engine: Bloch, job: Job) -> InputError:
    listed = ", ".join(job.spins.tissues)
    return InputError(f"no spins of {', '.join(engine.only)} in the slice; tissues: {listed}", key="only")


def _signal(job: Job) -> tuple[NDArray[np.complex128], NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, coil, sample) signal, m^3, the (image, tissue) contrast, and what the numerics were."""
    cells, engine = job.cells, job.engine
    reach = (2 * float(np.abs(job.spins.position[:, :2]).max()), cells.spacing[2] * cells.shape[0])
    plan = plan_of(job, reach)
    if not isinstance(plan, str):
        known: dict[Key, Known] = {}
        signal, magnetisation, report = by_class(job, plan, known)
        contrast = contrast_weights(job.timeline, magnetisation.mean(axis=1))
        if job.spins.motion:
            report["motion_error"] = first_order_error(job, reach, known)
        return signal, contrast, {"reuse": "through the slice", **report}
    for key, asked in (("ideal_slice", engine.ideal_slice), ("start", engine.start == "steady")):
        if asked:
            raise InputError(f"needs reuse through the slice, but {plan}", key=key)
    signal, report = by_spin(job, plan)
    pd = np.array([sum(pool.pd for pool in pools) for pools in job.spins.pools], dtype=np.complex128)
    return signal, pd[None], {"reuse": plan, **report}
