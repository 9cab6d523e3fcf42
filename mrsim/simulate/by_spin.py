"""Spin by spin, with as many spins and RF steps as the wanted accuracy takes, measured on a random few of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..sequence.timeline import Timeline
from .blocks import blocks, within
from .classes import TissueClass
from .cost import SAMPLE, check_at_best, check_longest, predicted_seconds, tell
from .cuda import CudaSpins, cuda_signal
from .direct import direct_signal
from .exchange_walk import exchange_signal
from .job import Job
from .motion_moments import moving
from .nonlinear import nonlinear_signal
from .options import Progress
from .receiver import by_kind
from .slice_reuse import GROWTH, MAX_SUB_SLICES
from .steps import chosen_parts, divided

PROBES = 6
"""Places that are drawn to measure the error on."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spread:
    """All spins of a job, as many as the accuracy takes."""

    timeline: Timeline
    """With the RF steps that the accuracy takes."""
    classes: list[TissueClass]
    """`members` index `position` and `volume`."""
    position: NDArray[np.float64]
    """(n, 3) m, grid axes."""
    volume: NDArray[np.float64]
    """(n,) m^3."""
    per_layer: int
    """Sub-slices per layer."""
    facts: dict[str, Any]
    """What the numerics are."""

    @property
    def spins(self) -> int:
        """The number of spins of all classes."""
        return sum(len(kind.members) for kind in self.classes)

    def sensitivity(self, job: Job) -> NDArray[np.complex128] | None:
        """Return the (coil, n) sensitivity at the places; None for one coil that hears all alike."""
        return None if job.sensitivity is None else np.repeat(job.sensitivity, self.per_layer, axis=1)


def spread_spins(job: Job) -> Spread:
    """Choose sub-slices and RF steps, and return the spins."""
    per_layer, split, facts = _chosen(job)
    classes = [spread_class(kind, per_layer) for kind in job.classes]
    position, volume = columns(job, np.arange(len(job.spins.volume)), per_layer)
    return Spread(
        timeline=divided(job.timeline, split),
        classes=classes,
        position=position,
        volume=volume,
        per_layer=per_layer,
        facts=facts,
    )


def _chosen(job: Job) -> tuple[int, int, dict[str, Any]]:
    """Return the sub-slices per layer, the division of the RF steps, and what the numerics are."""
    per_layer, split, errors = _resolution(job)
    spins = per_layer * sum(len(kind.members) for kind in job.classes)
    sub_slices = per_layer * job.cells.shape[0]
    return per_layer, split, {**errors, "rf_substeps": split, "sub_slices": sub_slices, "spins": spins}


