"""Fits to roots of a sum of squares: noncentral chi magnitudes, whose law the images name by their channels."""

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit.crlb import crlb

TE = np.arange(1, 9) * 20e-3
S0, T2, SIGMA, VOXELS = 1.0, 80e-3, 0.04, 3000


def sum_of_squares(channels):
    rng = np.random.default_rng(1)
    clean = S0 * np.exp(-TE / T2)
    noise = rng.normal(scale=SIGMA, size=(2, channels, len(TE), VOXELS))
    each = clean[:, None] / np.sqrt(channels) + noise[0] + 1j * noise[1]
    return Images(
        data=np.sqrt(np.sum(np.abs(each) ** 2, axis=0)).reshape(len(TE), 1, 1, VOXELS).astype(complex),
        grid=Grid(shape=(1, 1, VOXELS), spacing=(1e-3, 1e-3, 1e-3)),
        contrast={"te": TE},
        sigma=np.full((len(TE), 1, 1, 1), SIGMA),
        encoding={"channels": channels},
    )


@pytest.mark.parametrize("model", ["t2-mono", "t2star-mono"])
def test_bias_goes_and_errors_hold_where_the_channels_are_known(model):
    """Eight channels: the floor is 3.94 sigma, which the last echoes (3.4 sigma of signal) lie below."""
    images = sum_of_squares(8)
    name = "t2" if model == "t2-mono" else "t2_star"
    plain, known = (mr.fit(images, model, likelihood=kind) for kind in ("gaussian", "rician"))
    found = known.values[name].ravel()
    good = np.isfinite(found)
    assert good.mean() > 0.99
    bound = crlb(model, {"m0": S0, name: T2}, {"te": TE}, SIGMA, likelihood="rician", channels=8)[name]
    assert abs(found[good].mean() - T2) < 0.1 * bound + 3 * bound / np.sqrt(VOXELS)
    assert found[good].std() == pytest.approx(bound, rel=0.06)
    assert np.median(known.errors[name]) == pytest.approx(bound, rel=0.03)
    assert np.nanmean(plain.values[name]) > T2 + 2 * bound
    assert known.history["median_reduced_chi2"] == pytest.approx(1, abs=0.15)
    assert any("sum of squares of 8 channels" in text for text in plain.history["warnings"])
    assert not any("sum of squares" in text for text in known.history.get("warnings", ()))


def test_subtracting_the_floor_takes_that_of_all_channels():
    images = sum_of_squares(8)
    kept, less = (mr.fit(images, "t2-mono", noise_floor=kind).values["t2"].mean() for kind in ("keep", "subtract"))
    assert abs(less - T2) < 0.25 * abs(kept - T2)


def test_noise_of_many_channels_is_no_signal():
    images = sum_of_squares(16)
    rng = np.random.default_rng(2)
    noise = rng.normal(scale=SIGMA, size=(2, 16, *images.data.shape))
    images.data[:] = np.sqrt(np.sum(noise**2, axis=(0, 1)))
    assert not np.isfinite(mr.fit(images, "t2-mono").values["t2"]).any()


def test_phase_is_refused():
    with pytest.raises(InputError, match="needs the phase of images"):
        mr.fit(sum_of_squares(4), "field-map")
