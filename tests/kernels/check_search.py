"""Kernels of the batched solver and of its first guesses, line by line, against numpy and scipy."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.special import ive

from mrsim.fit._kernels import grid_search as grid
from mrsim.fit._kernels import levenberg_marquardt as kernel

X = np.array([0.1, 0.5, 0.9, 1.4, 2.0])
WEIGHT = np.array([1.0, 2.0, 0.5, 1.5, 1.0])
ANYWHERE = (np.full(2, -np.inf), np.full(2, np.inf))


def test_exponential_is_exact_to_rounding():
    x = np.concatenate([np.linspace(-700, 700, 301), np.linspace(-1, 1, 101)])
    with np.errstate(over="ignore"):
        value = np.array([kernel.exponential(v) for v in x])
        np.testing.assert_allclose(value, np.exp(x), rtol=6e-16)
        assert kernel.exponential(-1e6) == pytest.approx(np.exp(-708.0), rel=1e-12)
        assert kernel.exponential(1e6) == pytest.approx(np.exp(709.0), rel=1e-12)


def test_ratio_of_bessel_functions():
    for z in (0.0, 1e-3, 0.7, -3.0, 8.0, 23.9, 24.1, -25.0, 300.0, 1e5):
        ratio, gap = kernel.bessel_ratio(z)
        assert ratio == pytest.approx(np.sign(z) * ive(1, abs(z)) / ive(0, abs(z)), rel=5e-15, abs=1e-300)
        assert gap == pytest.approx(z - abs(z) - np.log(ive(0, abs(z))), rel=2e-14, abs=1e-14)


def fitted(series, start, lower, upper, limit=50, status=None, first=0):
    voxels = series.shape[1]
    values = np.array(np.broadcast_to(np.asarray(start, float)[:, None], (2, voxels)))
    errors, cost = np.full((2, voxels), 7.0), np.full(voxels, -1.0)
    status = np.zeros(voxels, np.int8) if status is None else np.array(status, np.int8)
    rounds, scale = np.zeros(voxels, np.int64), np.abs(series).max(axis=0)
    table = kernel.tabulate({"x": X}, {})
    bounds = (np.asarray(lower, float), np.asarray(upper, float))
    kernel.solve(
        series, first, voxels, table, WEIGHT, *bounds, np.array([1.0, 1.0]), np.zeros((0, voxels)), limit,
        scale, values, errors, status, cost, rounds,
    )  # fmt: skip
    return values, errors, status, cost, rounds


def lines(voxels, seed=1):
    rng = np.random.default_rng(seed)
    level, slope = rng.uniform(1, 3, voxels), rng.uniform(-1, 1, voxels)
    return level + X[:, None] * slope + 0.1 * rng.normal(size=(len(X), voxels))


ROOT = np.sqrt(WEIGHT)[:, None]
DESIGN = ROOT * np.stack([np.ones_like(X), X], axis=1)


@pytest.mark.parametrize("voxels", [3, kernel.LANES + 5])
def test_straight_lines_are_weighted_regression(voxels):
    series = lines(voxels)
    skipped = np.zeros(voxels, np.int8)
    skipped[1] = 4  # not a voxel to fit
    values, errors, status, cost, rounds = fitted(series, (5.0, 5.0), *ANYWHERE, status=skipped, first=0)
    wanted, *_ = np.linalg.lstsq(DESIGN, ROOT * series, rcond=None)
    spread = np.sqrt(np.diag(np.linalg.inv(DESIGN.T @ DESIGN)))
    kept = np.arange(voxels) != 1
    assert (status[kept] == 0).all()
    assert status[1] == 4
    assert (values[:, 1] == 5).all()
    assert (errors[:, 1] == 7).all()
    np.testing.assert_allclose(values[:, kept], wanted[:, kept], rtol=1e-9)
    np.testing.assert_allclose(errors[:, kept], np.tile(spread[:, None], kept.sum()), rtol=1e-12)
    np.testing.assert_allclose(cost[kept], np.sum((ROOT * series - DESIGN @ wanted) ** 2, axis=0)[kept], rtol=1e-9)
    assert (rounds[kept] > 2).all()
    assert (rounds[kept] < 12).all()


def test_bounds_are_those_of_the_constrained_optimum():
    series = lines(6, seed=2)
    lower, upper = np.array([1.5, -0.2]), np.array([2.5, 0.3])
    values, errors, status, _, _ = fitted(series, (2.0, 0.0), lower, upper)
    for v in range(6):
        best = lsq_linear(DESIGN, ROOT[:, 0] * series[:, v], bounds=(lower, upper), tol=1e-14)
        np.testing.assert_allclose(values[:, v], best.x, atol=1e-7)
        on = np.isclose(best.x, lower, atol=1e-9) | np.isclose(best.x, upper, atol=1e-9)
        assert status[v] == (3 if on.any() else 0)
        assert np.isnan(errors[:, v]).tolist() == on.tolist()
        if on.sum() == 1:  # the error of the other, given the bound
            free = int(np.flatnonzero(~on)[0])
            assert errors[free, v] == pytest.approx(1 / np.linalg.norm(DESIGN[:, free]), rel=1e-9)
    assert np.count_nonzero(status == 3) > 0
    start = fitted(series, (9.0, -9.0), lower, upper, limit=1)
    assert (start[2] == 2).all()
    assert (start[4] == 1).all()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_fit_that_is_cut_short_gives_the_best_point_it_has_seen(limit):
    series = lines(6, seed=4)
    values, errors, status, cost, _ = fitted(series, (50.0, -80.0), *ANYWHERE, limit=limit)
    assert (status == 2).all()
    np.testing.assert_allclose(np.sum((ROOT * series - DESIGN @ values) ** 2, axis=0), cost, rtol=1e-9)
    if limit == 1:  # nothing but the start
        np.testing.assert_allclose(values, [[50.0] * 6, [-80.0] * 6], rtol=1e-15)
    spread = np.sqrt(np.diag(np.linalg.inv(DESIGN.T @ DESIGN)))
    np.testing.assert_allclose(errors, np.tile(spread[:, None], 6), rtol=1e-12)


def test_what_cannot_be_told_apart_is_singular():
    series, table = np.ones((5, 1)), np.ones((1, 5))
    values, errors, status = np.ones((2, 1)), np.zeros((2, 1)), np.zeros(1, np.int8)
    rest = (np.ones(1), values, errors, status, np.zeros(1), np.zeros(1, np.int64))
    kernel.solve(series, 0, 1, table, WEIGHT, *ANYWHERE, np.ones(2), np.zeros((0, 1)), 50, *rest)
    assert status.tolist() == [5]
    assert values.sum() == pytest.approx(1.0)


def test_signal_and_jacobian_of_the_line():
    work, out = np.arange(2.0 * kernel.LANES), np.zeros((3, 5, kernel.LANES))
    kernel.evaluate(kernel.tabulate({"x": X}, {}), work, out)
    level, slope = work.reshape(2, -1)
    np.testing.assert_allclose(out[0], level + X[:, None] * slope)
    np.testing.assert_allclose(out[1], 1)
    np.testing.assert_allclose(out[2], np.tile(X[:, None], kernel.LANES))


def decays(images=7):
    te = np.arange(1, images + 1) * 0.01
    rates = np.array([5.0, 10, 20, 40, 80])
    basis, triangle = np.zeros((5, 2, images)), np.zeros((5, 2, 2))
    for m, rate in enumerate(rates):
        q, r = np.linalg.qr(np.stack([np.exp(-rate * te), np.ones_like(te)], axis=1))
        basis[m], triangle[m] = q.T, np.linalg.inv(r)
    nodes = np.stack([np.full(5, np.nan), rates, np.full(5, np.nan)], axis=1)
    return te, rates, nodes, basis, triangle


@pytest.mark.parametrize("images", [5, 6, 7, 8])
def test_first_guesses_are_the_best_nodes(images):
    te, rates, nodes, basis, triangle = decays(images)
    rng, voxels = np.random.default_rng(3), grid.STRIP + 3
    pick = rng.integers(0, 5, voxels)
    truth = np.stack([rng.uniform(1, 2, voxels), rates[pick], rng.uniform(0.1, 0.3, voxels)])
    series = truth[0] * np.exp(-np.outer(te, truth[1])) + truth[2]
    series[:, 4] *= -1  # no node has an amplitude within its bounds
    series[:, 5] = 0
    series[2, 6] = np.nan
    series[:, 7] *= 1e-3
    floor = np.full(voxels, 1e-2)
    lower, upper = np.array([0, 1, -1.0]), np.array([10, 100, 1.0])
    linear = np.array([1.0, 0, 1])
    scale, values, errors, status = (
        np.full(voxels, -1.0),
        np.zeros((3, voxels)),
        np.zeros((3, voxels)),
        np.full(voxels, 9, np.int8),
    )
    grid.prepare(
        series, 0, voxels, nodes, basis, triangle, lower, upper, linear, floor, scale, values, errors, status
    )  # fmt: skip
    usual = ~np.isin(np.arange(voxels), (4, 5, 6, 7))
    np.testing.assert_allclose(values[:, usual], truth[:, usual], rtol=1e-7)
    np.testing.assert_allclose(scale[usual], np.abs(series[:, usual]).max(axis=0))
    assert status[[4, 5, 6, 7]].tolist() == [0, 1, 4, 1]
    assert (status[usual] == 0).all()
    np.testing.assert_allclose(values[:2, 4], [scale[4], rates[2]])
    assert np.isnan(values[:, 5:8]).all()
    assert np.isnan(errors[:, 5:8]).all()
    assert not errors[:, usual].any()
