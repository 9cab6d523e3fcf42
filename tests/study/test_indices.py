"""Indices of sensitivity against functions whose indices are known in closed form."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.study.indices import elementary_effects, sobol_by_polynomials, sobol_direct

A, B = 7.0, 0.1
V1, V2, V13 = 0.5 * (1 + B * np.pi**4 / 5) ** 2, A**2 / 8, B**2 * np.pi**8 * (1 / 18 - 1 / 50)
FIRST = np.array([V1, V2, 0.0]) / (V1 + V2 + V13)
TOTAL = np.array([V1 + V13, V2, V13]) / (V1 + V2 + V13)
BOUNDS = ("x1", "x2", "x3"), np.full(3, -np.pi), np.full(3, np.pi)


def ishigami(x):
    return np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_closed_form_of_ishigami_is_the_published_one():
    assert pytest.approx([0.3139, 0.4424, 0.0], abs=1e-4) == FIRST
    assert pytest.approx([0.5576, 0.4424, 0.2437], abs=1e-4) == TOTAL


def test_direct_indices_of_ishigami():
    found = sobol_direct(ishigami, *BOUNDS, 4096)
    assert found.runs == 4096 * 5
    assert found.first == pytest.approx(FIRST, abs=0.02)
    assert found.total == pytest.approx(TOTAL, abs=0.02)
    assert np.all(np.abs(found.total - TOTAL) < 2 * found.total_error)
    assert found.ranking == (0, 1, 2)
    assert found.mean == pytest.approx(A / 2, rel=0.01)
    assert found.sd**2 == pytest.approx(V1 + V2 + V13, rel=0.02)


def test_indices_by_polynomials_of_ishigami_need_few_runs():
    found = sobol_by_polynomials(ishigami, *BOUNDS, 512)
    assert found.first == pytest.approx(FIRST, abs=0.01)
    assert found.total == pytest.approx(TOTAL, abs=0.01)
    assert found.unexplained < 0.02
    coarse = sobol_by_polynomials(ishigami, *BOUNDS, 32)
    assert coarse.unexplained > 0.2  # and says that it does not know


def test_polynomials_are_exact_where_the_function_is_one():
    found = sobol_by_polynomials(lambda x: 3 * x[:, 0] + x[:, 1] * x[:, 2], ("a", "b", "c"), np.full(3, -1.0),
                                 np.ones(3), 24)  # fmt: skip
    whole = 9 / 3 + 1 / 9
    assert found.first == pytest.approx([3 / whole, 0, 0], abs=1e-9)
    assert found.total == pytest.approx([3 / whole, 1 / 9 / whole, 1 / 9 / whole], abs=1e-9)
    assert found.unexplained < 1e-12


def test_effects_of_a_line_are_its_slopes_and_of_a_product_spread():
    low, high = np.array([0.0, -1.0, 2.0]), np.array([2.0, 1.0, 3.0])
    found = elementary_effects(lambda x: 4 * x[:, 0] - x[:, 1], ("a", "b", "c"), low, high, 6)
    assert found.mean == pytest.approx([8, -2, 0])
    assert found.size == pytest.approx([8, 2, 0])
    assert found.spread == pytest.approx([0, 0, 0], abs=1e-9)
    assert found.runs == 24
    crossed = elementary_effects(lambda x: x[:, 0] * x[:, 1], ("a", "b", "c"), low, high, 20)
    assert crossed.spread[0] > 0.3
    assert abs(crossed.mean[0]) < crossed.size[0]
    assert found.ranking == (0, 1, 2)


def test_a_constant_has_no_indices():
    assert sobol_by_polynomials(lambda x: np.ones(len(x)), *BOUNDS, 16).total == pytest.approx([0, 0, 0])


@pytest.mark.parametrize(("call", "said"), [
    (lambda: sobol_direct(ishigami, *BOUNDS, 100), "power of two"),
    (lambda: sobol_by_polynomials(ishigami, *BOUNDS, 4), "need at least 6"),
    (lambda: elementary_effects(ishigami, *BOUNDS, 1), "two walks"),
    (lambda: sobol_direct(ishigami, ("x",), np.ones(1), np.ones(1), 8), "lowest and one higher"),
    (lambda: sobol_by_polynomials(lambda x: np.log(x[:, 0]), *BOUNDS, 16), "gave no number, the first at x1 = -"),
])  # fmt: skip
def test_indices_that_cannot_be_had_say_why(call, said):
    with np.errstate(invalid="ignore"), pytest.raises(InputError, match=said):
        call()
