"""The walk of one class through the scan as configuration states, and what its readouts see of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InfeasibleError, InputError
from ..sequence.timeline import Timeline
from .pathways_classes import PathwayClass
from .pathways_options import Pathways
from .pathways_pools import saturation
from .pathways_sights import Looker, Sight
from .pathways_states import States
from .pathways_steps import Repetitions, Step, alike, halves
from .pulse_maps import PulseSteps, Relaxation, ideal_maps, real_maps
from .sub_slices import SubSlices

SHARES = 16
"""The part of what may still be dropped that one pulse may drop is one in this many."""
ENDLESS = 20000
"""Repetitions after which no steady state is expected any more."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Walk:
    """The sights of a class and which of them each readout has."""

    sights: list[Sight]
    sight: NDArray[np.int64]
    """(readout,)."""
    largest: int
    """Largest number of states carried."""
    lanes: int
    """Sub-slices."""
    unsettled: float
    """Largest possible error by repetitions that were not walked again, over M0."""

    @property
    def change(self) -> float:
        """Estimated error of the signal by the sub-slices, over M0."""
        return max((sight.change for sight in self.sights), default=0.0)


def operators(timeline: Timeline, places: SubSlices, kind: PathwayClass, ideal: bool) -> NDArray[np.float64]:
    """Return the pulses as (pulse, pool, 3, 4, lane) real affine maps, acting at their centres.

    With an ideal slice there is one lane; otherwise one per sub-slice. A single pool's maps relax; pools
    that exchange relax between the pulses' centres.
    """
    pools = kind.pools()
    maps = np.zeros((len(timeline.pulses), pools.count, 3, 4, len(places.z)))
    for p in range(pools.count):
        bound, offset = pools.bound[p], kind.offset + float(pools.offset[p])
        if bound is not None:
            left = [saturation(pulse, kind.b1, bound, offset, timeline.gamma_bar) for pulse in timeline.pulses]
            maps[:, p, 2, 2] = np.array(left)[:, None]
            continue
        alone = pools.count == 1
        spin = Relaxation(
            r1=kind.r1 if alone else 0.0,
            r2=kind.r2 if alone else 0.0,
            offset=offset,
            b1=kind.b1,
        )
        maps[:, p] = _free_pool(timeline, places.z, spin, ideal)
    return maps


def _free_pool(timeline: Timeline, z: NDArray[np.float64], spin: Relaxation, ideal: bool) -> NDArray[np.float64]:
    if ideal:
        return ideal_maps(timeline.pulses, timeline, z, replace(spin, offset=0.0))
    if any(np.any(pulse.gradient[:, :2]) for pulse in timeline.pulses):
        problem = "an in-plane gradient plays during an RF pulse; take the ideal profile or Bloch"
        raise InputError(problem, key="profile")
    maps = np.asarray(real_maps(PulseSteps(timeline, np.float64), z, spin), dtype=np.float64)
    for p, pulse in enumerate(timeline.pulses):
        before, after = (_turns(q[2] * z + spin.offset * t) for t, q in halves(pulse, timeline.gamma_bar))
        maps[p, :, :3] = np.einsum("ijz,jkz,klz->ilz", after, maps[p, :, :3], before)
        maps[p, :, 3] = np.einsum("ijz,jz->iz", after, maps[p, :, 3])
    return maps


