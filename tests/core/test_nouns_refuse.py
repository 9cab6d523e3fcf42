"""What is no grid, no images, and no region on them is refused where it is made, by its key."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.evaluate import evaluate
from mrsim.study.request import RunRequest

SHAPE = (1, 3, 4)
GRID = Grid(shape=SHAPE, spacing=(1e-3, 2e-3, 4e-3), axes=orientation_axes("sagittal", 0.3))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"shape": (3, 4)}, "shape: "),
        ({"shape": "abc"}, "shape: "),
        ({"shape": (1, 3, 4.5)}, "shape: "),
        ({"shape": (-1, 3, 4)}, "shape: "),
        ({"spacing": (1e-3, -2e-3, 4e-3)}, "spacing: .* three positive lengths"),
        ({"spacing": (1e-3, np.nan, 4e-3)}, "spacing: "),
        ({"spacing": (1e-3, 0.0, 4e-3)}, "spacing: "),
        ({"centre": (np.inf, 0.0, 0.0)}, "centre: "),
        ({"gap": 4e-3}, "gap: "),
        ({"axes": np.zeros((3, 3))}, "axes: must be three perpendicular columns"),
        ({"axes": np.eye(2)}, "axes: "),
        ({"axes": 2 * np.eye(3)}, "axes: "),
    ],
)
def test_grid_that_spans_no_voxels_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(GRID, **changed)


def images(data):
    return Images(data=data, grid=GRID, contrast={"te": np.array([0.01, 0.02])}, sigma=np.array(0.1))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.ma.masked_array(np.ones((2, *SHAPE)), mask=True), "data: is a masked array"),
        (np.ones((2, *SHAPE)).tolist(), "data: is no array of numbers but list"),
        (np.ones((2, *SHAPE)).astype(object), "data: is no array of numbers"),
        (np.ones(SHAPE), "data: has the shape"),
        (np.ones((2, 1, 3, 5)), r"data: has the shape \(2, 1, 3, 5\); the grid's is \(contrast, 1, 3, 4\)"),
    ],
)
def test_images_that_are_no_numbers_on_their_grid_are_refused(data, said):
    with pytest.raises(InputError, match=said):
        images(data)


def maps(grid):
    one = np.ones(grid.shape)
    return Maps(
        grid=grid, values={"t2": one}, errors={"t2": one}, units={"t2": "s"}, status=np.zeros(grid.shape, np.int8),
        fractions={"disc": one}, model="test",
    )  # fmt: skip


@pytest.mark.parametrize(
    "moved",
    [
        {"centre": (0.0, 0.0, 1e-3)},
        {"spacing": (1e-3, 1e-3, 4e-3)},
        {"axes": orientation_axes("sagittal", 0.32)},
        {"axes": orientation_axes("axial")},
    ],
)
def test_truth_of_another_place_is_not_compared(moved):
    with pytest.raises(InputError, match="the truth lies elsewhere than the maps"):
        evaluate(maps(GRID), maps(dataclasses.replace(GRID, **moved)))


def test_truth_of_the_same_place_to_rounding_is_compared():
    rounded = dataclasses.replace(GRID, axes=GRID.axes.astype(np.float32), spacing=(np.float32(1e-3), 2e-3, 4e-3))
    assert len(evaluate(maps(GRID), maps(rounded)).rows) == 1


@pytest.mark.parametrize("mask", [np.ones(3, bool), np.full(SHAPE, 0.5)])
def test_region_that_is_no_mask_of_the_maps_is_refused(mask):
    with pytest.raises(InputError, match="rois: region 'disc' is no mask"):
        evaluate(maps(GRID), maps(GRID), {"disc": mask})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": -1}, "seed: is -1"),
        ({"seed": 1.5}, "seed: is 1.5"),
        ({"threads": 0}, "threads: is 0"),
        ({"overrides": {"tr": 3}}, "overrides tr: is 3; it takes a text with its unit"),
    ],
)
def test_request_of_what_is_none_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        RunRequest(protocol="disc-se", **changed)
