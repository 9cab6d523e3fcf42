"""Kernels of mono-exponential decays, line by line, against weighted regression, derivatives and scipy."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from mrsim.fit._kernels import decay as kernels

TE = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
WEIGHT = np.array([1.0, 2.0, 0.5, 1.5, 1.0, 3.0])
CONVERGED, NO_SIGNAL, LIMIT, AT_BOUND, NOT_FINITE, SINGULAR = 0, 1, 2, 3, 4, 5


def fitted(kernel, series, *before, te=TE, weight=WEIGHT, floor=0.0, start=0):
    """Return values, errors, status and cost of voxels `start` and on."""
    voxels = series.shape[1]
    values, errors = np.full((2, voxels), np.nan), np.full((2, voxels), np.nan)
    status, cost = np.full(voxels, -1), np.full(voxels, np.nan)
    floors = np.broadcast_to(np.asarray(floor, float), (voxels,)).copy()
    factor, limit = before or ((), ())
    extra = (factor,) if before else ()
    bound = (limit,) if before else ()
    kernel(series, start, voxels, te, weight, *extra, floors, *bound, values, errors, status, cost)
    return values, errors, status, cost


def noisy(voxels=4, seed=1, rates=(20.0, 35.0, 8.0, 60.0)):
    rng = np.random.default_rng(seed)
    return 2.0 * np.exp(-np.outer(TE, rates[:voxels])) + 0.01 * rng.normal(size=(len(TE), voxels))


def regression(series, n):
    """Return values, errors and cost of the weighted line through ln S of the first n echoes."""
    w = WEIGHT[:n] * series[:n] ** 2
    x = np.stack([np.ones(n), -TE[:n]], axis=1)
    covariance = np.linalg.inv(x.T @ (w[:, None] * x))
    level, rate = covariance @ x.T @ (w * np.log(series[:n]))
    errors = np.sqrt(np.diag(covariance)) * [np.exp(level), 1]
    return np.exp(level), rate, errors, np.sum(WEIGHT[:n] * (series[:n] - np.exp(level - rate * TE[:n])) ** 2)


def test_the_line_through_the_logarithms():
    series = noisy()
    series[4, 1] = 0.3  # below the floor: what follows does not count
    floor = np.array([0.0, 0.35, 0.0, 0.0])
    values, errors, status, cost = fitted(kernels.log_linear, series, floor=floor, start=1)
    assert status[0] == -1  # not of those that are asked for
    for v, n in ((1, 4), (2, 6), (3, 6)):
        level, rate, error, left = regression(series[:, v], n)
        np.testing.assert_allclose([*values[:, v], *errors[:, v], cost[v]], [level, rate, *error, left], rtol=1e-9)
        assert status[v] == CONVERGED


def test_which_voxels_have_no_line():
    series = np.tile(np.exp(-20 * TE)[:, None], (1, 6))
    series[3, 0] = np.nan
    series[1:, 1] = 0.0  # one echo
    series[2:, 2] = 0.0  # two are enough
    series[:, 3] = np.exp(5 * TE)  # grows
    series[0, 4] = -1.0
    series[:, 5] = [1, 0.7, 0.6, 0.3, 0.2, 0.1]
    floor = np.array([0, 0, 0, 0, 0, 0.6])  # an echo at the floor counts
    values, _, status, _ = fitted(kernels.log_linear, series, floor=floor)
    assert status.tolist() == [NOT_FINITE, NO_SIGNAL, CONVERGED, AT_BOUND, NO_SIGNAL, CONVERGED]
    np.testing.assert_allclose(values[:, 2], [1, 20], rtol=1e-9)
    assert values[1, 3] == 0.0
    np.testing.assert_allclose(values[:, 5], regression(series[:, 5], 3)[:2], rtol=1e-9)
    slow = fitted(kernels.log_linear, np.exp(-0.5 * TE)[:, None])
    assert (slow[2][0], slow[0][1, 0]) == (CONVERGED, pytest.approx(0.5))
    same = fitted(kernels.log_linear, series[:2, 5:], te=np.array([0.01, 0.01]))
    assert same[2].tolist() == [SINGULAR]


def arlo_of(series, weight=WEIGHT):
    """Return level and rate of one voxel by Pei's formula."""
    n = len(series)
    c, te = (TE[1] - TE[0]) / 3, TE[:n]
    area = c * (series[:-2] + 4 * series[1:-1] + series[2:])
    d = series[:-2] - series[2:]
    time = np.sum(area**2 + c * area * d) / np.sum(c * d**2 + area * d)
    e = np.exp(-te / time)
    return np.array([np.sum(weight[:n] * series * e) / np.sum(weight[:n] * e * e), 1 / time])


def test_auto_regression_and_its_errors():
    series = noisy(seed=2)
    series[5, 1] = 0.0
    values, errors, status, cost = fitted(kernels.arlo, series)
    assert status.tolist() == [CONVERGED] * 4
    for v, n in enumerate((6, 5, 6, 6)):
        one = series[:n, v]
        np.testing.assert_allclose(values[:, v], arlo_of(one), rtol=1e-12)
        step = 1e-6
        slope = np.array([(arlo_of(one + step * e) - arlo_of(one - step * e)) / (2 * step) for e in np.eye(n)])
        np.testing.assert_allclose(errors[:, v], np.sqrt(np.sum(slope**2 / WEIGHT[:n, None], axis=0)), rtol=1e-6)
        left = one - values[0, v] * np.exp(-values[1, v] * TE[:n])
        assert cost[v] == pytest.approx(np.sum(WEIGHT[:n] * left**2), rel=1e-12)


