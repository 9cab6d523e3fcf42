"""The signal with reuse through the slice: class by class instead of spin by spin."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .classes import TissueClass, dephasing_times
from .field_nodes import on_nodes
from .followers import Followers, dephased, family, leaders, models, turned
from .job import Job
from .plane import Pencils, Windows, echo_orders, pencil_signal, pencils_of, pencils_suffice, plane_of
from .plane_sums import PlaneSums, summed_signal
from .program import Program
from .pulse_maps import Relaxation
from .receiver import window_kinds, windows_of
from .rows import on_rows
from .slice_reuse import Resolution, Response, Scan, change, refine, respond, responses
from .small_motion import MovingPencils, SmallMotion, displacements, moving_signal
from .walker import Slab

Key = tuple[float, float]
"""What classes share that need the same resolution: r1 and r2."""
Known = tuple[Resolution, float]
"""A resolution and the thickness of the layers that it divides, m."""

SOME_ROWS = 8
"""Intervals between the rows on which a resolution is judged."""

Carriers = tuple[int, int]
"""What classes share that lie alike: the identities of their members and shares."""


def carriers(kind: TissueClass) -> Carriers:
    """Return what tells where a class lies."""
    return id(kind.members), id(kind.share)


class _ClassRun:
    """The work for each class, with what the classes of one scan share."""

    def __init__(
        self, job: Job, plan: Program, known: dict[Key, Known], followers: Followers, hearing: bool = True
    ) -> None:
        self.job, self.plan, self.engine = job, plan, job.engine
        cells, engine = job.cells, job.engine
        slab = Slab(
            thickness=cells.spacing[2] * cells.shape[0],
            layers=cells.shape[0],
            ideal=engine.ideal_slice,
            middle=job.middle,
            start=engine.start,
        )
        self.scan = Scan(timeline=job.timeline, plan=plan, slab=slab, dtype=engine.dtype, seen=_seen(job, plan))
        mapped, field_facts = on_nodes(self.scan, job)
        self.classes, row_facts = on_rows(self.scan, job, mapped)
        self.field_facts = field_facts | row_facts
        self.keys: list[Key] = [(kind.r1, kind.r2) for kind in self.classes]
        self.known, self.followers = known, followers
        self.leader, self.models = leaders(self.classes), models(self.classes)
        self.led: dict[int, list[int]] = {}
        for follower, leader in enumerate(self.leader):
            self.led.setdefault(leader, []).append(follower)
        self.times = dephasing_times(job.timeline)[:, 0]
        self.kept: dict[int, Response] = {}
        table, heard = job.timeline.readouts, plan.heard
        kinds = [rows[np.isin(rows, heard)] for rows in window_kinds(table)]
        self.windows = [Windows.of(windows_of(table, rows), rows, plan) for rows in kinds if len(rows)]
        self.echo = echo_orders(job.timeline.readouts, plan)
        self.pencils: dict[Carriers, Pencils] = {}
        self.sums: dict[Carriers, list[PlaneSums]] = {}
        self.sum_error = 0.0
        """Largest error of sums over the plane, over M0."""
        self.moving: dict[Carriers, MovingPencils] = {}
        self.motion = SmallMotion.in_job(job) if hearing and job.spins.motion else None
        self.last = {carriers(kind): index for index, kind in enumerate(self.classes)}
        if hearing:
            self._gather()

    def _gather(self) -> None:
        """Find where the classes lie, and sum over the phase direction where that serves all samples of a readout."""
        job, plan = self.job, self.plan
        rows = bool(np.any(plan.along))
        straight = not rows and all(pencils_suffice(part.table, plan) for part in self.windows)
        for alike, index in self.last.items():
            kind = self.classes[index]
            plane = plane_of(job.spins, kind.members, job.cells.shape, job.heard(kind))
            shifts = None if self.motion is None else displacements(job, kind)
            if self.motion is not None and shifts is not None:
                self.moving[alike] = MovingPencils(plane, shifts, self.motion)
            elif straight:
                self.pencils[alike] = pencils_of(plan, plane)
            else:
                self.sums[alike] = [PlaneSums(plane, part.moment, plan.base, rows) for part in self.windows]

    @property
    def fixed(self) -> int | None:
        """The sub-slices per layer that the user asks for."""
        if self.engine.sub_slices is None:
            return None
        return max(1, int(self.engine.sub_slices * self.job.share / self.scan.slab.layers + 1e-9))

    def resolution(self, index: int) -> Resolution:
        """Return the resolution of a class in the layers of this section."""
        found, layer = self.known[self.keys[index]]
        finer = self.job.cells.spacing[2] / layer
        if abs(finer - 1) < 1e-9:
            return found
        counts = [math.ceil(n * finer - 1e-9) for n in (found.per_layer, found.compared)]
        return replace(found, per_layer=counts[0], compared=counts[1])

    def relaxation(self, index: int) -> Relaxation:
        kind = self.classes[index]
        x, y = kind.row * self.plan.along
        return Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset, b1=kind.b1, place=(float(x), float(y)))

    def resolve(self, key: Key) -> Resolution:
        """Find the resolution of the classes that relax alike.

        It is found on the class with most signal, of rows the middle one, and must hold for those farthest from it in
        offset and in B1, and in some of the rows.
        """
        mine = [i for i, k in enumerate(self.keys) if k == key]
        leader = max(mine, key=lambda i: (self.classes[i].pd, -abs(self.classes[i].row)))
        fixed = self.fixed
        found, response = refine(self.scan, self.relaxation(leader), self.engine.accuracy, fixed, self.engine.rf_step)
        farthest = {
            max(mine, key=lambda i: abs(self.classes[i].offset - self.classes[leader].offset)),
            min(mine, key=lambda i: self.classes[i].b1),
            max(mine, key=lambda i: self.classes[i].b1),
            *self._some_rows(mine, self.classes[leader]),
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

    def _some_rows(self, mine: list[int], leader: TissueClass) -> list[int]:
        """Return classes like the leader in a few rows from the first to the last."""
        alike = [i for i in mine if self.classes[i].offset == leader.offset and self.classes[i].b1 == leader.b1]
        by_row = {self.classes[i].row: i for i in alike}
        rows = sorted(by_row)
        return [by_row[rows[round(part * (len(rows) - 1) / SOME_ROWS)]] for part in range(SOME_ROWS + 1)]

    def own(self, index: int) -> Response:
        """Return the response that the class itself has."""
        if index not in self.kept:
            response = respond(self.scan, self.relaxation(index), self.resolution(index))
            if self.leader[index] != index:
                return response
            self.kept[index] = response
        return self.kept[index]

    def judge(self, index: int) -> None:
        """Find out whether a class follows its leader, unless that is known."""
        leader, kind = self.leader[index], self.classes[index]
        # a slab that is one, without maps, agrees with spins at its cells' places
        if self.scan.seen is None and kind.share is None:
            return
        if leader == index or family(kind) not in self.models[family(kind)] or self.follows(index) is not None:
            return
        guess = turned(self.own(leader), kind.offset - self.classes[leader].offset, self.times)
        whole = sum(k.pd for k, first in zip(self.classes, self.leader, strict=True) if first == leader)
        self.followers.judge(kind, kind.pd / whole, self.own(index), guess, self.plan.heard)

    def follows(self, index: int) -> bool | None:
        """Return whether a class follows its leader; None if that is not known."""
        kind = self.classes[index]
        return False if self.leader[index] == index else self.followers.follows(kind, self.models[family(kind)])

    def signal(self, index: int) -> tuple[list[NDArray[np.complex128]], NDArray[np.complex128]]:
        """Return the (readout, coil, sample) signal of one class in the windows of each kind, m^3, and the
        (layer, readout) magnetisation that the plane does not dephase at the centre of k-space.
        """
        kind, response = self.classes[index], self.own(index)
        column = {int(order): index for index, order in enumerate(response.orders)}
        chosen = np.array([column.get(int(order), -1) for order in self.echo])
        mean = response.coefficients[response.row, :, chosen].T * (chosen >= 0)
        mean = mean if kind.left is None else mean * kind.left
        alike = carriers(kind)
        if alike in self.moving:
            given = self.plan, self.moving[alike], response, kind, self.engine.dtype
            heard = [moving_signal(w, *given) for w in self.windows]
        elif alike in self.pencils:
            pencils = self.pencils[alike]
            heard = [pencil_signal(w, self.plan, pencils, response, kind, self.engine.dtype) for w in self.windows]
        else:
            sums = self.sums[alike]
            heard = [summed_signal(*pair, response, kind) for pair in zip(self.windows, sums, strict=True)]
        if kind.left is not None:
            heard = [part * kind.left[w.rows, None, None] for w, part in zip(self.windows, heard, strict=True)]
        led = [self.classes[i] for i in self.led.get(index, []) if self.follows(i)]
        if led:
            for w, part in zip(self.windows, heard, strict=True):
                since = np.asarray((np.arange(part.shape[2]) + 0.5) * w.table.dwell[0], dtype=np.float64)
                part *= dephased(kind, led, self.times[w.rows], since)[:, None]
            mean = mean * dephased(kind, led, self.times, np.zeros(1))[:, 0]
        return heard, mean

    def forget(self, index: int) -> None:
        """Let go of what only classes up to this one needed."""
        alike = carriers(self.classes[index])
        if self.last[alike] == index:
            self.moving.pop(alike, None)
            self.sum_error = max([self.sum_error, *(each.error for each in self.sums.pop(alike, []))])


def _seen(job: Job, plan: Program) -> int | None:
    """Return the highest in-plane order that cells can show in a section; None for a slab that is one."""
    winding = float(np.abs(plan.base).max())
    if job.share == 1.0 or winding == 0.0:
        return None
    finest, largest = min(job.cells.spacing[:2]), float(np.abs(job.timeline.readouts.k[..., :2]).max())
    return max(1, math.floor((0.5 / finest + largest) / winding))


def share_of(kind: TissueClass, spins: Spins, whole: NDArray[np.float64]) -> float:
    """Return the share of its tissue's volume, where the tissue lies, that a class carries; whole : (tissue,) m^3."""
    return float(kind.volumes(spins.volume).sum() / whole[spins.tissues.index(kind.tissue)])


