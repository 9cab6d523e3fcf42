"""Exact maps of a phantom on any grid: labels, any property of its tissues, fibres, ratios of signals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, did_you_mean
from ..core.grid import Grid
from .phantom import PURE, Phantom, voxel_centres

Array = NDArray[np.float64]


def label_numbers(phantom: Phantom) -> dict[str, int]:
    """Return the number of every region in label maps; those of spines do not depend on grades or findings."""
    return phantom.labels_by_region


def label_map(phantom: Phantom, grid: Grid) -> NDArray[np.int32]:
    """Return the (z, y, x) label of the region that fills most of each voxel; 0 where that is nothing."""
    cell, region, fraction = phantom.contents(grid)
    size = int(np.prod(grid.shape))
    best = np.maximum(1.0 - np.bincount(cell, fraction, minlength=size), 0.0)
    labels = np.zeros(size, dtype=np.int32)
    numbers = np.array([*label_numbers(phantom).values()], dtype=np.int32)
    order = np.argsort(fraction, kind="stable")  # the largest is written last
    order = order[fraction[order] > best[cell[order]]]
    labels[cell[order]] = numbers[region[order]]
    return labels.reshape(grid.shape)


def property_names(phantom: Phantom) -> tuple[str, ...]:
    """Return every property that some tissue of the phantom has at its field strength."""
    return tuple(dict.fromkeys(name for tissue in phantom.tissues for name in tissue.known(phantom.field)))


def property_map(phantom: Phantom, grid: Grid, name: str) -> tuple[Array, str]:
    """Return the (z, y, x) map of a property and its SI unit.

    A voxel has a value where tissues that have the property fill at least 0.99 of it: their mean by volume, but for
    ``"fat_fraction"``, which is that of the voxel's protons. It is NaN elsewhere.

    Parameters
    ----------
    phantom : Phantom
        At its field strength.
    grid : Grid
        The voxels.
    name : str
        E.g. ``"t2"``, ``"md"``, ``"fa"``, ``"shear_stiffness"``, ``"susceptibility"``, ``"fat_fraction"``.
    """
    if name == "fat_fraction":
        return _fat_fraction_map(phantom, grid), ""
    values = np.full(len(phantom.tissues), np.nan)
    unit = None
    for number, tissue in enumerate(phantom.tissues):
        if name in (known := tissue.known(phantom.field)):
            values[number], unit = known[name].value, known[name].unit
    if unit is None:
        known_names = property_names(phantom)
        raise InputError(
            f"no tissue of '{phantom.name}' has a property '{name}' at {phantom.field:g} T"
            f"{did_you_mean(name, known_names)}",
            key="property",
        )
    cell, tissue_of, fraction = phantom.contents(grid, merge=True)
    has = np.isfinite(values[tissue_of])
    size = int(np.prod(grid.shape))
    held = np.bincount(cell[has], fraction[has], minlength=size)
    total = np.bincount(cell[has], fraction[has] * values[tissue_of[has]], minlength=size)
    mean = np.where(held >= PURE, total / np.maximum(held, PURE), np.nan)
    return mean.reshape(grid.shape), unit


def proton_densities(phantom: Phantom, grid: Grid) -> dict[str, Array]:
    """Return the (z, y, x) proton density of water and of fat, relative to pure water: ``"water"``, ``"fat"``.

    Every voxel has a value; mixed ones have that of all that they hold, empty ones 0.
    """
    found = {name: np.zeros(grid.shape) for name in ("water", "fat")}
    fractions = phantom.fractions(grid)
    for tissue in phantom.tissues:
        for pool in tissue.pools(phantom.field):
            found["fat" if pool.name.startswith("fat ") else "water"] += pool.pd * fractions[tissue.name]
    return found


def _fat_fraction_map(phantom: Phantom, grid: Grid) -> Array:
    """Return fat protons over all protons where tissue fills at least 0.99 of a voxel, NaN elsewhere."""
    density = proton_densities(phantom, grid)
    filled = np.sum([*phantom.fractions(grid).values()], axis=0) >= PURE
    total = density["water"] + density["fat"]
    return np.asarray(np.where(filled, density["fat"] / np.where(filled, total, 1.0), np.nan))


def fibre_directions(phantom: Phantom, grid: Grid) -> Array:
    """Return the (z, y, x, 3) unit vectors along the fibres in world axes, at the centres of voxels; NaN elsewhere.

    Voxels count where lamellae fill at least half of them; the sign of a vector has no meaning.
    """
    cell, region, fraction = phantom.contents(grid)
    size = int(np.prod(grid.shape))
    point = voxel_centres(grid).reshape(-1, 3)
    found = np.full((size, 3), np.nan)
    for lamellae in phantom.lamellae:
        mine = np.array([r.name in lamellae.regions for r in phantom.regions])[region]
        inside = np.bincount(cell[mine], fraction[mine], minlength=size) >= 0.5
        found[inside] = lamellae.direction(point[inside])
    return found.reshape(*grid.shape, 3)


def signal_ratios(image: Array, rois: Mapping[str, NDArray[np.bool_]], reference: str) -> dict[str, float]:
    """Return the mean of an image in every region over that in a reference region, e.g. CSF.

    Parameters
    ----------
    image : (z, y, x) array
        Magnitudes.
    rois : mapping of str to (z, y, x) array of bool
        Regions; empty ones are left out.
    reference : str
        Name of the reference region.
    """
    if reference not in rois or not rois[reference].any():
        raise InputError(f"region '{reference}' has no voxel; choose another reference", key="reference")
    whole = float(image[rois[reference]].mean())
    return {name: float(image[mask].mean()) / whole for name, mask in rois.items() if mask.any()}
