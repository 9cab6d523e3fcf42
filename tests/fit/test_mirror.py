"""Two minima of an echo train, below and above B1 = 1: which is taken, where neighbours decide, where it stays open."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit.fit import fit
from mrsim.fit.signal import signal

from .examples import TRAIN

N = 20
TABLE = {name: TRAIN.contrast[name] for name in ("te", "tr")}
T2 = np.random.default_rng(0).choice([0.05, 0.085, 0.1], size=(N, N))


def scene(b1, snr, spacing=1e-3):
    """Return images of a slice; `b1` broadcasts to it."""
    points = {"m0": np.ones(N * N), "t2": T2.ravel(), "b1": np.broadcast_to(b1, (N, N)).ravel()}
    clean = signal("t2-epg", points, TABLE, sheet=TRAIN.sheet).reshape(-1, 1, N, N)
    sigma = clean.max() / (snr or 1e9)
    noise = np.random.default_rng(4).normal(size=(2, *clean.shape)) * sigma
    return Images(
        data=clean + noise[0] + 1j * noise[1], grid=Grid(shape=(1, N, N), spacing=(spacing, spacing, 4e-3)),
        contrast=TABLE, sigma=np.full((len(clean), 1, 1, 1), sigma), noisy=snr is not None, encoding=TRAIN.sheet,
    )  # fmt: skip


@pytest.mark.parametrize("b1", [1.15, 0.8])
def test_neighbours_tell_the_side_that_a_voxel_cannot(b1):
    """At SNR 100 both minima of a voxel differ by one or two noise variances; a hundred neighbours decide.

    Seen: B1 off by 0.002, T2 by 1e-3 of itself. On the wrong side they would be off by 0.35 and 0.03.
    """
    maps = fit(scene(b1, 100), "t2-epg", threads=1)
    assert maps.history["ambiguous"] == 0
    assert np.mean(np.abs(maps.values["b1"] - b1) > 0.15) < 0.01
    assert maps.values["b1"].mean() == pytest.approx(b1, abs=0.02)
    assert (maps.values["t2"][0] / T2).mean() == pytest.approx(1.0, abs=5e-3)


def test_voxels_without_neighbours_stay_open_and_say_so():
    maps = fit(scene(1.15, 100, spacing=1.0), "t2-epg", threads=1)
    assert maps.history["ambiguous"] > 0.9 * N * N
    assert (maps.status == 9).sum() == maps.history["ambiguous"]
    assert np.median(maps.values["b1"]) < 0.9
    assert "b1 from another scan decides" in maps.history["warnings"][0]


def test_a_field_that_passes_one_is_followed_to_both_sides():
    field = np.linspace(0.8, 1.2, N)
    found = fit(scene(field, 300), "t2-epg", threads=1).values["b1"][0]
    off = found - field
    assert np.mean(np.abs(off) > 0.15) < 0.01
    assert np.abs(off.mean(axis=0)).max() < 0.05


def test_noise_free_voxels_need_no_neighbours():
    """Every voxel has a B1 of its own, on both sides of one at random."""
    b1 = np.random.default_rng(5).uniform(0.75, 1.25, (N, N))
    maps = fit(scene(b1, None), "t2-epg", threads=1)
    np.testing.assert_allclose(maps.values["b1"][0], b1, atol=1e-5)
    np.testing.assert_allclose(maps.values["t2"][0], T2, rtol=1e-5)


def test_a_map_of_b1_decides():
    images = scene(1.15, 50)
    known = fit(images, "t2-epg-b1", b1=1.15, threads=1)
    assert (known.values["t2"][0] / T2).mean() == pytest.approx(1.0, abs=5e-3)


def test_several_slices_and_a_mask_change_nothing_of_the_rule():
    one = scene(1.15, 100)
    grid = Grid(shape=(2, N, N), spacing=(1e-3, 1e-3, 50e-3))
    both = replace(one, data=np.concatenate([one.data, scene(0.8, 100).data], axis=1), grid=grid)
    mask = np.ones(grid.shape, dtype=bool)
    mask[:, :3] = False
    found = fit(both, "t2-epg", mask=mask, threads=1).values["b1"]
    assert np.nanmean(found[0]) == pytest.approx(1.15, abs=0.02)
    assert np.nanmean(found[1]) == pytest.approx(0.8, abs=0.02)
    assert np.isnan(found[:, :3]).all()


def test_background_without_noise_does_not_count():
    """A thousandth of the signal lies far below the noise that the protocol would have: nobody would look at it."""
    clean = scene(1.0, None)
    dim = np.where(np.arange(N) < N // 2, 1e-3, 1.0)
    noise = np.full((len(clean.data), 1, 1, 1), 0.01 * np.abs(clean.data).max())
    rng = np.random.default_rng(2)
    ringing = 1 + np.where(dim < 1, 0.1, 0.0) * rng.normal(size=clean.data.shape)  # no train of echoes
    maps = fit(replace(clean, data=clean.data * dim * ringing, sigma=noise), "t2-epg", threads=1)
    assert np.isfinite(maps.values["t2"][..., N // 2 :]).all()
    assert maps.history["ambiguous"] == 0
    assert "warnings" not in maps.history
    unknown = replace(clean, data=clean.data * dim * ringing, sigma=np.full_like(noise, np.nan))
    assert fit(unknown, "t2-epg", threads=1).history["ambiguous"] > 0
