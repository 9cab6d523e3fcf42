"""A region against the truth: the standard error where neighbours are correlated, residuals that are no noise."""

import re
from dataclasses import replace

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


@pytest.mark.parametrize("noisy", [True, False])
def test_a_region_whose_residuals_are_more_than_noise_is_flagged(noisy):
    """Five degrees of freedom: chi-squared of a noisy voxel scatters by 0.63, the mean of 100 by 0.06."""
    chi2 = np.random.default_rng(2).chisquare(5, SHAPE) / 5 * noisy
    left, right = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    left[:, 10:20, 5:15], right[:, 10:20, 40:50] = True, True
    chi2[right] += 0.45
    fitted = replace(maps(np.ones(SHAPE), noisy=noisy, degrees_of_freedom=5), chi2=chi2)
    rows = evaluate(fitted, maps(np.ones(SHAPE)), {"described": left, "mixed": right}).rows
    assert rows[0].flags == ()
    said = re.match(r"misfit: residual variance ([\d.]+) of the noise's, ([01]) expected", rows[1].flags[0])
    assert float(said[1]) == pytest.approx(noisy + 0.45, abs=4 * 0.063)
    assert said[2] == f"{noisy:d}"
    assert evaluate(replace(fitted, chi2=None), maps(np.ones(SHAPE)), {"mixed": right}).rows[0].flags == ()
