"""Tissue classes: spins that relax, precess and feel B1 alike, wherever they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..phantom.exchange import ExchangePool
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from . import t2_prime


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
    exchange: tuple[ExchangePool, ...] = ()
    """Pools that exchange magnetisation with this one."""
    members: NDArray[np.int64]
    """Indices of the spins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassOptions:
    """What of the tissue the engine takes into account."""

    t2_prime_accuracy: float
    """Largest error of the T2' decay; 0 < accuracy; infinity switches T2' off."""
    chemical_shift: bool
    """False puts every species on the water frequency."""


def dephasing_horizon(timeline: Timeline) -> float:
    """Return the longest time, s, that a readout is away from a refocusing of static offsets (primary echo)."""
    horizon, clock, last = 0.0, 0.0, 0
    edges = timeline.start.tolist()
    for s in range(len(timeline.kind)):
        if timeline.kind[s] == 1:
            pulse = timeline.pulses[int(timeline.event[s])]
            centre = edges[s] * 1e-9 + pulse.centre
            clock = -(clock + centre - last) if pulse.use == "refocusing" else 0.0
            last = centre
        elif timeline.kind[s] == 2:
            begin = clock + edges[s] * 1e-9 - last
            horizon = max(horizon, abs(begin), abs(begin + float(timeline.duration[s]) * 1e-9))
    return horizon


def tissue_classes(spins: Spins, timeline: Timeline, options: ClassOptions) -> tuple[list[TissueClass], float]:
    """Sort spins into classes.

    Returns
    -------
    classes : list of TissueClass
    error : float
        Largest error of the T2' sampling.
    """
    horizon = dephasing_horizon(timeline)
    earliest = float(timeline.readouts.t.min())
    frequency = timeline.gamma_bar * timeline.b0
    classes, worst = [], 0.0
    local = np.stack([spins.tissue.astype(np.float64), spins.offset, spins.b1])
    kinds, kind = np.unique(local, axis=1, return_inverse=True)
    for index, (tissue, offset, b1) in enumerate(kinds.T):
        members = np.flatnonzero(kind.ravel() == index)
        whole = sum(pool.pd for pool in spins.pools[int(tissue)])
        for pool in spins.pools[int(tissue)]:
            if pool.pd == 0:
                continue
            node, weight, error = np.zeros(1), np.ones(1), 0.0
            if np.isfinite(options.t2_prime_accuracy):
                wanted = options.t2_prime_accuracy * whole / pool.pd * math.exp(min(earliest / pool.t2, 50.0))
                node, weight, error = t2_prime.offsets(pool.t2_prime, horizon, wanted)
            worst = max(worst, error * pool.pd / whole * math.exp(-earliest / pool.t2))
            shift = pool.shift * frequency if options.chemical_shift else 0.0
            classes += [
                TissueClass(
                    name=pool.name,
                    tissue=spins.tissues[int(tissue)],
                    pd=pool.pd * float(w),
                    r1=1 / pool.t1,
                    r2=1 / pool.t2,
                    offset=float(offset) + shift + float(f),
                    b1=float(b1),
                    exchange=pool.exchange,
                    members=members,
                )
                for f, w in zip(node, weight, strict=True)
            ]
    return classes, worst
