"""Processing of spectroscopy against signals whose drifts, eddy currents and lines are known."""

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.residual_water import without_water
from mrsim.core.spectra import Spectra, to_spectrum
from mrsim.recon import Combine, Spectroscopy
from mrsim.recon.fids import coil_weights, kept, register, without_eddy_currents
from mrsim.recon.time_signals import apodised, phased, zero_filled

LARMOR, DWELL, POINTS = 127.7e6, 4e-4, 1024
TIME = np.arange(POINTS) * DWELL


def line(ppm, amplitude, width=8.0):
    """A line at a chemical shift; signals go as exp(-i 2 pi f t)."""
    offset = 1e-6 * (ppm - 4.65) * LARMOR
    return amplitude * np.exp(-2j * np.pi * offset * TIME - np.pi * width * TIME)


METABOLITES = line(1.31, 1.0) + line(2.04, 1.4, 12.0) + line(3.2, 0.8)


def noise(shape, sigma, seed=1):
    rng = np.random.default_rng(seed)
    return sigma * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def spectra_of(data, water=None):
    return Spectra(
        data=np.asarray(data).reshape(1, 1, -1), dwell=DWELL, frequency=LARMOR,
        grid=Grid(shape=(1, 1, 1), spacing=(0.01, 0.01, 0.01)), contrast={"te": np.array([0.03])},
        sigma=np.full((1, 1, 1), 1e-3), water=water,
    )  # fmt: skip


def acquisition(signals, water=None, density=None):
    """Raw data (average, coil, point) of one spectrum."""
    coils = signals.shape[1]

    def group(data):
        n = len(data)
        labels = {"contrast": np.zeros(n, np.int64), "average": np.arange(n)}
        return Readouts(data=data, k=np.zeros((n, POINTS, 3)), t=np.tile(TIME, (n, 1)), labels=labels)

    return Acquisition(
        groups={"imaging": group(signals)} | ({} if water is None else {"water_reference": group(water)}),
        encoding=Encoding(
            grid=Grid(shape=(1, 1, 1), spacing=(0.01, 0.01, 0.01)), frequency=LARMOR, dwell=DWELL,
            contrast={"te": np.array([0.03]), "tr": np.array([2.0])}, kind="spectrum", k_from="trajectory",
        ),
        noise_density=np.eye(coils, dtype=complex) * 1e-6 if density is None else density,
    )  # fmt: skip


def test_higher_shift_lies_at_positive_frequency_and_the_area_is_the_amplitude():
    spectra = spectra_of(line(6.0, 2.0, 10.0))
    ppm, spectrum = spectra.ppm(), spectra.spectrum()[0, 0]
    assert ppm[np.argmax(spectrum.real)] == pytest.approx(6.0, abs=0.02)
    assert np.all(np.diff(ppm) > 0)
    area = np.sum(spectrum.real) / (POINTS * DWELL)
    assert area == pytest.approx(1.0, rel=1e-3)  # half the first point: the whole line on one side of t = 0
    filled = zero_filled(spectra, 4096)
    np.testing.assert_allclose(filled.spectrum()[0, 0, ::4], spectrum, atol=1e-12)
    assert len(filled.ppm()) == 4096


def test_registration_finds_drifts_within_their_bound():
    count, sigma = 24, 0.05
    rng = np.random.default_rng(2)
    hertz, turn = rng.uniform(-6, 6, count), rng.uniform(-1.2, 1.2, count)
    clean = METABOLITES * np.exp(1j * (turn[:, None] - 2 * np.pi * hertz[:, None] * TIME))
    aligned, drift = register(clean, DWELL)
    np.testing.assert_allclose(drift.frequency, hertz - hertz.mean(), atol=1e-6)
    np.testing.assert_allclose(np.exp(1j * (drift.phase - turn)), np.exp(1j * (drift.phase - turn)[0]), atol=1e-6)
    np.testing.assert_allclose(np.abs(aligned - aligned[0]).max(), 0, atol=1e-6)
    _, noisy = register(clean + noise(clean.shape, sigma), DWELL)
    slopes = np.stack([-2j * np.pi * TIME * METABOLITES, 1j * METABOLITES])[:, : round(0.2 / DWELL)]
    bound = sigma * np.sqrt(np.diag(np.linalg.inv(np.real(slopes @ slopes.conj().T))))
    # 24 averages: the scatter of a standard deviation is 15 %; the mean that is fitted to has 1/24 of the variance
    assert np.std(noisy.frequency - (hertz - hertz.mean())) < 1.4 * bound[0]
    wrong = np.angle(np.exp(1j * (noisy.phase - turn)))
    assert np.std(wrong - wrong.mean()) < 1.4 * bound[1]


def test_eddy_current_phase_is_removed_exactly():
    bend = 2.5 * np.exp(-TIME / 0.03) + 0.4 * TIME / TIME[-1]
    water = line(4.65, 50.0, 6.0) * np.exp(1j * bend)
    straight = without_eddy_currents(METABOLITES * np.exp(1j * bend), water)
    np.testing.assert_allclose(straight, METABOLITES, atol=1e-12)


