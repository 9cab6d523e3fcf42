"""Kernels of tabulated signals (echo trains, dictionaries), line by line, against numpy and scipy."""

import numpy as np
import pytest
from scipy.interpolate import BSpline
from scipy.optimize import least_squares

from mrsim.fit._kernels import tabulated
from mrsim.fit.tabulated import Axis, Scan, tabulate


def atoms(scan, points):
    """Decays with a stimulated part: smooth in both axes, with a bend in `b1` about 1."""
    te = scan.contrast["te"][:, None]
    return np.exp(-te / points["t2"]) * (1 - 0.4 * (1 - points["b1"]) ** 2) + 0.1 * (1 - points["b1"]) ** 2 * te / 0.1


AXES = (
    Axis(name="t2", lower=0.02, upper=0.2, count=12, logarithmic=True),
    Axis(name="b1", lower=0.7, upper=1.3, count=9, logarithmic=False),
)  # fmt: skip
SCAN = Scan(contrast={"te": np.arange(1, 9) * 0.012}, options={}, sheet={})


@pytest.fixture(scope="module")
def table():
    return tabulate(atoms, AXES, SCAN, np.ones(8))


def test_sheet_is_the_spline_with_its_slopes_and_bends(table):
    coefficient, pieces = table.coefficient, table.pieces
    n0, n1, _, size = coefficient.shape
    knots = [np.concatenate([[0] * 6, np.arange(3, n - 3), [n - 1] * 6]).astype(float) for n in (n0, n1)]
    basis, out = np.zeros((3, 3, 6)), np.full((5, size), 7.0)
    for u in ((0.0, 0.0), (2.5, 4.2), (3.0, 3.7), (10.99, 7.5), (11.0, 8.0), (5.4, 6.0)):

        def spline(a, b, u=u):
            rows = [BSpline(k, np.eye(n), 5)(x, nu=order) for k, n, x, order in
                    zip(knots, (n0, n1), u, (a, b), strict=True)]  # fmt: skip
            return np.einsum("i,j,ijk->k", *rows, coefficient[:, :, 0])

        for curved, order in ((-1, None), (0, (2, 0)), (1, (0, 2))):
            tabulated.sheet(coefficient, pieces, np.array([*u, 0.0]), curved, basis, out)
            wanted = [spline(0, 0), spline(1, 0), spline(0, 1), np.zeros(size)]
            wanted.append(spline(*order) if order else np.zeros(size))
            np.testing.assert_allclose(out, wanted, atol=2e-10)
    many = np.zeros((2, 5, size))
    tabulated.evaluate(coefficient, pieces, np.array([[2.5, 1.0], [4.2, 3.0], [0, 0]]), many)
    tabulated.sheet(coefficient, pieces, np.array([1.0, 3.0, 0.0]), -1, basis, out)
    np.testing.assert_allclose(many[1, :4], out[:4], atol=1e-12)


def test_sheet_over_three_axes_is_the_product_of_splines(table):
    counts, size = (12, 9, 9), 3
    pieces = (table.pieces[0], table.pieces[1], table.pieces[1])
    coefficient = np.random.default_rng(4).normal(size=(*counts, size))
    knots = [np.concatenate([[0] * 6, np.arange(3, n - 3), [n - 1] * 6]).astype(float) for n in counts]
    for u in ((2.5, 4.2, 6.1), (0.0, 8.0, 0.0), (10.2, 0.3, 8.0)):

        def spline(*orders, u=u):
            rows = [BSpline(k, np.eye(n), 5)(x, nu=order) for k, n, x, order in
                    zip(knots, counts, u, orders, strict=True)]  # fmt: skip
            return np.einsum("i,j,l,ijlk->k", *rows, coefficient)

        for curved, order in ((-1, None), (0, (2, 0, 0)), (1, (0, 2, 0)), (2, (0, 0, 2))):
            out = np.full((5, size), 7.0)
            tabulated.sheet(coefficient, pieces, np.array(u), curved, np.zeros((3, 3, 6)), out)
            wanted = [spline(0, 0, 0), spline(1, 0, 0), spline(0, 1, 0), spline(0, 0, 1)]
            wanted.append(spline(*order) if order else np.zeros(size))
            np.testing.assert_allclose(out, wanted, atol=1e-9)


@pytest.mark.parametrize("curved", [-1, 0, 2])
@pytest.mark.parametrize("bend", [-0.85, -0.95, 0.5])
def test_normal_equations_are_the_hessian_unless_the_bend_outweighs_them(curved, bend):
    rng, free = np.random.default_rng(5), np.array([0, 2])
    data, point, m = rng.normal(size=6), rng.normal(size=(5, 6)), 1.7
    residual = m * point[0] - data
    if curved >= 0:  # so that the bend is that share of the square of the slope
        slopes = m**2 * point[1 + curved] @ point[1 + curved]
        point[4] *= bend * slopes / (m * point[4] @ residual)
    matrix, gradient = np.zeros((4, 4)), np.zeros(4)
    cost = tabulated.normal(data, m, point, free, curved, matrix, gradient)
    slopes = np.stack([point[0], m * point[1], m * point[3]])
    wanted = slopes @ slopes.T
    if curved >= 0 and bend > -0.9:
        row = 1 + free.tolist().index(curved)
        wanted[row, row] += m * point[4] @ residual
        wanted[row, 0] += point[1 + curved] @ residual
    assert cost == pytest.approx(residual @ residual, rel=1e-13)
    np.testing.assert_allclose(gradient[:3], slopes @ residual, rtol=1e-12)
    np.testing.assert_allclose(matrix[:3, :3][np.tril_indices(3)], wanted[np.tril_indices(3)], rtol=1e-12)


