"""Kernels of complex gradient echoes and of tabulated signals (echo trains, dictionaries), against numpy and scipy."""

import itertools

import numpy as np
import pytest
from scipy.optimize import least_squares

from mrsim.fit._kernels import echoes as kernels

TE = 1e-3 * np.array([1.2, 2.5, 3.7, 5.0, 6.2, 7.5])
WEIGHT = np.array([1.0, 2.0, 0.5, 1.5, 1.0, 0.8])
FAT = 0.7 * np.exp(-2j * np.pi * -430.0 * TE) + 0.3 * np.exp(-2j * np.pi * 70.0 * TE)
BASIS = {1: np.ones((1, 6), complex), 2: np.stack([np.ones(6, complex), FAT])}
FACTOR = np.linspace(1.0, 0.9, 6)[:, None]


def model(p, kinds, free):
    """Return the (6,) echoes of amplitudes, phase, offset, decay and how much faster the second species decays."""
    faster = np.ones((kinds, 6))
    if free == 2:
        faster[1] = np.exp(-p[-1] * TE)
    turned = np.exp(1j * (p[kinds] - 2 * np.pi * p[kinds + 1] * TE) - p[kinds + 2] * TE)
    return FACTOR[:, 0] * turned * (np.asarray(p[:kinds]) @ (BASIS[kinds] * faster))


POINTS = {
    (1, 0): [1.4, 0.4, 20.0, 30.0], (1, 1): [1.4, -2.0, -35.0, 30.0], (2, 1): [1.0, 0.6, 0.8, 15.0, 40.0],
    (2, 2): [1.0, 0.6, -0.8, 25.0, 40.0, 12.0], (2, 0): [0.3, 1.2, 2.5, -10.0, 40.0],
}  # fmt: skip
CASES = list(POINTS)


def noisy(case, seed=1, sigma=0.005):
    noise = np.random.default_rng(seed).normal(size=(6, 2)) @ [1, 1j]
    return (model(POINTS[case], *case) + sigma * noise)[:, None]


