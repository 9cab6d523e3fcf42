"""The signal with reuse through the slice: class by class instead of spin by spin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sequence.timeline import Timeline
from .class_run import ClassRun, Key, Known, carriers
from .few_lefts import with_few_lefts
from .field_nodes import field_facts
from .followers import Followers
from .job import Job
from .program import Program
from .slice_reuse import responses

LEFT = 0.25
"""Deviation of what diffusion leaves at turns of fibres that few columns may bring, over the wanted accuracy."""


def by_class(
    job: Job, plan: Program, known: dict[Key, Known] | None = None, followers: Followers | None = None
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, coil, sample) signal, m^3, the contrast of the tissues, and what the numerics were.

    The contrast is the (tissue, layer, readout) transverse magnetisation that the plane does not dephase, per volume
    of each tissue. The sums run over the classes in their order, so they do not depend on the number of workers.

    known, followers : what other sections found, and receive what is found here.
    """
    followers = Followers(wanted=job.engine.accuracy / 4) if followers is None else followers
    job = replace(job, classes=with_few_lefts(job.classes, LEFT * job.engine.accuracy))
    run = ClassRun(job, plan, {} if known is None else known, followers)
    classes = run.classes
    names = {name: index for index, name in enumerate(job.spins.tissues)}
    readouts, samples = job.timeline.readouts.t.shape
    total = np.zeros((readouts, job.coils, samples), dtype=np.complex128)
    contrast = np.zeros((len(names), job.cells.shape[0], readouts), dtype=np.complex128)
    with ThreadPoolExecutor(job.workers) as pool:
        try:
            distinct = sorted(set(run.keys) - set(run.known))
            for key, found in zip(distinct, pool.map(run.resolve, distinct), strict=True):
                run.known[key] = (found, job.cells.spacing[2])
            used = [run.resolution(index) for index in range(len(classes))]
            counts = np.cumsum([len(k.members) * found.per_layer for k, found in zip(classes, used, strict=True)])
            for _ in pool.map(run.judge, range(len(classes))):
                pass
            field_error = max(pool.map(run.field_error, run.nodes), default=0.0)
            bundles = run.bundles()
            run.last = {carriers(classes[index]): done for done, bundle in enumerate(bundles) for index in bundle}
            for done, (signal, mean) in enumerate(pool.map(run.signal, bundles)):
                for part, heard in zip(run.windows, signal, strict=True):
                    total[part.rows, :, : heard.shape[2]] += heard
                contrast[names[classes[bundles[done][0]].tissue]] += mean
                run.forget(done)
                if job.progress:
                    job.progress(int(counts[bundles[done][-1]]), int(counts[-1]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    facts: dict[str, Any] = {
        "discretisation_error": max(r.error for r in used) + followers.worst() + run.sum_error,
        "rf_step_error": max(r.rf_error for r in used),
        "rf_substeps": max(r.rf_split for r in used),
        "sub_slices": max(r.per_layer for r in used) * run.scan.slab.layers,
        "spins": int(counts[-1]),
    }
    facts |= field_facts(run.nodes, field_error, job.engine.accuracy) | run.row_facts
    return total, contrast, facts | (run.motion.facts if run.motion is not None else {})


def far_error(job: Job, plan: Program, timeline: Timeline, whole: Program, known: dict[Key, Known]) -> float:
    """Return what leaving out the pulses and readouts of far slices changes, over M0, for the class with most spins.

    job, plan : a section with what plays there. timeline, whole : all that plays.
    """
    held = [kind.pd * float(job.spins.volume[kind.members].sum()) for kind in job.classes]
    most = job.classes[int(np.argmax(held))]
    alone = replace(most, offset=float(np.median(most.offsets())), b1=float(np.median(most.b1s())))
    alone = replace(alone, local_offset=None, local_b1=None)
    run = ClassRun(replace(job, classes=[alone]), plan, known, Followers(wanted=0.0), hearing=False)
    central = min(range(len(run.classes)), key=lambda index: abs(run.classes[index].row))
    scans = run.scan, replace(run.scan, timeline=timeline, plan=whole)
    near, far = (responses(scan, run.relaxation(central), run.resolution(central)) for scan in scans)
    near[np.setdiff1d(np.arange(len(near)), plan.heard)] = 0
    return float(np.abs(near - far).sum(axis=2).mean(axis=1).max(initial=0.0))
