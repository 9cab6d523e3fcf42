"""The walk of one class through the scan as configuration states, and its records for the readouts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..sequence.timeline import Timeline
from .pathways_states import Complex, States
from .pathways_steps import Step, halves
from .pulse_maps import Relaxation, ideal_maps, real_maps
from .walker import Slab

STEADY = 1e-3
"""Change of the states from one repetition to the next, relative to the wanted accuracy, below which an equal
repetition is not walked again."""
SHARES = 16
"""The part of what may still be dropped that one pulse may drop is one in this many."""
INTO = np.array([[1, 1j, 0], [1, -1j, 0], [0, 0, 1]])
"""From (Mx, My, Mz) to (M+, conj M+, Mz)."""
OUT_OF = np.linalg.inv(INTO)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Record:
    """The transverse states right after a pulse."""

    names: NDArray[np.int64]
    """(state, 4)."""
    value: Complex
    """(state, lane)."""
    bound: float
    """Largest possible error by states dropped so far, over M0."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Walk:
    """The records of a class and where each readout looks."""

    records: list[Record]
    record: NDArray[np.int64]
    """(readout,)."""
    largest: int
    """Largest number of states carried."""


def operators(
    timeline: Timeline, slab: Slab, z: NDArray[np.float64], spin: Relaxation
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the pulses as (pulse, 3, 3, lane) matrices and (pulse, 3, lane) recoveries, acting at their centres.

    With an ideal slice there is one lane; otherwise one per sub-slice at `z`, m.
    """
    if slab.ideal:
        maps = ideal_maps(timeline.pulses, timeline, np.zeros(1), replace(spin, offset=0.0))
    else:
        if any(np.any(pulse.gradient[:, :2]) for pulse in timeline.pulses):
            problem = "an in-plane gradient plays during an RF pulse; take the ideal profile or Bloch"
            raise InputError(problem, key="profile")
        maps = np.asarray(real_maps(timeline, z, spin, np.float64))
    mixed = np.einsum("ij,pjkz,kl->pilz", INTO, maps[:, :, :3], OUT_OF)
    recovery = np.einsum("ij,pjz->piz", INTO, maps[:, :, 3])
    if slab.ideal:
        return mixed, recovery
    for p, pulse in enumerate(timeline.pulses):
        sides = [np.exp(2j * np.pi * (q[2] * z + spin.offset * t)) for t, q in halves(pulse, timeline.gamma_bar)]
        before, after = (np.stack([side, side.conj(), np.ones(len(z))]) for side in sides)
        mixed[p] *= after[:, None] * before[None, :]
        recovery[p] *= after
    return mixed, recovery


def walk(
    timeline: Timeline,
    steps: list[list[Step]],
    slab: Slab,
    z: NDArray[np.float64],
    spin: Relaxation,
    diffusion: float,
    accuracy: float,
) -> Walk:
    """Carry a class through all repetitions; equal ones that change nothing any more are not walked again."""
    matrix, recovery = operators(timeline, slab, z, spin)
    state = States(matrix.shape[-1], 1 if slab.ideal else slab.layers)
    walker = _Walker(state, matrix, recovery, spin, diffusion, accuracy)
    record = np.zeros(len(timeline.readouts.dwell), dtype=np.int64)
    settled, first = False, 0
    for number, repetition in enumerate(steps):
        again = number > 0 and _same(repetition, steps[number - 1])
        if not (settled and again):
            next_same = number + 1 < len(steps) and _same(steps[number + 1], repetition)
            before = state.copy() if next_same else None
            first = len(walker.records)
            walker.play(repetition)
            settled = before is not None and state.differs(before) <= STEADY * accuracy
        count = first
        for step in repetition:
            for glance in step.glances:
                record[glance.row] = count
            count += bool(step.glances)
    return Walk(records=walker.records, record=record, largest=walker.largest)


class _Walker:
    """Plays steps to a state and keeps the records."""

    def __init__(
        self,
        state: States,
        matrix: Complex,
        recovery: Complex,
        spin: Relaxation,
        diffusion: float,
        accuracy: float,
    ) -> None:
        self.state, self.matrix, self.recovery = state, matrix, recovery
        self.spin, self.diffusion, self.accuracy = spin, diffusion, accuracy
        self.records: list[Record] = []
        self.largest = 1

    def play(self, steps: list[Step]) -> None:
        """Play the steps of one repetition."""
        state = self.state
        for step in steps:
            state.evolve(step.path, self.spin.r1, self.spin.r2, self.diffusion)
            state.turn(self.matrix[step.pulse], self.recovery[step.pulse], step.phase)
            # of the allowance, which decay refills, every pulse may take a part: the bound never exceeds the accuracy
            state.prune((self.accuracy - state.bound) / SHARES)
            self.largest = max(self.largest, len(state.names))
            if step.glances:
                names, value = state.transverse()
                self.records.append(Record(names=names, value=value, bound=state.bound))


def _same(a: list[Step], b: list[Step]) -> bool:
    return len(a) == len(b) and all(
        x.plays_like(y) and len(x.glances) == len(y.glances) for x, y in zip(a, b, strict=True)
    )
