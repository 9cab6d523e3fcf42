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
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.grid import Grid
from ..phantom.phantom import Phantom
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .object_cells import outside_field_of_view, sampling_grid
from .options import Bloch, Progress
from .pathways_classes import PathwayClass, pathway_classes
from .pathways_options import Pathways
from .pathways_signal import Geometry, class_signal
from .pathways_space import Waves
from .pathways_steps import steps_of
from .pathways_walk import Walk, walk
from .pulse_maps import Relaxation
from .receiver import acquisition, by_kind, check_readouts
from .walker import Slab

FIRST_SUB_SLICES, MAX_SUB_SLICES = 48, 2048
"""Sub-slices over the slab with which refinement begins, and where it stops."""


class _Run:
    """One scan: what all classes share."""

    def __init__(self, timeline: Timeline, spins: Spins, cells: Grid, engine: Pathways) -> None:
        self.timeline, self.engine, self.cells, self.spins = timeline, engine, cells, spins
        self.steps = steps_of(timeline)
        self.waves = Waves(timeline)
        self.slab = Slab(
            thickness=cells.spacing[2] * cells.shape[0], layers=cells.shape[0], ideal=engine.profile == "ideal"
        )

    def walk(self, kind: PathwayClass, per_layer: int) -> Walk:
        """Walk one class with `per_layer` sub-slices in each layer."""
        spin = Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset, b1=kind.b1)
        z = self.slab.positions(per_layer)
        # half of the accuracy for states dropped on the way, half for those left out of the readouts
        return walk(self.timeline, self.steps, self.slab, z, spin, kind.diffusion, self.engine.accuracy / 2)

    def key(self, kind: PathwayClass) -> tuple[float, ...]:
        """Return what classes share that walk alike: with ideal pulses the offset does not matter to the states."""
        return (kind.r1, kind.r2, kind.b1, kind.diffusion, 0.0 if self.slab.ideal else kind.offset)

    def geometry(self, members: NDArray[np.int64]) -> Geometry:
        """Return where one tissue lies."""
        return Geometry(self.timeline, self.steps, self.spins, members, self.cells, self.waves)

    def refine(self, kind: PathwayClass) -> tuple[int, float]:
        """Return the sub-slices per layer at which the signal of a class stops changing, and the last change."""
        if self.slab.ideal:
            return 1, 0.0
        layers, fixed = self.slab.layers, self.engine.sub_slices
        per_layer = math.ceil((fixed or FIRST_SUB_SLICES) / layers)
        geometry = self.geometry(kind.members)
        volume = float(self.spins.volume[kind.members].sum())
        signal, _ = class_signal(geometry, self.walk(kind, per_layer), kind, self.slab, per_layer, self.engine.accuracy)
        while True:
            finer = math.ceil(per_layer * 1.37)
            again, _ = class_signal(geometry, self.walk(kind, finer), kind, self.slab, finer, self.engine.accuracy)
            change = float(np.abs(again - signal).max()) / (kind.pd * volume)
            if fixed or change <= self.engine.accuracy or per_layer * layers > MAX_SUB_SLICES:
                return per_layer, change
            per_layer, signal = finer, again


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
    spins = phantom.sample(cells)
    if len(spins.volume) == 0:
        raise InputError(f"phantom '{phantom.name}' has no spins in the slice; move the slice or the phantom")
    classes = pathway_classes(spins, timeline, engine)
    workers = threads or os.cpu_count() or 1
    facts: dict[str, Any] = {}

    def signal_of(part: Timeline) -> NDArray[np.complex128]:
        signal, found = _signal(_Run(part, spins, cells, engine), classes, workers, progress)
        for name, value in found.items():
            facts[name] = max(value, facts.get(name, value))
        return signal

    signal = by_kind(timeline, signal_of)
    facts |= {"engine": "pathways", "precision": "double", "profile": engine.profile, "classes": len(classes)}
    facts["warnings"] = outside_field_of_view(timeline, phantom)
    return acquisition(timeline, signal[:, None], facts)


def _signal(
    run: _Run, classes: list[PathwayClass], workers: int, progress: Progress | None
) -> tuple[NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, sample) signal, m^3, and the numerics; the sum runs over the tissues in their order."""
    kinds: dict[tuple[float, ...], PathwayClass] = {}
    for kind in classes:
        kinds.setdefault(run.key(kind), kind)
    by_place: dict[int, list[PathwayClass]] = {}
    for kind in classes:
        by_place.setdefault(id(kind.members), []).append(kind)
    largest = max(classes, key=lambda kind: kind.pd * float(run.spins.volume[kind.members].sum()) / kind.r2)
    per_layer, change = run.refine(largest)

    def place(members: list[PathwayClass]) -> tuple[NDArray[np.complex128], float]:
        geometry = run.geometry(members[0].members)
        accuracy = run.engine.accuracy
        found = [class_signal(geometry, walks[run.key(k)], k, run.slab, per_layer, accuracy) for k in members]
        return np.sum([signal for signal, _ in found], axis=0), max(bound for _, bound in found)

    total = np.zeros(run.timeline.readouts.k.shape[:2], dtype=np.complex128)
    bound = 0.0
    with ThreadPoolExecutor(workers) as pool:
        try:
            walks = dict(zip(kinds, pool.map(lambda kind: run.walk(kind, per_layer), kinds.values()), strict=True))
            for done, (signal, lost) in enumerate(pool.map(place, by_place.values()), 1):
                total += signal
                bound = max(bound, lost)
                if progress:
                    progress(done, len(by_place))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return total, {
        "pruning_bound": float(bound),
        "discretisation_error": change,
        "sub_slices": 1 if run.slab.ideal else per_layer * run.slab.layers,
        "states": max(w.largest for w in walks.values()),
    }