def test_coils_combine_to_the_best_signal_to_noise():
    rng = np.random.default_rng(5)
    sensitivity = rng.standard_normal(8) + 1j * rng.standard_normal(8)
    mixing = rng.standard_normal((8, 8)) + 1j * rng.standard_normal((8, 8))
    covariance = mixing @ mixing.conj().T + np.eye(8)
    weights, variance = coil_weights(sensitivity[:, None] * line(4.65, 30.0), covariance)
    best = np.real(sensitivity.conj() @ np.linalg.solve(covariance, sensitivity))
    gain = np.abs(weights @ sensitivity) ** 2 / np.real(weights @ covariance @ weights.conj())
    assert gain == pytest.approx(best, rel=1e-10)
    assert np.real(weights @ covariance @ weights.conj()) == pytest.approx(variance, rel=1e-10)
    assert np.angle(weights @ sensitivity) == pytest.approx(0.0, abs=0.2)


def test_water_goes_and_a_line_at_1_3_ppm_stays():
    water = 400 * (np.exp(-np.pi * 5 * TIME) + 0.4 * np.exp(-2j * np.pi * 6 * TIME - np.pi * 14 * TIME))
    dirty = spectra_of(METABOLITES + water + noise(POINTS, 0.02))
    clean = without_water(dirty)
    ppm, spectrum = clean.ppm(), clean.spectrum()[0, 0]
    near = np.abs(ppm - 4.65) < 0.3
    before = np.abs(dirty.spectrum()[0, 0][near]).max()
    assert np.abs(spectrum[near]).max() < 3e-4 * before
    ideal = to_spectrum(METABOLITES, DWELL)
    lactate = np.abs(ppm - 1.31) < 0.15
    assert np.sum(spectrum.real[lactate]) == pytest.approx(np.sum(ideal.real[lactate]), rel=0.01)
    with pytest.raises(InputError, match="count"):
        without_water(dirty, count=2000)


def test_apodisation_widens_and_phasing_stands_lines_upright():
    spectra = spectra_of(line(2.0, 1.0, 4.0) * np.exp(0.8j))
    wide = apodised(spectra, lorentz=6.0)
    np.testing.assert_allclose(wide.data[0, 0], line(2.0, 1.0, 10.0) * np.exp(0.8j), atol=1e-12)
    upright = phased(wide)
    assert np.angle(upright.data[0, 0, 0]) == pytest.approx(0.0, abs=1e-12)
    late = spectra_of(line(2.0, 1.0)[8:].tolist() + [0.0] * 8)
    back = phased(late, zero=0.0, delay=8 * DWELL)
    np.testing.assert_allclose(np.roll(back.data[0, 0], 0)[8:900], line(2.0, 1.0)[8:900], atol=1e-9)


def test_acquisition_becomes_one_spectrum_with_its_noise_and_a_spoiled_average_left_out(tmp_path):
    sigma, count = 0.05, 32
    density = np.diag([1.0, 2.0, 0.5]).astype(complex) * sigma**2 * DWELL
    sensitivity = np.array([1.0, 0.6j, -0.4])
    rng = np.random.default_rng(8)
    drift = np.exp(1j * (rng.uniform(-1, 1, count)[:, None] - 2 * np.pi * rng.uniform(-4, 4, count)[:, None] * TIME))
    scatter = noise((count, 3, POINTS), sigma) * np.sqrt(np.array([1.0, 2.0, 0.5]))[:, None]
    signals = (METABOLITES * drift)[:, None] * sensitivity[:, None] + scatter
    signals[5] += 3 * line(2.5, 1.0, 60.0)
    water = (line(4.65, 60.0)[None, None] * sensitivity[:, None]) * np.ones((2, 1, 1))
    raw = acquisition(signals, water, density)
    spectra = mr.reconstruct(raw)
    assert isinstance(spectra, Spectra)
    assert spectra.encoding["rejected"] == 1
    tail = spectra.data[0, 0, -300:]
    assert np.std(tail.real) == pytest.approx(float(spectra.sigma.ravel()[0]), rel=0.15)
    mr.save(tmp_path / "s.h5", spectra=spectra)
    again = mr.load(tmp_path / "s.h5", "spectra")
    np.testing.assert_array_equal(again.data, spectra.data)
    np.testing.assert_array_equal(again.water, spectra.water)
    plain = mr.reconstruct(raw, Spectroscopy(align=False, reject=0.0))
    assert np.abs(plain.spectrum()).max() < 0.8 * np.abs(spectra.spectrum()).max()
    with pytest.raises(InputError, match="does not fit"):
        mr.reconstruct(raw, Combine())


def test_few_averages_are_all_kept():
    signals = METABOLITES + noise((3, POINTS), 0.1)
    assert kept(signals, 5.0).all()
    assert kept(np.concatenate([signals] * 4), 0.0).all()


def test_averages_that_settle_without_noise_are_all_kept():
    """Half of a percent that fades over the first averages is no outlier; a tenth in one of them is."""
    signals = np.tile(METABOLITES.reshape(-1), (24, 1))
    settling = signals * (1 + 5e-3 * 0.2 ** np.arange(24))[:, None]
    assert kept(settling, 5.0).all()
    settling[7] *= 1.1
    assert list(np.flatnonzero(~kept(settling, 5.0))) == [7]
