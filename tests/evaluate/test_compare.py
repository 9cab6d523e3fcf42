"""The standard error of a region's mean against many noisy images whose neighbours a window has correlated."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mrsim.core.grid import Grid
from mrsim.core.maps import Maps
from mrsim.evaluate import evaluate

SHAPE, WIDTH = (1, 64, 64), 1.5


def maps(values, **history):
    return Maps(
        grid=Grid(shape=SHAPE, spacing=(1e-3, 1e-3, 4e-3)), values={"t2": values}, errors={"t2": np.ones(SHAPE)},
        units={"t2": "s"}, status=np.zeros(SHAPE, np.int8), model="test", history=history,
    )  # fmt: skip


def test_standard_error_of_correlated_voxels_is_the_scatter_of_the_mean():
    noise = np.random.default_rng(3).standard_normal((400, *SHAPE))
    smooth = gaussian_filter(noise, (0, 0, WIDTH, WIDTH), mode="wrap")
    inside = np.zeros(SHAPE, bool)
    inside[0, 8:56, 8:56] = True
    share = 1 / (4 * np.pi * WIDTH**2)  # the mean square of a Gaussian window over k-space
    none = maps(np.zeros(SHAPE))
    found = [evaluate(maps(one, independent_voxels=share), none, {"all": inside}).rows[0].se for one in smooth[:40]]
    # 400 means know their scatter to 3.5 %, 40 images theirs to 1.3 %, and 4 % of a window's noise leaves the region
    assert np.mean(found) == pytest.approx(smooth[:, inside].mean(axis=1).std(), rel=0.13)
