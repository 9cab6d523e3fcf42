"""The work for each class of a scan that is reused through the slice, with what the classes share."""

from __future__ import annotations

import math
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from .classes import TissueClass, dephasing_times
from .field_nodes import Nodes, on_nodes, order_weights
from .followers import Followers, dephased, family, in_orders, leaders, models, turned
from .job import Job
from .plane import Part, Pencils, Plane, Windows, echo_orders, pencil_signal, pencils_of, pencils_suffice, plane_of
from .plane_sums import PlaneSums, summed_signal
from .program import Program
from .pulse_maps import Relaxation
from .receiver import window_kinds, windows_of
from .rows import on_rows
from .slice_reuse import Resolution, Response, Scan, change, refine, respond
from .small_motion import MovingPencils, SmallMotion, displacements, moving_signal
from .stages import stages_of
from .walker import Slab

Key = tuple[float, float]
"""What classes share that need the same resolution: r1 and r2."""
Known = tuple[Resolution, float]
"""A resolution and the thickness of the layers that it divides, m."""

SOME_ROWS = 8
"""Intervals between the rows on which a resolution is judged."""
TURNED = 0.05
"""Error of the turning during a window of what lies at the nodes of a map, over the wanted accuracy."""
DRAWN = 4
"""Spins of a tissue at which the interpolation over maps is judged."""
Carriers = tuple[int, int]
"""What classes share that lie alike: the identities of their members and shares."""


def carriers(kind: TissueClass) -> Carriers:
    """Return what tells where a class lies."""
    return id(kind.members), id(kind.share)


