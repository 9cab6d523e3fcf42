"""Noise of the receiver and of the body: covariance, prescan, field laws, temporal SNR, all through simulated data."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, pool

import mrsim as mr
from mrsim.core.coils import Coils
from mrsim.core.errors import InputError
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid
from mrsim.exchange.mrd import read_mrd, write_mrd
from mrsim.recon.dispatch import with_measured_noise
from mrsim.recon.methods import Combine
from mrsim.sequence.scanner import Scanner
from mrsim.sequence.snr_law import LAWS, field_factor
from mrsim.simulate import add_physiology, measured_again
from mrsim.simulate.physiology import Physiology, fluctuation

SCANNER = Scanner.preset("3T")
COVARIANCE = np.array([[1.0, 0.4j, 0.1], [-0.4j, 2.0, 0.3], [0.1, 0.3, 0.5]])


@pytest.fixture(scope="module")
def array_scan():
    """A spin echo of a square, heard alike by three coils with unequal, correlated noise."""
    timeline = mr.discretize(mr.load_protocol("disc-se", {"matrix": "32 32", "fov": "64 64 mm"}).build(SCANNER))
    grid = Grid(shape=(1, 2, 2), spacing=(0.2, 0.2, 0.2), axes=timeline.encoding.grid.axes)
    maps = tuple(FieldMap(values=np.full((1, 2, 2), s), grid=grid) for s in (1.0, 0.8j, -0.5))
    coils = Coils(maps=maps, covariance=COVARIANCE)
    box = Box(size=(40e-3, 40e-3), pools=(pool(0.5, 0.5),))
    return mr.simulate(timeline, box, mr.Bloch(subsamples=1), coils=coils)


def test_field_laws_are_the_published_ones():
    """systems H7: 0.97 to 3 T and 1.5 above by default, 1.92 from 5 T on for the ultimate SNR, 1.94 in a sphere."""
    assert field_factor(1.5, "torso") == pytest.approx(0.5**0.97)
    assert field_factor(7.0, "torso") == pytest.approx((7 / 3) ** 1.5)
    assert field_factor(14.0, "ultimate") / field_factor(7.0, "ultimate") == pytest.approx(2**1.92)
    assert field_factor(11.7, "sphere-centre") == pytest.approx(3.9**1.94)
    own = ((0.0, 1.0), (3.0, 2.0), (7.0, 0.5))
    assert field_factor(14.0, own) == pytest.approx((7 / 3) ** 2 * 2**0.5)
    assert field_factor(1.5, 1.3) == pytest.approx(0.5**1.3)
    for law in LAWS:
        assert field_factor(3.0, law) == 1.0


@pytest.mark.parametrize("law", ["torsoo", -1.0, ((1.0, 1.0),), ((0.0, 1.0), (0.0, 2.0)), float("nan")])
def test_field_laws_that_make_no_sense_are_refused(law):
    with pytest.raises(InputError):
        replace(SCANNER, snr_exponent=law)


def test_field_law_of_a_scanner_scales_simulated_noise(array_scan):
    silent = replace(array_scan.imaging, data=np.zeros_like(array_scan.imaging.data[:, :1]))

    def noise(law):
        scanner = replace(Scanner.preset("7T"), snr_exponent=law)
        density = np.full((1, 1), scanner.noise_density, dtype=complex)
        raw = replace(array_scan, groups={"imaging": silent}, noise_density=density)
        return np.std(mr.reconstruct(mr.add_noise(raw, rng=1)).data)

    # the same seed: the same noise but for the scale
    assert noise("linear") / noise("sphere-centre") == pytest.approx((7 / 3) ** 0.94, rel=1e-9)


def test_coils_noise_has_their_covariance(array_scan):
    noise = mr.add_noise(array_scan, rng=4).imaging.data - array_scan.imaging.data
    flat = noise.transpose(1, 0, 2).reshape(3, -1)
    found = flat @ flat.conj().T / flat.shape[1] / 2 * array_scan.encoding.dwell / SCANNER.noise_density
    np.testing.assert_allclose(found, COVARIANCE, atol=4 * 2 / np.sqrt(flat.shape[1]))
    assert abs(np.mean(flat @ flat.T)) < 8 * np.trace(flat @ flat.conj().T).real / np.sqrt(flat.shape[1])  # circular


def test_prescan_shows_the_covariance_and_leaves_the_image_alone(array_scan):
    with_prescan, without = mr.add_noise(array_scan, rng=4, prescan=200_000), mr.add_noise(array_scan, rng=4)
    np.testing.assert_array_equal(with_prescan.imaging.data, without.imaging.data)
    samples = with_prescan.groups["noise"].data[:, 0].size
    assert 200_000 <= samples < 204_096
    found = with_prescan.measured_noise() / SCANNER.noise_density
    np.testing.assert_allclose(found, COVARIANCE, atol=4 * 2 / np.sqrt(samples))
    with pytest.raises(InputError, match="prescan"):
        mr.add_noise(array_scan, rng=4, prescan=-1)


def test_prescan_whitens_the_reconstruction(array_scan):
    """With a wrong calibration the measurement decides: noise and sigma are those of the best combination."""
    grid = array_scan.encoding.grid
    maps = np.stack([np.full(grid.shape, s, dtype=complex) for s in (1.0, 0.8j, -0.5)])
    noisy = mr.add_noise(array_scan, rng=4, prescan=100_000)
    blind = replace(noisy, noise_density=np.eye(3) * 1e-30)
    clean = mr.reconstruct(array_scan, Combine(maps=maps)).data
    images = mr.reconstruct(blind, Combine(maps=maps))
    scatter = np.std([(images.data - clean).real, (images.data - clean).imag])
    assert np.mean(images.sigma) == pytest.approx(scatter, rel=0.05)  # 2 x 3 x 1024 numbers: 1.3 %
    best = mr.reconstruct(mr.add_noise(array_scan, rng=4), Combine(maps=maps))
    assert np.mean(images.sigma) == pytest.approx(np.mean(best.sigma), rel=0.01)
    assert with_measured_noise(blind).history["noise_samples"] >= 100_000


def test_prescan_travels_through_mrd(array_scan, tmp_path):
    noisy = mr.add_noise(array_scan, rng=4, prescan=20_000)
    write_mrd(noisy, tmp_path / "scan.mrd")
    back = read_mrd(tmp_path / "scan.mrd")
    assert set(back.groups) == {"imaging", "noise"}
    np.testing.assert_allclose(back.measured_noise(), noisy.measured_noise(), rtol=1e-4, atol=1e-6 * 1e-20)
    a, b = (mr.reconstruct(raw, Combine(kind="sos")) for raw in (noisy, back))
    np.testing.assert_allclose(b.data, a.data, atol=1e-5 * np.abs(a.data).max())
    np.testing.assert_allclose(b.sigma, a.sigma, rtol=1e-4)


@pytest.fixture(scope="module")
def echo_planar():
    """One steady volume of a gradient-echo EPI of a square, and its repetition time."""
    small = {"matrix": "32 32", "fov": "96 96 mm", "slices": "1", "acceleration": "1", "calibration_lines": "0",
             "volumes": "1", "dummies": "3", "ramp_sampling": "false", "navigator_lines": "0",
             "echo_spacing": "1 ms"}  # fmt: skip
    protocol = replace(mr.load_protocol("brain-rsfmri", small), preparation=())
    timeline = mr.discretize(protocol.build(SCANNER))
    box = Box(size=(60e-3, 60e-3), pools=(pool(1.0, 0.08),))
    raw = mr.simulate(timeline, box, mr.Bloch(subsamples=1, ideal_slice=True))
    return replace(raw, encoding=replace(raw.encoding, k_from="labels"))  # no ramps: samples lie on the raster


def series_of(raw, count):
    """(repetition, y, x) images, reconstructed as a series of contrasts."""
    labels = raw.imaging.labels | {"contrast": raw.imaging.labels["repetition"]}
    contrast = {name: np.resize(values, count) for name, values in raw.encoding.contrast.items()}
    encoding = replace(raw.encoding, contrast=contrast)
    group = replace(raw.imaging, labels=labels)
    return mr.reconstruct(replace(raw, groups={"imaging": group}, encoding=encoding)).data[:, 0]


@pytest.mark.parametrize("snr0", [25.0, 100.0, 400.0])
def test_temporal_snr_of_an_epi_series_follows_kruger_and_glover(echo_planar, snr0):
    """physics B-16: tSNR = SNR0 / sqrt(1 + lambda^2 SNR0^2), which 1 / lambda = 50 bounds."""
    count, fraction = 200, 0.02
    clean = mr.reconstruct(echo_planar)
    inside = np.abs(clean.data[0, 0]) > 0.9 * np.abs(clean.data).max()
    signal = float(np.abs(clean.data[0, 0])[inside].mean())
    scale = (signal / snr0 / float(clean.sigma.ravel()[0])) ** 2
    raw = replace(echo_planar, noise_density=echo_planar.noise_density * scale)
    series = measured_again(raw, count, 2.0)
    noisy = mr.add_noise(series, rng=9, physiology=Physiology(fraction=fraction))
    magnitude = np.abs(series_of(noisy, count))[:, inside]
    found = 1 / np.mean(magnitude.std(axis=0, ddof=1) / magnitude.mean(axis=0))
    expected = snr0 / np.sqrt(1 + (fraction * snr0) ** 2)
    # one fluctuation for all voxels: its own standard deviation is known to 1 / sqrt(2 x 200) = 5 %
    share = (fraction * snr0) ** 2 / (1 + (fraction * snr0) ** 2)
    assert found == pytest.approx(expected, rel=0.02 + 2 * 0.05 * share)
    assert found < 1.1 / fraction


def test_fluctuation_has_its_standard_deviation_drift_and_rhythms():
    rng, times = np.random.default_rng(2), np.arange(4000) * 0.1
    model = Physiology(fraction=0.03, cardiac=0.4, respiratory=0.4, drift=0.02)
    factor, offset = fluctuation(times, replace(model, field=5.0), rng)
    slope, start = np.polyfit(times, factor, 1)
    assert slope * 60 == pytest.approx(0.02, abs=0.003)
    rest = factor - slope * times - start
    assert rest.std() == pytest.approx(0.03, rel=0.04)
    power = np.abs(np.fft.rfft(rest)) ** 2
    rate = np.fft.rfftfreq(len(times), 0.1)
    for centre in (model.pulse, model.breathing):
        band = np.abs(rate - centre) < 0.1
        assert power[band].sum() / power.sum() == pytest.approx(0.4, abs=0.08)
    assert offset.std() == pytest.approx(5 / np.sqrt(2), rel=0.03)


def test_breathing_turns_the_phase_by_the_field_and_the_echo_time(echo_planar):
    series = measured_again(echo_planar, 60, 0.7)
    quiet = Physiology(fraction=0.0, field=2.0)
    changed = add_physiology(series, quiet, 3)
    image = series_of(changed, 60)[:, 16, 16]
    te = float(echo_planar.encoding.contrast["te"][0])
    assert np.ptp(np.unwrap(np.angle(image))) == pytest.approx(2 * 2 * np.pi * 2.0 * te, rel=0.05)


@pytest.mark.parametrize(
    "wrong", [{"fraction": -0.1}, {"cardiac": 0.8, "respiratory": 0.5}, {"pulse": 0.0}, {"drift": float("nan")}]
)
def test_physiology_refuses_what_no_body_does(wrong):
    with pytest.raises(InputError):
        Physiology(**wrong)


def test_physiology_needs_to_know_when(echo_planar):
    still = replace(echo_planar, groups={"imaging": replace(echo_planar.imaging, start=None)})
    with pytest.raises(InputError, match="when they were taken"):
        mr.add_noise(still, rng=1, physiology=Physiology())
