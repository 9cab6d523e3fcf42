"""The Pathways engine: configuration states instead of spins.

Magnetisation is carried as its Fourier components over everything that dephases it (`pathways_states`), once
per tissue class and sub-slice. Dephasing over the cells of the object, resonance offset and T2' are analytic
at every sample, so there are no spins to choose, and a spoiled sequence is right with one cell per voxel.
Approximations: pulses act at their effective centres (their gradient and offset halves belong to the
intervals), with their relaxation and, for real profiles, their flip and phase at every sub-slice; the line
broadening T2' does not change a pulse's effect, which breaks when 1/T2' nears the pulse's bandwidth.
Weak states are dropped, and what that may cost is reported. References: Weigel, JMRI 41:266 (2015);
Endres et al., MRM 92:1189 (2024).
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.grid import Grid
from ..phantom.phantom import Phantom
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .in_plane import in_plane_error
from .memory import check_memory
from .object_cells import outside_field_of_view, sampling_grid
from .options import Bloch, Progress
from .pathways_classes import PathwayClass, pathway_classes
from .pathways_options import Pathways
from .pathways_signal import Geometry, class_signal
from .pathways_space import Waves
from .pathways_steps import Repetitions
from .pathways_walk import Walk, walk
from .receiver import acquisition, by_kind, check_readouts
from .sub_slices import SubSlices
from .walker import Slab

FIRST_SUB_SLICES, MAX_SUB_SLICES = 72, 2048
"""Sub-slices over the slab with which refinement begins, and where it stops."""
FINER = 1.3
"""By what the sub-slices are refined."""
ROUGH = 20.0
"""Accuracy, over the wanted one, of the walks that find out how many sub-slices a class needs."""


class _Run:
    """One scan: what all classes share."""

    def __init__(self, timeline: Timeline, spins: Spins, cells: Grid, engine: Pathways) -> None:
        self.timeline, self.engine, self.cells, self.spins = timeline, engine, cells, spins
        self.repetitions = Repetitions(timeline)
        self.waves = Waves(timeline)
        self.slab = Slab(
            thickness=cells.spacing[2] * cells.shape[0], layers=cells.shape[0], ideal=engine.profile == "ideal"
        )

    def walk(self, kind: PathwayClass, per_layer: int, roughly: float = 1.0) -> Walk:
        """Walk one class with `per_layer` sub-slices in each layer, to `roughly` times the accuracy."""
        engine = replace(self.engine, accuracy=roughly * self.engine.accuracy)
        return walk(self.timeline, self.repetitions, SubSlices(self.slab, per_layer), kind, engine)

    def geometry(self, members: NDArray[np.int64]) -> Geometry:
        """Return where one tissue lies."""
        return Geometry(self.timeline, self.repetitions, self.spins, members, self.cells, self.waves)

    def resolve(self, kind: PathwayClass) -> Walk:
        """Walk a class with so many sub-slices that more of them would matter no longer."""
        layers, fixed, wanted = self.slab.layers, self.engine.sub_slices, self.engine.accuracy
        if self.slab.ideal or fixed:
            return self.walk(kind, math.ceil((fixed or 1) / layers))
        # how many do, few strong states tell
        per_layer = math.ceil(FIRST_SUB_SLICES / layers)
        for roughly in (ROUGH, 1.0):
            while (
                found := self.walk(kind, per_layer, roughly)
            ).change > wanted and per_layer * layers < MAX_SUB_SLICES:
                per_layer = math.ceil(per_layer * FINER)
        return found


def run_pathways(
    timeline: Timeline, phantom: Phantom, engine: Pathways, threads: int | None = None, progress: Progress | None = None
) -> Acquisition:
    """Simulate a scan of a phantom; return noise-free raw data, in m^3 of proton density 1."""
    check_readouts(timeline)
    places = Bloch(
        accuracy=engine.accuracy,
        subsamples=engine.subsamples,
        slab=engine.slab,
        layers=engine.layers,
        ideal_slice=engine.profile == "ideal",
    )
    cells = sampling_grid(timeline, phantom, places)
    check_memory(engine.memory, timeline, math.prod(cells.shape), 1)
    spins = phantom.sample(cells)
    if len(spins.volume) == 0:
        raise InputError(f"phantom '{phantom.name}' has no spins in the slice; move the slice or the phantom")
    classes = pathway_classes(spins, timeline, engine)
    workers = threads or available_cores()
    facts: dict[str, Any] = {}

    def signal_of(part: Timeline) -> NDArray[np.complex128]:
        signal, found = _signal(_Run(part, spins, cells, engine), classes, workers, progress)
        for name, value in found.items():
            facts[name] = max(value, facts.get(name, value))
        return signal

    signal = by_kind(timeline, signal_of)
    facts |= {"engine": "pathways", "precision": engine.precision, "profile": engine.profile, "classes": len(classes)}
    density = np.array([[sum(pool.pd for pool in pools) for pools in spins.pools]], dtype=np.complex128)
    facts["in_plane_error"] = in_plane_error(timeline.encoding.grid, cells, spins, density, filled=True)
    facts["warnings"] = outside_field_of_view(timeline.encoding, phantom)
    return acquisition(timeline, signal[:, None], facts)


def _signal(
    run: _Run, classes: list[PathwayClass], workers: int, progress: Progress | None
) -> tuple[NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, sample) signal, m^3, and the numerics; the sum runs over the tissues in their order."""
    kinds = {kind.key(run.slab.ideal): kind for kind in classes}
    by_place: dict[int, list[PathwayClass]] = {}
    for kind in classes:
        by_place.setdefault(id(kind.members), []).append(kind)

    def place(members: list[PathwayClass]) -> tuple[NDArray[np.complex128], float, float]:
        geometry = run.geometry(members[0].members)
        walks = [resolved[kind.key(run.slab.ideal)] for kind in members]
        found = [class_signal(geometry, w, k, run.engine.accuracy) for w, k in zip(walks, members, strict=True)]
        return np.sum([signal for signal, _ in found], axis=0), max(b for _, b in found), geometry.transforms.error

    total = np.zeros(run.timeline.readouts.k.shape[:2], dtype=np.complex128)
    bound = sums = 0.0
    with ThreadPoolExecutor(workers) as pool:
        try:
            resolved = dict(zip(kinds, pool.map(run.resolve, kinds.values()), strict=True))
            for done, (signal, lost, off) in enumerate(pool.map(place, by_place.values()), 1):
                total += signal
                bound, sums = max(bound, lost), max(sums, off)
                if progress:
                    progress(done, len(by_place))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    every = resolved.values()
    return total, {
        "pruning_bound": float(bound),
        "discretisation_error": sums + (0.0 if run.slab.ideal else max(w.change for w in every)),
        "sub_slices": max(w.lanes for w in every),
        "states": max(w.largest for w in every),
    }
