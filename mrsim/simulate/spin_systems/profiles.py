"""Where in a voxel a line comes from: the product of what its selective pulses do along their axes.

An excitation, a storage or a recall leaves |M_xy| of a spin at rest, a refocusing pulse between crushers the share of
its transverse magnetisation that it conjugates. A line that is not at the pulses' carrier finds them displaced, and
so are the saturated slabs around the voxel, whose edges take their share of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...core.nuclei import WATER_PPM, Nucleus
from ...phantom.metabolite import Metabolite
from ..pulse_response import pulse_response
from .pulses import propagators
from .shot import Play, Shot
from .subspaces import Subspace

Array = NDArray[np.float64]
POINTS = 96
"""Places along each axis."""
BAND_T1 = 1.3
"""With which what slabs saturate recovers until the excitation, s: of metabolites in brain, and of a disc's water."""
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


def selected(shot: Shot, offset: float, places: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """Return along each axis the share of a line's signal that each place gives.

    Parameters
    ----------
    shot : Shot
    offset : float
        Of the line above water, Hz.
    places : three (place,) arrays
        Along the grid's axes from the voxel's middle, m.
    """
    x, y, z = (share * left for share, left in _shares(shot, offset, places))
    return x, y, z


def unsaturated(shot: Shot, offset: float, half: tuple[float, float, float]) -> float:
    """Return the share of what the pulses select that the saturated slabs around the voxel leave; half : m per axis."""
    if not shot.bands:
        return 1.0
    x, y, z = (np.asarray((np.arange(POINTS) + 0.5) * (2 * h / POINTS) - h, dtype=np.float64) for h in half)
    return float(np.prod([share @ left / share.sum() for share, left in _shares(shot, offset, (x, y, z))]))


def _shares(shot: Shot, offset: float, places: tuple[Array, Array, Array]) -> list[tuple[Array, Array]]:
    """Return along each axis what the pulses select of each place, and what the saturated slabs have left of it."""
    spin = Subspace(spins=(0.5,), offsets=(offset,), couplings=())
    found = []
    for axis, along in enumerate(places):
        share = np.ones(len(along))
        position = np.zeros((len(along), 3))
        position[:, axis] = along
        playing = _selective(shot, axis)
        for event in playing:
            u = propagators(spin, event, shot.gamma_bar, position)
            flipped = np.abs(u[:, 0, 1]) ** 2
            share = share * (flipped if event.pulse.use == "refocusing" else 2 * np.sqrt(flipped * (1 - flipped)))
        share = share if playing else (np.abs(along) <= shot.voxel[axis] / 2).astype(np.float64)
        found.append((share, _left_by_bands(shot, offset, axis, position)))
    return found


def _left_by_bands(shot: Shot, offset: float, axis: int, position: Array) -> Array:
    """Return the (place,) longitudinal magnetisation that the slabs across an axis leave at the excitation, over M0."""
    left, before = np.ones(len(position)), 0.0
    for band in shot.bands:
        if not np.any(np.abs(band.play.pulse.gradient[:, axis]) > STILL):
            continue
        recovered = 0.0 if before == 0.0 else 1 - np.exp(-(before - band.ahead) / BAND_T1)
        response = pulse_response(band.play.pulse, shot.gamma_bar, position=position, offset=offset)
        left = (left + (1 - left) * recovered) * response[:, 2]
        before = band.ahead
    return np.asarray(left + (1 - left) * (1 - np.exp(-before / BAND_T1)))


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
    return [event for event in played if bool(np.any(np.abs(event.pulse.gradient[:, axis]) > STILL))]


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
    spin = Subspace(spins=(0.5,), offsets=(offset,), couplings=())
    for axis in range(3):
        for event in _selective(shot, axis):
            half = reach(shot, [offset])[axis]
            along = (np.arange(4 * POINTS) + 0.5 - 2 * POINTS) * (half / (2 * POINTS))
            position = np.zeros((len(along), 3))
            position[:, axis] = along
            flipped = np.abs(propagators(spin, event, shot.gamma_bar, position)[:, 0, 1]) ** 2
            share = flipped if event.pulse.use == "refocusing" else 2 * np.sqrt(flipped * (1 - flipped))
            total = float(share.sum())
            middle = float(along @ share) / total if total > 0 else math.nan
            rows.append((axis, event.pulse.use, middle / shot.voxel[axis]))
    return rows
