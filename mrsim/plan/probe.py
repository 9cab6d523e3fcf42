"""A block of one tissue, a voxel wide, in the middle of the field of view: what an engine needs to say what a voxel
of a large region holds.

The sample of its signal at k = 0 is the voxel's transverse magnetisation, with everything that happens inside a voxel
and through the slice, and without what neighbours and the point spread add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Encoding
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.spectra import to_spectrum
from ..phantom.diffusion import compartments
from ..phantom.phantom import Phantom
from ..phantom.spins import Spins
from ..phantom.tissue import Tissue
from ..sequence.timeline import Timeline
from ..simulate.receiver import window_kinds, with_windows

Array = NDArray[np.float64]
ZERO_FILLED = 8
"""Times the points of a spectrum, so that no peak falls between two: half a point off they lose 0.6 %."""
NEAR = 1e-6
"""Samples whose |k| exceeds the least by less than this share of the largest are all at the centre of k-space."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Probe(Phantom):
    """A homogeneous block around the grid's centre, its sides along the grid's axes."""

    size: tuple[float, float, float]
    """Along grid x, y, z, m; the last may be infinite."""

    def uniform_through(self, grid: Grid, thickness: float) -> bool:
        """Return True: there is one layer, the block's own."""
        return True

    def extent(self, grid: Grid) -> Array:
        """Return the (2, 3) corners, m from the grid's centre."""
        half = np.array(self.size) / 2
        return np.stack([-half, half])

    def sample(self, grid: Grid) -> Spins:
        """Return the spins of every cell that the block covers."""
        parts = [_cover(grid, axis, self.size[axis]) for axis in range(3)]
        part = (parts[2][:, None, None] * parts[1][None, :, None] * parts[0][None, None, :]).ravel()
        cell = np.flatnonzero(part > 0)
        z, y, x = np.unravel_index(cell, grid.shape)
        position = np.stack([grid.coordinates(a)[i] for a, i in ((0, x), (1, y), (2, z))], axis=1)
        count = len(cell)
        return Spins(
            position=position,
            volume=part[cell] * grid.voxel_volume,
            tissue=np.zeros(count, dtype=np.int32),
            cell=cell.astype(np.int64),
            offset=np.full(count, float(np.mean(self.offset) if isinstance(self.offset, float) else 0.0)),
            b1=np.full(count, float(self.b1) if isinstance(self.b1, float | int) else 1.0),
            pools=(self.tissues[0].pools(self.field),),
            diffusion=(compartments(self.tissues[0], self.field),),
            tissues=(self.tissues[0].name,),
        )


def _cover(grid: Grid, axis: int, size: float) -> Array:
    """Return which share of each cell along an axis lies in the block."""
    d, c = grid.spacing[axis], grid.coordinates(axis)
    return np.asarray(np.clip(np.minimum(c + d / 2, size / 2) - np.maximum(c - d / 2, -size / 2), 0, None) / d)


def probe_of(phantom: Phantom, tissue: Tissue, grid: Grid, deep: bool) -> Probe:
    """Return a voxel of one of a phantom's tissues, in its uniform fields.

    Parameters
    ----------
    phantom : Phantom
        Its off-resonance and transmit field count where they are one number; maps are taken as 0 Hz and 1.
    tissue : Tissue
    grid : Grid
        The encoded one.
    deep : bool
        Whether the block reaches across slices, or through a slab, as far as the phantom.
    """
    through = 2 * float(np.abs(phantom.extent(grid)[:, 2]).max()) if deep else grid.spacing[2]
    size = (*grid.spacing[:2], through)
    return Probe(
        name=tissue.name,
        description="a voxel of one tissue",
        field=phantom.field,
        grade=phantom.grade,
        tissues=(tissue,),
        regions=(),
        rois_defined=(),
        offset=float(phantom.offset) if isinstance(phantom.offset, float | int) else 0.0,
        b1=float(phantom.b1) if isinstance(phantom.b1, float | int) else 1.0,
        size=size,
    )


