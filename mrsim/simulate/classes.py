"""Tissue classes: spins that relax, precess and feel B1 alike, wherever they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..phantom.exchange import ExchangePool
from ..phantom.spins import Spins
from ..sequence.timeline import READOUT, RF, Timeline
from . import t2_prime
from .diffusion import Diffusing, diffuses


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TissueClass:
    """One relaxing, precessing kind of magnetisation and the spins that carry it."""

    name: str
    tissue: str
    """Name of the tissue."""
    pd: float
    """Proton density of this share of the tissue."""
    r1: float
    """1/s."""
    r2: float
    """1/s."""
    offset: float
    """Resonance offset, Hz: chemical shift, field offset and one node of T2'."""
    b1: float
    """Relative transmit field."""
    line: float = 0.0
    """R2', 1/s, of a Lorentzian line around the offset that the class stands for; 0: that offset alone."""
    node: float = 0.0
    """Hz that a node of a map adds to `offset`, where the class stands for a share of spins at many offsets."""
    row: float = 0.0
    """Place, m, that the class stands for along the direction of the plane in which pulses select."""
    place: int = 0
    """Number, in the tissue, of the spins that carry it: classes of one number lie at the same places."""
    exchange: tuple[ExchangePool, ...] = ()
    """Pools that exchange magnetisation with this one."""
    members: NDArray[np.int64]
    """Indices of the spins."""
    local_offset: NDArray[np.float64] | None = None
    """(member,) Hz on top of `offset`, where a map gives every spin its own; None: nothing."""
    local_b1: NDArray[np.float64] | None = None
    """(member,) relative transmit field instead of `b1`; None: the same for all."""
    left: NDArray[np.float64] | None = None
    """(readout,) what diffusion leaves of its signal; None: all of it."""
    share: NDArray[np.float64] | NDArray[np.complex128] | None = None
    """(member,) share of each spin's magnetisation that this class carries, of any phase; None: all of it."""

    def offsets(self) -> NDArray[np.float64]:
        """Return the (member,) offset of each spin, Hz."""
        local = np.zeros(len(self.members)) if self.local_offset is None else self.local_offset
        return np.asarray(self.offset + local)

    def b1s(self) -> NDArray[np.float64]:
        """Return the (member,) relative transmit field at each spin."""
        return np.full(len(self.members), self.b1) if self.local_b1 is None else self.local_b1

    def volumes(self, volume: NDArray[np.float64]) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Return the (member,) volume that each spin adds to this class from the (spin,) volumes of all, m^3."""
        mine = volume[self.members]
        return mine if self.share is None else mine * self.share

    def moved(self, source: NDArray[np.int64], members: NDArray[np.int64]) -> TissueClass:
        """Return the class with other members, each with the fields and share of the old one at `source`."""
        return replace(
            self,
            members=members,
            local_offset=None if self.local_offset is None else self.local_offset[source],
            local_b1=None if self.local_b1 is None else self.local_b1[source],
            share=None if self.share is None else self.share[source],
        )

    def levels(self) -> list[TissueClass]:
        """Return classes that each have one offset and one B1."""
        if self.local_offset is None and self.local_b1 is None:
            return [self]
        pairs, level = np.unique(np.stack([self.offsets(), self.b1s()]), axis=1, return_inverse=True)
        found = []
        for index, (offset, b1) in enumerate(pairs.T):
            mine = np.flatnonzero(level.ravel() == index)
            plain = replace(self.moved(mine, self.members[mine]), local_offset=None, local_b1=None)
            found.append(replace(plain, offset=float(offset), b1=float(b1)))
        return found


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpinColumns:
    """The members of all classes, one class after another."""

    members: NDArray[np.int64]
    """(n,) indices of the spins."""
    group: NDArray[np.int32]
    """(n,) class of each."""
    offset: NDArray[np.float64]
    """(n,) Hz."""
    b1: NDArray[np.float64]
    """(n,) relative transmit field."""
    weight: NDArray[np.float64]
    """(n,) volume times proton density, m^3."""

    @classmethod
    def of(cls, classes: list[TissueClass], volume: NDArray[np.float64]) -> SpinColumns:
        """Gather the members of some classes from the (spin,) volumes of all, m^3."""
        counts = [len(kind.members) for kind in classes]
        group = np.repeat(np.arange(len(classes), dtype=np.int32), counts)
        offset, b1, pd = (np.array([getattr(kind, key) for kind in classes])[group] for key in ("offset", "b1", "pd"))
        members = np.concatenate([kind.members for kind in classes])
        weight = pd * volume[members]
        for kind, last, count in zip(classes, np.cumsum(counts), counts, strict=True):
            mine = slice(last - count, last)
            if kind.local_offset is not None or kind.local_b1 is not None:
                offset[mine], b1[mine] = kind.offsets(), kind.b1s()
        return cls(members=members, group=group, offset=offset, b1=b1, weight=weight)


BALANCED = 0.25
"""Turns over a voxel up to which gradients are balanced between two excitations."""
MAX_LEVELS = 12
"""Distinct pairs of offset and B1 up to which a tissue is sorted by them; beyond, they are taken as maps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassOptions:
    """What of the tissue the engine takes into account."""

    t2_prime_accuracy: float
    """Largest error of the T2' decay; 0 < accuracy; infinity switches T2' off."""
    chemical_shift: bool
    """False puts every species on the water frequency."""
    line: bool = False
    """True leaves the line of T2' whole, one class for all of it; `t2_prime_accuracy` is then infinite."""


def dephasing_horizon(timeline: Timeline, lasting: bool = True) -> float:
    """Return the longest time, s, that a readout is away from a refocusing of static offsets (primary echo)."""
    return float(np.abs(dephasing_times(timeline, lasting)).max(initial=0.0))


