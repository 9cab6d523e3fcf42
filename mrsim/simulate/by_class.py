"""The signal with reuse through the slice: class by class instead of spin by spin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..phantom.spins import Spins
from .classes import TissueClass
from .field_nodes import on_nodes
from .job import Job
from .plane import Pencils, Windows, column_signal, pencil_signal, pencils_of, pencils_suffice, plane_of
from .program import Program
from .pulse_maps import Relaxation
from .receiver import window_kinds, windows_of
from .slice_reuse import Resolution, Response, Scan, change, refine, respond
from .walker import Slab

Key = tuple[float, float]
"""What classes share that need the same resolution: r1 and r2."""


Carriers = tuple[int, int]
"""What classes share that lie alike: the identities of their members and shares."""


def carriers(kind: TissueClass) -> Carriers:
    """Return what tells where a class lies."""
    return id(kind.members), id(kind.share)


class _ClassRun:
    """The work for each class, with what the classes of one scan share."""

    def __init__(self, job: Job, plan: Program) -> None:
        self.job, self.plan, self.engine = job, plan, job.engine
        cells, engine = job.cells, job.engine
        slab = Slab(
            thickness=cells.spacing[2] * cells.shape[0],
            layers=cells.shape[0],
            ideal=engine.ideal_slice,
            start=engine.start,
        )
        self.scan = Scan(timeline=job.timeline, plan=plan, slab=slab, dtype=engine.dtype)
        self.classes, self.field_facts = on_nodes(self.scan, job)
        self.keys: list[Key] = [(kind.r1, kind.r2) for kind in self.classes]
        self.resolutions: dict[Key, Resolution] = {}
        self.kept: dict[int, Response] = {}
        table = job.timeline.readouts
        self.windows = [Windows.of(windows_of(table, rows), rows, plan) for rows in window_kinds(table)]
        self.pencils: dict[Carriers, Pencils] = {}
        if all(pencils_suffice(part.table, plan) for part in self.windows):
            for kind in self.classes:
                if carriers(kind) not in self.pencils:
                    plane = plane_of(job.spins, kind.members, cells.shape, job.heard(kind))
                    self.pencils[carriers(kind)] = pencils_of(plan, plane)

    def relaxation(self, index: int) -> Relaxation:
        kind = self.classes[index]
        return Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset, b1=kind.b1)

    def resolve(self, key: Key) -> Resolution:
        """Find the resolution of the classes that relax alike.

        It is found on the class with most signal and must hold for those farthest from it in offset and in B1.
        """
        mine = [i for i, k in enumerate(self.keys) if k == key]
        leader = max(mine, key=lambda i: self.classes[i].pd)
        fixed = self.engine.sub_slices
        per_layer = None if fixed is None else max(1, fixed // self.scan.slab.layers)
        found, response = refine(
            self.scan, self.relaxation(leader), self.engine.accuracy, per_layer, self.engine.rf_step
        )
        farthest = {
            max(mine, key=lambda i: abs(self.classes[i].offset - self.classes[leader].offset)),
            min(mine, key=lambda i: self.classes[i].b1),
            max(mine, key=lambda i: self.classes[i].b1),
        } - {leader}
        for index in sorted(farthest):
            error = change(self.scan, self.relaxation(index), found)
            if error > found.wanted and fixed is None:
                found, response = refine(
                    self.scan, self.relaxation(index), self.engine.accuracy, None, self.engine.rf_step, found
                )
                leader, error = index, found.error
            found = replace(found, error=max(found.error, error))
        self.kept[leader] = response
        return found

    def signal(self, index: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Return the (readout, coil, sample) signal of one class, m^3, and its (readout,) mean over the slab."""
        kind, job = self.classes[index], self.job
        response = self.kept.pop(index, None)
        if response is None:
            response = respond(self.scan, self.relaxation(index), self.resolutions[self.keys[index]])
        readouts, samples = job.timeline.readouts.t.shape
        if len(self.windows) == 1:
            signal = self._received(self.windows[0], kind, response)
        else:
            signal = np.zeros((readouts, job.coils, samples), dtype=np.complex128)
            for part in self.windows:
                found = self._received(part, kind, response)
                signal[part.rows, :, : found.shape[2]] = found
        still = np.flatnonzero(response.orders == 0)
        mean = response.coefficients[..., still].sum(axis=-1).mean(axis=1)[response.row]
        return signal, mean

    def _received(self, part: Windows, kind: TissueClass, response: Response) -> NDArray[np.complex128]:
        """Return the (readout, coil, sample) signal of one class, m^3, in windows of one kind."""
        job, dtype = self.job, self.engine.dtype
        if self.pencils:
            return pencil_signal(part, self.plan, self.pencils[carriers(kind)], response, kind, dtype)
        return column_signal(part, self.plan, job.spins, response, kind, job.heard(kind), job.cells.shape, dtype)


def share_of(kind: TissueClass, spins: Spins) -> float:
    """Return the share of its tissue's volume, where the tissue lies, that a class carries."""
    if kind.share is None:
        return float(len(kind.members) and spins.volume[kind.members].sum() / _tissue_volume(kind, spins))
    return float(kind.volumes(spins.volume).sum() / _tissue_volume(kind, spins))


def _tissue_volume(kind: TissueClass, spins: Spins) -> float:
    return float(spins.volume[spins.tissue == spins.tissues.index(kind.tissue)].sum())


def by_class(job: Job, plan: Program) -> tuple[NDArray[np.complex128], NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, coil, sample) signal, m^3, the contrast of the tissues, and what the numerics were.

    The contrast is the (tissue, readout) transverse magnetisation that the plane does not dephase, per volume of
    each tissue. The sums run over the classes in their order, so they do not depend on the number of workers.
    """
    run = _ClassRun(job, plan)
    classes = run.classes
    names = {name: index for index, name in enumerate(job.spins.tissues)}
    readouts, samples = job.timeline.readouts.t.shape
    total = np.zeros((readouts, job.coils, samples), dtype=np.complex128)
    contrast = np.zeros((len(names), len(total)), dtype=np.complex128)
    with ThreadPoolExecutor(job.workers) as pool:
        try:
            distinct = sorted(set(run.keys))
            run.resolutions = dict(zip(distinct, pool.map(run.resolve, distinct), strict=True))
            sizes = [len(k.members) * run.resolutions[key].per_layer for k, key in zip(classes, run.keys, strict=True)]
            counts = np.cumsum(sizes)
            for done, (signal, mean) in enumerate(pool.map(run.signal, range(len(classes)))):
                total += signal
                contrast[names[classes[done].tissue]] += classes[done].pd * share_of(classes[done], job.spins) * mean
                if job.progress:
                    job.progress(int(counts[done]), int(counts[-1]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found = list(run.resolutions.values())
    facts = {
        "discretisation_error": max(r.error for r in found),
        "rf_step_error": max(r.rf_error for r in found),
        "rf_substeps": max(r.rf_split for r in found),
        "sub_slices": max(r.per_layer for r in found) * run.scan.slab.layers,
        "spins": int(counts[-1]),
    }
    return total, contrast, facts | run.field_facts