class ClassRun:
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
        self.scan = Scan(timeline=job.timeline, plan=plan, slab=slab, dtype=engine.dtype, seen=job.seen(plan.base))
        mapped, self.nodes = on_nodes(self.scan, job)
        self.classes, self.row_facts = on_rows(self.scan, job, mapped)
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
        self.rows = bool(np.any(plan.along))
        self.straight = not self.rows and all(pencils_suffice(part.table, plan) for part in self.windows)
        self.motion = SmallMotion.in_job(job) if hearing and job.spins.motion else None
        self.moving: dict[Carriers, MovingPencils] = {}
        self.pencils: dict[Carriers, Pencils] = {}
        self.sums: dict[Carriers, list[PlaneSums]] = {}
        self.planes: dict[int, Plane] = {}
        self.gathering = Lock()
        self.sum_error = 0.0
        """Largest error of sums over the plane, over M0."""
        self.last: dict[Carriers, int] = {}

    def gather(self, kind: TissueClass) -> Plane:
        """Return where a class lies; the classes of a tissue share all but what each spin gives to each."""
        alike = id(kind.members)
        if alike not in self.planes:
            self.planes.clear()  # classes of a tissue follow each other
            whole = replace(kind, share=None)
            self.planes[alike] = plane_of(self.job.spins, kind.members, self.job.cells.shape, self.job.heard(whole))
        plane = self.planes[alike]
        return plane if kind.share is None else plane.times(kind.share)

    def pencils_at(self, kind: TissueClass) -> Pencils:
        """Return the sums of a class over the phase direction."""
        with self.gathering:
            if carriers(kind) not in self.pencils:
                self.pencils[carriers(kind)] = pencils_of(self.plan, self.gather(kind))
            return self.pencils[carriers(kind)]

    def moving_at(self, kind: TissueClass) -> MovingPencils | None:
        """Return the sums of a class that moves a little; None if it rests."""
        if self.motion is None:
            return None
        with self.gathering:
            if carriers(kind) not in self.moving:
                shifts = displacements(self.job, kind)
                if shifts is None:
                    return None
                self.moving[carriers(kind)] = MovingPencils(self.gather(kind), shifts, self.motion)
            return self.moving[carriers(kind)]

    def sums_at(self, kind: TissueClass) -> list[PlaneSums]:
        """Return the sums of a class over the plane for the windows of each kind."""
        with self.gathering:
            if carriers(kind) not in self.sums:
                plane = self.gather(kind)
                self.sums[carriers(kind)] = [
                    PlaneSums(plane, w.moment, self.plan.base, self.rows) for w in self.windows
                ]
            return self.sums[carriers(kind)]

    def resolution(self, index: int) -> Resolution:
        """Return the resolution of a class in the layers of this section."""
        found, layer = self.known[self.keys[index]]
        finer = self.job.cells.spacing[2] / layer
        if abs(finer - 1) < 1e-9:
            return found
        counts = [math.ceil(n * finer - 1e-9) for n in (found.per_layer, found.compared)]
        return replace(found, per_layer=counts[0], compared=counts[1])

    def relaxation(self, index: int) -> Relaxation:
        """Return what the walk of a class needs to know of it."""
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
        fixed = self.job.sub_slices
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

    def field_error(self, nodes: Nodes) -> float:
        """Return the largest deviation of what spins that are drawn respond from the sum of what nodes do, over M0."""
        if self.row_facts:
            return nodes.error
        at = range(nodes.first, nodes.first + len(nodes.offset))
        orders = np.unique(np.concatenate([self.own(index).orders for index in at]))
        held = np.array([self._heard(self.own(index), orders) for index in at])
        weight = order_weights(self.scan, orders)[self.plan.heard][:, None]
        worst = nodes.error
        for place in np.random.default_rng(0).integers(len(nodes.local[0]), size=DRAWN):
            spin = replace(
                self.relaxation(nodes.first),
                offset=nodes.kind.offset + float(nodes.local[0][place]),
                b1=float(nodes.local[1][place]),
            )
            truth = self._heard(respond(self.scan, spin, self.resolution(nodes.first)), orders)
            change = np.tensordot([share[place] for share in nodes.share], held, axes=1) - truth
            worst = max(worst, nodes.part * float((weight * np.abs(change)).sum(axis=2).mean(axis=1).max(initial=0.0)))
        return worst

    def _heard(self, response: Response, orders: NDArray[np.int64]) -> NDArray[np.complex128]:
        """Return the (readout, layer, order) coefficients of the readouts that are sampled."""
        return in_orders(response, orders)[response.row[self.plan.heard]]

    def bundles(self) -> list[list[int]]:
        """Return the classes that no other leads, those at the nodes of one map and pool together where they may be."""
        alone = [index for index in range(len(self.classes)) if not self.follows(index)]
        found: dict[tuple[object, ...], list[int]] = {}
        for index in alone:
            kind = self.classes[index]
            base = round(kind.offset - kind.node, 6)
            mapped = kind.share is not None and self.straight and self.motion is None
            alike = (id(kind.members), kind.place, kind.name, kind.r2, base, kind.row) if mapped else (index,)
            found.setdefault(alike, []).append(index)
        return list(found.values())

    def signal(self, bundle: list[int]) -> tuple[list[NDArray[np.complex128]], NDArray[np.complex128]]:
        """Return the (readout, coil, sample) signal of a bundle in the windows of each kind, m^3, and the
        (layer, readout) magnetisation that the plane does not dephase at the centre of k-space.
        """
        first, kind = bundle[0], self.classes[bundle[0]]
        own = [self.own(index) for index in bundle]
        shares = [self.job.share_of(self.classes[index]) for index in bundle]
        mean = np.sum([share * self._mean(response) for share, response in zip(shares, own, strict=True)], axis=0)
        mean = mean if kind.left is None else mean * kind.left
        moving = self.moving_at(kind)
        if moving is not None:
            given = self.plan, moving, own[0], kind, self.engine.dtype
            heard = [moving_signal(w, *given) for w in self.windows]
        elif self.straight:
            heard = [self._from_pencils(w, bundle, own) for w in self.windows]
        else:
            pairs = zip(self.windows, self.sums_at(kind), strict=True)
            heard = [summed_signal(*pair, own[0], kind) for pair in pairs]
        if kind.left is not None:
            heard = [part * kind.left[w.rows, None, None] for w, part in zip(self.windows, heard, strict=True)]
        led = [self.classes[i] for i in self.led.get(first, []) if self.follows(i)]
        if led:
            for w, part in zip(self.windows, heard, strict=True):
                since = np.asarray((np.arange(part.shape[2]) + 0.5) * w.table.dwell[0], dtype=np.float64)
                part *= dephased(kind, led, self.times[w.rows], since)[:, None]
            mean = mean * dephased(kind, led, self.times, np.zeros(1))[:, 0]
        return heard, kind.pd * mean

    def _mean(self, response: Response) -> NDArray[np.complex128]:
        """Return the (layer, readout) magnetisation of one class over M0 that the plane does not dephase."""
        sorting = np.argsort(response.orders)
        chosen = sorting[np.minimum(np.searchsorted(response.orders, self.echo, sorter=sorting), len(sorting) - 1)]
        held = response.orders[chosen] == self.echo
        return np.asarray(response.coefficients[response.row, :, chosen].T * held)

    def _from_pencils(self, windows: Windows, bundle: list[int], own: list[Response]) -> NDArray[np.complex128]:
        """Return the (readout, coil, sample) signal of a bundle, m^3, from its classes' pencils and responses."""
        kinds = [self.classes[index] for index in bundle]
        parts = [Part(pencils=self.pencils_at(k), response=r) for k, r in zip(kinds, own, strict=True)]
        node = np.array([kind.node for kind in kinds])
        middle = float(node.max() + node.min()) / 2
        time = np.asarray((np.arange(windows.table.moment.shape[1]) + 0.5) * windows.table.dwell[0], dtype=np.float64)
        alike = [kind for kind in self.job.classes if kind.members is kinds[0].members and kind.place == kinds[0].place]
        whole = sum(kind.pd for kind in alike)
        stages = stages_of(node - middle, time, TURNED * self.engine.accuracy * whole / kinds[0].pd)
        turning = replace(kinds[0], offset=kinds[0].offset - kinds[0].node + middle)
        return pencil_signal(windows, self.plan, parts, turning, self.engine.dtype, stages)

    def forget(self, done: int) -> None:
        """Let go of what only bundles up to this one needed."""
        for alike in [alike for alike, last in self.last.items() if last == done]:
            self.pencils.pop(alike, None)
            self.moving.pop(alike, None)
            self.sum_error = max([self.sum_error, *(each.error for each in self.sums.pop(alike, []))])