def by_class(
    job: Job, plan: Program, known: dict[Key, Known] | None = None, followers: Followers | None = None
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, coil, sample) signal, m^3, the contrast of the tissues, and what the numerics were.

    The contrast is the (tissue, layer, readout) transverse magnetisation that the plane does not dephase, per volume
    of each tissue. The sums run over the classes in their order, so they do not depend on the number of workers.

    known, followers : what other sections found, and receive what is found here.
    """
    followers = Followers(wanted=job.engine.accuracy / 4) if followers is None else followers
    run = _ClassRun(job, plan, {} if known is None else known, followers)
    classes = run.classes
    names = {name: index for index, name in enumerate(job.spins.tissues)}
    whole = np.asarray(np.bincount(job.spins.tissue, job.spins.volume, len(names)), dtype=np.float64)
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
            alone = [index for index in range(len(classes)) if not run.follows(index)]
            run.last = {carriers(classes[index]): index for index in alone}
            for done, (signal, mean) in zip(alone, pool.map(run.signal, alone), strict=True):
                for part, heard in zip(run.windows, signal, strict=True):
                    total[part.rows, :, : heard.shape[2]] += heard
                contrast[names[classes[done].tissue]] += (
                    classes[done].pd * share_of(classes[done], job.spins, whole) * mean
                )
                run.forget(done)
                if job.progress:
                    job.progress(int(counts[done]), int(counts[-1]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    facts = {
        "discretisation_error": max(r.error for r in used) + followers.worst() + run.sum_error,
        "rf_step_error": max(r.rf_error for r in used),
        "rf_substeps": max(r.rf_split for r in used),
        "sub_slices": max(r.per_layer for r in used) * run.scan.slab.layers,
        "spins": int(counts[-1]),
    }
    return total, contrast, facts | run.field_facts | (run.motion.facts if run.motion is not None else {})


def far_error(job: Job, plan: Program, timeline: Timeline, whole: Program, known: dict[Key, Known]) -> float:
    """Return what leaving out the pulses and readouts of far slices changes, over M0, for the class with most spins.

    job, plan : a section with what plays there. timeline, whole : all that plays.
    """
    run = _ClassRun(job, plan, known, Followers(wanted=0.0), hearing=False)
    held = [kind.pd * float(kind.volumes(job.spins.volume).sum()) for kind in run.classes]
    central = min(abs(kind.row) for kind in run.classes)
    leader = max(range(len(held)), key=lambda i: held[i] * (abs(run.classes[i].row) == central))
    scans = run.scan, replace(run.scan, timeline=timeline, plan=whole)
    near, far = (responses(scan, run.relaxation(leader), run.resolution(leader)) for scan in scans)
    near[np.setdiff1d(np.arange(len(near)), plan.heard)] = 0
    return float(np.abs(near - far).sum(axis=2).mean(axis=1).max(initial=0.0))
