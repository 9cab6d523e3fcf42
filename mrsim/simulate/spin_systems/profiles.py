"""Where in a voxel a line comes from: the product of what its selective pulses do along their axes.

The pulses take the coherence that is read from longitudinal magnetisation to the echo; what they make of it at a
place, with the phase that gradients leave, is the share of that place. The edges of a 90 degree pulse are out of phase
with its slice and take away from the signal. A line that is not at the pulses' carrier finds its slices displaced.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...core.nuclei import WATER_PPM, Nucleus
from ...phantom.metabolite import Metabolite
from ...sequence.timeline import Pulse
from ..pulse_response import pulse_response
from .shot import Play, Shot, Wait, unedited

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
POINTS = 96
"""Places along each axis."""
MARGIN = 0.5
"""Beyond the voxel on both sides, voxels; displacements come on top."""
STILL = 1e-9
"""Gradients below this are none, T/m."""


def main_offset(metabolite: Metabolite, observed: Nucleus, b0: float) -> float:
    """Return the frequency of a metabolite's strongest line above water, Hz: the shift with the most spins."""
    weight: dict[float, float] = {}
    for part in metabolite.spins:
        kinds = part.nuclei or ("1H",) * len(part.shifts)
        for shift, kind in zip(part.shifts, kinds, strict=True):
            if kind == observed.name:
                weight[shift] = weight.get(shift, 0.0) + 1.0
    for lines in metabolite.lines:
        for shift, protons in zip(lines.shifts, lines.protons, strict=True):
            weight[shift] = weight.get(shift, 0.0) + protons
    strongest = max(weight, key=lambda shift: weight[shift])
    return (strongest - WATER_PPM * 1e-6) * abs(observed.gamma_bar) * b0


def middles(count: int, half: float) -> Array:
    """Return the middles of so many equal parts of a line from -half to half."""
    return np.asarray((np.arange(count) + 0.5) * (2 * half / count) - half, dtype=np.float64)


def selected(shot: Shot, offset: float, places: tuple[Array, Array, Array]) -> tuple[Complex, Complex, Complex]:
    """Return along each axis the share of a line's signal that each place gives, in phase with their sum.

    Editing pulses are left out.

    Parameters
    ----------
    shot : Shot
    offset : float
        Of the line above water, Hz.
    places : three (place,) arrays
        Along the grid's axes from the voxel's middle, m.
    """
    bare = unedited(shot)
    orders = _orders(bare)
    x, y, z = (_share(bare, offset, axis, along, orders) for axis, along in enumerate(places))
    return x, y, z


def _orders(shot: Shot) -> list[int]:
    """Return the order of the coherence behind each pulse, 0 for what is longitudinal, that ends as +1 at the echo."""
    found, order = list[int](), 1
    for event in reversed(shot.events):
        if not isinstance(event, Play):
            continue
        found.append(order)
        use = event.pulse.use
        # stored with the opposite order of what is recalled: a stimulated echo
        order = {"refocusing": -order, "excitation": 0, "recall": 0, "storage": -found[max(len(found) - 2, 0)]}.get(
            use, order
        )
    return found[::-1]


def _share(shot: Shot, offset: float, axis: int, along: Array, orders: list[int]) -> Complex:
    """Return the (place,) share of the signal along one axis."""
    if not _selective(shot, axis):
        return np.asarray(np.abs(along) <= shot.voxel[axis] / 2, dtype=np.complex128)
    share, order, behind = np.ones(len(along), np.complex128), 0, iter(orders)
    for event in shot.events:
        if isinstance(event, Wait):
            share = share * np.exp(-2j * np.pi * order * event.moment[axis] * along)
            continue
        before, order = order, next(behind)
        if axis_of(event.pulse) == axis:
            share = share * _passed(rotation(event, shot.gamma_bar, offset, axis, along), before, order)
    return np.asarray(share * np.exp(-1j * np.angle(share.sum())))


def rotation(play: Play, gamma_bar: float, offset: float, axis: int, along: Array) -> Array:
    """Return the (place, 3, 3) rotation of magnetisation by a pulse at places along one axis, m.

    Parameters
    ----------
    play : Play
    gamma_bar : float
        Hz/T.
    offset : float
        Of a line above water, Hz.
    axis : int
    along : (place,) array
    """
    position = np.zeros((len(along), 3))
    position[:, axis] = along
    columns = pulse_response(
        play.pulse, gamma_bar, position=position, offset=offset, phase=play.phase, start=np.eye(3)[:, None]
    )
    return np.asarray(columns.transpose(1, 2, 0))


def _passed(r: Array, before: int, behind: int) -> Complex:
    """Return what (place, 3, 3) rotations make of Mx + i My (order 1), its conjugate (-1) or Mz (0), as one of them."""
    x, y, z = np.moveaxis(r, -1, 0)  # images of the axes
    own = {0: z + 0j, 1: (x - 1j * y) / 2, -1: (x + 1j * y) / 2}[before]
    return np.asarray({0: own[:, 2], 1: own[:, 0] + 1j * own[:, 1], -1: own[:, 0] - 1j * own[:, 1]}[behind])


def reach(shot: Shot, offsets: list[float]) -> tuple[float, float, float]:
    """Return along each axis the half length, m, in which lines at these offsets, Hz, have their slices."""
    found = []
    for axis in range(3):
        away = [
            abs(offset - event.pulse.frequency)
            / (abs(shot.gamma_bar) * float(np.abs(event.pulse.gradient[:, axis]).max()))
            for event in _selective(shot, axis)
            for offset in offsets
        ]
        found.append((0.5 + (MARGIN if away else 0.0)) * shot.voxel[axis] + max(away, default=0.0))
    return found[0], found[1], found[2]


def _selective(shot: Shot, axis: int) -> list[Play]:
    """Return the pulses that select along an axis."""
    played = [event for event in shot.events if isinstance(event, Play)]
    return [event for event in played if axis_of(event.pulse) == axis]


def axis_of(pulse: Pulse) -> int | None:
    """Return the grid axis along which a pulse selects, none without a gradient."""
    along = np.flatnonzero(np.any(np.abs(pulse.gradient) > STILL, axis=0))
    return int(along[0]) if len(along) else None


def displacements(shot: Shot, offset: float) -> list[tuple[int, str, float]]:
    """Return per selective pulse its axis, its use and by how much of the voxel a line is displaced.

    From the centre of mass of the pulse's own profile, so that a pulse whose gradient changes while it plays counts as
    it is.

    Parameters
    ----------
    shot : Shot
    offset : float
        Of the line above water, Hz.
    """
    rows = []
    for axis in range(3):
        for event in _selective(shot, axis):
            half = reach(shot, [offset])[axis]
            along = middles(4 * POINTS, half)
            flipped = (1 - rotation(event, shot.gamma_bar, offset, axis, along)[:, 2, 2]) / 2
            share = flipped if event.pulse.use == "refocusing" else 2 * np.sqrt(flipped * (1 - flipped))
            total = float(share.sum())
            middle = float(along @ share) / total if total > 0 else math.nan
            rows.append((axis, event.pulse.use, middle / shot.voxel[axis]))
    return rows
