"""Streamlines against the fibres that are there (after Cote et al. 2013, doi:10.1016/j.media.2013.03.009).

Two questions: does a step point along a fibre, and does a streamline connect what a bundle connects?
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.streamlines import Streamlines

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Truth = Array | Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Angles:
    """Angles between the steps of streamlines and the nearest true fibre, rad."""

    each: Array
    """(step,); NaN where no fibre is."""

    @property
    def mean(self) -> float:
        """Over the steps where a fibre is."""
        return float(np.nanmean(self.each)) if np.isfinite(self.each).any() else float("nan")

    @property
    def outside(self) -> float:
        """Share of the steps where no fibre is."""
        return float(np.isnan(self.each).mean()) if len(self.each) else float("nan")

    def within(self, angle: float) -> float:
        """Return the share of the steps on fibres that keep within an angle, rad."""
        return float(np.mean(self.each[np.isfinite(self.each)] <= angle))


@dataclass(frozen=True, kw_only=True, slots=True)
class Connections:
    """Which streamlines connect the two ends of a bundle, and what they cover of it."""

    valid: float
    """Share of the streamlines that join the ends of one bundle."""
    invalid: float
    """Share that joins ends of different bundles."""
    none: float
    """Share that joins nothing."""
    overlap: dict[str, float]
    """Bundle -> share of its voxels that its valid streamlines pass."""
    overreach: dict[str, float]
    """Bundle -> voxels beside it that they pass, over its own."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bundle:
    """A true bundle of fibres."""

    inside: Mask
    """(z, y, x)."""
    ends: tuple[Mask, Mask]
    """(z, y, x) each."""


def streamline_angles(streamlines: Streamlines, truth: Truth) -> Angles:
    """Compare the steps of streamlines with the fibres.

    Parameters
    ----------
    streamlines : Streamlines
    truth : (z, y, x, fibre, 3) array, or callable
        World directions of the fibres in every voxel, zero where there is none; or what gives (n, fibre, 3) of them
        at (n, 3) world points, m.
    """
    middles, steps = streamlines.directions()
    fibres = truth(middles) if callable(truth) else _at(streamlines, middles, truth)
    length = np.linalg.norm(fibres, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.abs(np.einsum("nfi,ni->nf", fibres, steps)) / length
    best = np.max(np.where(length > 0, cosine, -1.0), axis=1, initial=-1.0)
    return Angles(each=np.where(best < 0, np.nan, np.arccos(np.clip(best, -1.0, 1.0))))


def streamline_connections(streamlines: Streamlines, bundles: Mapping[str, Bundle]) -> Connections:
    """Count what streamlines connect.

    Parameters
    ----------
    streamlines : Streamlines
    bundles : mapping of name to Bundle
        On the streamlines' grid.
    """
    if not bundles:
        raise InputError("are none; give at least one", key="bundles")
    places = _voxels(streamlines, streamlines.points)
    first, last = streamlines.offsets[:-1], streamlines.offsets[1:] - 1
    names = list(bundles)
    # (streamline, bundle, end) whether its first and its last point lie there
    begins, stops = (
        np.stack([np.stack([np.ravel(end)[places[at]] for end in bundles[n].ends], axis=-1) for n in names], axis=1)
        for at in (first, last)
    )
    valid = (begins[..., 0] & stops[..., 1]) | (begins[..., 1] & stops[..., 0])
    joined, some = valid.any(axis=1), begins.any(axis=(1, 2)) & stops.any(axis=(1, 2))
    owner = np.repeat(np.arange(len(streamlines)), np.diff(streamlines.offsets))
    overlap, overreach = {}, {}
    for k, name in enumerate(names):
        passed = np.zeros(streamlines.grid.shape, dtype=np.bool_)
        mine = valid[owner, k]
        passed.ravel()[places[mine]] = True
        inside = bundles[name].inside
        overlap[name] = float((passed & inside).sum() / inside.sum())
        overreach[name] = float((passed & ~inside).sum() / inside.sum())
    count = max(len(streamlines), 1)
    return Connections(
        valid=float(joined.sum() / count), invalid=float((some & ~joined).sum() / count),
        none=float((~some & ~joined).sum() / count), overlap=overlap, overreach=overreach,
    )  # fmt: skip


def _at(streamlines: Streamlines, points: Array, truth: Array) -> Array:
    if truth.shape[:3] != streamlines.grid.shape or truth.shape[-1] != 3 or truth.ndim != 5:
        raise InputError(f"has shape {truth.shape}; give {(*streamlines.grid.shape, 'fibre', 3)}", key="truth")
    return truth.reshape(-1, *truth.shape[3:])[_voxels(streamlines, points)]


def _voxels(streamlines: Streamlines, points: Array) -> NDArray[np.int64]:
    """Return the (n,) flat index of the voxel that holds each world point."""
    grid, shape = streamlines.grid, np.array(streamlines.grid.shape[::-1])
    place = (points - np.asarray(grid.centre)) @ grid.axes / np.asarray(grid.spacing) + shape // 2
    x, y, z = np.clip(np.rint(place).astype(np.int64), 0, shape - 1).T
    return np.asarray(np.ravel_multi_index((z, y, x), grid.shape))
