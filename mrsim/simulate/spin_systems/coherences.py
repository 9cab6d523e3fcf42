"""Which coherence orders a sequence's gradients let through: those on a way that ends refocused at the receiver.

A coherence of order p collects p times a gradient's moment; a way p_1, p_2, ..., -1 through the intervals between the
pulses is seen if all that it collects adds up to nothing along every axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .shot import Play, Shot, Wait

REFOCUSED = 0.25
"""Cycles across the voxel that may be left over."""
SAME = 0.01
"""Collected moments closer than this are one, cycles across the voxel."""
MOST_WAYS = 2_000_000
"""Distinct collected moments that are followed; beyond, orders above 2 are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """What may happen in one wait: a density matrix that has collected `source` has its order `order` moved on."""

    source: int
    order: int
    target: int
    plain: bool
    """Whether the target has collected nothing: F_z recovers there."""
    collected: tuple[float, float, float]
    """Of the target, cycles across the voxel."""


def ways(shot: Shot, highest: int) -> dict[int, tuple[Passage, ...]]:
    """Return per wait, by its index in the events, what is on a way that the receiver sees.

    The first wait's sources are 0; numbers stand for distinct collected moments. Orders reach from -highest to highest.
    """
    waits, moments = _intervals(shot)
    found = _ways(moments, np.arange(-highest, highest + 1))
    if found is None:
        found = _ways(moments, np.arange(-min(highest, 2), min(highest, 2) + 1))
    if found is None:
        raise InputError(
            'the sequence has too many gradients to follow every coherence; use crushers="average"', key="crushers"
        )
    return dict(zip(waits, found, strict=True))


def _intervals(shot: Shot) -> tuple[list[int], NDArray[np.float64]]:
    """Return the index of each wait, and (wait, 3) cycles across the voxel with the halves of its pulses."""
    waits = [i for i, event in enumerate(shot.events) if isinstance(event, Wait)]
    moments = []
    for i in waits:
        event = shot.events[i]
        total = np.array(event.moment) if isinstance(event, Wait) else np.zeros(3)
        if i > 0:
            total = total + halves(shot.events[i - 1], shot.gamma_bar)[1]
        if i + 1 < len(shot.events):
            total = total + halves(shot.events[i + 1], shot.gamma_bar)[0]
        moments.append(total * np.array(shot.voxel))
    return waits, np.array(moments).reshape(-1, 3)


def halves(event: Wait | Play, gamma_bar: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (3,) moments of a pulse's gradient before and after its centre, 1/m."""
    if isinstance(event, Wait):
        return np.zeros(3), np.zeros(3)
    pulse = event.pulse
    edges = np.concatenate([[0.0], np.cumsum(pulse.dt)])
    area = np.concatenate([np.zeros((1, 3)), np.cumsum(pulse.gradient * pulse.dt[:, None], axis=0)]) * gamma_bar
    middle = np.array([np.interp(pulse.centre, edges, area[:, axis]) for axis in range(3)])
    return middle, area[-1] - middle


def _ways(moments: NDArray[np.float64], orders: NDArray[np.int64]) -> list[tuple[Passage, ...]] | None:
    """Return per interval the passages on ways that add up to nothing; None if there are too many ways."""
    count = len(moments)
    reached, steps = [np.zeros((1, 3))], []
    for i in range(count):
        choices = np.array([-1]) if i == count - 1 else orders
        k = (reached[-1][:, None, :] + choices[None, :, None] * moments[i]).reshape(-1, 3)
        done = ~np.any(np.abs(moments[i + 1 :]) > REFOCUSED, axis=0)
        fits = np.flatnonzero(np.all(np.abs(k[:, done]) < REFOCUSED, axis=1))
        if len(fits) > MOST_WAYS:
            return None
        _, first, which = np.unique(np.rint(k[fits] / SAME), axis=0, return_index=True, return_inverse=True)
        steps.append((fits // len(choices), choices[fits % len(choices)], which.reshape(-1)))
        reached.append(k[fits][first])
    alive = np.ones(len(reached[-1]), bool)
    found = list[tuple[Passage, ...]]()
    for i in range(count - 1, -1, -1):
        kept = [(int(s), int(p), int(t)) for s, p, t in zip(*steps[i], strict=True) if alive[t]]
        plain = np.all(np.abs(reached[i + 1]) < SAME, axis=1)
        have = [(float(x), float(y), float(z)) for x, y, z in reached[i + 1]]
        found.append(
            tuple(Passage(source=s, order=p, target=t, plain=bool(plain[t]), collected=have[t]) for s, p, t in kept)
        )
        alive = np.zeros(len(reached[i]), bool)
        alive[[s for s, _, _ in kept]] = True
    return found[::-1]
