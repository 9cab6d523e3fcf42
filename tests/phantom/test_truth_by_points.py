"""The truth of a spine against points: a point belongs to the last painted region that holds it; mixes share out."""

import numpy as np
import pytest

from mrsim.core.grid import Grid, orientation_axes
from mrsim.phantom import load_phantom
from mrsim.phantom.contents import region_fractions
from mrsim.phantom.exact_maps import label_map, label_numbers, proton_densities
from mrsim.phantom.phantom import voxel_centres

TURN = np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]])
PARTS = 9


@pytest.fixture(scope="module")
def spine():
    return load_phantom("lumbar-spine", grade=(1, 2, 3, 4, 5))


@pytest.fixture(scope="module")
def grid():
    """A slab through the discs, oblique to the world."""
    return Grid(shape=(2, 110, 40), spacing=(2e-3, 2e-3, 3e-3), axes=TURN @ orientation_axes("sagittal"))


def owners(phantom, point):
    """Return the (region, n) share of each region at (n, 3) points, from the top down."""
    share = np.zeros((len(phantom.regions), len(point)))
    free = np.ones(len(point), dtype=bool)
    names = [region.name for region in phantom.regions]
    for number in range(len(names) - 1, -1, -1):
        region = phantom.regions[number]
        index = np.flatnonzero(free)
        index = index[region.solid(phantom.axis).level(point[index]) < 0]
        kept = np.ones(len(index)) if region.mix is None else region.mix.share(point[index])
        share[number, index] += kept
        if region.mix is not None:
            share[names.index(region.mix.into), index] += 1 - kept
        free[index] = False
    return share


def cut(grid, cells):
    """Return the (cell, PARTS^3, 3) points of some cells, world, m."""
    steps = (np.arange(PARTS) + 0.5) / PARTS - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    centre = voxel_centres(grid).reshape(-1, 3)[cells]
    return centre[:, None, :] + offsets * np.asarray(grid.spacing) @ grid.axes.T


def test_fractions_and_pools_of_mixed_voxels_are_those_of_points(spine, grid):
    """9^3 points a voxel: a share is found to 1e-2; no bias over 50 voxels."""
    found = region_fractions(spine.regions, spine.axis, grid).reshape(len(spine.regions), -1)
    mixed = np.flatnonzero((found > 0.02).sum(axis=0) > 1)
    cells = np.random.default_rng(4).choice(mixed, 50, replace=False)
    point = cut(grid, cells)
    shares = owners(spine, point.reshape(-1, 3)).reshape(len(spine.regions), len(cells), -1)
    error = found[:, cells] - shares.mean(axis=2)
    assert np.sqrt(np.mean(error[shares.any(axis=2)] ** 2)) < 0.012
    assert np.abs(error).max() < 0.08
    assert np.abs(error.sum(axis=0)).max() < 0.02
    assert abs(error[error != 0].mean()) < 2e-3
    density = proton_densities(spine, grid)
    pools = [tissue.pools(spine.field) for tissue in spine.tissues]
    for kind in ("water", "fat"):
        of_tissue = np.array(
            [sum(p.pd for p in pool if p.name.startswith("fat ") == (kind == "fat")) for pool in pools]
        )
        wanted = of_tissue[[region.tissue for region in spine.regions]] @ shares.mean(axis=2)
        np.testing.assert_allclose(density[kind].reshape(-1)[cells], wanted, atol=0.05)


def test_labels_are_those_of_the_region_with_the_most_points(spine, grid):
    numbers = np.array([0, *label_numbers(spine).values()])
    cells = np.random.default_rng(5).choice(np.prod(grid.shape), 70, replace=False)
    share = owners(spine, cut(grid, cells).reshape(-1, 3)).reshape(len(spine.regions), len(cells), -1).mean(axis=2)
    every = np.concatenate([1 - share.sum(axis=0, keepdims=True), share])
    best = np.sort(every, axis=0)
    clear = best[-1] - best[-2] > 0.1
    assert clear.sum() > 45
    assert np.array_equal(label_map(spine, grid).reshape(-1)[cells][clear], numbers[every.argmax(axis=0)][clear])


def test_regions_of_interest_are_pure_and_in_their_place(spine):
    """Every point of every voxel of a region of interest belongs to it; annuli lie before and behind the nucleus."""
    grid = Grid(shape=(1, 230, 130), spacing=(1e-3, 1e-3, 4e-3), axes=orientation_axes("sagittal"))
    masks = spine.rois(grid)
    names = [region.name for region in spine.regions]
    for disc in ("L1/2", "L4/5"):
        for roi, parts in (
            (f"nucleus_pulposus_{disc}", ["nucleus_pulposus"]),
            (f"annulus_anterior_{disc}", ["annulus_fibrosus_inner", "annulus_fibrosus_outer"]),
        ):
            cells = np.flatnonzero(masks[roi])
            assert len(cells) > 3, roi
            share = owners(spine, cut(grid, cells).reshape(-1, 3)).mean(axis=1)
            inside = sum(share[names.index(f"{part}_{disc}")] for part in parts)
            assert inside > 0.985, roi
    y = voxel_centres(grid)[..., 1]
    front, middle = (y[masks[f"{name}_L3/4"]].mean() for name in ("annulus_anterior", "nucleus_pulposus"))
    assert front > middle + 8e-3
    assert y[masks["annulus_posterior_L3/4"]].max() < middle
