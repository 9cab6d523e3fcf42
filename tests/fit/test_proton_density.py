"""Proton density and receive field from M0 and T1."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.maps import Maps
from mrsim.fit.proton_density import proton_density

GRID = Grid(shape=(6, 24, 24), spacing=(2e-3, 2e-3, 5e-3))
SLOPE = 0.45


def scene(receive, noise=0.0, seed=0):
    """Return maps of blobs of white matter, grey matter and water, and their density."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, (3, 8, 8)).repeat(2, 0).repeat(3, 1).repeat(3, 2)
    t1 = np.choose(kind, (0.85, 1.3, 4.3)) * rng.uniform(0.93, 1.07, kind.shape)
    pd = 1 / (1 + SLOPE * (1 / t1 - 1 / 4.3))
    m0 = pd * receive * np.exp(noise * rng.normal(size=kind.shape))
    maps = Maps(
        grid=GRID, values={"m0": m0, "t1": t1}, errors={"m0": 0.01 * m0, "t1": 0 * t1}, units={"m0": "", "t1": "s"},
        status=np.zeros(GRID.shape, np.int8), model="spgr",
    )  # fmt: skip
    return maps, pd


def field(power=1.0):
    z, y, x = (np.linspace(-1, 1, n) for n in GRID.shape)
    bowl = 0.4 * x[None, None] + 0.3 * y[None, :, None] ** 2 - 0.2 * z[:, None, None] * x[None, None]
    return np.exp(power * bowl) * 1.7


def test_density_and_field_that_follow_the_model_come_back():
    maps, pd = scene(field())
    found = proton_density(maps)
    assert found.values["pd"] == pytest.approx(pd, rel=1e-8)
    assert found.values["receive"] == pytest.approx(field(), rel=1e-8)
    assert found.history["slope"] == pytest.approx(SLOPE, rel=1e-8)
    assert found.errors["pd"] == pytest.approx(0.01 * pd, rel=1e-7)


def test_fat_that_does_not_follow_is_left_out_and_voxels_without_values_stay_empty():
    maps, pd = scene(field(), noise=0.01)
    t1, m0 = maps.values["t1"].copy(), maps.values["m0"].copy()
    fat = np.random.default_rng(1).random(GRID.shape) < 0.1
    t1[fat], m0[fat] = 0.35, 0.9 * field()[fat]
    status = np.where(np.arange(24) == 3, 1, 0) * np.ones(GRID.shape, np.int8)
    found = proton_density(replace(maps, values={"m0": m0, "t1": t1}, status=status.astype(np.int8)))
    assert np.isnan(found.values["pd"][..., 3]).all()
    good = ~fat & (status == 0)
    assert np.median(np.abs(found.values["pd"] / pd - 1)[good]) < 0.01
    assert found.values["receive"] == pytest.approx(field(), rel=0.02)
    assert found.history["residual_spread"] == pytest.approx(0.01, rel=0.3)


def test_field_beyond_the_degree_leaves_a_spread_that_says_so():
    wild = field() * (1 + 0.2 * np.sin(9 * np.linspace(-1, 1, 24)))
    found = proton_density(scene(wild)[0])
    assert found.history["residual_spread"] > 0.05


def test_maps_without_t1_and_too_few_voxels_are_refused():
    maps, _ = scene(field())
    with pytest.raises(InputError, match="no t1 with m0"):
        proton_density(replace(maps, values={"m0": maps.values["m0"]}))
    with pytest.raises(InputError, match="too few"):
        proton_density(maps, mask=np.arange(24) < 0 * np.ones(GRID.shape))
    with pytest.raises(InputError, match="zero or more"):
        proton_density(maps, degree=-1)
