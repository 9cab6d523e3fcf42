"""T2*, field maps and water-fat from gradient echoes whose truth is written down here, independently of the models."""

import time

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.field_map import field_map_of
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.phantom.tissue import load_tissue

LARMOR = 127.7e6
TE6 = 2.2e-3 + 1.6e-3 * np.arange(6)


def images_of(data, te, sigma=1e-6, noise=None, spacing=1e-3, **sheet):
    """Images of (echo, z, y, x) signals, with noise where a seed is given."""
    data = np.asarray(data, complex)
    if noise is not None:
        rng = np.random.default_rng(noise)
        data = data + sigma * (rng.standard_normal(data.shape) + 1j * rng.standard_normal(data.shape))
    n = len(te)
    return Images(
        data=data,
        grid=Grid(shape=data.shape[1:], spacing=(spacing, spacing, 4e-3)),
        contrast={"te": np.asarray(te), "tr": np.full(n, 0.5), "flip": np.full(n, 0.3)},
        sigma=np.full((n, 1, 1, 1), sigma),
        noisy=noise is not None,
        encoding={"frequency": LARMOR, **sheet},
    )


def fat_of(te, field=LARMOR):
    """The library's marrow fat at the echoes, from its own file: nothing that the fit uses."""
    spectrum = load_tissue("vertebral_bone_marrow").fat.spectrum
    shift, share = np.array(spectrum.shift) - 4.65e-6, np.array(spectrum.amplitude)
    return np.exp(-2j * np.pi * np.outer(te, shift * field)) @ (share / share.sum())


def scene(te, fat, n=(40, 50)):
    """Water and fat in stripes under a field that runs over more than one period of the echoes."""
    y, x = np.meshgrid(np.linspace(-1, 1, n[0]), np.linspace(-1, 1, n[1]), indexing="ij")
    field = 340 * x + 130 * y**2 - 60
    pdff = np.choose(((x * 6).astype(int) + (y * 4).astype(int)) % 4, [0.0, 0.4, 0.97, 0.1])
    r2 = np.choose(((x * 6).astype(int) + (y * 4).astype(int)) % 4, [20.0, 80.0, 60.0, 40.0])
    t = te[:, None, None]
    signal = (1 - pdff + pdff * fat[:, None, None]) * np.exp(1j * (0.4 + x) - (r2 + 2j * np.pi * field) * t)
    return signal[:, None], pdff[None], field[None], r2[None]


def decays(te, t2_star, field=0.0):
    return np.exp(-te[:, None, None, None] * (1 / t2_star + 2j * np.pi * field))[:, :, :, :]


@pytest.mark.parametrize("model", ["t2star-loglin", "t2star-complex", "t2star-gradient", "t2star-mono"])
def test_t2_star_without_noise_is_exact_with_uneven_echoes(model):
    te = np.array([2.0, 5.0, 9.0, 15.0, 28.0]) * 1e-3
    true = np.geomspace(4e-3, 0.2, 60).reshape(1, 6, 10)
    maps = mr.fit(images_of(0.8 * decays(te, true, 12.0), te), model)
    np.testing.assert_allclose(maps.values["t2_star"], true, rtol=1e-7)
    assert (maps.status == 0).all()


def test_arlo_errs_by_simpsons_rule_alone_and_refuses_uneven_echoes():
    te = 2e-3 * np.arange(1, 9)
    true = np.geomspace(4e-3, 0.1, 60).reshape(1, 6, 10)
    maps = mr.fit(images_of(decays(te, true), te), "t2star-arlo")
    # Simpson's error of an exponential over two steps h: relative (h / T2*)^4 / 180
    expected = (2e-3 / true) ** 4 / 180
    np.testing.assert_array_less(np.abs(maps.values["t2_star"] / true - 1), 1.5 * expected + 1e-12)
    with pytest.raises(InputError, match="equal spacing"):
        mr.fit(images_of(decays(te**1.1, true), te**1.1), "t2star-arlo")


