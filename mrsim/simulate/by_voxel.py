"""A single voxel, selected along three axes: the signal by pathways, each a product of one function per axis.

What is longitudinal between repetitions is a sum of such products as well (`voxel_course`); the object is held on
cells, fine around the voxel and coarse beyond it. Repetitions that play the same from the same state are seen once. The
line of T2' is not sampled (`line`). Errors are measured on the signal itself: cells joined in pairs, RF steps halved,
pathways left out, the response between offsets.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..sequence.timeline import Timeline
from .classes import ClassOptions, TissueClass, tissue_classes
from .line import Line, follow
from .pulse_maps import Relaxation
from .receiver import window_kinds
from .road import obstacle
from .slice_reuse import STEADY
from .steps import chosen_parts
from .task import Task
from .voxel_course import Course, Stretch
from .voxel_doubts import doubts
from .voxel_object import ACROSS, FINER, Held, beyond_part, near_part
from .voxel_pathways import Boxes, Pathways, Shared, elements_of, fastest_phases
from .voxel_program import FREE, SAMPLE, VoxelProgram, voxel_program

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
FIRST_COARSER, LEAST_COARSER = 4, 2
"""Cells that are one beyond the neighbourhood of the voxel, where the search begins and where it stops."""
HELPS = 0.7
"""Share of the error that is left at most where smaller cells help."""
SMALL = 1e-3
"""Size of a pathway that is left out, over the wanted accuracy."""
LEFT_BEHIND = 1.0
"""The same of what a repetition leaves to the next ones."""
TURNS = 32.0
"""Turns over the voxel from which what a repetition leaves wound up counts only if the next one unwinds it."""


Kind = tuple[str, str, float, float, int]
"""Tissue, pool, offset, B1 and what diffusion leaves (its identity): what a class is in both parts."""


class _Voxel:
    """One scan with the object in two parts: around the voxel in fine cells, and all beyond it."""

    def __init__(self, task: Task, timeline: Timeline, program: VoxelProgram) -> None:
        self.task, self.program, self.timeline, self.split = task, program, timeline, 1
        self.finer, self.coarser = FINER, FIRST_COARSER
        if task.engine.subsamples is not None:
            self.finer, self.coarser = math.ceil(task.engine.subsamples / ACROSS), 1
        self.grid = task.timeline.encoding.grid
        self.size = np.asarray(self.grid.spacing)
        self.parts = [near_part(task, self.finer), beyond_part(task, self.coarser)]
        self.classes = self.sorted()
        self.turns = TURNS
        self.least, self.small = SMALL * task.engine.accuracy, LEFT_BEHIND * task.engine.accuracy

    def sorted(self) -> dict[Kind, list[tuple[int, TissueClass]]]:
        """Return the classes of both parts, each with the parts in which it occurs."""
        task, engine = self.task, self.task.engine
        exact = math.inf  # the line of T2' is not sampled
        options = ClassOptions(t2_prime_accuracy=exact, chemical_shift=engine.chemical_shift, line=engine.t2_prime)
        found: dict[Kind, list[tuple[int, TissueClass]]] = {}
        for index, part in enumerate(self.parts):
            for kind in tissue_classes(part.spins, self.task.timeline, options, task.diffusing)[0]:
                if not engine.only or kind.tissue in engine.only:
                    key = (kind.tissue, kind.name, kind.offset, kind.b1, id(kind.left))
                    found.setdefault(key, []).append((index, kind))
        return found

    def refined(self) -> _Voxel | None:
        """Return the scan with smaller cells beyond the voxel; None if they are as small as can be."""
        if self.task.engine.subsamples is not None or self.coarser <= LEAST_COARSER:
            return None
        other = copy(self)
        other.coarser = self.coarser // 2
        other.parts = [self.parts[0], self.parts[1].binned(other.coarser)]
        other.classes = other.sorted()
        return other

    def obstacle(self) -> str | None:
        """Return what this road cannot do, or None."""
        classes = [kind for kinds in self.classes.values() for _, kind in kinds]
        reason = obstacle(self.timeline, classes, bool(self.parts[0].spins.motion))
        if reason is None and any(kind.local_offset is not None for kind in classes):
            return "fields vary over the voxel"
        return reason if reason or classes else "the slab holds nothing"

    def held(self, index: int, kind: TissueClass, joined: int | None = None) -> Held:
        """Return what a class holds in the cells of one part, or in pairs of them along the axis `joined`."""
        return self.parts[index].held(kind, self.task.coils, self.grid, joined)

    def whole(self) -> float:
        """Return the M0 of what lies in the nominal voxel, m^3; of all of the object if nothing does."""
        total, inside = 0.0, 0.0
        for kinds in self.classes.values():
            for index, kind in kinds:
                spins = self.parts[index].spins
                within = np.all(np.abs(spins.position[kind.members]) < self.size / 2, axis=1)
                total += kind.pd * float(spins.volume[kind.members].sum())
                inside += kind.pd * float(spins.volume[kind.members] @ within)
        return inside or total or 1.0

    def main(self) -> TissueClass | None:
        """Return the class of which most lies around the voxel."""
        near = [kind for kinds in self.classes.values() for index, kind in kinds if index == 0]
        volume = self.parts[0].spins.volume
        return max(near, key=lambda k: k.pd * float(volume[k.members].sum()), default=None)

    def respond(self, kind: TissueClass, held: Held, offset: float) -> tuple[Complex, float]:
        """Return the (readout, coil) magnetisation, m^3, of a class at an offset, and the size of what was left out."""
        spin = Relaxation(r1=kind.r1, r2=kind.r2, offset=kind.offset + offset, b1=kind.b1)
        fastest = np.max([fastest_phases(stretch, self.timeline) for stretch in self.program.stretches], axis=0)
        boxes = Boxes.of(held.edges, self.size, fastest)
        parts = self._played(boxes, spin)
        x, y, z = self.size
        course = Course(
            boxes=boxes, content=held.content, stretches=parts, rate=kind.r1, voxel=(float(x), float(y), float(z)),
            turns=self.turns, least=self.least, small=self.small / held.filled,
        )  # fmt: skip
        result = np.zeros((len(self.timeline.readouts.dwell), course.coils), dtype=np.complex128)
        signals = course.signals(self.program.repetitions, STEADY * self.task.engine.accuracy)
        for rows, seen in zip(self.program.readouts, signals, strict=True):
            result[rows] = seen
        result *= 1.0 if kind.left is None else kind.left[:, None]
        return kind.pd * result, kind.pd * course.left_out

    def _played(self, boxes: Boxes, spin: Relaxation) -> list[Stretch]:
        """Return what all stretches do; what they have in common is made once."""
        whole = tuple(op for stretch in self.program.stretches for op in stretch)
        elements, shared = elements_of(self.timeline, self.program, whole, boxes, spin, self.split), Shared()
        found = []
        for stretch in self.program.stretches:
            pathways = Pathways(boxes=boxes, spin=spin, least=self.least, shared=shared)
            seen = pathways.play(stretch, elements)
            spans = (float(op[1]) if op[0] == FREE else float(self.timeline.pulses[int(op[1])].dt.sum())
                     for op in stretch if op[0] != SAMPLE)  # fmt: skip
            along, left_out = pathways.along, pathways.left_out
            found.append(Stretch(along=along, seen=seen, left_out=left_out, duration=sum(spans)))
        return found


def by_voxel(task: Task) -> tuple[Complex, dict[str, Any]] | str:
    """Return the (readout, coil, sample) signal, m^3, and what the numerics were, or why the road does not do."""
    engine, timeline = task.engine, task.timeline
    given = [key for key in ("ideal_slice", "slab", "layers", "sub_slices") if getattr(engine, key)]
    if given:
        return f"{given[0]} is given"
    program = voxel_program(timeline)
    if isinstance(program, str):
        return program
    voxel = _Voxel(task, timeline, program)
    reason = voxel.obstacle()
    if reason:
        return reason
    with threadpool_limits(limits=1, user_api="blas"):  # its own threads would wait in loops for the same cores
        voxel, split, rf_error = _rf_steps(voxel)
        small_error = _left_behind(voxel)
        voxel, error = _cells(voxel)
        lines, left_out = _lines(voxel)
    facts: dict[str, Any] = {
        "reuse": "through the voxel",
        "precision": "double",
        "discretisation_error": error,
        "rf_step_error": rf_error,
        "rf_substeps": split,
        "pruning_bound": left_out + small_error,
        "t2_prime_error": sum(line.error for line in lines),
        "offset_nodes": max(len(line.place) for line in lines),
        "spins": sum(len(part.spins.volume) for part in voxel.parts),
        "classes": len(voxel.classes),
        "warnings": doubts(timeline, error, engine.accuracy, ACROSS * FINER),
    }
    return _received(voxel, lines), facts


def _rf_steps(voxel: _Voxel) -> tuple[_Voxel, int, float]:
    """Return the scan with RF steps short enough, their division, and the error that they leave over M0."""
    task, whole = voxel.task, voxel.whole()
    kind = voxel.main()
    if kind is None:
        return voxel, 1, 0.0
    held = voxel.held(0, kind)

    @cache
    def divided(parts: int) -> tuple[_Voxel, NDArray[np.complex128]]:
        finer = copy(voxel)
        finer.split = parts
        return finer, finer.respond(kind, held, 0.0)[0]

    def halved(parts: int) -> float:
        return float(np.abs(divided(2 * parts)[1] - divided(parts)[1]).max(initial=0.0)) / whole

    split, error = chosen_parts(voxel.timeline, task.engine.rf_step, halved, task.engine.accuracy / 4, np.float64)
    return divided(split)[0], split, error


def _left_behind(voxel: _Voxel) -> float:
    """Return what changes over M0 if repetitions leave less to the next ones.

    Pathways of four times the size alone, and of half the turns.
    """
    kind = voxel.main()
    if kind is None:
        return 0.0
    held, rough = voxel.held(0, kind), copy(voxel)
    rough.small, rough.turns = 4 * voxel.small, voxel.turns / 2
    change = rough.respond(kind, held, 0.0)[0] - voxel.respond(kind, held, 0.0)[0]
    return float(np.abs(change).max(initial=0.0)) / voxel.whole()


def _cells(voxel: _Voxel) -> tuple[_Voxel, float]:
    """Return the scan with the cells that do, and the error that they leave, over M0.

    Where smaller cells do not help, because sharp edges of the object scatter what crushers wind up, they stay.
    """
    near, beyond = (_cell_error(voxel, index) for index in range(2))
    while near + beyond > voxel.task.engine.accuracy and (finer := voxel.refined()):
        found = _cell_error(finer, 1)
        if found > HELPS * beyond:
            break
        voxel, beyond = finer, found
    return voxel, near + beyond


def _cell_error(voxel: _Voxel, index: int) -> float:
    """Return what joining the cells of one part in pairs changes of the signal, over M0, summed over the axes.

    Sharp edges scatter what crushers wind up, so the signal does not settle with the square of the cells. Of the lines
    of a tissue, which share their cells, the strongest stands for all, as if they were in phase.
    """

    def one(kind: TissueClass) -> Complex:
        fine = voxel.respond(kind, voxel.held(index, kind), 0.0)[0]
        joined = [voxel.respond(kind, voxel.held(index, kind, axis), 0.0)[0] for axis in range(3)]
        return np.array(joined) - fine

    alike: dict[tuple[str, int], list[TissueClass]] = {}
    for part, kind in (own for both in voxel.classes.values() for own in both):
        if part == index:
            alike.setdefault((kind.tissue, kind.place), []).append(kind)
    kinds = [max(lines, key=lambda kind: kind.pd) for lines in alike.values()]
    shares = [sum(kind.pd for kind in lines) / most.pd for lines, most in zip(alike.values(), kinds, strict=True)]
    with ThreadPoolExecutor(voxel.task.workers) as pool:
        changes = (share * change for share, change in zip(shares, pool.map(one, kinds), strict=True))
        change = sum(changes, start=np.zeros((3, 1, 1), dtype=np.complex128))
    return float(np.abs(change).sum(axis=0).max(initial=0.0)) / voxel.whole()


def _lines(voxel: _Voxel) -> tuple[list[Line], float]:
    """Return the response of every class over its line, and the bound on what was left out, over M0."""
    whole, wanted = voxel.whole(), voxel.task.engine.t2_prime_accuracy / 4

    def one(kinds: list[tuple[int, TissueClass]]) -> tuple[Line, float]:
        held = [voxel.held(*part) for part in kinds]
        lost = [0.0]

        def respond(offset: float) -> Complex:
            found = [voxel.respond(kind, mine, offset) for (_, kind), mine in zip(kinds, held, strict=True)]
            lost.append(sum(left_out for _, left_out in found))
            return np.asarray(sum(signal for signal, _ in found))

        return follow(respond, kinds[0][1].line / (2 * np.pi), wanted, whole), max(lost)

    lines, bound = [], 0.0
    with ThreadPoolExecutor(voxel.task.workers) as pool:
        for done, (line, lost) in enumerate(pool.map(one, voxel.classes.values()), 1):
            lines.append(line)
            bound += lost * float(np.prod(voxel.size)) / whole
            if voxel.task.progress:
                voxel.task.progress(done, len(voxel.classes))
    return lines, bound


def _received(voxel: _Voxel, lines: list[Line]) -> Complex:
    """Return the (readout, coil, sample) signal, m^3."""
    table = voxel.timeline.readouts
    coils = lines[0].value.shape[-1]
    total = np.zeros((len(table.dwell), coils, table.t.shape[1]), dtype=np.complex128)
    for rows in window_kinds(table):
        dwell, samples = float(table.dwell[rows[0]]), int(table.samples[rows[0]])
        time = (np.arange(samples) + 0.5) * dwell
        for ((_, kind), *_), line in zip(voxel.classes.values(), lines, strict=True):
            distinct, alike = np.unique(line.value[:, rows], axis=1, return_inverse=True)
            signal = replace(line, value=distinct).signal(dwell / 2, dwell, samples)  # (coil, row, sample)
            course = np.exp(-(kind.r2 + 2j * np.pi * kind.offset) * time)
            total[rows, :, :samples] += (signal * course).transpose(1, 0, 2)[alike.ravel()]
    return total