@pytest.mark.parametrize("case", CASES)
def test_gradient_and_normal_matrix_are_those_of_the_model(case):
    kinds, free = case
    p, series, prior = np.array(POINTS[case]), noisy(case, sigma=0.1), 0.3
    size = len(p)
    gradient, normal, re, im = np.full(size, 7.0), np.full((size, size), 7.0), np.empty(size), np.empty(size)
    cost = kernels.normal_equations(
        series, 0, TE, BASIS[kinds], FACTOR, WEIGHT, p, free, prior, gradient, normal, re, im
    )  # fmt: skip
    left = model(p, *case) - series[:, 0]
    step = 1e-6
    slope = np.stack([(model(p + step * e, *case) - model(p - step * e, *case)) / (2 * step) for e in np.eye(size)])
    if free == 0:
        slope[kinds + 2] = 0
    own = prior if free == 2 else 0.0
    assert cost == pytest.approx(np.sum(WEIGHT * np.abs(left) ** 2) + own * p[-1] ** 2, rel=1e-12)
    wanted = (slope.conj() @ (WEIGHT * left)).real
    wanted[-1] += own * p[-1]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-7)
    square = ((slope.conj() * WEIGHT) @ slope.T).real
    square[-1, -1] += own
    np.testing.assert_allclose(np.tril(normal), np.tril(square), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_amplitudes_and_phase_are_the_best_at_an_offset(case):
    kinds, free = case
    p, out = POINTS[case], np.zeros(kinds + 1)
    faster = p[-1] if free == 2 else 0.0
    for sign in (1, -1):
        series = sign * noisy(case, sigma=0.0)
        kernels.amplitudes(series, 0, TE, BASIS[kinds], FACTOR, WEIGHT, p[kinds + 1], p[kinds + 2], faster, out)
        np.testing.assert_allclose(out[:kinds], p[:kinds], rtol=1e-9)
        np.testing.assert_allclose(np.exp(1j * out[kinds]), sign * np.exp(1j * p[kinds]), atol=1e-9)
    series = noisy(case, sigma=0.1)
    kernels.amplitudes(series, 0, TE, BASIS[kinds], FACTOR, WEIGHT, p[kinds + 1], p[kinds + 2], faster, out)

    def residual(q):
        left = np.sqrt(WEIGHT) * (model([*q, *p[kinds + 1 :]], *case) - series[:, 0])
        return np.concatenate([left.real, left.imag])

    best = least_squares(residual, p[: kinds + 1], xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    np.testing.assert_allclose(out[:kinds], best[:kinds], rtol=1e-6)


def fitted(series, case, start, *, prior=0.3, highest=500.0, floor=0.0, limit=40):
    kinds, free = case
    size, voxels = kinds + 3 + (free == 2), series.shape[1]
    values = np.zeros((size, voxels))
    values[kinds + 1], values[kinds + 2] = start[:2]
    errors, together, status, cost = (
        np.full((size, voxels), 7.0),
        np.zeros(voxels),
        np.full(voxels, 9),
        np.zeros(voxels),
    )
    kernels.fit_echoes(
        series, 0, voxels, TE, BASIS[kinds], FACTOR, WEIGHT, free, np.full(voxels, floor), np.full(voxels, prior),
        highest, limit, values, errors, together, status, cost,
    )  # fmt: skip
    return values, errors, together, status, cost


@pytest.mark.parametrize("case", CASES)
def test_echoes_reach_the_optimum_of_scipy_with_its_errors(case):
    kinds, free = case
    series, point = noisy(case, seed=3), np.array(POINTS[case])
    values, errors, together, status, cost = fitted(
        series, case, (point[kinds + 1] + 5, point[kinds + 2] * (1 if free == 0 else 1.2))
    )

    def residual(q):
        whole = np.where(moved, q, point)
        left = np.sqrt(WEIGHT) * (model(whole, *case) - series[:, 0])
        rest = [np.sqrt(0.3) * whole[-1]] if free == 2 else []
        return np.concatenate([left.real, left.imag, rest])

    moved = np.ones(len(point), bool)
    moved[kinds + 2] = free > 0
    best = least_squares(residual, point, xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale=np.abs(point))
    assert status.tolist() == [0]
    np.testing.assert_allclose(values[:, 0], np.where(moved, best.x, point), rtol=2e-5, atol=1e-5)
    assert cost[0] == pytest.approx(2 * best.cost, rel=1e-6)
    jac = best.jac[:, moved]
    covariance = np.linalg.inv(jac.T @ jac)
    np.testing.assert_allclose(errors[moved, 0], np.sqrt(np.diag(covariance)), rtol=1e-3)
    assert np.isnan(errors[~moved, 0]).all()
    assert together[0] == pytest.approx(covariance[0, 1], rel=1e-3, abs=2e-8)


def test_echoes_at_bounds_and_without_an_answer():
    growing = (model([1.0, 0.3, 10.0, -30.0], 1, 1))[:, None]
    series = np.concatenate([growing, 0 * growing, np.nan * growing, 1e-3 * growing], axis=1)
    values, errors, _, status, _ = fitted(series, (1, 1), (12.0, 10.0), floor=0.01)
    assert status.tolist() == [3, 1, 4, 1]
    assert values[3, 0] == 0.0
    assert np.isnan(errors[3, 0])
    fast = noisy((1, 1))
    values, errors, _, status, _ = fitted(fast, (1, 1), (-35.0, 5.0), highest=20.0)
    assert (status[0], values[3, 0]) == (3, 20.0)
    *_, status, _ = fitted(fast, (1, 1), (-20.0, 5.0), limit=1)
    assert status.tolist() == [2]


@pytest.mark.parametrize("kinds", [1, 2])
def test_deepest_minima_of_the_misfit(kinds):
    decays, nodes = np.array([10.0, 60.0]), 40
    offsets = (np.arange(nodes) / nodes - 0.5) / (TE[1] - TE[0])
    case = (kinds, 1)
    series = np.stack([noisy(case, 5, 0.05)[:, 0], noisy(case, 6, 0.5)[:, 0], np.zeros(6)], axis=1)
    faded = BASIS[kinds][None] * np.exp(-np.outer(decays, TE))[:, None]
    projected = faded.conj() * WEIGHT
    inverse = np.linalg.inv(np.einsum("dkn,dln->dkl", projected, faded).real)
    cost, where = np.zeros((3, 3)), np.zeros((3, 3), np.int64)
    turns = np.exp(2j * np.pi * np.outer(offsets, TE))
    kernels.candidates(series, 0, 3, WEIGHT, turns, projected, inverse, offsets, cost, where)
    for v in range(2):
        energy = np.sum(WEIGHT * np.abs(series[:, v]) ** 2)
        left = np.empty((nodes, 2))
        for g, d in itertools.product(range(nodes), range(2)):
            b = projected[d] @ (turns[g] * series[:, v])
            left[g, d] = energy - 0.5 * ((b.conj() @ inverse[d] @ b).real + np.abs(b @ inverse[d] @ b))
        best, which = left.min(axis=1), left.argmin(axis=1)
        minima = [g for g in range(nodes) if best[g] < best[g - 1] and best[g] <= best[(g + 1) % nodes]]
        minima = sorted(minima, key=lambda g: best[g])[:3]
        np.testing.assert_allclose(cost[: len(minima), v], best[minima] / energy, rtol=1e-9)
        assert where[: len(minima), v].tolist() == [which[g] + 2 * g for g in minima]
        assert np.isinf(cost[len(minima) :, v]).all()
    assert cost[0, 2] == 0.0


def test_messages_find_the_choice_of_least_energy_in_a_chain_and_a_plane():
    """Of chains the result is exact; of a small plane it is the best of all choices here, too."""
    rng, period, smoothness = np.random.default_rng(7), 100.0, 2.0
    for shape in ((1, 1, 6), (6, 1, 1), (1, 3, 2)):
        voxels = int(np.prod(shape))
        data, place = rng.uniform(0, 0.3, (2, voxels)), rng.uniform(-50, 50, (2, voxels))
        data[1, 2] = np.inf
        weight = rng.uniform(0.5, 1, voxels)
        choice, messages = np.zeros(voxels, np.int64), np.zeros((6, 2, voxels))
        kernels.pass_messages(data, place, weight, period, smoothness, np.array(shape), 8, messages, choice)
        grid = np.arange(voxels).reshape(shape)
        edges = [
            pair for axis in range(3)
            for pair in zip(*(np.take(grid, part, axis).ravel() for part in
                              (range(shape[axis] - 1), range(1, shape[axis]))), strict=True)
        ]  # fmt: skip

        def energy(chosen, data=data, place=place, weight=weight, edges=edges):
            total = sum(data[k, v] for v, k in enumerate(chosen))
            for a, b in edges:
                d = (place[chosen[a], a] - place[chosen[b], b]) / period
                total += smoothness * np.sqrt(weight[a] * weight[b]) * (d - np.round(d)) ** 2
            return total

        best = min(itertools.product(range(2), repeat=voxels), key=energy)
        assert energy(choice) == pytest.approx(energy(best), rel=1e-9)
