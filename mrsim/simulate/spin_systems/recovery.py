"""Longitudinal magnetisation in front of the excitation, in the steady state of a repetition.

Spins at the soft edges of slices are turned by less than the nominal angles and recover from more; saturated slabs
leave less. Transverse magnetisation is spoiled from pulse to pulse, so that each pulse takes Mz to what its rotation
makes of it, at its centre:

    Mz -> R_zz Mz,   between pulses   Mz -> 1 + (Mz - 1) exp(-t / T1).

A repetition is Mz -> keep Mz + add, and its steady state add / (1 - keep). Coupled spins recover as single ones do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...core.metabolites import Recovery
from .profiles import axis_of, middles, reach, rotation, selected
from .shot import Shot, Turn

Array = NDArray[np.float64]
TIMES = np.geomspace(0.02, 20.0, 25)
"""T1 of a table, s."""
PLACES = 32
"""Along each axis."""


def in_front(shot: Shot, offset: float, t1: Array, places: tuple[Array, Array, Array]) -> Array:
    """Return the (t1, x, y, z) Mz in front of the first pulse that counts, over that of equilibrium.

    Parameters
    ----------
    shot : Shot
        Without pulses nothing is saturated.
    offset : float
        Of the line above water, Hz.
    t1 : (t1,) array
        s.
    places : three (place,) arrays
        Along the grid's axes from the voxel's middle, m.
    """
    rate = 1 / np.asarray(t1, dtype=np.float64)[:, None, None, None]
    keep, add, last = np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 1)), 0.0
    for turn in shot.cycle:
        decay, left = np.exp(-(turn.at - last) * rate), _left(turn, offset, shot.gamma_bar, places)
        keep, add, last = keep * decay * left, (1 + (add - 1) * decay) * left, turn.at
    decay = np.exp(-(shot.tr - last) * rate)
    found = (1 + (add - 1) * decay) / (1 - keep * decay)
    return np.broadcast_to(found, (len(t1), *map(len, places)))


def _left(turn: Turn, offset: float, gamma_bar: float, places: tuple[Array, Array, Array]) -> Array:
    """Return R_zz of a pulse, (1, x, y, z) with one place along the axes on which it does not depend."""
    if turn.ideal:
        return np.full((1, 1, 1, 1), math.cos(turn.play.pulse.flip))
    axis = axis_of(turn.play.pulse)
    along = np.zeros(1) if axis is None else places[axis]
    left = rotation(turn.play, gamma_bar, offset, axis or 0, along)[:, 2, 2]
    return np.asarray(left.reshape([1, *(-1 if i == axis else 1 for i in range(3))]))


def recovery(shot: Shot, offsets: Mapping[str, float], water: Shot) -> Recovery:
    """Return how far lines recover, in the mean over what is selected of each, by T1.

    Parameters
    ----------
    shot : Shot
    offsets : mapping
        Metabolite -> offset of its strongest line above water, Hz.
    water : Shot
        What the water reference plays.
    """
    means = {name: tuple(_mean(shot, offset)) for name, offset in offsets.items()}
    return Recovery(t1=tuple(TIMES.tolist()), water=tuple(_mean(water, 0.0)), members=means)


def _mean(shot: Shot, offset: float) -> list[float]:
    """Return Mz in front of the excitation by T1, each place of a uniform object weighted with what it adds."""
    x, y, z = (middles(PLACES, half) for half in reach(shot, [offset]))
    shares = selected(shot, offset, (x, y, z))
    means = in_front(shot, offset, TIMES, (x, y, z))
    for share in reversed(shares):
        means = np.asarray((means * share.real).sum(axis=-1) / share.real.sum())
    return [float(value) for value in means]