@pytest.mark.parametrize("model", ["t2star-loglin", "t2star-arlo", "t2star-complex", "t2star-gradient"])
def test_t2_star_scatter_is_what_its_standard_error_says(model):
    te, sigma = 4e-3 * np.arange(1, 9), 0.01
    signal = np.broadcast_to(decays(te, np.full((1, 1, 1), 0.03), 9.0), (8, 1, 50, 60))
    maps = mr.fit(images_of(signal, te, sigma, noise=4), model)
    for name, true in (("t2_star", 0.03), ("m0", 1.0)):
        pull = (maps.values[name] - true) / maps.errors[name]
        # 3000 voxels: the scatter of a standard deviation is 1.3 %, of a mean 0.018; curvature adds a little
        assert np.std(pull) == pytest.approx(1.0, abs=0.05)
        assert abs(np.mean(pull)) < 0.15
    bound = mr.crlb("t2star-mono", {"m0": 1.0, "t2_star": 0.03}, {"te": te}, sigma)["t2_star"]
    assert np.std(maps.values["t2_star"]) > 0.96 * bound


def test_noise_floor_ends_a_series_and_spares_the_bias():
    te, sigma = 4e-3 * np.arange(1, 13), 0.02
    signal = np.broadcast_to(decays(te, np.full((1, 1, 1), 0.008)), (12, 1, 40, 50))
    images = images_of(signal, te, sigma, noise=7)
    with_floor, without = (mr.fit(images, "t2star-loglin", floor=q).values["t2_star"].mean() for q in (3.0, 0.0))
    assert without > 1.03 * 0.008  # the noise floor looks like slow decay
    assert abs(with_floor / 0.008 - 1) < 0.5 * (without / 0.008 - 1)


def test_gradient_through_the_slice_is_taken_out_with_the_slope_of_a_field_map():
    te, true, step = 4e-3 * np.arange(1, 9), 0.04, 18.0
    z = np.arange(5)[:, None, None] + np.zeros((5, 6, 8))
    fine = (np.arange(2000) + 0.5) / 2000 - 0.5  # the slice in sub-slices: nothing that the fit uses
    factor = np.mean(np.exp(-2j * np.pi * step * fine[None, :] * te[:, None]), axis=1)
    signal = decays(te, np.full((5, 6, 8), true), step * z) * factor[:, None, None, None]
    images = images_of(signal, te)
    plain = mr.fit(images, "t2star-mono").values["t2_star"]
    field = mr.fit(images, "field-map")
    mended = mr.fit(images, "t2star-gradient", off_resonance=field).values["t2_star"]
    given = mr.fit(images, "t2star-gradient", through_slice=step).values["t2_star"]
    assert plain.mean() < 0.8 * true
    np.testing.assert_allclose(given, true, rtol=1e-5)  # 2000 sub-slices: the sinc to 1e-7
    np.testing.assert_allclose(mended, true, rtol=2e-3)


def test_field_map_follows_offsets_beyond_its_period_and_its_error_is_its_scatter():
    te = np.array([2.5e-3, 4.8e-3])
    signal, _, field, _ = scene(te, np.ones(2))
    images = images_of(signal, te, 0.02, noise=3)
    maps = mr.fit(images, "field-map")
    wrong = maps.values["off_resonance"] - field
    assert np.ptp(field) > 1.5 / np.ptp(te)
    period = 1 / np.ptp(te)
    wrong -= period * np.round(np.median(wrong) / period)
    pull = wrong / maps.errors["off_resonance"]
    assert np.abs(wrong).max() < 0.2 * period
    assert np.std(pull) == pytest.approx(1.0, abs=0.05)
    field_map = field_map_of(maps)
    np.testing.assert_allclose(field_map.values, maps.values["off_resonance"])


def test_smoothed_field_map_has_the_error_of_its_kernel():
    te = np.array([2.5e-3, 4.8e-3])
    ramp = 3.0 * np.arange(50) + np.zeros((1, 40, 50))  # a Gaussian keeps straight lines
    images = images_of(decays(te, np.full((1, 40, 50), 0.03), ramp), te, 0.02, noise=3)
    rough, smooth = (mr.fit(images, "field-map", smoothing=s) for s in (0.0, 1.5e-3))
    inner = np.s_[:, 6:-6, 6:-6]
    pull = ((smooth.values["off_resonance"] - ramp) / smooth.errors["off_resonance"])[inner]
    assert np.std(pull) == pytest.approx(1.0, abs=0.15)  # neighbours are correlated: about 100 independent values
    gain = (rough.errors["off_resonance"] / smooth.errors["off_resonance"])[inner]
    assert np.median(gain) == pytest.approx(2 * np.sqrt(np.pi) * 1.5, rel=0.02)


