"""Magnitudes, line by line: of noisy signals against scipy's Bessel functions, of water and fat against its fit."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import least_squares
from scipy.special import ive
from scipy.stats import chi2, ncx2

from mrsim.core._kernels import magnitude
from mrsim.fit._kernels.water_fat_magnitude import AT_BOUND, CONVERGED, SINGULAR, fit_magnitudes

TE = np.arange(1, 7) * 1.15e-3
FAT = np.exp(-2j * np.pi * 434.0 * TE) * 0.8 + 0.2


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_densities_are_those_of_the_noncentral_chi(channels):
    m, a = np.array([0.3, 2.0, 5.5, 9.0, 240.0, 5e3]), np.array([0.0, 1.0, 6.0, 8.0, 239.0, 5e3])
    out = np.empty((3, len(m)))
    magnitude.log_densities(m, a, channels, out)
    wanted = np.append(chi2.logpdf(m[0] ** 2, 2 * channels), ncx2.logpdf(m[1:5] ** 2, 2 * channels, a[1:5] ** 2))
    np.testing.assert_allclose(out[0, :5], wanted + np.log(2 * m[:5]), rtol=1e-9, atol=1e-9)
    gaussian = -0.5 * (m[5] - a[5]) ** 2 - 0.5 * np.log(2 * np.pi)
    assert out[0, 5] == pytest.approx(gaussian, abs=1e-6)
    step, shifted = 1e-4, [np.empty((3, len(m))) for _ in range(2)]
    for sign, target in zip((-1, 1), shifted, strict=True):
        magnitude.log_densities(m[1:5], a[1:5] + sign * step, channels, target[:, 1:5])
    slope = (shifted[1][0, 1:5] - shifted[0][0, 1:5]) / (2 * step)
    np.testing.assert_allclose(out[1, 1:5], slope, rtol=1e-6, atol=1e-6)
    bend = (shifted[1][1, 1:5] - shifted[0][1, 1:5]) / (2 * step)
    np.testing.assert_allclose(out[2, 1:5], bend, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", [0, 1, 3, 30])
def test_bessel_ratios_are_scipys(order):
    for z in (1e-3, 0.7, 12.0, 60.0, 900.0, 2e5, 5e7):
        value, ratio, slope = magnitude.bessel(order, z)
        assert ratio == pytest.approx(ive(order + 1, z) / ive(order, z), rel=1e-10)
        if ive(order, z) > 1e-200:
            assert value == pytest.approx(np.log(ive(order, z)) - order * np.log(z), rel=1e-10, abs=1e-10)
        wanted = 1 - ratio**2 - (2 * order + 1) * ratio / z
        assert slope == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("channels", [1, 3])
def test_expectation_is_the_densitys_mean(channels):
    signals = np.array([0.0, 0.5, 4.0, 9.0, 15.0])
    out = np.empty((2, len(signals)))
    magnitude.expectations(signals, channels, out)
    for a, mean in zip(signals, out[0], strict=True):

        def weighed(m, a=a):
            return m * np.exp(magnitude.log_density(m, a, channels)[0])

        assert mean == pytest.approx(quad(weighed, 1e-9, a + 15.0, epsabs=1e-12, limit=200)[0], rel=1e-8)
    near = np.empty((2, 2))
    for k, a in enumerate(signals[1:]):
        magnitude.expectations(np.array([a - 1e-4, a + 1e-4]), channels, near)
        assert out[1, k + 1] == pytest.approx((near[0, 1] - near[0, 0]) / 2e-4, rel=1e-6)


def test_water_and_fat_are_scipys_least_squares():
    truth = np.array([[0.8, 0.15, 1.0, 0.4, 0.0], [0.1, 0.85, 0.0, 0.6, 0.0], [40.0, 70.0, 25.0, 0.0, 0.0]])
    clean = np.abs(truth[0] + truth[1] * FAT[:, None]) * np.exp(-np.outer(TE, truth[2]))
    series = clean + np.random.default_rng(3).normal(0, 2e-3, clean.shape) * (truth[0] > 0)
    series[:, 3] *= 1 + 4.0 * TE  # rises: the rate would be negative
    weight = np.array([1.0, 1, 2, 1, 1, 0.5]) / 4e-6
    n = series.shape[1]
    values, errors, together = np.zeros((3, n)), np.zeros((3, n)), np.zeros(n)
    status, cost = np.full(n, 7), np.zeros(n)
    fit_magnitudes(
        series, 0, n, TE, FAT, weight, np.array([0.1, 0.9]), 100, values, errors, together, status, cost
    )  # fmt: skip
    assert list(status) == [CONVERGED, CONVERGED, CONVERGED, AT_BOUND, 7]  # no signal: untouched
    for v in range(4):

        def residual(p, v=v):
            return np.sqrt(weight) * (np.abs(p[0] + p[1] * FAT) * np.exp(-p[2] * TE) - series[:, v])

        low = [-np.inf, -np.inf, 0.0]
        best = min(
            (least_squares(residual, [x, 1 - x, 30.0], bounds=(low, np.inf), xtol=1e-15, ftol=1e-15, gtol=1e-15)
             for x in (0.1, 0.9)), key=lambda found: found.cost,
        )  # fmt: skip
        assert np.all(np.abs(values[:, v] - best.x) < 2e-6 * np.array([1, 1, 1e3]))
        assert cost[v] == pytest.approx(2 * best.cost, rel=1e-8)
        free = [0, 1] if v == 3 else [0, 1, 2]
        covariance = np.linalg.inv(best.jac[:, free].T @ best.jac[:, free])
        np.testing.assert_allclose(errors[free, v], np.sqrt(np.diag(covariance)), rtol=1e-4)
        assert together[v] == pytest.approx(covariance[0, 1], rel=1e-4)
    assert np.isnan(errors[2, 3])
    # water and fat in phase at every echo are one
    status[:] = 7
    fit_magnitudes(
        series, 0, 1, TE, np.ones(6, complex), weight, np.array([0.5]), 100, values, errors, together, status, cost
    )  # fmt: skip
    assert status[0] == SINGULAR
