"""A slab section by section: each with its own layers, pulses and readouts, one in memory at a time.

The middle section decides how many layers the others get: as many as make the error of the layers no larger than that
of the cells in the plane. It also tells how much is lost by leaving out what far slices do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..phantom.spins import Spins
from .by_class import by_class, far_error
from .class_run import Key, Known
from .classes import TissueClass
from .followers import Followers
from .in_plane import contrast_weights, in_plane_error, layer_error
from .job import Job
from .motion_check import first_order_error
from .object_cells import aliased_spoilers
from .program import Program, program
from .road import plan_of
from .sections import Section, local_part
from .task import Task

FIRST_LAYERS, MAX_LAYERS = 4, 16
"""Layers of a section of solids with which the search begins, and where it stops; the error reached is reported."""
SMALL = 0.02
"""Share of its tissue below which a class does not decide which pulses act on a section."""
PROGRESS = 1000
"""Steps of progress that each section counts."""

Signal = NDArray[np.complex128]


class _Stack:
    """The sections of one scan, and what they have found."""

    def __init__(self, task: Task, sections: list[Section], alike: bool) -> None:
        self.task, self.sections, self.alike = task, sections, alike
        cells = task.slab
        plane = max(cells.spacing[0] * cells.shape[2], cells.spacing[1] * cells.shape[1])
        self.reach = (plane, cells.spacing[2] * cells.shape[0])
        self.known: dict[Key, Known] = {}
        self.followers = Followers(wanted=task.engine.accuracy / 4)
        self.once: tuple[Spins, float] | None = None
        self.offsets = np.zeros(1)
        self.facts: dict[str, Any] = {"reuse": "through the slice", "spins": 0, "sub_slices": 0, "layers": 0}
        table = task.timeline.readouts
        coils = 1 if task.coils is None else len(task.coils.maps)
        self.total: Signal = np.zeros((len(table.dwell), coils, table.t.shape[1]), dtype=np.complex128)

    def job(self, index: int, layers: int) -> tuple[Job, float]:
        """Return the job of a section; an object that does not vary through the slab is sampled once."""
        section = self.sections[index]
        cells = section.cells(self.task.slab, layers)
        if not self.alike:
            return self.task.job(cells, section.middle)
        if self.once is None:
            self.once = self.task.sampled(cells), section.thickness
        spins, thickness = self.once
        spins = replace(spins, volume=spins.volume * (section.thickness / thickness))
        return self.task.job(cells, section.middle, spins)

    def planned(self, index: int, job: Job) -> tuple[Job, Program | str]:
        """Return the job with what plays in its section, and how its slice is reused."""
        local = local_part(self.task.timeline, self.sections[index], self.task.engine, self.offsets)
        progress = self.task.progress
        count, all_of_them = index * PROGRESS, len(self.sections) * PROGRESS

        def report(done: int, of: int) -> None:
            if progress:
                progress(count + PROGRESS * done // max(of, 1), all_of_them)

        job = replace(job, timeline=local.timeline, silent=local.silent, progress=report)
        return job, plan_of(job, self.reach)

    def run(self, job: Job, plan: Program, add: bool = True) -> Signal:
        """Simulate a section and note its numerics; return the (tissue, layer, readout) contrast."""
        signal, contrast, facts = by_class(job, plan, self.known, self.followers)
        if add:
            self.note(signal, job, facts)
        return contrast

    def note(self, signal: Signal, job: Job, facts: dict[str, Any]) -> None:
        """Add a section's signal; errors are those of the worst section."""
        self.total += signal
        facts |= {"layers": job.cells.shape[0]}
        for name, value in facts.items():
            if name in ("spins", "sub_slices", "layers"):
                self.facts[name] += value
            elif name not in self.facts or (not isinstance(value, str) and value > self.facts[name]):
                self.facts[name] = value

    def lead(self, index: int, job: Job, layers: int, fixed: bool) -> int | str:
        """Simulate the section that decides; return the layers of the others, or why sections do not do."""
        encoded = self.task.timeline.encoding.grid
        while True:
            job, plan = self.planned(index, job)
            if isinstance(plan, str):
                return plan
            if not len(plan.heard):
                said = "is so coarse that no excitation counts and no readout hears anything; ask for less, e.g. 1e-3"
                raise InputError(said, key="accuracy")
            signal, contrast, facts = by_class(job, plan, self.known, self.followers)
            weights = contrast_weights(job.timeline, contrast)
            in_plane = in_plane_error(encoded, job.cells, job.spins, weights.mean(axis=-1))
            through = layer_error(encoded, job.cells, job.spins, weights) if layers % 2 == 0 else 0.0
            through = max(through, facts.get("motion_layer_error", 0.0))
            if fixed or through <= in_plane or layers >= MAX_LAYERS:
                break
            layers *= 2
            job, _ = self.job(index, layers)
        self.note(signal, job, facts)
        whole = program(self.task.timeline, self.reach)
        self.facts |= {"in_plane_error": in_plane, "layer_error": through}
        if job.spins.motion:
            self.facts["motion_error"] = first_order_error(job, self.reach, self.known)
        if not isinstance(whole, str) and not self.task.engine.ideal_slice:
            self.facts["far_error"] = far_error(job, plan, self.task.timeline, whole, self.known)
        spacing = (*job.cells.spacing[:2], self.sections[index].thickness / facts["sub_slices"])
        self.facts["warnings"] = aliased_spoilers(self.task.timeline, spacing)
        if not fixed and layers > 2 and 4 * through <= in_plane:
            layers //= 2
        return layers


