"""Which lines of k-space a file leaves out, and what its images show for it.

Only readouts along straight lines of constant ky and kz are judged. A line that is missing between sampled ones lets
the image alias; lines that are missing on one side only, as in partial Fourier, cost resolution; the corners that an
elliptical raster leaves out cost neither. By default the
reconstruction fills in none of it from one coil; from several it unfolds what aliases.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRAIGHT = 0.1
"""Largest change of ky and kz during a readout, in steps of 1 / field of view."""
LOPSIDED = 1.5
"""Lines by which one side may exceed the other, besides the widest gap: a full raster has one more on one side."""


def coverage_notes(
    paths: list[NDArray[np.float64]], group: NDArray[np.int64], field_of_view: tuple[float, float, float]
) -> list[str]:
    """Return what is missing, one sentence each.

    Parameters
    ----------
    paths : list of (sample, 3) arrays
        Nominal k of the readouts, 1/m; z is 0 where it encodes nothing.
    group : (readout,) array
        Which image each readout belongs to.
    field_of_view : (float, float, float)
        Of the image, m; a line in every step of 1 / field of view is complete.
    """
    scale = np.array(field_of_view[1:])
    spread = np.array([np.ptp(path[:, 1:], axis=0) * scale for path in paths])
    if spread.max(initial=0.0) > STRAIGHT:
        return []
    place = np.array([path[:, 1:].mean(axis=0) * scale for path in paths])
    index = np.rint(place - place.min(axis=0)).astype(np.int64)
    complete = int(np.prod([max(2 * -low, 2 * high + 1) for low, high in zip(*_ends(place), strict=True)]) + 0.5)
    return [*_gaps(index, group, complete), *_one_sided(place)]


def _ends(place: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Return the lowest and the highest place on either axis, on both sides of the centre."""
    low, high = np.minimum(place.min(axis=0), 0.0), np.maximum(place.max(axis=0), 0.0)
    return low.round(1).tolist(), high.round(1).tolist()


def _gaps(index: NDArray[np.int64], group: NDArray[np.int64], complete: int) -> list[str]:
    """Return a sentence about the image that misses most lines between sampled ones."""
    worst, least, short = 0, 0, 0
    groups = np.unique(group).tolist()
    for number in groups:
        sampled = np.zeros(index.max(axis=0) + 1, dtype=bool)
        sampled[tuple(index[group == number].T)] = True
        missing = int(np.count_nonzero(_enclosed(sampled) & ~sampled))
        short += missing > 0
        if missing > worst:
            worst, least = missing, int(np.count_nonzero(sampled))
    if not worst:
        return []
    where = "" if len(groups) == 1 else f" in {short} of {len(groups)} images, at worst"
    lacks = f"k-space is undersampled{where}: {least} of {complete} lines were sampled, with gaps between them"
    return [f"{lacks}; one coil cannot fill them, so its image will alias"]


def _enclosed(sampled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the (y, z) places between two sampled ones, along either axis and again along the other."""
    result = sampled
    for axis in (0, 1, 0):
        before = np.logical_or.accumulate(result, axis=axis)
        after = np.flip(np.logical_or.accumulate(np.flip(result, axis), axis=axis), axis)
        result = before & after
    return result


def _one_sided(place: NDArray[np.float64]) -> list[str]:
    """Return a sentence for each axis of which one side is sampled less far than the other."""
    result = []
    for axis, name in enumerate("yz"):
        levels = np.unique(place[:, axis].round(1))
        low, high = -float(levels[0]), float(levels[-1])
        if abs(low - high) > LOPSIDED + np.diff(levels).max(initial=0.0):
            result.append(
                f"k-space is sampled on one side only: k{name} runs from {-low:.4g} to {high:.4g} lines; partial "
                f"Fourier is not reconstructed, so the image loses resolution along {name}"
            )
    return result
