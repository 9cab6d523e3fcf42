"""The batched solver against scipy, linear regression and its own status codes."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from mrsim.fit._kernels import levenberg_marquardt as kernel
from mrsim.fit.compiled import kernels
from mrsim.fit.models import find_model
from mrsim.fit.signal import jacobian, signal
from mrsim.fit.solve import solve

TE = np.arange(1, 17) * 0.01
DECAY = find_model("t2-offset")


def _noisy(voxels, sigma, seed=11):
    rng = np.random.default_rng(seed)
    truth = {
        "m0": rng.uniform(0.5, 1.0, voxels),
        "t2": rng.uniform(0.03, 0.12, voxels),
        "offset": rng.uniform(0.02, 0.1, voxels),
    }
    clean = signal(DECAY, truth, {"te": TE})
    return np.array(list(truth.values())), clean + rng.normal(0, sigma, clean.shape)


def _scipy_fit(data, start, lower=(0, 1e-4, -np.inf), upper=(np.inf, 10, np.inf)):
    """Return scipy's optimum of the decay with offset: trust region, then Gauss-Newton to the last digit."""

    def residual(p):
        return p[0] * np.exp(-TE / p[1]) + p[2] - data

    def derivative(p):
        e = np.exp(-TE / p[1])
        return np.stack([e, p[0] * TE / p[1] ** 2 * e, np.ones_like(e)], axis=1)

    return least_squares(
        residual, start, jac=derivative, bounds=(lower, upper), x_scale="jac", xtol=3e-16, ftol=3e-16, gtol=3e-16,
        max_nfev=1000,
    )  # fmt: skip


def test_exponential_is_exact_to_rounding():
    # one unit in the last place is 2.2e-16 relative; Horner's rounding adds another
    x = np.concatenate([np.linspace(-700, 700, 3001), np.linspace(-1, 1, 501)])
    for function in (kernel.exponential, kernel.exponential.py_func):
        with np.errstate(over="ignore"):
            value = np.array([function(v) for v in x])
        assert np.max(np.abs(value / np.exp(x) - 1)) < 6e-16


def test_exponential_saturates_and_keeps_nan():
    assert kernel.exponential(-1e6) < 1e-307
    assert np.isfinite(kernel.exponential(1e6))
    assert np.isnan(kernel.exponential(np.nan))


def test_solver_reaches_the_optimum_of_scipy():
    # both minimise the same cost. A minimum is defined by its gradient only to sqrt(eps) of the cost, so
    # parameters agree to 1e-6 of their value, offsets (that may be near zero) to 1e-6 of the amplitude
    truth, data = _noisy(120, 0.01)
    found = solve(DECAY, {"te": TE}, data)
    for v in range(data.shape[1]):
        reference = _scipy_fit(data[:, v], truth[:, v])
        assert found.values[:2, v] == pytest.approx(reference.x[:2], rel=1e-6)
        assert found.values[2, v] == pytest.approx(reference.x[2], abs=1e-6 * reference.x[0])
        assert found.cost[v] <= 2 * reference.cost * (1 + 1e-9)


def test_solver_on_a_bound_reaches_the_bounded_optimum_of_scipy():
    # amplitudes that want to be negative are held at zero only where that is the constrained minimum
    rising = find_model("t2-mono")
    data = np.stack([1 + 3 * TE, np.ones_like(TE)], axis=1)
    found = solve(rising, {"te": TE}, data)
    assert (found.status == 3).all()
    assert found.values[1] == pytest.approx([10.0, 10.0])
    best = [np.sum(y * np.exp(-TE / 10)) / np.sum(np.exp(-TE / 5)) for y in data.T]
    assert found.values[0] == pytest.approx(best, rel=1e-9)
    assert np.isnan(found.unit_errors[1]).all()


def test_solver_standard_errors_are_the_inverse_normal_matrix():
    # numpy's inverse of J^T J at the optimum; its condition number of 1e5 leaves 1e-9
    _, data = _noisy(20, 0.01)
    found = solve(DECAY, {"te": TE}, data)
    for v in range(20):
        point = dict(zip(("m0", "t2", "offset"), found.values[:, v], strict=True))
        j = jacobian(DECAY, point, {"te": TE})
        assert found.unit_errors[:, v] == pytest.approx(np.sqrt(np.diag(np.linalg.inv(j @ j.T))), rel=1e-6)


def test_solver_pulls_have_unit_variance():
    # (fit - truth) / standard error over 20000 voxels: sd 1 +- 3/sqrt(2 * 20000) from the sample size, plus
    # 0.5 % for the curvature of the model at this noise
    truth, data = _noisy(20000, 0.003)
    found = solve(DECAY, {"te": TE}, data)
    pulls = (found.values - truth) / (found.unit_errors * 0.003)
    assert np.std(pulls, axis=1) == pytest.approx(np.ones(3), abs=0.015 + 0.005)