def test_alternating_readouts_are_straightened():
    signal, _, field, _ = scene(TE6, np.ones(6))
    x = np.arange(50) - 25
    turned = signal * np.exp(1j * np.where(np.arange(6) % 2, -1, 1)[:, None, None, None] * (0.21 + 0.013 * x))
    bent, straight = (mr.fit(images_of(turned, TE6, readout=kind), "field-map") for kind in ("monopolar", "bipolar"))
    period = 1 / 1.6e-3
    off = [m.values["off_resonance"] - field for m in (bent, straight)]
    off = [o - period * np.round(np.median(o) / period) for o in off]
    assert np.abs(off[0]).max() > 5.0
    assert np.abs(off[1]).max() < 0.05
    assert "alternating" in straight.history["warnings"][0]
    np.testing.assert_allclose(straight.values["m0"], 1.0, atol=1e-3)


@pytest.mark.parametrize("model", ["dixon", "dixon-magnitude"])
def test_water_and_fat_without_noise_are_exact_and_never_swapped(model):
    signal, pdff, field, r2 = scene(TE6, fat_of(TE6))
    maps = mr.fit(images_of(signal, TE6), model)
    np.testing.assert_allclose(maps.values["pdff"], pdff, atol=1e-5)  # the library's amplitudes have seven digits
    np.testing.assert_allclose(maps.values["r2_star"], r2, rtol=1e-4)
    np.testing.assert_allclose(maps.values["water"], 1 - pdff, atol=1e-5)
    if model == "dixon":
        off = maps.values["off_resonance"] - field
        np.testing.assert_allclose(off, off[0, 0, 0], atol=1e-3)


@pytest.mark.parametrize("echoes", [2, 3])
def test_few_echoes_separate_without_decay_and_say_what_decay_costs(echoes):
    te = TE6[:echoes] + 0.3e-3
    signal, pdff, _, _ = scene(te, fat_of(te))
    still = signal / np.abs(signal) * np.abs(1 - pdff + pdff * fat_of(te)[:, None, None, None])
    maps = mr.fit(images_of(still, te), "dixon")
    # in two echoes a mirror solution fits as well: the smooth field tells them apart all but at the stripes' edges
    assert np.mean(np.abs(maps.values["pdff"] - pdff) < 1e-3) > (0.97 if echoes == 2 else 0.999)
    biased = mr.fit(images_of(signal, te), "dixon")
    assert np.median(np.abs(biased.values["pdff"] - pdff)[pdff == 0.4]) > 0.005
    assert any("R2*" in said for said in biased.history["warnings"])


def test_one_line_of_fat_instead_of_nine_biases_the_fraction():
    signal, pdff, _, _ = scene(TE6, fat_of(TE6))
    single = mr.fit(images_of(signal, TE6), "dixon-single").values["pdff"]
    six = mr.fit(images_of(signal, TE6), "dixon-liver-6").values["pdff"]
    assert np.abs(single - pdff)[pdff == 0.4].mean() > 0.06
    assert 0.02 < np.abs(six - pdff)[pdff == 0.4].mean() < 0.05  # liver's lines are not marrow's


def test_fraction_scatters_as_the_bound_says_and_water_in_fat_has_no_bias():
    true = {"m0": 1.0, "pdff": 0.3, "phase": 0.5, "off_resonance": 40.0, "r2_star": 45.0}
    turn = 1j * 0.5 - (45.0 + 2j * np.pi * 40.0) * TE6
    signal = (0.7 + 0.3 * fat_of(TE6)) * np.exp(turn)
    images = images_of(np.broadcast_to(signal[:, None, None, None], (6, 1, 50, 60)), TE6, 0.02, noise=5)
    maps = mr.fit(images, "dixon")
    table = {"te": TE6, "tr": np.full(6, 0.5), "flip": np.full(6, 0.3)}
    bound = mr.crlb("dixon", true, table, 0.02, sheet={"frequency": LARMOR})
    assert np.std(maps.values["pdff"]) == pytest.approx(bound["pdff"], rel=0.06)
    assert np.median(maps.errors["pdff"]) == pytest.approx(bound["pdff"], rel=0.03)
    assert abs(np.mean(maps.values["pdff"]) - 0.3) < 0.1 * bound["pdff"]