def test_auto_regression_of_what_does_not_decay():
    series = np.stack(
        [np.ones(6), np.exp(9 * TE), np.append(np.exp(-20 * TE[:3]), [0, 0, 0]), np.append([1, 0.8], 4 * [0])]
    )
    values, _, status, _ = fitted(kernels.arlo, np.ascontiguousarray(series.T))
    assert status.tolist() == [AT_BOUND, AT_BOUND, CONVERGED, NO_SIGNAL]
    np.testing.assert_allclose(values[:, :2], [[1, series[1, 0]], [0, 0]])


FACTOR = np.array([1.0, 0.7, 0.9, 0.02, 0.8, 0.95])


def best(series, n=6):
    """Return the least-squares optimum of scipy and its errors."""
    root = np.sqrt(WEIGHT[:n])

    def residual(p):
        return root * (p[0] * FACTOR[:n] * np.exp(-p[1] * TE[:n]) - series[:n])

    def slope(p):
        e = FACTOR[:n] * np.exp(-p[1] * TE[:n])
        return np.stack([root * e, -root * p[0] * TE[:n] * e], axis=1)

    found = least_squares(residual, (1.5, 30.0), jac=slope, x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return found.x, np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac))), 2 * found.cost


def test_least_squares_with_a_known_factor():
    rng = np.random.default_rng(3)
    rates = np.array([20.0, 35.0, 8.0, 60.0])
    series = np.abs(2 * FACTOR[:, None] * np.exp(-np.outer(TE, rates)) + 0.02 * rng.normal(size=(6, 4)))
    factor = np.tile(FACTOR[:, None], (1, 4))
    values, errors, status, cost = fitted(kernels.with_factor, series, factor, 50)
    assert status.tolist() == [CONVERGED] * 4
    for v in range(4):
        point, error, left = best(series[:, v])
        np.testing.assert_allclose(values[:, v], point, rtol=1e-6)
        np.testing.assert_allclose(errors[:, v], error, rtol=1e-5)
        assert cost[v] == pytest.approx(left, rel=1e-9)
    early = fitted(kernels.with_factor, series, factor, 1)
    assert early[2].tolist() == [LIMIT] * 4
    start = np.array([kernels.start_of(series, v, 6, TE, factor) for v in range(4)])
    exact = 3 * factor * np.exp(-np.outer(TE, rates))
    np.testing.assert_allclose(
        [kernels.start_of(exact, v, 6, TE, factor) for v in range(4)], np.stack([3 + 0 * rates, rates], 1)
    )
    assert np.abs(start[:, 1] - rates).max() < 10
    assert not np.allclose(start[:, 1], values[1], rtol=1e-6)


def test_a_factor_that_is_small_does_not_spoil_the_start():
    series = 3 * FACTOR[:, None] * np.exp(-20 * TE)[:, None]
    series[3] *= 4
    np.testing.assert_allclose(kernels.start_of(series, 0, 6, TE, FACTOR[:, None]), [3, 20], rtol=1e-9)
    level, rate = kernels.start_of(series[:1], 0, 1, TE, FACTOR[:, None])
    assert (level, rate) == (series[0, 0], 1 / TE[0])
    growing = np.exp(4 * TE)[:, None] * FACTOR[:, None]
    assert kernels.start_of(growing, 0, 6, TE, FACTOR[:, None])[1] == 0.0


def test_least_squares_at_the_bound_and_without_an_answer():
    series = np.stack([np.exp(6 * TE) * FACTOR, FACTOR, np.append([1.0], 5 * [0.0])], axis=1)
    series[2, 1] = np.inf
    factor = np.tile(FACTOR[:, None], (1, 3))
    values, errors, status, cost = fitted(kernels.with_factor, series, factor, 50)
    assert status.tolist() == [AT_BOUND, NOT_FINITE, NO_SIGNAL]
    level = np.sum(WEIGHT * FACTOR * series[:, 0]) / np.sum(WEIGHT * FACTOR**2)
    np.testing.assert_allclose(values[:, 0], [level, 0], rtol=1e-9)
    assert errors[0, 0] == pytest.approx(1 / np.sqrt(np.sum(WEIGHT * FACTOR**2)))
    assert np.isnan(errors[1, 0])
    assert cost[0] == pytest.approx(np.sum(WEIGHT * (level * FACTOR - series[:, 0]) ** 2), rel=1e-9)
    alike = fitted(kernels.with_factor, np.ones((2, 1)), np.ones((2, 1)), 50, te=np.array([0.01, 0.01]))
    assert alike[2].tolist() == [SINGULAR]


def test_gradient_and_normal_matrix_of_the_misfit():
    series, factor, sums = noisy(1, seed=4), FACTOR[:, None].copy(), np.full(5, 7.0)
    level, rate = 1.9, 17.0
    cost = kernels.misfit(series, 0, 6, TE, WEIGHT, factor, level, rate, sums)
    e = FACTOR * np.exp(-rate * TE)
    r, j = level * e - series[:, 0], np.stack([e, -level * TE * e])
    np.testing.assert_allclose(cost, np.sum(WEIGHT * r**2), rtol=1e-13)
    np.testing.assert_allclose(sums[:2], j @ (WEIGHT * r), rtol=1e-12)
    np.testing.assert_allclose(sums[2:], ((j * WEIGHT) @ j.T)[[0, 0, 1], [0, 1, 1]], rtol=1e-12)
