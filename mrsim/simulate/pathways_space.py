"""The object's Fourier transform at the moments of a readout: what a configuration state contributes.

The cells of the sampling grid are filled boxes, so their dephasing is a product of sinc functions. Where y stands
still during a readout, the sum over the plane is a product of two small matrices per moment at the window's start;
elsewhere it is a non-uniform transform (`plane_sums`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline
from .plane import Plane, plane_of
from .plane_sums import PlaneSums

Complex = NDArray[np.complex128]
FINE = 1e-4
"""Moments at the window's start that differ by less, 1/m, share a transform."""


class Waves:
    """The in-plane moments of the readouts, each distinct course once."""

    def __init__(self, timeline: Timeline) -> None:
        moment = timeline.readouts.moment
        courses, course = np.unique(moment.reshape(len(moment), -1), axis=0, return_inverse=True)
        self.course: NDArray[np.int64] = course.ravel().astype(np.int64)
        """(readout,) course of each readout."""
        self.moment: NDArray[np.float64] = courses.reshape(-1, *moment.shape[1:])
        """(course, sample, 3) 1/m since the window's start."""
        dwell = float(timeline.readouts.dwell[0])
        self.time: NDArray[np.float64] = np.asarray((np.arange(moment.shape[1]) + 0.5) * dwell, dtype=np.float64)
        """(sample,) s since the window's start."""

    def range(self) -> NDArray[np.float64]:
        """Return (course, 2, 3): the lowest and highest moment of each course."""
        return np.stack([self.moment.min(axis=1), self.moment.max(axis=1)], axis=1)


def box(k: NDArray[np.floating], width: float) -> NDArray[np.float64]:
    """Return the mean of exp(-i 2 pi k x) over a box of `width`, m, around 0."""
    return np.asarray(np.sinc(k * width), dtype=np.float64)


class Transforms:
    """The transforms of one geometry (the spins of one tissue), made when first asked for."""

    def __init__(self, spins: Spins, members: NDArray[np.int64], cells: Grid, waves: Waves) -> None:
        self.plane: Plane = plane_of(spins, members, cells.shape)
        self.width = cells.spacing
        self.waves = waves
        self.rows: dict[tuple[int, int, int], Complex] = {}
        self.error = 0.0
        """Largest error of the transforms, over the object's volume."""

    def prepare(self, course: NDArray[np.int64], start: NDArray[np.float64]) -> None:
        """Make the transforms for (n,) courses from (n, 2) in-plane moments at the window's start."""
        wanted = np.unique(np.column_stack([course, np.rint(start / FINE).astype(np.int64)]), axis=0)
        missing = np.array([key for key in map(tuple, wanted.tolist()) if key not in self.rows], dtype=np.int64)
        if not len(missing):
            return
        curved = np.any(self.waves.moment[..., 1], axis=1)[missing[:, 0]]
        if np.any(curved):
            self._curved(missing[curved])
        straight = missing[~curved]
        for number, kx in np.unique(straight[:, :2], axis=0):
            along = kx * FINE + self.waves.moment[number, :, 0]
            e_x = np.asarray(
                np.exp(-2j * np.pi * np.outer(self.plane.x, along)) * box(along, self.width[0]), dtype=np.complex128
            )
            self._straight(straight[np.all(straight[:, :2] == (number, kx), axis=1)], e_x)

    def _straight(self, keys: NDArray[np.int64], e_x: Complex) -> None:
        """Where y stands still during the readout, sum over it first."""
        ky = np.asarray(keys[:, 2] * FINE, dtype=np.float64)
        e_y = np.asarray(
            np.exp(-2j * np.pi * np.outer(ky, self.plane.y)) * box(ky, self.width[1])[:, None], dtype=np.complex128
        )
        layers, ny, nx = self.plane.density.shape
        lines = e_y @ self.plane.density.transpose(1, 0, 2).reshape(ny, layers * nx)
        rows = (lines.reshape(-1, nx) @ e_x).reshape(len(keys), layers, -1)
        self.rows.update({tuple(key): row for key, row in zip(keys.tolist(), rows, strict=True)})

    def _curved(self, keys: NDArray[np.int64]) -> None:
        """Sum over the plane at every sample's moment."""
        moment = keys[:, None, 1:] * FINE + self.waves.moment[keys[:, 0], :, :2]
        sums = PlaneSums(self.plane, moment, np.zeros(2))
        rows = sums.of(0) * box(moment[..., 0], self.width[0]) * box(moment[..., 1], self.width[1])
        self.error = max(self.error, sums.error)
        self.rows.update({tuple(key): rows[:, n] for n, key in enumerate(keys.tolist())})

    def at(self, course: int, start: NDArray[np.float64]) -> Complex:
        """Return the (n, layer, sample) transforms, m^3, of one course from (n, 2) moments at the start."""
        keys = np.rint(start / FINE).astype(np.int64).tolist()
        return np.array([self.rows[(course, kx, ky)] for kx, ky in keys])