def by_section(task: Task, sections: list[Section], alike: bool) -> tuple[Signal, dict[str, Any]] | str:
    """Return the (readout, coil, sample) signal, m^3, and what the numerics were, or why sections do not do.

    alike : the object does not vary through the slab.
    """
    stack, engine = _Stack(task, sections, alike), task.engine
    one = alike or (engine.ideal_slice and task.phantom.solid)
    fixed = bool(engine.layers) or one
    layers: int | None = None
    dephasing, classes = 0.0, 0
    for index, section in enumerate(sections):
        count = layers if layers is not None else engine.layers or (1 if one else FIRST_LAYERS)
        if layers is not None and not fixed and local_part(task.timeline, section, engine, stack.offsets).beside:
            count = min(count, 2)
        job, error = stack.job(index, count)
        if not job.classes:
            continue
        if layers is None:
            stack.offsets = _offsets(job.classes)
            found = stack.lead(index, job, count, fixed)
            if isinstance(found, str):
                return found
            layers = found
        else:
            job, plan = stack.planned(index, job)
            if isinstance(plan, str):
                return plan
            if len(plan.heard):
                stack.run(job, plan)
        dephasing, classes = max(dephasing, error), max(classes, len(job.classes))
    if layers is None:
        return "the slab holds nothing"
    warned = tuple(stack.facts.pop(name) for name in ("field_warning",) if name in stack.facts)
    facts = stack.facts | {"t2_prime_error": dephasing, "classes": classes}
    facts["warnings"] = (*facts["warnings"], *warned)
    return stack.total, facts


def _offsets(classes: list[TissueClass]) -> NDArray[np.float64]:
    """Return the lowest and the highest offset that matter, and zero, Hz."""
    whole: dict[str, float] = {}
    for kind in classes:
        whole[kind.tissue] = whole.get(kind.tissue, 0.0) + kind.pd
    found = [f for kind in classes if kind.pd > SMALL * whole[kind.tissue] for f in _ends(kind)]
    return np.unique([min([0.0, *found]), 0.0, max([0.0, *found])])


def _ends(kind: TissueClass) -> tuple[float, float]:
    local = kind.offsets() if kind.local_offset is not None else np.array([kind.offset])
    return float(local.min(initial=np.inf)), float(local.max(initial=-np.inf))
