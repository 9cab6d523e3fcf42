"""Magnitude statistics against scipy's distributions, mpmath, drawn noise and the published table."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from mrsim.core import magnitude
from mrsim.core._kernels.magnitude import bessel, expectation, log_density
from mrsim.core.errors import InputError

CHANNELS = (1, 2, 4, 8, 16, 32, 64)
SIGNAL = np.array([0.0, 1e-3, 0.1, 1.0, 3.0, 8.9, 9.1, 15.0, 36.0, 37.0, 120.0])


def test_magnitude_moments_of_rice_are_the_published_ones():
    ratio = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 10.0])
    mean = [1.25331, 1.54857, 2.27238, 3.17258, 5.10107, 10.05013]
    sd = [0.65514, 0.77584, 0.91448, 0.96683, 0.98949, 0.99747]
    np.testing.assert_allclose(magnitude.mean(ratio, 1.0), mean, atol=6e-6)
    np.testing.assert_allclose(magnitude.standard_deviation(ratio, 1.0), sd, atol=6e-6)


@pytest.mark.parametrize(("channels", "mean"), [(4, 2.74162), (8, 3.93803), (16, 5.61284), (32, 7.96881)])
def test_magnitude_background_of_a_sum_of_squares_is_the_published_one(channels, mean):
    np.testing.assert_allclose(magnitude.mean(0.0, 2.0, channels), 2 * mean, atol=1.2e-5)


@pytest.mark.parametrize("channels", CHANNELS)
def test_magnitude_log_likelihood_equals_scipys_noncentral_chi_squared(channels):
    """m^2 / sigma^2 is noncentral chi-squared; scipy's own density is good to some 1e-9 here."""
    sigma, m = 1.7, np.array([0.4, 2.0, 7.0, 20.0])[:, None]
    ratio = np.array([0.05, 1.0, 5.0, 12.0])
    expected = stats.ncx2.logpdf((m / sigma) ** 2, 2 * channels, ratio**2) + np.log(2 * m / sigma**2)
    np.testing.assert_allclose(magnitude.log_likelihood(m, ratio * sigma, sigma, channels), expected, rtol=1e-7)


@pytest.mark.parametrize("order", [0, 1, 3, 15, 63])
def test_magnitude_bessel_ratios_equal_forty_digits_on_both_sides_of_the_switch(order):
    mpmath.mp.dps = 40
    for z in (1e-6, 0.2, 3.0, 30.0, 35.9 + 0.5 * order**2, 36.1 + 0.5 * order**2, 4e3):
        value, ratio, slope = bessel(order, z)
        exact = mpmath.mpf(z)
        r = mpmath.besseli(order + 1, exact) / mpmath.besseli(order, exact)
        log = mpmath.log(mpmath.besseli(order, exact)) - exact - order * mpmath.log(exact)
        assert abs(value - log) <= 2e-14 * max(1, abs(log))
        assert abs(ratio - r) <= 1e-15 * max(r, 1e-3)
        assert abs(slope - (1 - r**2 - (2 * order + 1) * r / exact)) <= 1e-15  # 1 - r^2 cancels


def test_magnitude_is_safe_far_above_the_noise():
    """The density becomes normal about the signal; derivatives by the signal do not drown in rounding."""
    for a in (1e3, 1e6, 1e9):
        value, slope, bend = log_density(a + 0.5, a, 1)
        assert abs(value + 0.125 + 0.5 * np.log(2 * np.pi)) < 1 / a
        assert abs(slope - 0.5) < 0.6 / a + 1e-6  # Rice: 1 / (2 a) below the Gaussian
        assert abs(bend + 1) < 1e-6
    np.testing.assert_allclose(magnitude.standard_deviation([1e3, 1e6, 1e9], 1.0, 8), 1.0, rtol=1e-5)
    np.testing.assert_allclose(magnitude.information([1e3, 1e6, 1e9], 1.0, 8), 1.0, rtol=1e-5)


@pytest.mark.parametrize("channels", CHANNELS)
def test_magnitude_mean_and_its_slope_equal_the_hypergeometric_function(channels):
    mpmath.mp.dps = 40
    level = mpmath.sqrt(2) * mpmath.gammaprod([channels + mpmath.mpf("0.5")], [channels])
    for a in SIGNAL:
        y = mpmath.mpf(a) ** 2 / 2
        mean = level * mpmath.hyp1f1(-0.5, channels, -y)
        slope = level * mpmath.mpf(a) / (2 * channels) * mpmath.hyp1f1(0.5, channels + 1, -y)
        found = expectation(a, channels)
        assert abs(found[0] - mean) <= 2e-13 * mean
        assert abs(found[1] - slope) <= 2e-13


