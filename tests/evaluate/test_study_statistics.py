"""Power, exact tests and reliability against scipy, published values and simulated studies."""

import math

import numpy as np
import pytest
from scipy import stats

from mrsim.core.errors import InputError
from mrsim.evaluate.agreement import kappa_error, weighted_kappa
from mrsim.evaluate.exact import fisher_p, of_categories, rank_sum_p
from mrsim.evaluate.group_design import GroupDesign, binormal_error
from mrsim.evaluate.power import power_of_means, power_of_pairs, power_of_proportions, size_of_proportions, smallest
from mrsim.evaluate.reliability import reliability
from mrsim.evaluate.roc import areas

# A trial of two treatments of the spine, 38 and 39 patients: complications of each, and MacNab's four outcomes.
COMPLICATIONS = {"residual pain": (1, 7), "recurrent pain": (3, 11), "relapse": (4, 3)}
OUTCOMES = (30, 5, 3, 0), (25, 9, 5, 0)


@pytest.mark.parametrize(
    ("what", "one", "two"),
    [("residual pain", 0.0307, 0.056), ("recurrent pain", 0.0205, 0.036), ("relapse", 0.485, 0.711)],
)
def test_fisher_gives_the_trial_p_values(what, one, two):
    a, c = COMPLICATIONS[what]
    table = [[a, 38 - a], [c, 39 - c]]
    one_sided = min(fisher_p(table, "less"), fisher_p(table, "greater"))
    assert one_sided == pytest.approx(one, abs=0.6e-3 if one > 0.1 else 0.6e-4)
    assert fisher_p(table) == pytest.approx(two, abs=0.6e-3)


def test_fisher_equals_scipy_over_random_tables():
    rng = np.random.default_rng(1)
    for table in rng.integers(0, 25, (60, 2, 2)):
        if not table.sum():
            continue
        for side in ("two-sided", "less", "greater"):
            assert fisher_p(table.tolist(), side) == pytest.approx(
                stats.fisher_exact(table, side).pvalue, rel=1e-9, abs=1e-14
            )


def test_mann_whitney_gives_the_trial_p_value():
    """With the correction for continuity 0.163; without it 0.161, which is what the trial printed."""
    groups = [of_categories(counts) for counts in OUTCOMES]
    assert rank_sum_p(*groups) == pytest.approx(0.163, abs=0.6e-3)
    assert rank_sum_p(*groups, continuity=False) == pytest.approx(0.161, abs=0.6e-3)


def test_mann_whitney_without_ties_counts_orders():
    """Three below four: one of C(7, 3) = 35 orders, two of them as extreme."""
    assert rank_sum_p([1, 2, 3], [4, 5, 6, 7]) == pytest.approx(2 / 35, abs=1e-12)
    assert rank_sum_p([1, 2, 3], [4, 5, 6, 7], "less") == pytest.approx(1 / 35, abs=1e-12)


@pytest.mark.parametrize(
    ("variance", "continuity", "size"), [("unpooled", False, 31.1), ("pooled", False, 34.2), ("unpooled", True, 36.3)]
)
def test_sample_size_of_the_trial_lies_in_its_bracket(variance, continuity, size):
    """43 % against 80 %, two-sided 0.05, power 90 %; the trial took 33, between the first two formulas."""
    kind = {"variance": variance, "continuity": continuity}
    found = size_of_proportions(0.43, 0.80, 0.90, **kind)
    assert found == pytest.approx(size, abs=0.06)
    assert power_of_proportions(0.43, 0.80, found, **kind) == pytest.approx(0.90, abs=1e-9)


def test_power_of_means_gives_published_sizes():
    """Cohen's small, medium and large effects at power 0.80: 394, 64, 26 per group (G*Power)."""
    for d, n in ((0.2, 394), (0.5, 64), (0.8, 26)):
        assert smallest(lambda m, d=d: power_of_means(d, 1.0, m), 0.80) == n


def test_power_of_pairs_is_that_of_simulated_t_tests():
    rng = np.random.default_rng(2)
    p = stats.ttest_1samp(rng.normal(0.6, 1.0, (20_000, 15)), 0.0, axis=1).pvalue
    expected = power_of_pairs(0.6, 1.0, 15)
    assert np.mean(p < 0.05) == pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / 20_000))


def clustered(design, replicates, rng):
    """Return measured discs (replicate, group, patient, disc), written out."""
    shape = (replicates, 2, design.patients, design.discs)
    value = np.array([design.difference, 0.0])[:, None, None] + design.patient_sd * rng.normal(size=(*shape[:3], 1))
    return value + math.hypot(design.disc_sd, design.error_sd) * rng.normal(size=shape)


DESIGN = GroupDesign(difference=8.0, disc_sd=8.0, patients=12, discs=3, patient_sd=5.0, error_sd=4.0)


def test_clustered_power_is_that_of_simulated_studies():
    y = clustered(DESIGN, 20_000, np.random.default_rng(3)).mean(axis=3)
    p = stats.ttest_ind(y[:, 0], y[:, 1], axis=1).pvalue
    expected = DESIGN.power()
    assert 0.3 < expected < 0.95
    assert np.mean(p < 0.05) == pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / 20_000))