def by_spin(job: Job, reason: str = "") -> tuple[NDArray[np.complex128], dict[str, Any]]:
    """Return the (readout, coil, sample) signal, m^3, and what the numerics were; every spin travels by itself.

    reason : why it does.
    """
    if job.on_cuda:
        spread = spread_spins(job)
        heard = spread.sensitivity(job)
        return by_loss(spread.classes, lambda kinds: _on_device(job, spread, kinds, heard)), spread.facts
    cells_held = sum(len(kind.members) for kind in job.classes)
    check_at_best(job.engine, job.timeline, cells_held, job.workers, reason)
    per_layer, split, facts = _chosen(job)
    timeline = divided(job.timeline, split)

    def signal_of(cells: slice, progress: Progress | None) -> tuple[NDArray[np.complex128], int]:
        place, volume = columns(job, np.arange(cells.start, cells.stop), per_layer)
        classes = [spread_class(kind, per_layer) for kind in within(job.classes, cells)]
        heard = None if job.sensitivity is None else np.repeat(job.sensitivity[:, cells], per_layer, axis=1)
        signal = travel(job, timeline, classes, place, volume, progress, heard)
        return signal, sum(len(kind.members) for kind in classes)

    def some() -> int:
        middle = int(job.classes[0].members[len(job.classes[0].members) // 2])
        return signal_of(slice(middle, middle + math.ceil(SAMPLE / per_layer)), None)[1]

    seconds = predicted_seconds(timeline, facts["spins"], job.workers, some)
    check_longest(seconds, job.engine, timeline, facts["spins"], job.workers, reason)
    tell(seconds, job.workers, reason)
    total: NDArray[np.complex128] | None = None
    for cells, progress in blocks(job, per_layer):
        signal, _ = signal_of(cells, progress)
        total = signal if total is None else total + signal
    if total is None:
        raise InputError("no spin carries any of the classes")
    return total[:, None] if job.sensitivity is None else total, facts


def _on_device(
    job: Job, spread: Spread, kinds: list[TissueClass], sensitivity: NDArray[np.complex128] | None
) -> NDArray[np.complex128]:
    """Return the (readout, coil, sample) signal of some classes, m^3, from a graphics processor."""
    spins = CudaSpins.of(kinds, spread.position, spread.volume, sensitivity)
    options: dict[str, Any] = {"dtype": job.engine.dtype, "progress": job.progress}
    return by_kind(spread.timeline, lambda part: cuda_signal(part, spins, **options))


def _one_by_one(
    volume: NDArray[np.float64],
    sensitivity: NDArray[np.complex128],
    heard: Callable[[NDArray[np.float64]], NDArray[np.complex128]],
) -> NDArray[np.complex128]:
    """Run coil after coil: the signal is linear in the weights of the spins, which are real."""
    weights = (volume * coil for coil in sensitivity)
    return np.stack([heard(w.real) + 1j * heard(w.imag) for w in weights], axis=1)


def travel(
    job: Job,
    timeline: Timeline,
    classes: list[TissueClass],
    position: NDArray[np.float64],
    volume: NDArray[np.float64],
    progress: Progress | None = None,
    sensitivity: NDArray[np.complex128] | None = None,
) -> NDArray[np.complex128]:
    """Carry all classes through a timeline; return the (readout, sample) signal, with coils (readout, coil, sample).

    Classes of which diffusion leaves the same travel together.
    """

    def carried(kinds: list[TissueClass]) -> NDArray[np.complex128]:
        return _together(job, timeline, kinds, position, volume, progress, sensitivity)

    return by_loss(classes, carried)


def by_loss(
    classes: list[TissueClass], run: Callable[[list[TissueClass]], NDArray[np.complex128]]
) -> NDArray[np.complex128]:
    """Return the (readout, ...) signal of classes that an engine carries without diffusion, with what it leaves."""
    groups: dict[int, list[TissueClass]] = {}
    for kind in classes:
        groups.setdefault(id(kind.left), []).append(kind)
    found = []
    for kinds in groups.values():
        signal, left = run(kinds), kinds[0].left
        found.append(signal if left is None else signal * left.reshape(-1, *[1] * (signal.ndim - 1)))
    return np.asarray(sum(found[1:], start=found[0]))


def _together(
    job: Job,
    timeline: Timeline,
    classes: list[TissueClass],
    position: NDArray[np.float64],
    volume: NDArray[np.float64],
    progress: Progress | None,
    sensitivity: NDArray[np.complex128] | None,
) -> NDArray[np.complex128]:
    """Carry classes of which diffusion leaves the same, those whose pools exchange apart."""
    alone = [kind for kind in classes if not kind.exchange]
    mixed = [level for kind in classes if kind.exchange for level in kind.levels()]

    def exchanging(part: Timeline) -> NDArray[np.complex128]:
        if part.spatial is not None:
            problem = "pools that exchange travel in linear fields only; use concomitant = false, nonlinearity = 0 0 0"
            raise InputError(problem, key="imperfections")

        def carried(weight: NDArray[np.float64]) -> NDArray[np.complex128]:
            return exchange_signal(part, mixed, position, weight, threads=job.workers, progress=progress)

        if sensitivity is None:
            return carried(volume)
        return _one_by_one(volume, sensitivity, carried)

    def run(part: Timeline) -> NDArray[np.complex128]:
        if not alone:
            return exchanging(part)
        carry = direct_signal if part.spatial is None else nonlinear_signal
        played, place = moving(part, job.spins.motion, position)
        options: dict[str, Any] = {"dtype": job.engine.dtype, "threads": job.workers, "progress": progress}
        signal = carry(played, alone, place, volume, sensitivity=sensitivity, **options)
        return signal + exchanging(part) if mixed else signal

    return by_kind(timeline, run)


def columns(job: Job, members: NDArray[np.int64], per_layer: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (n * per_layer, 3) places, m, and (n * per_layer,) volumes, m^3, of some spins' sub-slices."""
    shift = ((np.arange(per_layer) + 0.5) / per_layer - 0.5) * job.cells.spacing[2]
    position = np.repeat(job.spins.position[members], per_layer, axis=0)
    position[:, 2] += np.tile(shift, len(members))
    return position, np.repeat(job.spins.volume[members] / per_layer, per_layer)


def spread_class(kind: TissueClass, per_layer: int) -> TissueClass:
    """Return a class whose every spin is `per_layer` sub-slices."""
    members = (kind.members[:, None] * per_layer + np.arange(per_layer)).ravel()
    return kind.moved(np.repeat(np.arange(len(kind.members)), per_layer), members)


def _resolution(job: Job) -> tuple[int, int, dict[str, float]]:
    """Return the sub-slices per layer, the division of the RF steps, and the errors that they leave, over M0."""
    engine, layers = job.engine, job.cells.shape[0]
    wanted = max(engine.accuracy, 50 * float(np.finfo(engine.dtype).eps))
    probes = _probes(job)
    per_layer = job.sub_slices or math.ceil(_first_guess(job) / layers)
    split, rf_error = _rf_steps(job, probes, wanted)
    signal = _signals(job, probes, per_layer, split)
    while True:
        finer = math.ceil(per_layer * GROWTH)
        again = _signals(job, probes, finer, split)
        error = float(np.abs(again - signal).max())
        if engine.sub_slices:
            break
        per_layer, signal = finer, again
        if error <= wanted or per_layer * layers > MAX_SUB_SLICES:
            break
    return per_layer, split, {"discretisation_error": error, "rf_step_error": rf_error}


def _rf_steps(job: Job, probes: list[list[TissueClass]], wanted: float) -> tuple[int, float]:
    """Return the division of the RF steps and its error, by Richardson's rule for a method of second order.

    Of a pool the class with most signal tells: the others differ by some hertz of T2'.
    """
    probes = [list({kind.name: kind for kind in sorted(here, key=lambda k: k.pd)}.values()) for here in probes]
    few = math.ceil(61 / job.cells.shape[0])
    signal = cache(lambda parts: _signals(job, probes, few, parts))

    def halved(parts: int) -> float:
        return float(np.abs(signal(2 * parts) - signal(parts)).max())

    return chosen_parts(job.timeline, job.engine.rf_step, halved, wanted / 4, job.engine.dtype)


def _probes(job: Job) -> list[list[TissueClass]]:
    """Draw places, at least one of every tissue; return the classes at each. The draw is always the same."""
    generator = np.random.default_rng(0)
    by_tissue: dict[str, list[TissueClass]] = {}
    for kind in job.classes:
        by_tissue.setdefault(kind.tissue, []).append(kind)
    probes = []
    for index in range(max(PROBES, len(by_tissue))):
        classes = list(by_tissue.values())[index % len(by_tissue)]
        members = classes[int(generator.integers(len(classes)))].members
        place = int(members[generator.integers(len(members))])
        here = [_alone(kind, place) for kind in classes if place in kind.members]
        probes.append(here)
    return probes


def _alone(kind: TissueClass, place: int) -> TissueClass:
    where = np.flatnonzero(kind.members == place)
    return kind.moved(where, kind.members[where])


def _signals(job: Job, probes: list[list[TissueClass]], per_layer: int, split: int) -> NDArray[np.complex128]:
    """Return the (probe, readout, sample) signal of each place over its M0."""
    found, timeline = [], divided(job.timeline, split)
    for classes in probes:
        position, volume = columns(job, classes[0].members, per_layer)
        spread = [kind.moved(np.zeros(per_layer, dtype=np.int64), np.arange(per_layer)) for kind in classes]
        whole = sum(kind.pd for kind in classes) * float(volume.sum())

        found.append(travel(job, timeline, spread, position, volume) / whole)
    return np.stack(found)


def _first_guess(job: Job) -> int:
    """Return sub-slices over the slab such that what one repetition winds up does not alias."""
    timeline = job.timeline
    windings = np.add.reduceat(np.abs(timeline.moment[:, 2]), timeline.tr_start[timeline.tr_start < len(timeline.kind)])
    return math.ceil(max(96.0, 1.25 * job.cells.spacing[2] * job.cells.shape[0] * float(windings.max(initial=0.0))))