def _turns(cycles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (3, 3, lane) rotations of M+ by exp(+i 2 pi cycles)."""
    c, s, zero = np.cos(2 * np.pi * cycles), np.sin(2 * np.pi * cycles), np.zeros_like(cycles)
    return np.array([[c, -s, zero], [s, c, zero], [zero, zero, zero + 1]])


def walk(timeline: Timeline, repetitions: Repetitions, places: SubSlices, kind: PathwayClass, engine: Pathways) -> Walk:
    """Carry a class through all repetitions; equal ones are not walked again once they change little.

    Of the accuracy a quarter is for states dropped on the way, a quarter for those left out of the readouts (half of
    it here), and half for repetitions that are not walked again.
    """
    state = States(kind.pools(), len(places.z), places.layers, places.share, engine.dtype)
    looker = Looker(timeline, places, kind.diffusion, engine.accuracy / 8)
    maps = operators(timeline, places, kind, engine.profile == "ideal")
    walker = _Walker(state, maps, kind.diffusion, looker, engine.accuracy)
    if engine.start == "steady":
        return walker.periodic(repetitions.steps)
    return walker.transient(repetitions)


class _Walker:
    """Plays steps to a state and keeps what the readouts see."""

    def __init__(
        self,
        state: States,
        maps: NDArray[np.float64],
        diffusion: NDArray[np.float64] | None,
        looker: Looker,
        accuracy: float,
    ) -> None:
        self.state, self.maps, self.diffusion, self.looker = state, maps, diffusion, looker
        self.dropping, self.settling = accuracy / 4, accuracy / 2
        self.sights: list[Sight] = []
        self.sight = np.zeros(looker.readouts, dtype=np.int64)
        self.largest, self.unsettled = 1, 0.0

    def play(self, steps: list[Step], looking: bool = True) -> None:
        """Play the steps of one repetition."""
        state = self.state
        for step in steps:
            state.evolve(step.path, self.diffusion)
            state.turn(self.maps[step.pulse], step.phase)
            # of the allowance, which decay refills, every pulse may take a part: the bound never exceeds it
            state.prune((self.dropping - state.bound) / SHARES)
            self.largest = max(self.largest, len(state.names))
            if looking:
                self.sights += [self.looker.look(state, glance) for glance in step.glances]

    def settle(self, repetition: list[Step], looking: bool) -> float:
        """Play a repetition; return what endless repetitions of it could change further, over M0.

        A repetition shrinks differences by a factor d at least, so if it changed the states by c, all that follow
        together change them by c d / (1 - d) at most.
        """
        before = self.state.copy()
        self.play(repetition, looking)
        shrinks = math.prod(self.state.pools.along(step.path).shrinks for step in repetition)
        return self.state.distance(before) * shrinks / max(1 - shrinks, 1e-12)

    def transient(self, repetitions: Repetitions) -> Walk:
        """Play all repetitions from equilibrium."""
        settled, first = False, 0
        same = repetitions.same(self.diffusion is not None)
        for number, repetition in enumerate(repetitions.steps):
            if not (settled and same[number - 1]):
                first, settled = len(self.sights), False
                if number < len(same) and same[number]:
                    left = self.settle(repetition, looking=True)
                    settled = left <= self.settling
                    self.unsettled = max(self.unsettled, left) if settled else self.unsettled
                else:
                    self.play(repetition)
            self._point(repetition, first)
        return self._walk()

    def periodic(self, repetitions: list[list[Step]]) -> Walk:
        """Play equal repetitions until they change nothing any more, and give all readouts the last one's sights."""
        looking = [r for r in repetitions if any(step.glances for step in r)]
        model = looking[-1]
        for number, repetition in enumerate(repetitions):
            # the first begins without the end of one before it; dummies have no readouts
            a, b = (repetition, model) if number else (repetition[1:], model[1:])
            dummy = not any(step.glances for step in repetition)
            if not alike(a, b, self.diffusion is not None, looking=not dummy):
                problem = f"there is no periodic state: repetition {number} plays something else than the last one"
                raise InputError(problem + "; start from equilibrium", key="start")
        for _ in range(ENDLESS):
            left = self.settle(model, looking=False)
            if left <= self.settling:
                break
        else:
            raise InfeasibleError(f"no steady state after {ENDLESS} repetitions; start from equilibrium")
        self.unsettled = left
        self.play(model)
        for repetition in looking:
            self._point(repetition, 0)
        return self._walk()

    def _point(self, repetition: list[Step], first: int) -> None:
        for step in repetition:
            for glance in step.glances:
                self.sight[glance.row] = first
                first += 1

    def _walk(self) -> Walk:
        return Walk(
            sights=self.sights,
            sight=self.sight,
            largest=self.largest,
            lanes=len(self.state.share),
            unsettled=self.unsettled,
        )
