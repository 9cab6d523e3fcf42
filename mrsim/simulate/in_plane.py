"""How much the cells of the plane, finitely fine as they are, change the image: an estimate from its contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..phantom.spins import Spins
from ..sequence.timeline import Timeline


def contrast_weights(timeline: Timeline, magnetisation: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the (image, tissue, ...) mean signal of each tissue per volume in the middle slice.

    magnetisation : (tissue, ..., readout).
    """
    table = timeline.readouts
    imaging = np.array(table.purpose) == "imaging"
    contrast = table.labels.get("contrast", np.zeros(len(table.dwell), dtype=np.int64))
    slices = table.labels.get("slice", np.zeros(len(table.dwell), dtype=np.int64))
    middle = timeline.encoding.grid.shape[0] // 2
    if timeline.encoding.kind == "2d" and np.any(slices[imaging] == middle):
        imaging &= slices == middle
    images = [imaging & (contrast == index) for index in np.unique(contrast[imaging])]
    # images of one contrast may differ in phase from line to line: RF spoiling is taken back by the receiver
    received = magnetisation * np.exp(1j * table.phase)
    return np.array([received[..., rows].mean(axis=-1) for rows in images])


def in_plane_error(
    encoded: Grid, cells: Grid, spins: Spins, contrast: NDArray[np.complex128], filled: bool = False
) -> float:
    """Return the largest error of a voxel over the signal of the brightest tissue, the worst of all images.

    An image made from `cells` is compared with one in which four of them are one, at their middle. The error falls
    with the square of the cell, so a third of the difference is left. Every tissue has one signal all over the plane.

    Parameters
    ----------
    encoded : Grid
        The voxels of the image.
    cells, spins : Grid, Spins
        The fine grid and the object on it.
    contrast : (image, tissue) array
        Signal of each tissue per volume.
    filled : bool
        True for cells that are filled boxes and not points.
    """
    nz, ny, nx = cells.shape
    place = spins.tissue * (ny * nx) + spins.cell % (ny * nx)
    density = np.bincount(place, spins.volume, minlength=len(spins.tissues) * ny * nx).reshape(-1, ny, nx)
    x, y = cells.coordinates(0), cells.coordinates(1)
    even = np.pad(density, ((0, 0), (0, ny % 2), (0, nx % 2)))
    joined = even.reshape(len(density), -(-ny // 2), 2, -(-nx // 2), 2).sum(axis=(2, 4))
    width = np.array(cells.spacing[:2]) * filled
    change = _blurred(density, x, y, encoded, width) - _blurred(joined, _middles(x), _middles(y), encoded, 2 * width)
    voxel = encoded.spacing[0] * encoded.spacing[1] * cells.spacing[2] * nz
    errors = [float(np.abs(np.tensordot(weights, change, axes=1)).max()) for weights in contrast]
    brightest = np.abs(contrast).max(axis=1)
    found = [error / size for error, size in zip(errors, brightest, strict=True) if size > 0]
    return float(max(found, default=0.0) / 3 / voxel)


def _middles(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middles of pairs of regular places; an odd last one has a partner beyond."""
    step = place[1] - place[0] if len(place) > 1 else 0.0
    return np.asarray(place[::2] + step / 2)


def _blurred(
    density: NDArray[Any],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    encoded: Grid,
    width: NDArray[np.float64] | None = None,
) -> NDArray[np.complex128]:
    """Return what the sampled k-space makes of a (..., y, x) density at regular places, m, in cells of that width."""
    wide = np.zeros(2) if width is None else width
    along_x, along_y = _dirichlet(encoded, x, 0, wide[0]).T, _dirichlet(encoded, y, 1, wide[1])
    if np.iscomplexobj(density):
        return np.asarray(along_y @ density @ along_x)
    # two real products cost half of a complex one, and single precision is enough for an error
    single, wave = density.astype(np.float32), along_x.astype(np.complex64)
    blurred = np.empty((*density.shape[:-1], wave.shape[1]), dtype=np.complex64)
    blurred.real, blurred.imag = single @ wave.real, single @ wave.imag
    return np.asarray(along_y.astype(np.complex64) @ blurred, dtype=np.complex128)


def layer_error(encoded: Grid, cells: Grid, spins: Spins, contrast: NDArray[np.complex128]) -> float:
    """Return the largest error of a voxel, over the signal of the brightest tissue, that the layers leave.

    Layers are joined in pairs: what a tissue holds, and how it responds, is then its mean over two of them. The error
    falls with the square of a layer's thickness, so a third of the change is left.

    Parameters
    ----------
    encoded : Grid
        The voxels of the image.
    cells, spins : Grid, Spins
        An even number of layers, and the object in them.
    contrast : (image, tissue, layer) array
        Signal of each tissue per volume.
    """
    layers, ny, nx = cells.shape
    response = (contrast[..., 0::2] - contrast[..., 1::2]) / 2
    lost = np.zeros((len(contrast), ny, nx), dtype=np.complex128)
    for tissue in range(len(spins.tissues)):
        mine = spins.tissue == tissue
        density = np.bincount(spins.cell[mine], spins.volume[mine], minlength=layers * ny * nx)
        step = -np.diff(density.reshape(layers // 2, 2, ny, nx), axis=1)[:, 0]
        lost += np.tensordot(response[:, tissue], step, axes=1)
    voxel = encoded.spacing[0] * encoded.spacing[1] * cells.spacing[2] * layers
    brightest = np.abs(contrast.mean(axis=-1)).max(axis=1)
    images = _blurred(lost, cells.coordinates(0), cells.coordinates(1), encoded)
    errors = np.abs(images).max(axis=(1, 2)) / 3 / voxel
    found = [error / size for error, size in zip(errors, brightest, strict=True) if size > 0]
    return float(max(found, default=0.0))


def _dirichlet(encoded: Grid, place: NDArray[np.float64], axis: int, width: float = 0.0) -> NDArray[np.complex128]:
    """Return (voxel, place): what the sampled k-space of one axis makes of a box of some width, m, at each place."""
    n = encoded.shape[2 - axis]
    k = (np.arange(n) - n // 2) / (n * encoded.spacing[axis])
    voxels = np.exp(2j * np.pi * np.outer(encoded.coordinates(axis), k)) * np.sinc(k * width) / n
    return np.asarray(voxels @ np.exp(-2j * np.pi * np.outer(k, place)))