@pytest.mark.parametrize("channels", CHANNELS)
def test_magnitude_score_is_the_derivative_and_information_its_mean_square(channels):
    a, h = np.array([0.3, 2.0, 6.0]), 1e-5
    m = np.array([1.0, 3.0, 9.0])[:, None]
    up, down = (magnitude.log_likelihood(m, a + d, 0.8, channels) for d in (h, -h))
    np.testing.assert_allclose(magnitude.score(m, a, 0.8, channels), (up - down) / (2 * h), rtol=1e-6, atol=1e-7)
    rng, n = np.random.default_rng(5), 40_000
    z = rng.standard_normal((n, 2 * channels)) * 0.8
    drawn = np.sqrt((z[:, 0] + a[1]) ** 2 + np.sum(z[:, 1:] ** 2, axis=1))
    s = magnitude.score(drawn, a[1], 0.8, channels)
    assert abs(s.mean()) < 4 * s.std() / np.sqrt(n)  # the expected score is zero at the truth
    np.testing.assert_allclose(magnitude.information(a[1], 0.8, channels), np.mean(s**2), rtol=4 * np.sqrt(2 / n) * 1.5)


@pytest.mark.parametrize("channels", CHANNELS)
def test_magnitude_inverse_gives_the_signal_back(channels):
    a, sigma = np.array([0.5, 1.0, 3.0, 10.0, 40.0, 1e4]), 2.0
    mean, sd = magnitude.mean(a, sigma, channels), magnitude.standard_deviation(a, sigma, channels)
    np.testing.assert_allclose(magnitude.signal_of_mean(mean, sigma, channels), a, rtol=1e-9)
    signal, noise = magnitude.signal_of_moments(mean, sd, channels)
    np.testing.assert_allclose(signal, a, rtol=1e-6)
    np.testing.assert_allclose(noise, sigma, rtol=1e-7)


def test_magnitude_below_the_mean_of_noise_holds_no_signal():
    assert magnitude.signal_of_mean(1.2, 1.0) == 0
    signal, sigma = magnitude.signal_of_moments(1.0, 1.0)
    assert (signal, sigma) == (0, pytest.approx(1 / 0.655136, rel=1e-5))


def test_magnitude_of_drawn_noise_follows_the_density():
    rng, channels, a = np.random.default_rng(3), 4, 2.5
    z = rng.standard_normal((20_000, 2 * channels))
    drawn = np.sort(np.sqrt((z[:, 0] + a) ** 2 + np.sum(z[:, 1:] ** 2, axis=1)))
    grid = np.linspace(1e-6, 14, 4001)
    density = np.exp(magnitude.log_likelihood(grid, a, 1.0, channels))
    cumulative = np.concatenate([[0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
    assert stats.kstest(drawn, lambda m: np.interp(m, grid, cumulative)).pvalue > 0.01


@pytest.mark.parametrize(
    ("arguments", "key"),
    [((1.0, -1.0, 1.0), "signal"), ((1.0, 1.0, 0.0), "sigma"), ((np.nan, 1.0, 1.0), "magnitude"),
     ((1.0, 1.0, 1.0, 0), "channels"), ((1.0, 1.0, 1.0, 1.5), "channels")],
)  # fmt: skip
def test_magnitude_refuses_what_no_magnitude_is(arguments, key):
    with pytest.raises(InputError) as caught:
        magnitude.log_likelihood(*arguments)
    assert caught.value.key == key


def test_magnitude_kernels_equal_their_python_text():
    for kernel, arguments in ((bessel, (3, 2.5)), (log_density, (2.0, 1.5, 2)), (expectation, (3.0, 4))):
        np.testing.assert_allclose(kernel(*arguments), kernel.py_func(*arguments), rtol=1e-14)


@pytest.mark.parametrize(
    ("b", "published"), [(0.8, (1.437, 1.484, 1.496)), (2.0, (1.011, 1.281, 1.436))], ids=["b 800", "b 2000"]
)
def test_noise_floor_biases_two_point_diffusion_by_the_published_numbers(b, published):
    """A diffusivity of 1.5 um^2/ms at an SNR of 10, 20 and 40 without diffusion weighting, from mean magnitudes."""
    draw = np.random.default_rng(3)
    for snr, wanted in zip((10.0, 20.0, 40.0), published, strict=True):
        signal = snr * np.exp([0.0, -1.5 * b])
        found = np.log(np.divide(*magnitude.mean(signal, 1.0))) / b
        assert found == pytest.approx(wanted, abs=6e-4)
        noise = draw.standard_normal((2, 2, 40_000))
        means = np.abs(signal[:, None] + noise[0] + 1j * noise[1]).mean(axis=1)
        error = np.hypot(*(1 / means)) / np.sqrt(40_000) / b
        assert np.log(means[0] / means[1]) / b == pytest.approx(wanted, abs=4 * error)
        without = [magnitude.signal_of_mean(value, 1.0) for value in magnitude.mean(signal, 1.0)]
        assert np.log(without[0] / without[1]) / b == pytest.approx(1.5, rel=1e-6)