def selects_slab(timeline: Timeline) -> bool:
    """Return whether a scan reads the middle of the plane in all partitions of a slab that its pulses select.

    Then the middle of the slab holds what its edges ring there, which a voxel alone does not show.
    """
    table, encoding = timeline.readouts, timeline.encoding
    partition = table.labels.get("partition")
    selective = any(np.any(pulse.gradient[:, 2]) for pulse in timeline.pulses)
    if encoding.kind != "3d" or partition is None or not selective:
        return False
    away = np.linalg.norm(table.k[..., :2], axis=2)
    near = away.min(axis=1) <= away.min() + NEAR * away.max()
    return len(np.unique(partition[near])) == encoding.grid.shape[0]


def listening(timeline: Timeline, deep: bool) -> Timeline:
    """Return a timeline with no other windows open than those that `centre_signal` reads."""
    table = timeline.readouts
    imaging = np.flatnonzero([purpose == "imaging" for purpose in table.purpose])
    labels = {name: values[imaging] for name, values in table.labels.items()}
    central = _central(labels, table.k[imaging], timeline.encoding, deep)
    rows = np.sort(imaging[np.concatenate(central)])
    alike = any(np.isin(rows, kind).all() for kind in window_kinds(table))
    return with_windows(timeline, rows) if len(rows) and alike else timeline


def centre_signal(raw: Acquisition, deep: bool) -> NDArray[np.complex128]:
    """Return the (contrast,) signal at k = 0 of the middle slice over the voxel's volume: proton density units.

    Of a block that is as deep as a slab it is the mean over the partitions' samples at k = 0 in the plane: the slab's
    transform in its middle. Readouts that cross the centre again and again (averages, spokes) are averaged. Of a
    spectrum it is the height of its highest peak, without apodisation, over the length of the readout: then signal
    over noise is that height over the standard deviation of the noise in the spectrum's real part.
    """
    group, encoding = raw.imaging, raw.encoding
    central = _central(group.labels, group.k, encoding, deep)
    result = np.zeros(len(central), dtype=np.complex128)
    for contrast, rows in enumerate(central):
        if not len(rows):
            raise InputError(f"no readout belongs to contrast {contrast} of the middle slice")
        data = group.data[rows, 0] / encoding.grid.voxel_volume
        if encoding.kind == "spectrum":
            points, dwell = data.shape[1], encoding.dwell if group.dwell is None else group.dwell
            height = np.abs(to_spectrum(data.mean(axis=0), dwell, ZERO_FILLED * points)).max()
            result[contrast] = height / (points * dwell)
        else:
            result[contrast] = np.mean(data[np.arange(len(rows)), _away(group.k[rows], deep).argmin(axis=1)])
    return result


def _central(
    labels: dict[str, NDArray[np.int64]], k: Array, encoding: Encoding, deep: bool
) -> list[NDArray[np.int64]]:  # fmt: skip
    """Return per contrast the rows of the middle slice that come nearest to the centre of k-space; of spectra all."""
    mine = _middle(labels, len(k), encoding)
    which = labels.get("contrast", np.zeros(len(k), dtype=np.int64))
    found = []
    for contrast in range(len(next(iter(encoding.contrast.values())))):
        rows = np.flatnonzero(mine & (which == contrast))
        if len(rows) and encoding.kind != "spectrum":
            away = _away(k[rows], deep)
            rows = rows[away.min(axis=1) <= away.min() + NEAR * away.max()]
        found.append(rows)
    return found


def _away(k: Array, deep: bool) -> Array:
    """Return the (readout, sample) distance from the centre of k-space, in the plane of what is deep."""
    return np.asarray(np.linalg.norm(k[..., : 2 if deep else 3], axis=2))


def middle_slice(raw: Acquisition) -> NDArray[np.bool_]:
    """Return which imaging readouts belong to the middle slice and the first repetition."""
    return _middle(raw.imaging.labels, len(raw.imaging.data), raw.encoding)


def _middle(labels: dict[str, NDArray[np.int64]], count: int, encoding: Encoding) -> NDArray[np.bool_]:
    mine: NDArray[np.bool_] = np.ones(count, dtype=bool)
    if "slice" in labels and encoding.kind == "2d":
        mine &= labels["slice"] == encoding.grid.shape[0] // 2
    if "repetition" in labels:
        mine &= labels["repetition"] == 0
    return mine
