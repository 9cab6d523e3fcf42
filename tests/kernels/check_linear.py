"""Kernels of small linear systems, nonnegative spectra and tensors, line by line, against numpy and scipy."""

import itertools

import numpy as np
import pytest
from scipy.optimize import nnls

from mrsim.core.tensors import FOURTH, SECOND, kurtosis, matrix_of, mixed, monomials, prolate, sphere
from mrsim.fit._kernels import nonnegative as spectral
from mrsim.fit._kernels import normal
from mrsim.fit._kernels import tensor as kernels


@pytest.mark.parametrize("systems", [1, 3, normal.LANES + 2])
def test_systems_are_solved_and_inverted(systems):
    rng, p = np.random.default_rng(1), 4
    root = rng.normal(size=(systems, p, p))
    gram = root @ np.swapaxes(root, 1, 2) + 0.1 * np.eye(p)
    right = rng.normal(size=(p, systems))
    packed = np.ascontiguousarray(gram[:, *np.tril_indices(p)].T)
    inverse, solution, regular = np.full_like(packed, 7), np.full((p, systems), 7.0), np.zeros(systems, bool)
    normal.solve_packed(packed, right, 1e-12, inverse, solution, regular)
    assert regular.all()
    np.testing.assert_allclose(solution.T, np.linalg.solve(gram, right.T[..., None])[..., 0], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(inverse.T, np.linalg.inv(gram)[:, *np.tril_indices(p)], rtol=1e-8, atol=1e-9)


def test_a_pivot_that_falls_too_far_counts_for_nothing():
    """Of a matrix with pivots 1, 1/2 and 1/100 of the diagonal, a limit of 0.02 leaves out the last, 0.005 nothing."""
    cross = np.sqrt(2 * 0.99)
    gram = np.array([[1, 0, 0], [0, 2, cross], [0, cross, 1]])
    packed = np.stack([gram[np.tril_indices(3)]] * 2, axis=1)
    right = np.array([[1.0, 1], [2, 2], [3, 3]])
    for least, kept in ((0.02, False), (0.005, True)):
        inverse, solution, regular = np.zeros((6, 2)), np.zeros((3, 2)), np.ones(2, bool)
        normal.solve_packed(packed, right, least, inverse, solution, regular)
        assert regular.tolist() == [kept] * 2
        wanted = np.linalg.solve(gram, right[:, 0]) if kept else np.array([1.0, 1.0, 0.0])
        np.testing.assert_allclose(solution[:, 0], wanted, rtol=1e-9)
        if not kept:
            np.testing.assert_allclose(inverse[:, 1], [1, 0, 0.5, 0, 0, 0], atol=1e-12)


def test_the_nearest_point_within_half_spaces():
    """Against the best of all sets of active rows: the optimum of (x - point)^T G (x - point) with rows @ x <= 0."""
    rng = np.random.default_rng(2)
    for _ in range(8):
        root, rows, point = rng.normal(size=(3, 3)), rng.normal(size=(4, 3)), 2 * rng.normal(size=3)
        gram = root @ root.T + 0.3 * np.eye(3)
        inverse = np.linalg.inv(gram)
        found = normal.hildreth(point.copy(), rows, rows @ inverse, 1e-12, 4000)
        best, cost = None, np.inf
        for count in range(4):
            for active in itertools.combinations(range(4), count):
                a = rows[list(active)]
                x = point - inverse @ a.T @ np.linalg.solve(a @ inverse @ a.T, a @ point) if count else point
                value = (x - point) @ gram @ (x - point)
                if (rows @ x < 1e-9).all() and value < cost:
                    best, cost = x, value
        np.testing.assert_allclose(found, best, atol=1e-5)


def test_sweeps_end_where_nothing_is_broken_any_more():
    rows = np.array([[1.0, -0.4], [-0.3, 1.0]])
    one, two, last = (normal.hildreth(np.array([1.0, 3.0]), rows, rows.copy(), broken, sweeps) for broken, sweeps in
                      ((0.0, 1), (5.0, 9), (0.0, 99)))  # fmt: skip
    np.testing.assert_array_equal(one, two)  # nothing was broken by more than 5
    assert (rows @ last < 1e-12).all()
    assert (rows @ one).max() > 1e-3


OBLIQUE = np.array([1.0, 2.0, 2.0]) / 3


def kurtotic():
    """Return elements of a mean tensor and V of two crossing ones."""
    mean, fourth = mixed(np.array([0.3, 0.7]), np.stack([prolate(2.2, 0.6, OBLIQUE), np.diag([0.5, 0.9, 1.4])]))
    return np.concatenate([[mean[i, j] for i, j in SECOND], fourth])


def axes_of(point):
    """Return (3, 3, 1) eigenvectors, ascending."""
    return np.linalg.eigh(matrix_of(point[None, :6])[0])[1][..., None]


def tables(polar, circle):
    directions, weights = sphere(polar, circle)
    second, quartic = (np.ascontiguousarray(monomials(directions, elements).T) for elements in (SECOND, FOURTH))
    angle = np.pi * np.arange(circle // 2) / (circle // 2)
    return second, quartic, weights, np.stack([np.cos(angle), np.sin(angle)])


def test_kurtosis_of_a_tensor():
    point = kurtotic()
    still = point.copy()
    still[:6] = [1, 1, -0.1, 0, 0, 0]  # a direction that does not diffuse
    rows = np.stack([point, still])
    vectors = np.concatenate([axes_of(point), axes_of(still)], axis=2)
    out = np.zeros((3, 2))
    normal.kurtosis_scalars(rows[:, :6].copy(), rows[:, 6:].copy(), vectors, *tables(16, 32), out)
    wanted = kurtosis(rows[:1, :6], rows[:1, 6:])
    np.testing.assert_allclose(out[:, 0], [wanted[name].item() for name in ("mk", "ak", "rk")], rtol=1e-6)
    assert np.isnan(out[0, 1])
    assert np.isnan(out[2, 1])


def test_errors_of_kurtosis_follow_from_the_covariance():
    rng, point = np.random.default_rng(6), kurtotic()
    root = rng.standard_normal((22, 22)) * 0.01
    spread = root @ root.T

    def scalars(p):
        found = kurtosis(p[None, :6], p[None, 6:])
        return np.array([found[name].item() for name in ("mk", "ak", "rk", "mkt")])

    slopes = np.array([(scalars(point + step) - scalars(point - step)) / 2e-5 for step in 1e-5 * np.eye(21)])
    expected = np.sqrt(np.einsum("is,ij,js->s", slopes, spread[1:, 1:], slopes))
    out = np.zeros((4, 1))
    packed = spread[np.tril_indices(22)][None]
    normal.kurtosis_errors(point[None, :6], point[None, 6:], axes_of(point), *tables(16, 32), packed, out)
    np.testing.assert_allclose(out[:, 0], expected, rtol=1e-5)


def test_one_direction_has_its_ratio():
    point, n = kurtotic(), np.array([0.36, -0.48, 0.8])
    d = n @ matrix_of(point[None, :6])[0] @ n
    v = monomials(n[None], FOURTH)[0] @ point[6:]
    found = normal._along(point[None, :6], point[None, 6:], 0, *n)
    assert found == pytest.approx(v / d**2, rel=1e-13)
    assert np.isnan(normal._along(-point[None, :6], point[None, 6:], 0, *n))


@pytest.mark.parametrize("count", [7, kernels.L + 3])
def test_scalars_of_tensors_are_the_textbook(count):
    rng = np.random.default_rng(4)
    elements = rng.standard_normal((6, count)) + np.array([3, 3, 3, 0, 0, 0])[:, None]
    special = [[0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 2, 2, 0, 0, 0], [3, 1, 1, 0, 0, 1e-3], [np.nan] * 6]
    elements[:, :5] = np.array(special).T
    root = rng.standard_normal((count, 7, 7))
    spread = root @ np.swapaxes(root, 1, 2)
    packed = np.ascontiguousarray(spread[:, *np.tril_indices(7)].T)
    out, error, vectors = np.zeros((10, count)), np.zeros((4, count)), np.zeros((3, 3, count))
    with np.errstate(all="ignore"):
        kernels.tensor_scalars(elements, packed, out, error, vectors)
    finite = np.arange(count) != 4
    assert np.isnan(out[:4, 4]).all()
    matrices = matrix_of(elements.T[finite])
    values = np.linalg.eigvalsh(matrices)
    turned = np.einsum("rcs,srk,kds->scd", vectors[..., finite], matrices, vectors[..., finite])
    np.testing.assert_allclose(turned, values[:, :, None] * np.eye(3), atol=1e-13)
    np.testing.assert_allclose(out[:4, finite], textbook(elements)[:, finite], atol=1e-13)
    first = out[4:7, finite]
    assert (first[2] + 1e-6 * first[1] + 1e-12 * first[0] >= 0).all()
    np.testing.assert_allclose(out[7:, finite], np.abs(first) * out[1, finite], atol=1e-14)
    np.testing.assert_allclose(np.einsum("is,sij->js", first, matrices), first * values[:, 2], atol=1e-12)
    usual = slice(5, None)
    slopes = [
        (textbook(elements + 1e-6 * step) - textbook(elements - 1e-6 * step))[:, usual] / 2e-6
        for step in np.eye(6)[:, :, None]
    ]
    expected = np.sqrt(np.einsum("isv,vij,jsv->sv", slopes, spread[usual, 1:, 1:], slopes))
    np.testing.assert_allclose(error[:, usual], expected, rtol=1e-6)


def textbook(elements):
    """MD, FA, AD, RD of (6, voxel) tensors."""
    values = np.linalg.eigvalsh(np.nan_to_num(matrix_of(elements.T)))
    md, power = values.mean(axis=1), np.sum(values**2, axis=1)
    fa = np.sqrt(1.5 * np.sum((values - md[:, None]) ** 2, axis=1) / np.where(power > 0, power, 1))
    return np.stack([md, fa, values[:, 2], values[:, :2].mean(axis=1)])


def atoms_of(rng, images=12, nodes=9):
    te, t2 = np.arange(1, images + 1) * 0.01, np.geomspace(0.01, 0.3, nodes)
    return np.exp(-te[:, None] / t2), 0.001 * rng.normal(size=images)


def solved(a, y, penalty):
    """Return scipy's nonnegative solution with a penalty on its size."""
    whole = np.concatenate([a, np.sqrt(penalty) * np.eye(a.shape[1])])
    return nnls(whole, np.append(y, np.zeros(a.shape[1])))[0]


def room(nodes):
    return (
        np.zeros(nodes),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int8),
        np.zeros((nodes, nodes)),
        np.empty(nodes),
    )


def test_nonnegative_solutions_are_those_of_scipy():
    rng = np.random.default_rng(7)
    for penalty in (1e-4, 1e-2, 1.0):
        for _ in range(4):
            a, noise = atoms_of(rng)
            y = a @ np.where(rng.random(9) < 0.4, rng.random(9), 0) + noise
            x, chosen, inside, factor, trial = room(9)
            count = spectral.nonnegative(a.T @ a, a.T @ y, penalty, x, chosen, inside, factor, trial)
            wanted = solved(a, y, penalty)
            np.testing.assert_allclose(x, wanted, atol=1e-9)
            assert count == np.count_nonzero(wanted)
            assert sorted(chosen[:count]) == np.flatnonzero(wanted).tolist()
            assert np.flatnonzero(inside).tolist() == sorted(chosen[:count])  # what has left may come back
            left = np.sum((a @ x - y) ** 2)
            assert spectral.misfit(a.T @ a, a.T @ y, y @ y, x) == pytest.approx(left, rel=1e-9)
            used = a[:, wanted > 0]
            trace = np.trace(used @ np.linalg.inv(used.T @ used + penalty * np.eye(count)) @ used.T)
            assert spectral.freedom(a.T @ a, penalty, chosen, count, factor) == pytest.approx(trace, rel=1e-9)
            again = spectral.nonnegative(a.T @ a, a.T @ y, 2 * penalty, x, chosen, inside, factor, trial)
            np.testing.assert_allclose(x, solved(a, y, 2 * penalty), atol=1e-9)  # from where it was
            assert again == np.count_nonzero(x)


def test_columns_that_are_alike_count_once():
    a = np.array([[1.0, 1, 0], [2, 2, 0], [0, 0, 1]])
    y = np.array([1.0, 2, 3])
    x, chosen, inside, factor, trial = room(3)
    assert spectral.nonnegative(a.T @ a, a.T @ y, 0.0, x, chosen, inside, factor, trial) == 2
    np.testing.assert_allclose(a @ x, y, atol=1e-12)
    assert np.flatnonzero(inside).tolist() == sorted(chosen[:2])
    x, inside = np.array([0.5, 0.5, 0.0]), np.array([1, 1, 0], np.int8)  # from a neighbour that used both
    assert spectral.nonnegative(a.T @ a, a.T @ y, 0.0, x, chosen, inside, factor, trial) == 2
    np.testing.assert_allclose(x, [1.0, 0.0, 3.0], atol=1e-12)
    assert inside.tolist() == [1, 0, 1]
    assert spectral.freedom(a.T @ a, 0.0, chosen, 0, factor) == 0.0
    assert not spectral.cholesky(a.T @ a, 0.0, np.array([0, 1]), 2, factor)


PENALTIES = np.geomspace(1e-6, 1e2, 17)


@pytest.mark.parametrize(("rise", "end"), [(0.5, 0), (np.inf, -1)])
def test_the_search_for_a_penalty_covers_the_ladder_and_leaves_exact_data_alone(rise, end):
    """No misfit is below half of the least, all are below infinity: bisection ends 2^-15 of the ladder from its end."""
    a, noise = atoms_of(np.random.default_rng(9))
    data = np.stack([a @ np.linspace(0.1, 0.9, 9) + noise, np.zeros(12)])
    out, penalty, cost = np.zeros((2, 9)), np.full(2, -1.0), np.zeros(2)
    spectral.spectra(
        data, 0, 2, a[None], (a.T @ a)[None], spectral.CHI2, np.zeros(2, int), rise, PENALTIES, out, penalty, cost
    )
    assert abs(np.log(penalty[0] / PENALTIES[end])) <= 1.001 * np.log(PENALTIES[-1] / PENALTIES[0]) / 2**15
    assert penalty[1] == 0.0
    assert (out[1] == 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_the_corner_of_the_l_curve_is_where_it_bends_most(seed):
    rng = np.random.default_rng(seed)
    a, _ = atoms_of(rng)
    data = (a @ np.where(rng.random(9) < 0.4, rng.random(9), 0) + 10 ** rng.uniform(-4, -1) * rng.normal(size=12))[None]
    out, penalty, cost = np.zeros((1, 9)), np.zeros(1), np.zeros(1)
    whole = (a[None], (a.T @ a)[None], spectral.LCURVE, np.zeros(1, int), 1.0, PENALTIES, out, penalty, cost)
    spectral.spectra(data, 0, 1, *whole)
    x = [solved(a, data[0], mu) for mu in PENALTIES]
    logs = np.log([[np.sum((a @ one - data[0]) ** 2), one @ one] for one in x])
    first, second = (logs[2:] - logs[:-2]) / 2, logs[2:] - 2 * logs[1:-1] + logs[:-2]
    bent = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / np.sum(first**2, axis=1) ** 1.5
    assert penalty[0] == PENALTIES[1 + np.argmax(bent)]


@pytest.mark.parametrize("kind", [spectral.CHI2, spectral.GCV, spectral.LCURVE, spectral.NONE])
def test_the_penalty_is_chosen_as_it_is_said(kind):
    rng = np.random.default_rng(8)
    a, _ = atoms_of(rng)
    other, _ = atoms_of(rng)
    other = 0.9 * other**1.1
    atoms, gram = np.stack([a, other]), np.stack([a.T @ a, other.T @ other])
    truth = np.array([0, 0.2, 0, 0, 0, 0.7, 0.1, 0, 0])
    data = np.stack([a @ truth, a @ truth, other @ truth]) + 0.01 * rng.normal(size=(3, 12))
    out, penalty, cost = np.zeros((3, 9)), np.full(3, -1.0), np.full(3, -1.0)
    spectral.spectra(data, 1, 3, atoms, gram, kind, np.array([0, 0, 1]), 1.02, PENALTIES, out, penalty, cost)
    assert penalty[0] == -1.0
    for v, used in ((1, a), (2, other)):
        y = data[v]

        def left(mu, used=used, y=y):
            return np.sum((used @ solved(used, y, mu) - y) ** 2)

        if kind == spectral.NONE:
            assert penalty[v] == 0.0
        elif kind == spectral.CHI2:
            assert left(penalty[v]) == pytest.approx(1.02 * left(0.0), rel=1e-3)
        else:
            x = [solved(used, y, mu) for mu in PENALTIES]
            rest = np.array([left(mu) for mu in PENALTIES])
            if kind == spectral.GCV:
                free = [
                    np.trace(c @ np.linalg.inv(c.T @ c + mu * np.eye(c.shape[1])) @ c.T)
                    for mu, c in ((mu, used[:, one > 0]) for mu, one in zip(PENALTIES, x, strict=True))
                ]
                at = np.argmin(rest / (12 - np.array(free)) ** 2)
            else:
                logs = np.log(np.stack([rest, [one @ one for one in x]], axis=1))
                first, second = (logs[2:] - logs[:-2]) / 2, logs[2:] - 2 * logs[1:-1] + logs[:-2]
                bent = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / np.sum(first**2, axis=1) ** 1.5
                at = 1 + np.argmax(bent)
            assert penalty[v] == PENALTIES[at]
        np.testing.assert_allclose(out[v], solved(used, y, penalty[v]), atol=1e-6)
        assert cost[v] == pytest.approx(np.sum((used @ out[v] - y) ** 2), rel=1e-7)