def test_ignoring_clusters_claims_too_much_power():
    """All discs taken as patients of their own: the false alarms of such a t-test exceed their 5 %."""
    null = GroupDesign(difference=0.0, disc_sd=4.0, patients=12, discs=5, patient_sd=6.0)
    y = clustered(null, 4_000, np.random.default_rng(4)).reshape(4_000, 2, -1)
    assert np.mean(stats.ttest_ind(y[:, 0], y[:, 1], axis=1).pvalue < 0.05) > 0.2
    assert null.power() == pytest.approx(0.05, abs=1e-9)


def test_area_of_a_design_and_its_error_are_those_of_simulated_studies():
    """The clustering inflation is an approximation of first order: 10 % of the standard error."""
    y = clustered(DESIGN, 1_500, np.random.default_rng(5)).reshape(1_500, 2, -1)
    found = np.array([areas(a, b).values[0] for a, b in y])
    assert found.mean() == pytest.approx(DESIGN.area, abs=4 * found.std() / math.sqrt(1_500))
    assert found.std() == pytest.approx(DESIGN.area_error, rel=0.10)


def test_binormal_error_without_separation_is_that_of_ranks():
    """At area 1/2 the variance of U/(mn) is (m + n + 1) / (12 m n): published constants agree to 1 %."""
    m, n = 400, 300
    assert binormal_error(0.5, m, n) == pytest.approx(math.sqrt((m + n + 1) / (12 * m * n)), rel=0.03)


def test_patients_for_is_the_least_that_suffices():
    n = DESIGN.patients_for(0.9)
    sizes = {k: GroupDesign(difference=8.0, disc_sd=8.0, patients=k, discs=3, patient_sd=5.0, error_sd=4.0).power()
             for k in (n - 1, n)}  # fmt: skip
    assert sizes[n - 1] < 0.9 <= sizes[n]


# Shrout and Fleiss 1979, table 2: six subjects, four judges.
RATED = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


@pytest.mark.parametrize(
    ("raters", "single", "mean"), [("one-way", 0.17, 0.44), ("random", 0.29, 0.62), ("fixed", 0.71, 0.91)]
)
def test_reliability_gives_the_published_correlations(raters, single, mean):
    assert reliability(RATED, raters).icc == pytest.approx(single, abs=0.005)
    assert reliability(RATED, raters, averaged=True).icc == pytest.approx(mean, abs=0.005)


@pytest.mark.parametrize(
    ("raters", "low", "high"), [("one-way", -0.133, 0.723), ("random", 0.019, 0.761), ("fixed", 0.342, 0.946)]
)
def test_reliability_gives_the_known_intervals(raters, low, high):
    """As R's psych::ICC and irr::icc print them for these data."""
    found = reliability(RATED, raters)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


def test_reliability_recovers_its_variances():
    rng = np.random.default_rng(6)
    table = rng.normal(0, 3, (4000, 1)) + rng.normal(0, 1.5, (4000, 3))
    found = reliability(table)
    assert found.icc == pytest.approx(9 / (9 + 2.25), abs=0.01)
    assert found.error == pytest.approx(1.5, rel=0.03)
    assert found.detectable == pytest.approx(1.96 * math.sqrt(2) * found.error)


def test_kappa_error_gives_the_published_value():
    """Fleiss, Levin, Paik, section 18.1: kappa 0.68 with a standard error of 0.087."""
    rows = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
    first, second = np.array([(i, j) for i, r in enumerate(rows) for j, n in enumerate(r) for _ in range(n)]).T
    assert kappa_error(first, second, "none") == pytest.approx(0.087, abs=0.001)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_kappa_error_is_the_spread_of_resampled_readers(weights):
    rng = np.random.default_rng(7)
    truth = rng.integers(1, 6, 300)
    first, second = (np.clip(truth + rng.integers(-1, 2, 300), 1, 5) for _ in range(2))
    drawn = [weighted_kappa(first[pick], second[pick], weights) for pick in rng.integers(0, 300, (600, 300))]
    assert kappa_error(first, second, weights) == pytest.approx(np.std(drawn), rel=0.12)  # 600 draws: 3 %


def test_delong_tells_two_scores_apart_as_often_as_it_should():
    """Scores of equal worth: the p-value is below 0.05 in 5 % of studies."""
    rng = np.random.default_rng(8)
    p = []
    for _ in range(1_000):
        case, other = rng.normal(1, 1, (2, 40)) + rng.normal(0, 1, 40), rng.normal(0, 1, (2, 40))
        p.append(areas(case, other).difference_p())
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.021)


def test_interval_of_an_area_stays_within_bounds_and_covers():
    rng = np.random.default_rng(9)
    true, held = stats.norm.cdf(2 / math.sqrt(2)), 0
    for _ in range(600):
        low, high = areas(rng.normal(2, 1, 20), rng.normal(0, 1, 20)).interval()
        assert 0 <= low <= high <= 1
        held += low <= true <= high
    assert held / 600 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: fisher_p([[1, 2], [3, -1]]),
        lambda: size_of_proportions(0.4, 0.4, 0.9),
        lambda: power_of_means(1, 1, 1),
        lambda: smallest(lambda n: 0.1, 0.9),
        lambda: reliability([[1, 2]]),
        lambda: GroupDesign(difference=1, disc_sd=0, patients=5),
        lambda: GroupDesign(difference=1, disc_sd=1, patients=1),
    ],
)
def test_impossible_designs_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()