def test_solver_weights_act_like_repeated_images():
    # an image of weight 3 is three equal images of weight 1
    _, data = _noisy(50, 0.01)
    weight = np.ones(16)
    weight[2] = 3.0
    weighted = solve(DECAY, {"te": TE}, data, weight=weight)
    repeated = solve(DECAY, {"te": np.append(TE, TE[[2, 2]])}, np.concatenate([data, data[[2, 2]]]))
    assert weighted.values == pytest.approx(repeated.values, rel=1e-6)
    assert weighted.unit_errors == pytest.approx(repeated.unit_errors, rel=1e-6)
    assert weighted.cost == pytest.approx(repeated.cost, rel=1e-9)


def test_solver_is_bit_identical_for_any_threads_and_neighbours():
    _, data = _noisy(5000, 0.05)
    one, two = (solve(DECAY, {"te": TE}, data, threads=threads) for threads in (1, 2))
    alone = solve(DECAY, {"te": TE}, data[:, 2048:4096], threads=1)
    for name in ("values", "unit_errors", "status", "cost", "rounds"):
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True)
        assert np.array_equal(getattr(one, name)[..., 2048:4096], getattr(alone, name), equal_nan=True)


def test_solver_scales_with_the_data():
    # the decay is homogeneous in m0 and offset: data times 1e6 (exactly: a power of two) change nothing else
    _, data = _noisy(50, 0.01)
    one, big = solve(DECAY, {"te": TE}, data), solve(DECAY, {"te": TE}, data * 2.0**20)
    assert np.array_equal(one.values[1], big.values[1])
    assert np.array_equal(one.values[[0, 2]] * 2.0**20, big.values[[0, 2]])


def test_solver_reports_a_status_for_every_bad_voxel():
    truth, data = _noisy(6, 0.001)
    data[:, 0] = 0.0
    data[3, 1] = np.nan
    data[3, 2] = np.inf
    data[:, 3] *= 1e-6
    floor = np.full(6, 1e-3)
    found = solve(DECAY, {"te": TE}, data, floor=floor)
    assert found.status.tolist() == [1, 4, 4, 1, 0, 0]
    assert np.isnan(found.values[:, :4]).all()
    assert found.values[1, 4:] == pytest.approx(truth[1, 4:], rel=0.05)


def test_solver_calls_inseparable_parameters_singular():
    # constant data hold no T2: amplitude and offset cannot be told apart, at any T2
    found = solve(DECAY, {"te": np.repeat(TE[:1], 16)}, np.ones((16, 1)))
    assert found.status.tolist() == [5]


def test_line_module_is_linear_regression():
    # the solver's source file is itself a module whose model is y = a + b x: numpy's polyfit is the answer
    rng = np.random.default_rng(5)
    x, y = np.linspace(-1, 1, 9), rng.normal(size=(9, 40))
    table, weight = kernel.tabulate({"x": x}, {}), np.ones(9)
    infinite, voxels = np.full(2, np.inf), 40
    for solver in (kernel.solve, kernel.solve.py_func):
        values, errors = np.zeros((2, voxels)), np.empty((2, voxels))
        status, cost, rounds = np.zeros(voxels, np.int8), np.empty(voxels), np.zeros(voxels, np.int64)
        fixed = (table, weight, -infinite, infinite, np.ones(2), np.zeros((0, voxels)), 50, np.abs(y).max(axis=0))
        solver(y, 0, voxels, *fixed, values, errors, status, cost, rounds)
        slope_first, covariance = np.polyfit(x, y, 1), np.linalg.inv(np.stack([[9, x.sum()], [x.sum(), x @ x]]))
        assert values[::-1] == pytest.approx(slope_first, rel=1e-9, abs=1e-12)
        assert errors[:, 0] == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-12)
        assert cost == pytest.approx(np.sum((y - values[0] - np.outer(x, values[1])) ** 2, axis=0), rel=1e-9)


def test_accumulate_equals_its_numpy_twin():
    # sums of 16 products in another order: 1e-13; run compiled and as plain Python
    module = kernels(DECAY)
    rng = np.random.default_rng(2)
    lanes, n = module.LANES, 16
    point = np.stack([rng.uniform(0.5, 1, lanes), rng.uniform(0.03, 0.1, lanes), rng.uniform(0, 0.1, lanes)])
    data, weight = rng.normal(size=(n, lanes)), rng.uniform(0.5, 2, n)
    e = np.exp(-TE[:, None] / point[1])
    j = np.stack([e, point[0] * TE[:, None] / point[1] ** 2 * e, np.ones_like(e)])
    r = point[0] * e + point[2] - data
    for function in (module.accumulate, module.accumulate.py_func):
        work = np.ones((module.ROWS, lanes))
        work[:3] = point
        flat = work.ravel()
        function(module.tabulate({"te": TE}, {}), weight, np.ascontiguousarray(data).ravel(), flat)
        work = flat.reshape(module.ROWS, lanes)
        assert work[module.COST] == pytest.approx(np.einsum("i,il,il->l", weight, r, r), rel=1e-13)
        gradient = np.einsum("i,kil,il->kl", weight, j, r)
        assert work[module.GRADIENT : module.GRADIENT + 3] == pytest.approx(gradient, rel=1e-11, abs=1e-11)
        normal = np.einsum("i,ail,bil->abl", weight, j, j)[np.tril_indices(3)]
        assert work[module.NORMAL : module.NORMAL + 6] == pytest.approx(normal, rel=1e-12)
