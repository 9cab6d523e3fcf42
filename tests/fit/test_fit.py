"""From images to maps: signs, noise, masks, selections, and what bad input is told."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.fit.fit import fit
from mrsim.fit.signal import signal

SHAPE = (2, 3, 4)
TE = np.arange(1, 9) * 0.0126
TI = np.array([0.05, 0.15, 0.4, 0.8, 1.4, 2.2])


def _images(data, contrast, sigma=0.01):
    n = data.shape[0]
    return Images(
        data=np.asarray(data, np.complex128).reshape(n, *SHAPE),
        grid=Grid(shape=SHAPE, spacing=(1e-3, 1e-3, 4e-3)),
        contrast={name: np.broadcast_to(np.asarray(column, float), (n,)) for name, column in contrast.items()},
        sigma=np.asarray(sigma, float),
    )


def _decay(seed=1, sigma=0.0, te=TE):
    """Return images of decays with a random phase per voxel, and their truth."""
    rng = np.random.default_rng(seed)
    truth = {"m0": rng.uniform(0.5, 1, 24), "t2": rng.uniform(0.03, 0.2, 24)}
    clean = signal("t2-mono", truth, {"te": te}) * np.exp(1j * rng.uniform(-np.pi, np.pi, 24))
    noise = rng.normal(0, sigma, (2, *clean.shape)) if sigma else np.zeros((2, *clean.shape))
    return _images(clean + noise[0] + 1j * noise[1], {"te": te}), {k: v.reshape(SHAPE) for k, v in truth.items()}


def _recovery(phase, ti=TI, seed=2):
    rng = np.random.default_rng(seed)
    truth = {"m0": rng.uniform(0.5, 1, 24), "t1": rng.uniform(0.3, 4.5, 24)}
    contrast = {"ti": ti, "tr": 6.0, "te": 0.012}
    clean = signal("inversion-recovery", truth, contrast)
    return _images(clean * phase(rng), contrast), {k: v.reshape(SHAPE) for k, v in truth.items()}


def test_fit_returns_the_truth_of_a_noise_free_decay():
    images, truth = _decay()
    maps = fit(images, "t2-mono")
    assert (maps.status == 0).all()
    assert maps.units == {"m0": "", "t2": "s"}
    for name, values in truth.items():
        assert maps.values[name] == pytest.approx(values, rel=1e-8)


def test_fit_errors_come_from_the_images_sigma():
    # the standard error of a noise-free fit is the Cramér-Rao bound for the calibrated noise
    from mrsim.fit.crlb import crlb

    images, truth = _decay()
    maps = fit(images, "t2-mono")
    point = {name: float(values[1, 1, 1]) for name, values in truth.items()}
    assert maps.errors["t2"][1, 1, 1] == pytest.approx(crlb("t2-mono", point, {"te": TE}, 0.01)["t2"], rel=1e-6)
    assert maps.history["sigma"] == "images"


def test_fit_errors_from_residuals_match_numpy():
    images, _ = _decay(sigma=0.005)
    maps = fit(images, "t2-mono", sigma="residuals")
    known = fit(images, "t2-mono", sigma=1.0)
    model = signal("t2-mono", {k: v.ravel() for k, v in maps.values.items()}, {"te": TE}).reshape(8, *SHAPE)
    spread = np.sqrt(np.sum((np.abs(images.data) - model) ** 2, axis=0) / 6)
    # sigma = 1 would call these voxels empty, so compare with the unit errors of the information matrix
    assert (known.status == 1).all()
    unit = fit(images, "t2-mono", sigma=1e-3).errors["t2"] / 1e-3
    assert maps.errors["t2"] == pytest.approx(unit * spread, rel=1e-9)
    assert maps.history["sigma"] == "residuals"


def test_fit_weighs_images_by_their_noise():
    # a ruined echo with a hundredfold noise must hardly matter
    images, truth = _decay()
    data = images.data.copy()
    data[4] *= 1.5
    sigma = np.full((8, 1, 1, 1), 0.01)
    sigma[4] = 1000.0
    maps = fit(replace(images, data=data, sigma=sigma), "t2-mono")
    assert maps.values["t2"] == pytest.approx(truth["t2"], rel=1e-6)


def test_fit_marks_empty_broken_and_masked_voxels():
    images, _ = _decay()
    data = images.data.copy()
    data[:, 0, 0, 0] = 0.001
    data[2, 0, 0, 1] = np.nan
    mask = np.ones(SHAPE, bool)
    mask[1] = False
    maps = fit(replace(images, data=data), "t2-mono", mask=mask)
    assert maps.status[0, 0, :3].tolist() == [1, 4, 0]
    assert (maps.status[1] == 6).all()
    assert np.isnan(maps.values["t2"]).sum() == 14
    assert maps.history["status"] == {"converged": 10, "no signal": 1, "not finite": 1}


def test_fit_of_an_empty_mask_is_an_empty_map():
    images, _ = _decay()
    assert (fit(images, "t2-mono", mask=np.zeros(SHAPE, bool)).status == 6).all()


def test_fit_select_skips_the_first_echo():
    images, truth = _decay()
    data = images.data.copy()
    data[0] *= 0.8
    maps = fit(replace(images, data=data), "t2-mono", select=slice(1, None))
    assert maps.values["t2"] == pytest.approx(truth["t2"], rel=1e-8)
    assert maps.history["images"] == 7


def test_fit_does_not_depend_on_threads():
    images, _ = _decay(sigma=0.02)
    one, two = fit(images, "t2-offset", threads=1), fit(images, "t2-offset", threads=2)
    assert all(np.array_equal(one.values[k], two.values[k], equal_nan=True) for k in one.values)


def test_inversion_recovery_takes_out_any_common_phase():
    images, truth = _recovery(lambda rng: np.exp(1j * rng.uniform(-np.pi, np.pi, 24)))
    maps = fit(images, "inversion-recovery")
    for name, values in truth.items():
        assert maps.values[name] == pytest.approx(values, rel=1e-7)


def test_inversion_recovery_is_right_while_every_image_is_still_negative():
    # T1 up to 4.5 s with the last TI at 0.4 s: no image tells which sign is positive, only the shape does
    images, truth = _recovery(lambda rng: np.exp(1j * rng.uniform(-np.pi, np.pi, 24)), ti=TI[:3])
    assert fit(images, "inversion-recovery").values["t1"] == pytest.approx(truth["t1"], rel=1e-6)


def test_inversion_recovery_restores_the_polarity_of_magnitudes():
    order = np.array([3, 0, 5, 1, 4, 2])
    images, truth = _recovery(lambda rng: 1.0, ti=TI[order])
    magnitude = replace(images, data=np.abs(images.data).astype(complex))
    maps = fit(magnitude, "inversion-recovery-magnitude")
    assert maps.values["t1"] == pytest.approx(truth["t1"], rel=1e-7)


def test_inversion_recovery_uses_the_inversion_flip():
    truth = {"m0": np.full(24, 0.8), "t1": np.full(24, 1.1)}
    contrast = {"ti": TI, "tr": 6.0, "te": 0.012}
    images = _images(signal("inversion-recovery", truth, contrast, inversion=2.7), contrast)
    assert fit(images, "inversion-recovery", inversion=2.7).values["t1"] == pytest.approx(np.full(SHAPE, 1.1), rel=1e-7)
    assert np.abs(fit(images, "inversion-recovery").values["t1"] / 1.1 - 1).min() > 0.01


@pytest.mark.parametrize(
    ("contrast", "model", "message"),
    [
        ({"tr": 1.0}, "t2-mono", "needs the echo time"),
        ({"te": TE * 1e3}, "t2-mono", "looks like ms"),
        ({"te": -TE}, "t2-mono", "zero or more"),
        ({"te": np.where(TE > 0.05, np.nan, TE)}, "t2-mono", "must be finite"),
        ({"te": np.repeat(TE[:2], 4)}, "t2-offset", "3 parameters; 2 different"),
        ({"te": TE, "tr": TE * 100}, "t2-mono", "varies over the images"),
        ({"flip": np.linspace(2, 30, 8), "tr": 0.01}, "spgr", "looks like deg"),
        ({"ti": TE * 10, "tr": 5.0, "te": TE}, "inversion-recovery", "varies over the images"),
        ({"te": TE}, "t2-momo", "did you mean 't2-mono'"),
    ],
)
def test_fit_refuses_a_table_that_the_model_cannot_use(contrast, model, message):
    images, _ = _decay()
    table = {name: np.broadcast_to(np.asarray(column, float), (8,)) for name, column in contrast.items()}
    with pytest.raises(InputError, match=message):
        fit(replace(images, contrast=table), model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inversion": 3.0}, "no option of model 't2-mono'"),
        ({"mask": np.ones((3, 3), bool)}, "the images have"),
        ({"sigma": -1.0}, "greater than zero"),
        ({"sigma": "rician"}, "neither a number nor"),
        ({"sigma": np.ones(5)}, "does not match the images"),
        ({"select": [0, 99]}, "beyond the last"),
        ({"select": []}, "selects no image"),
    ],
)
def test_fit_refuses_bad_arguments(arguments, message):
    images, _ = _decay()
    with pytest.raises(InputError, match=message):
        fit(images, "t2-mono", **arguments)


def test_noise_free_images_have_no_noise_floor():
    data = 1e-3 * np.exp(-TE / 0.08)[:, None, None, None] * np.ones((1, *SHAPE))
    faint = _images(data, {"te": TE}, sigma=0.02)
    assert np.all(fit(replace(faint, noisy=False), "t2-mono").status == 0)
    assert np.all(fit(replace(faint, noisy=True), "t2-mono").status == 1)


def test_fit_takes_a_map_of_b1_from_another_grid():
    # B1 rises along x; its map has half the resolution and lies beyond the images, which linear rise survives exactly
    grid = Grid(shape=SHAPE, spacing=(1e-3, 1e-3, 4e-3))
    flips, rng = np.radians([2.0, 5.0, 10.0, 15.0]), np.random.default_rng(5)
    b1 = np.broadcast_to(1 + 80 * grid.coordinates(0), SHAPE)
    truth = {"m0": rng.uniform(0.5, 1, SHAPE), "t1": rng.uniform(0.4, 2, SHAPE)}
    clean = signal("spgr", truth, {"flip": flips, "tr": 0.01}, b1=b1)
    images = _images(clean.reshape(4, -1), {"flip": flips, "tr": 0.01}, sigma=1e-6)
    coarse = Grid(shape=(2, 3, 5), spacing=(2e-3, 2e-3, 4e-3))
    values = np.broadcast_to(1 + 80 * coarse.coordinates(0), coarse.shape).copy()
    given = Maps(
        grid=coarse, values={"b1": values}, errors={"b1": 0 * values}, units={"b1": ""},
        status=np.zeros(coarse.shape, np.int8),
    )  # fmt: skip
    maps = fit(images, "spgr", b1=given)
    assert maps.given["b1"] == pytest.approx(b1, rel=1e-12)
    assert maps.values["t1"] == pytest.approx(truth["t1"], rel=1e-7)
    # a wrong B1 of +5 % makes T1 about 10 % too short: the map matters
    assert np.all(np.abs(fit(images, "spgr", b1=1.05).values["t1"] / truth["t1"] - 1) > 0.01)


def test_fit_leaves_out_voxels_whose_given_map_says_nothing():
    flips = np.radians([2.0, 5.0, 10.0, 15.0])
    clean = signal("spgr", {"m0": np.ones(24), "t1": np.ones(24)}, {"flip": flips, "tr": 0.01})
    b1 = np.ones(SHAPE)
    b1[0, 0, 0], b1[0, 0, 1] = np.nan, 40.0
    maps = fit(_images(clean, {"flip": flips, "tr": 0.01}, sigma=1e-6), "spgr", b1=b1)
    assert maps.status[0, 0, :3].tolist() == [8, 8, 0]
    assert "given map" in next(name for name in maps.history["status"] if "given" in name)


def test_fit_refuses_a_map_for_an_option_that_is_one_number():
    images, _ = _recovery(lambda rng: 1)
    with pytest.raises(InputError, match="one number for all voxels"):
        fit(images, "inversion-recovery", inversion=np.ones(SHAPE))


def test_a_protocol_outside_the_range_of_a_model_is_said_beside_every_number():
    from mrsim.fit.doubts import OUTSIDE, doubts, range_flags
    from mrsim.fit.models import find_model

    flips = np.radians([180.0, 150.0, 150.0])
    assert range_flags(doubts(find_model("t2-mono"), {"refocusing_flips": flips}, None)) == (OUTSIDE,)
    assert range_flags(doubts(find_model("t2-epg"), {"refocusing_flips": flips}, None)) == ()
    assert range_flags(doubts(find_model("spgr"), {"phase_increment": 2.0}, None)) == (OUTSIDE,)
    assert range_flags(("b beyond the kurtosis range: b of 2000", "other: text")) == ("b beyond the kurtosis range",)
