"""Statistics against published values, scipy, and definitions written out."""

import numpy as np
import pytest
from scipy import ndimage, stats

from mrsim.core.errors import InputError
from mrsim.evaluate.agreement import bland_altman, weighted_kappa
from mrsim.evaluate.equivalence import equivalence_p
from mrsim.evaluate.overlap import dice, eroded_dice, surface_distance
from mrsim.evaluate.roc import areas

# Peak expiratory flow by two meters, l/min: the example of Bland and Altman 1986.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_bland_altman_gives_the_published_limits():
    """Printed there: -2.1 l/min, SD 38.8, limits -79.7 and 75.5 (2 SD), s.e. 9.4 and 16.3 (as sqrt(3 s^2 / n))."""
    found = bland_altman(LARGE, MINI)
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert (found.low, found.high) == pytest.approx((-2.12 - 1.96 * 38.77, -2.12 + 1.96 * 38.77), abs=0.05)
    assert found.bias_error == pytest.approx(9.4, abs=0.05)
    assert found.limit_error == pytest.approx(16.3, abs=0.2)


def test_bland_altman_limit_error_is_that_of_many_repetitions():
    rng = np.random.default_rng(1)
    limits = [bland_altman(d, np.zeros(40)).high for d in rng.normal(0, 2, (4000, 40))]
    claimed = bland_altman(rng.normal(0, 2, 40), np.zeros(40))
    expected = claimed.limit_error * 2 / claimed.sd
    assert np.std(limits) == pytest.approx(expected, rel=0.05)  # 4000 repetitions: 1.1 % of one s.e.


def test_relative_agreement_of_a_constant_factor_is_that_factor():
    found = bland_altman(np.array([1.4, 2.8, 4.2]), np.array([1.0, 2.0, 3.0]), relative=True)
    assert found.bias == pytest.approx(0.4 / 1.2)
    assert found.sd == pytest.approx(0, abs=1e-12)


def table_of(rows):
    pairs = [(i, j) for i, row in enumerate(rows) for j, count in enumerate(row) for _ in range(count)]
    return np.array(pairs).T


def test_kappa_gives_the_published_value():
    """Fleiss, Levin, Paik, table 18.1: two readers, 100 cases; kappa 0.68."""
    first, second = table_of([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert weighted_kappa(first, second, "none") == pytest.approx((0.89 - 0.66) / 0.34, abs=1e-12)


def test_quadratic_kappa_of_equal_margins_is_the_correlation():
    """Fleiss and Cohen 1973: with equal margins it is the product-moment correlation of the scores."""
    first, second = table_of([[10, 4, 1], [4, 20, 6], [1, 6, 15]])
    assert weighted_kappa(first, second) == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_is_one_for_agreement_and_zero_on_average_for_chance(weights):
    grades = np.array([1, 2, 2, 5, 4])
    assert weighted_kappa(grades, grades, weights) == 1
    rng = np.random.default_rng(2)
    chance = [weighted_kappa(*rng.integers(1, 6, (2, 200)), weights) for _ in range(400)]
    assert abs(np.mean(chance)) < 3 * np.std(chance) / 20


def test_kappa_of_one_category_alone_is_not_a_number():
    assert np.isnan(weighted_kappa([2, 2], [2, 2]))


def test_area_is_that_of_mann_and_whitney_ties_included():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 8, 30) + 1.0, rng.integers(0, 8, 50)
    assert areas(x, y).values[0] == pytest.approx(stats.mannwhitneyu(x, y).statistic / 1500, abs=1e-14)


def test_covariance_of_areas_is_delongs_definition():
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 9, (2, 25)) + 2.0, rng.integers(0, 9, (2, 35))
    psi = np.where(x[:, :, None] > y[:, None], 1.0, np.where(x[:, :, None] == y[:, None], 0.5, 0.0))
    expected = np.cov(psi.mean(axis=2)) / 25 + np.cov(psi.mean(axis=1)) / 35
    np.testing.assert_allclose(areas(x, y).covariance, expected, atol=1e-15)


def test_error_of_a_difference_of_areas_is_that_of_many_repetitions():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(1500):
        shared = rng.normal(0, 1, 200)
        scores = np.stack([shared + rng.normal(0, 0.5, 200) for _ in range(2)])
        scores[:, :80] += 1.2
        found.append(areas(scores[:, :80], scores[:, 80:]).difference())
    difference, error = np.array(found).T
    assert np.std(difference) == pytest.approx(np.mean(error), rel=0.06)  # 1.8 % is one s.e.
    assert abs(difference.mean()) < 3 * np.std(difference) / np.sqrt(1500)


def test_equivalence_equals_two_t_tests_of_scipy():
    a = np.random.default_rng(6).normal(0.1, 1, 50)
    lower = stats.ttest_1samp(a, -0.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(a, 0.5, alternative="less").pvalue
    error = a.std(ddof=1) / np.sqrt(50)
    assert equivalence_p(a.mean(), error, 0.5, 49) == pytest.approx(max(lower, upper), rel=1e-10)


def test_equivalence_is_shown_when_the_90_per_cent_interval_lies_within():
    assert equivalence_p(0.01, 0.02 / 1.6448536, 0.03) == pytest.approx(0.05, abs=1e-6)
    assert equivalence_p(0.04, 0.001, 0.03) > 0.99
    assert (equivalence_p(0.01, 0.0, 0.03), equivalence_p(0.03, 0.0, 0.03)) == (0.0, 1.0)


def test_dice_of_a_shifted_cube_is_its_closed_form():
    cube = np.zeros((20, 20, 20), bool)
    cube[4:12, 4:12, 4:12] = True
    for shift in range(9):
        assert dice(cube, np.roll(cube, shift, axis=2)) == pytest.approx(1 - shift / 8)
    assert np.isnan(dice(cube & False, cube & False))


def test_dice_after_erosion_is_its_closed_form():
    rng = np.random.default_rng(7)
    blob = ndimage.gaussian_filter(rng.normal(size=(40, 40)), 4) > 0
    smaller = ndimage.binary_erosion(blob)
    assert dice(blob, smaller) == pytest.approx(eroded_dice(blob.sum(), blob.sum() - smaller.sum()), abs=1e-15)


def test_surface_distance_of_a_shifted_square_is_the_shift():
    square = np.zeros((30, 30), bool)
    square[8:18, 8:18] = True
    assert surface_distance(square, np.roll(square, 3, axis=1), (1e-3, 2e-3), 1.0) == pytest.approx(6e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bland_altman([1, 2], [1, 2]),
        lambda: bland_altman([1, 2, np.nan], [1, 2, 3]),
        lambda: weighted_kappa([1, 2.5], [1, 2]),
        lambda: weighted_kappa([1, 2], [1, 2], "cubic"),
        lambda: areas([1.0], [2.0, 3.0]),
        lambda: equivalence_p(0, 1, 0),
        lambda: dice(np.ones(3, bool), np.ones(4, bool)),
        lambda: surface_distance(np.zeros(3, bool), np.ones(3, bool), (1.0,)),
        lambda: eroded_dice(3, 4),
    ],
)
def test_impossible_statistics_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()