def test_rows_that_are_held_are_left_out_of_the_damped_system():
    rng = np.random.default_rng(6)
    root = rng.normal(size=(4, 5))
    matrix, active, right = root @ root.T, np.array([True, False, True, True]), rng.normal(size=4)
    right[1] = 0.0  # as `press` writes it
    factor, x = np.zeros((4, 4)), right.copy()
    assert tabulated.factorize(matrix, 4, 0.3, active, factor)
    tabulated.substitute(factor, 4, x)
    kept = np.flatnonzero(active)
    wanted = np.zeros(4)
    wanted[kept] = np.linalg.solve((matrix + 0.3 * np.diag(np.diag(matrix)))[np.ix_(kept, kept)], right[kept])
    np.testing.assert_allclose(x, wanted, rtol=1e-10)
    assert factor[1, 1] == 1.0  # neither damped nor scaled
    matrix[3] = matrix[:, 3] = 0.0
    assert not tabulated.factorize(matrix, 4, 0.3, active, factor)


def solved(table, data, u, held, free, curved, limit=60, status=None):
    voxels = len(data)
    u, status = np.array(u, float), np.zeros(voxels, np.int8) if status is None else np.array(status, np.int8)
    amplitude, errors, cost, rounds = (
        np.full(voxels, 7.0),
        np.full((voxels, 4), 7.0),
        np.zeros(voxels),
        np.zeros(voxels, int),
    )
    top = np.array([11.0, 8.0, 0.0])
    tabulated.solve(
        data, 0, voxels, table.coefficient, table.pieces, top, table.direction, table.place, np.array(held, float),
        np.array(free), curved, limit, u, amplitude, errors, status, cost, rounds,
    )  # fmt: skip
    return u, amplitude, errors, status, cost, rounds


@pytest.mark.parametrize("held", [False, True])
def test_tabulated_fits_reach_the_optimum_with_its_errors(table, held):
    rng = np.random.default_rng(8)
    truth = {"t2": np.array([0.05, 0.09, 0.03]), "b1": np.array([0.85, 0.8, 1.2])}
    level = np.array([2.0, 1.0, 3.0])
    signal = (level * atoms(SCAN, truth)).T + 0.002 * rng.normal(size=(3, 8))
    data = signal @ table.basis.T
    start = np.zeros((3, 3))
    if held:
        start[:, 1] = AXES[1].node(truth["b1"])
    free = [0] if held else [0, 1]
    u, amplitude, errors, status, cost, rounds = solved(
        table, data, start, [0, 0.5 + 1e-6 if held else 0, 0], free, -1 if held else 1, status=[0, 0, 0]
    )  # fmt: skip
    assert status.tolist() == [0, 0, 0]
    for v in range(3):

        def point(q, v=v):
            x = np.array([q[1], u[v, 1] if held else q[2], 0.0])
            out = np.zeros((5, data.shape[1]))
            tabulated.sheet(table.coefficient, table.pieces, x, -1, np.zeros((3, 3, 6)), out)
            return q[0] * out[0] - data[v]

        begin = [amplitude[v], u[v, 0]] + ([] if held else [u[v, 1]])
        best = least_squares(point, begin, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        assert cost[v] == pytest.approx(2 * best.cost, rel=1e-5)
        np.testing.assert_allclose(begin, best.x, rtol=3e-3)
        spread = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))
        np.testing.assert_allclose(errors[v, [0, *(1 + k for k in free)]], spread, rtol=0.02)
        assert (errors[v, [1 + k for k in range(3) if k not in free]] == 7).all()
        if held:
            assert u[v, 1] == start[v, 1]
    assert (rounds > 1).all()
    assert (rounds < 30).all()


def test_tabulated_fits_at_bounds_and_what_is_left_alone(table):
    fast, late = (np.exp(-SCAN.contrast["te"] / t2)[:, None] for t2 in (0.008, 0.8))
    data = np.concatenate([fast, late, -late, late], axis=1).T @ table.basis.T
    u, amplitude, errors, status, _, rounds = solved(
        table, data, np.zeros((4, 3)), [0, 0, 0], [0, 1], 1, status=[0, 0, 0, 4]
    )
    assert status.tolist() == [3, 3, 5, 4]  # without an amplitude the axes mean nothing
    assert u[:2, 0].tolist() == [0.0, 11.0]
    assert amplitude[2] == 0.0
    assert (errors[:2, 1] == 7).all()  # no error on a bound
    assert (amplitude[3], rounds[3]) == (7.0, 0)
    inside = atoms(SCAN, {"t2": np.array([0.06]), "b1": np.array([0.85])}).T @ table.basis.T
    at = np.array([[0.0, AXES[1].node(0.85), 0.0]])
    *_, status, _, _ = solved(table, inside, at, [0, 0.6, 0], [0], -1, limit=1)
    assert status.tolist() == [2]


def test_the_first_guess_is_the_nearest_direction_among_those_allowed(table):
    guesses = table.direction.shape[1]
    score, data = np.zeros(guesses, np.float32), table.direction[:, 7].astype(float)
    for held in ([0, 0, 0], [0, 0.6, 0]):
        x = np.array([5.0, 2.2, 0.0])
        tabulated.nearest(data, table.direction, table.place, np.array(held, float), score, x)
        allowed = np.abs(table.place[:, 1] - 2.2) <= 0.6 if held[1] else np.ones(guesses, bool)
        best = np.argmax(np.where(allowed, data @ table.direction, -np.inf))
        wanted = [table.place[best, 0], 2.2 if held[1] else table.place[best, 1], 0.0]
        np.testing.assert_allclose(x, wanted)
    x = np.array([5.0, 99.0, 0.0])
    tabulated.nearest(data, table.direction, table.place, np.array([0, 0.1, 0]), score, x)
    assert x.tolist() == [5.0, 99.0, 0.0]  # no guess is near
