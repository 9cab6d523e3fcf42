"""The signal with reuse through the slice: class by class instead of spin by spin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .classes import TissueClass
from .options import Bloch, Progress
from .plane import Pencils, column_signal, pencil_signal, pencils_of, pencils_suffice, plane_of
from .program import Program
from .pulse_maps import Relaxation
from .slice_reuse import Resolution, refine, respond
from .walker import Slab

Key = tuple[float, float, float]
"""What classes share that need the same resolution: r1, r2 and relative B1."""


class _ClassRun:
    """The work for each class, with what the classes of one scan share."""

    def __init__(
        self, timeline: Timeline, plan: Program, classes: list[TissueClass], spins: Spins, cells: Grid, engine: Bloch
    ) -> None:
        self.timeline, self.plan, self.classes, self.spins, self.cells = timeline, plan, classes, spins, cells
        self.engine = engine
        self.slab = Slab(
            thickness=cells.spacing[2] * cells.shape[0],
            layers=cells.shape[0],
            ideal=engine.ideal_slice,
            start=engine.start,
        )
        self.keys: list[Key] = [(kind.r1, kind.r2, kind.b1) for kind in classes]
        self.resolutions: dict[Key, Resolution] = {}
        self.pencils: dict[int, Pencils] = {}
        if pencils_suffice(timeline, plan):
            for kind in classes:
                if id(kind.members) not in self.pencils:
                    self.pencils[id(kind.members)] = pencils_of(plan, plane_of(spins, kind.members, cells.shape))

    def relaxation(self, index: int) -> Relaxation:
        kind = self.classes[index]
        return Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset, b1=kind.b1)

    def resolve(self, key: Key) -> Resolution:
        """Find the resolution of the classes that share `key` on the one with most signal."""
        leader = max((i for i, k in enumerate(self.keys) if k == key), key=lambda i: self.classes[i].pd)
        fixed = self.engine.sub_slices
        per_layer = None if fixed is None else max(1, fixed // self.slab.layers)
        return refine(
            self.timeline,
            self.plan,
            self.slab,
            self.relaxation(leader),
            self.engine.accuracy,
            per_layer,
            self.engine.dtype,
        )

    def signal(self, index: int) -> NDArray[np.complex128]:
        """Return the (readout, sample) signal of one class, m^3."""
        kind, dtype = self.classes[index], self.engine.dtype
        response = respond(
            self.timeline, self.plan, self.slab, self.relaxation(index), self.resolutions[self.keys[index]], dtype
        )
        if self.pencils:
            return pencil_signal(self.timeline, self.plan, self.pencils[id(kind.members)], response, kind, dtype)
        return column_signal(self.timeline, self.plan, self.spins, response, kind, self.cells.shape, dtype)


def by_class(
    timeline: Timeline,
    plan: Program,
    classes: list[TissueClass],
    spins: Spins,
    cells: Grid,
    engine: Bloch,
    workers: int,
    progress: Progress | None,
) -> tuple[NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, sample) signal, m^3, and what the numerics were.

    The sum runs over the classes in their order, so it does not depend on the number of workers.
    """
    run = _ClassRun(timeline, plan, classes, spins, cells, engine)
    total = np.zeros(timeline.readouts.k.shape[:2], dtype=np.complex128)
    with ThreadPoolExecutor(workers) as pool:
        try:
            distinct = sorted(set(run.keys))
            run.resolutions = dict(zip(distinct, pool.map(run.resolve, distinct), strict=True))
            sizes = [
                len(kind.members) * run.resolutions[k].per_layer for kind, k in zip(classes, run.keys, strict=True)
            ]
            counts = np.cumsum(sizes)
            for done, signal in enumerate(pool.map(run.signal, range(len(classes)))):
                total += signal
                if progress:
                    progress(int(counts[done]), int(counts[-1]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    found = run.resolutions.values()
    return total, {
        "discretisation_error": max(r.error for r in found),
        "sub_slices": max(r.per_layer for r in found) * run.slab.layers,
        "spins": int(counts[-1]),
    }