def test_noisy_fractions_near_nothing_and_all_neither_swap_nor_lean():
    """SNR 20 at an echo time of zero; an estimate that could not leave [0, 1] would lean inwards at both ends."""
    true = np.repeat([0.0, 0.05, 0.95, 1.0], 16)[None, None] * np.ones((1, 60, 1))
    field, t = 340 * np.linspace(-1, 1, 64), TE6[:, None, None, None]
    signal = (1 - true + true * fat_of(TE6)[:, None, None, None]) * np.exp(0.4j - (40 + 2j * np.pi * field) * t)
    maps = mr.fit(images_of(signal, TE6, 0.05, noise=3), "dixon")
    off = maps.values["pdff"] - true
    assert np.abs(off).max() < 0.35  # a swap is 0.9 or more away
    for column in range(0, 64, 16):
        part, error = off[..., column : column + 16], maps.errors["pdff"][..., column : column + 16]
        assert abs(part.mean()) < 3.5 * np.median(error) / np.sqrt(part.size)
        assert np.std(part) == pytest.approx(np.median(error), rel=0.1)  # 960 voxels: 2.3 %


def test_three_echoes_at_the_best_phases_are_worth_three_averages():
    """Pineda 2005, Magn Reson Med 54:625: phases of -30, 90 and 210 degrees give NSA 3 at any fraction."""
    offset = 1e-6 * LARMOR * 3.35
    te = np.array([11 / 6, 5 / 2, 19 / 6]) / (2 * offset)
    for water in (0.2, 0.5, 0.9):
        signal = water + (1 - water) * np.exp(2j * np.pi * offset * te)
        images = images_of(np.broadcast_to(signal[:, None, None, None], (3, 1, 30, 30)), te, 0.01, noise=2)
        error = np.median(mr.fit(images, "dixon-single").errors["water"])
        assert (0.01 / error) ** 2 == pytest.approx(3.0, rel=0.05)


def test_t1_weighting_of_a_large_flip_is_shown_and_taken_out():
    def weight(t1, flip, tr):
        return np.sin(flip) * (1 - np.exp(-tr / t1)) / (1 - np.exp(-tr / t1) * np.cos(flip))

    water, fat = 0.6 * weight(1.05, 0.3, 0.5), 0.4 * weight(0.371, 0.3, 0.5)
    t = TE6[:, None, None, None]
    signal = (water + fat * fat_of(TE6)[:, None, None, None]) * np.exp(-40 * t) * np.ones((1, 1, 4, 5))
    images = images_of(signal, TE6)
    assert mr.fit(images, "dixon").values["pdff"].mean() > 0.41
    np.testing.assert_allclose(mr.fit(images, "dixon", t1_water=1.05, t1_fat=0.371).values["pdff"], 0.4, atol=1e-5)


def test_water_and_fat_with_rates_of_their_own_need_the_prior():
    t = TE6[:, None, None, None]
    fat = fat_of(TE6)[:, None, None, None] * np.exp(-62.5 * t)
    signal = (0.6 * np.exp(-83.0 * t) + 0.4 * fat) * np.ones((1, 1, 4, 5))
    images = images_of(signal, TE6)
    common, own = (mr.fit(images, "dixon", decay_spread=s).values["pdff"].mean() for s in (0.0, 50.0))
    assert abs(common - 0.4) > 0.015
    assert abs(own - 0.4) < 0.003


def test_echoes_at_one_time_and_voxels_without_signal_are_refused_or_left_out():
    signal = decays(TE6, np.full((1, 3, 3), 0.02))
    signal[:, 0, 0, 0] = 0
    signal[:, 0, 0, 1] = np.nan
    maps = mr.fit(images_of(signal, TE6), "dixon")
    assert maps.status[0, 0, :2].tolist() == [1, 4]
    assert (maps.status[0, 1:] == 0).all()
    with pytest.raises(InputError, match="its own"):
        mr.fit(images_of(signal, [2e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3]), "t2star-complex")
    unknown = images_of(signal, TE6)
    unknown.encoding.pop("frequency")
    with pytest.raises(InputError, match="frequency"):
        mr.fit(unknown, "dixon")


def test_t2_star_fits_are_fast():
    """3e5 voxels/s on two cores is the target; here a third of it, in processor time, guards against a slip."""
    te = 4e-3 * np.arange(1, 9)
    true = np.random.default_rng(1).uniform(0.01, 0.06, (1, 150, 200))
    images = images_of(decays(te, true, 11.0), te, 0.01, noise=2)
    for model in ("t2star-loglin", "t2star-arlo", "t2star-gradient", "t2star-complex"):
        mr.fit(images, model, mask=np.arange(30000).reshape(1, 150, 200) < 100)
        begin = time.process_time()
        mr.fit(images, model, threads=1)
        assert true.size / (time.process_time() - begin) > 5e4