def dephasing_times(timeline: Timeline, lasting: bool = True) -> NDArray[np.float64]:
    """Return the (readout, 2) times, s, for which static offsets have dephased the primary echo at both ends.

    Where the gradients are balanced from one excitation to the next, what the first left is still seen and dephases on,
    unless `lasting` is False: then only what the last excitation made counts.
    """
    times, clock, last = np.zeros((len(timeline.readouts.dwell), 2)), 0.0, 0.0
    exciting = np.array([pulse.use != "refocusing" for pulse in timeline.pulses], dtype=np.bool_)
    pulses = np.flatnonzero(timeline.kind == RF)
    chosen = pulses[exciting[timeline.event[pulses]]]
    middle = np.cumsum(timeline.moment, axis=0)[chosen] - timeline.moment[chosen] / 2
    wound = np.diff(middle, axis=0, prepend=0.0)[:, :3] * timeline.encoding.grid.spacing
    balanced = np.zeros(len(timeline.kind), dtype=np.bool_)
    balanced[chosen] = np.all(np.abs(wound) < BALANCED, axis=1) & lasting
    centre = [pulse.centre for pulse in timeline.pulses]
    kinds, edges, events = timeline.kind.tolist(), timeline.start.tolist(), timeline.event.tolist()
    for s in np.flatnonzero((timeline.kind == RF) | (timeline.kind == READOUT)).tolist():
        if kinds[s] == RF:
            now = edges[s] * 1e-9 + centre[events[s]]
            if exciting[events[s]]:
                clock = clock + now - last if balanced[s] and last > 0 else 0.0
            else:
                clock = -(clock + now - last)
            last = now
        else:
            begin = clock + edges[s] * 1e-9 - last
            times[events[s]] = begin, begin + float(timeline.duration[s]) * 1e-9
    return times


def tissue_classes(
    spins: Spins, timeline: Timeline, options: ClassOptions, diffusing: Diffusing
) -> tuple[list[TissueClass], float]:
    """Sort spins into classes.

    Returns
    -------
    classes : list of TissueClass
    error : float
        Largest error of the T2' sampling.
    """
    horizon, refreshed = dephasing_horizon(timeline), dephasing_horizon(timeline, lasting=False)
    earliest = float(timeline.readouts.t.min())
    frequency = timeline.gamma_bar * timeline.b0
    classes, worst = [], 0.0
    for place, tissue, members, offset, b1, left in _placed(spins, diffusing):
        mapped = offset is None
        whole = sum(pool.pd for pool in spins.pools[tissue])
        for pool in spins.pools[tissue]:
            if pool.pd == 0:
                continue
            node, weight, error = np.zeros(1), np.ones(1), 0.0
            if np.isfinite(options.t2_prime_accuracy):
                wanted = options.t2_prime_accuracy * whole / pool.pd * math.exp(min(earliest / pool.t2, 50.0))
                # what has lost all but the accuracy to T2 need not dephase any more
                lasting = pool.t2 * max(1.0, math.log(1 / min(options.t2_prime_accuracy, 0.5)))
                longest = min(horizon, max(refreshed, lasting))
                node, weight, error = t2_prime.offsets(pool.t2_prime, longest, wanted)
            worst = max(worst, error * pool.pd / whole * math.exp(-earliest / pool.t2))
            shift = pool.shift * frequency if options.chemical_shift else 0.0
            classes += [
                TissueClass(
                    name=pool.name,
                    tissue=spins.tissues[tissue],
                    pd=pool.pd * float(w),
                    r1=1 / pool.t1,
                    r2=1 / pool.t2,
                    offset=(0.0 if offset is None else offset) + shift + float(f),
                    b1=b1,
                    line=1 / pool.t2_prime if options.line else 0.0,
                    place=place,
                    exchange=pool.exchange,
                    members=members,
                    left=left if diffuses(pool, spins.pools[tissue]) else None,
                    local_offset=spins.offset[members] if mapped else None,
                    local_b1=spins.b1[members] if mapped else None,
                )
                for f, w in zip(node, weight, strict=True)
            ]
    return classes, worst


_Placed = tuple[int, int, NDArray[np.int64], float | None, float, NDArray[np.float64] | None]
"""Place, tissue, members, offset, B1, and what diffusion leaves."""


def _placed(spins: Spins, diffusing: Diffusing) -> list[_Placed]:
    """Return every kind of spin in parts whose fibres run alike, with its place in its tissue."""
    found: list[_Placed] = []
    places = [0] * len(spins.tissues)
    for tissue, members, offset, b1 in _kinds(spins):
        for part, left in diffusing.parts(spins, tissue, members):
            found.append((places[tissue], tissue, part, offset, b1, left))
            places[tissue] += 1
    return found


def _kinds(spins: Spins) -> list[tuple[int, NDArray[np.int64], float | None, float]]:
    """Return tissue, members, offset and B1 of every kind of spin; the offset is None where both are maps."""
    kinds: list[tuple[int, NDArray[np.int64], float | None, float]] = []
    for tissue in range(len(spins.tissues)):
        mine = np.flatnonzero(spins.tissue == tissue)
        if len(mine) == 0:
            continue
        fields = np.stack([spins.offset[mine], spins.b1[mine]])
        if np.all(fields == fields[:, :1]):
            kinds.append((tissue, mine, float(fields[0, 0]), float(fields[1, 0])))
            continue
        levels, level = np.unique(fields, axis=1, return_inverse=True)
        if levels.shape[1] > MAX_LEVELS:
            kinds.append((tissue, mine, None, 1.0))
            continue
        kinds += [
            (tissue, mine[level.ravel() == index], float(offset), float(b1))
            for index, (offset, b1) in enumerate(levels.T)
        ]
    return kinds
