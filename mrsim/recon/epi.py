"""Echo-planar readouts as lines of a raster: samples on ramps regridded, odd and even lines brought into step.

The samples s of a line at k_s are fitted by the voxels x_j of the field of view in the least-squares sense,

    s_s = sum_j p_j exp(-i 2 pi k_s x_j),

which for samples on the raster is the Fourier transform. Lines that run backwards see the object through delays of
gradient and receiver mirrored: a delay of the gradients by d makes the samples lie at k(t - d), and what is left
between the directions is a phase a + b x (`ghost`). The result is an acquisition by labels, which any Cartesian method
can take; the noise of a voxel over that of a raster's stands in the sheet as ``read_noise``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.errors import InputError
from ..core.grid import Grid
from .kspace import to_kspace

Array = NDArray[np.complex128]
STRAIGHT = 1e-2
"""Largest distance of ky and kz from the raster, in steps of it."""
CUTOFF = 1e-3
"""Singular values of the fit below this share of the largest are left out."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lines:
    """Readouts of one purpose along x: voxels instead of samples."""

    voxels: Array
    """(readout, coil, x) p_j, m^3."""
    labels: dict[str, NDArray[np.int64]]
    """With ``line`` and, in three dimensions, ``partition`` of the raster; ``reverse``."""
    noise: NDArray[np.float64]
    """(x,) root mean square over readouts: noise of a voxel over that of a raster of nx samples."""


def is_parallel(raw: Acquisition) -> bool:
    """Return whether every imaging readout runs along x on a line of the raster; by labels: in both directions."""
    group, grid = raw.imaging, raw.encoding.grid
    if group.k.shape[1] < 2 or (raw.encoding.k_from == "labels" and not _both_ways(group)):
        return False
    place = _steps(group, grid, raw.encoding.kind)
    straight = np.ptp(place, axis=1).max(initial=0) < STRAIGHT
    on_raster = np.abs(place[:, 0] - np.rint(place[:, 0])).max(initial=0) < STRAIGHT
    inside = np.all((place[:, 0] > -0.5) & (place[:, 0] < np.array([grid.shape[1], _partitions(raw)]) - 0.5))
    sweep = np.ptp(group.k[:, :, 0], axis=1).min() * grid.spacing[0]
    return bool(straight and on_raster and inside and sweep > 0.5)


def _both_ways(group: Readouts) -> bool:
    """Return whether the lines of one image run forwards and backwards."""
    if "reverse" not in group.labels:
        return False
    contrast = group.labels.get("contrast", np.zeros(len(group.data), dtype=np.int64))
    reverse = group.labels["reverse"] != 0
    return any(reverse[contrast == c].any() and not reverse[contrast == c].all() for c in np.unique(contrast))


def _partitions(raw: Acquisition) -> int:
    return raw.encoding.grid.shape[0] if raw.encoding.kind == "3d" else 1


def _steps(group: Readouts, grid: Grid, kind: str) -> NDArray[np.float64]:
    """Return the (readout, sample, 2) place on the raster along y and z; z is 0 where slices are not encoded."""
    nz, ny, _ = grid.shape
    y = group.k[:, :, 1] * ny * grid.spacing[1] + ny // 2
    z = group.k[:, :, 2] * nz * grid.spacing[2] + nz // 2 if kind == "3d" else np.zeros_like(y)
    return np.stack([y, z], axis=-1)


def lines_of(raw: Acquisition, name: str, delay: float = 0.0) -> Lines:
    """Return the voxels along x of every readout of a group.

    Parameters
    ----------
    raw : Acquisition
        With a trajectory of parallel lines.
    name : str
        Of the group.
    delay : float
        By which the gradients lag behind the receiver, s.
    """
    group, grid = raw.groups[name], raw.encoding.grid
    nx = grid.shape[2]
    count = group.data.shape[2]
    k = group.k[:, :, 0] * grid.spacing[0]
    k = k - delay * np.gradient(k, group.dwell or raw.encoding.dwell, axis=1) if delay else k
    voxels = np.empty((*group.data.shape[:2], nx), dtype=np.complex128)
    power = np.zeros(nx)
    rows = np.round(k / 1e-6).astype(np.int64)
    _, which = np.unique(rows, axis=0, return_inverse=True)
    for kind in range(int(which.max(initial=0)) + 1):
        chosen = np.flatnonzero(which.ravel() == kind)
        turns = np.outer(k[chosen[0]], np.arange(nx) - nx // 2)
        solver = np.linalg.pinv(np.exp(-2j * np.pi * turns), rcond=CUTOFF)
        voxels[chosen] = (group.data[chosen].reshape(-1, count) @ solver.T).reshape(len(chosen), -1, nx)
        power += len(chosen) * np.sum(np.abs(solver) ** 2, axis=1) * nx
    place = np.rint(_steps(group, grid, raw.encoding.kind)[:, 0]).astype(np.int64)
    labels = {**group.labels, "line": place[:, 0], "reverse": (k[:, -1] < k[:, 0]).astype(np.int64)}
    labels |= {"partition": place[:, 1]} if raw.encoding.kind == "3d" else {}
    return Lines(voxels=voxels, labels=labels, noise=np.sqrt(power / max(len(k), 1)))


def on_raster(raw: Acquisition, parts: dict[str, Lines], **facts: Any) -> Acquisition:
    """Return the acquisition by labels of groups of lines, and the facts in its sheet."""
    nx, step = raw.encoding.grid.shape[2], raw.encoding.grid.spacing[0]
    groups = {}
    for name, lines in parts.items():
        data = to_kspace(lines.voxels, (-1,)) * np.sqrt(nx)
        k = np.zeros((len(data), nx, 3))
        k[:, :, 0] = (np.arange(nx) - nx // 2) / (nx * step)
        times = raw.groups[name].t.mean(axis=1, keepdims=True)
        labels = {key: value for key, value in lines.labels.items() if key != "reverse"}
        groups[name] = Readouts(data=data, k=k, t=np.broadcast_to(times, (len(data), nx)), labels=labels)
    sheet = {**raw.encoding.sheet, "read_noise": parts["imaging"].noise, **facts}
    dwell = raw.imaging.dwell or raw.encoding.dwell
    header = replace(raw.encoding, k_from="labels", dwell=dwell, sheet=sheet)
    kept = {name: group for name, group in raw.groups.items() if name == "noise"}
    return replace(raw, groups={**groups, **kept}, encoding=header)


def check_lines(raw: Acquisition) -> None:
    """Refuse other groups whose trajectory does not fit that of the image."""
    for name in ("calibration",):
        group = raw.groups.get(name)
        if group is not None and np.ptp(_steps(group, raw.encoding.grid, raw.encoding.kind), axis=1).max() > STRAIGHT:
            raise InputError(f"the readouts of group '{name}' are no lines along x, those of the image are")
