"""Verdicts against hand calculation: the arithmetic stands in the tests."""

import math

import numpy as np
import pytest
from scipy import stats

from mrsim.plan.forecast import Forecast
from mrsim.plan.precision import Precision
from mrsim.plan.question import read_question
from mrsim.plan.snr import SnrPrediction, SnrRow
from mrsim.plan.verdict import verdict
from mrsim.report.verdict import verdict_lines


def row(mean, sd, truth, grade=3, share=1.0, parameter="t2"):
    return Precision(tissue="nucleus", grade=grade, parameter=parameter, unit="s", truth=truth, mean=mean, sd=sd,
                     bound=0.9 * sd, share=share, scan_time=240.0)  # fmt: skip


def forecast(*rows, snr=12.0):
    signal = SnrRow(tissue="nucleus", image=0, contrast={}, signal=1.0, phasor=1.0, sigma=1 / snr, snr=snr, factors={})
    found = SnrPrediction(scanner="3T", field=3.0, law="torso", scan_time=240.0, rows=(signal,))
    return Forecast(protocol="p", description="", scanner="3T", field=3.0, phantom="disc", model="t2-mono",
                    scan_time=240.0, snr=(found,), grades=(3, 4), precision=rows, page=None)  # fmt: skip


def asked(text, *rows, spread=None, voxels=25, **table):
    return verdict(read_question(text, table), forecast(*rows), "nucleus", spread or {}, voxels)


@pytest.mark.parametrize("seed", range(6))
def test_tell_has_the_power_of_the_t_test(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(60e-3, 90e-3), rng.uniform(40e-3, 60e-3)
    sd, biology, n, voxels = rng.uniform(5e-3, 30e-3), rng.uniform(8e-3, 25e-3), int(rng.integers(4, 40)), 16
    found = asked(f"tell 3 from 4 by T2 of nucleus with {n} discs", row(a, sd, a), row(b, sd, b, grade=4),
                  spread={3: biology, 4: biology}, voxels=voxels)  # fmt: skip
    total = math.sqrt(biology**2 + sd**2 / voxels)
    shift, limit = (a - b) / total / math.sqrt(2 / n), stats.t.isf(0.025, 2 * n - 2)
    draws = np.random.default_rng(1).standard_normal(400_000)
    scale = np.sqrt(np.random.default_rng(2).chisquare(2 * n - 2, 400_000) / (2 * n - 2))
    expected = float(np.mean(np.abs(draws + shift) > limit * scale))
    assert found.chance == pytest.approx(expected, abs=0.004)
    assert found.answer == ("yes" if expected >= 0.8 else "no")
    assert found.numbers["auc"] == pytest.approx(stats.norm.cdf((a - b) / total / math.sqrt(2)))


@pytest.mark.parametrize(
    ("sd", "biology", "n", "true", "cause"),
    [
        (200e-3, 1e-3, 8, 20e-3, "measurement noise"),  # 40 ms of noise over 25 voxels against 20 ms
        (1e-3, 40e-3, 8, 20e-3, "spread between discs"),
        (1e-3, 5e-3, 8, 2e-3, "bias reverses the order of the grades"),  # -20 ms measured for +2 ms
    ],
)
def test_tell_names_what_limits_it(sd, biology, n, true, cause):
    reverse = -1 if "reverses" in cause else 1
    found = asked(f"tell 3 from 4 by T2 of nucleus with {n} discs", row(0.07 + reverse * 0.02, sd, 0.07 + true),
                  row(0.07, sd, 0.07, grade=4), spread={3: biology, 4: biology})  # fmt: skip
    assert (found.answer, found.cause) == ("no", cause)


def test_tell_of_clustered_discs_needs_their_correlation():
    text = "tell 3 from 4 by T2 of nucleus with 20 discs in 10 patients"
    rows, spread = (row(0.08, 5e-3, 0.08), row(0.07, 5e-3, 0.07, grade=4)), {3: 10e-3, 4: 10e-3}
    assert asked(text, *rows, spread=spread).answer == "not decidable"
    alike = asked(f"{text} icc 0.8", *rows, spread=spread)
    apart = asked(f"{text} icc 0", *rows, spread=spread)
    assert alike.chance < apart.chance
    # two discs of a patient: variance (0.8 + 0.2 / 2) sigma^2 + error^2 / 2 of a patient's mean
    error = 5e-3 / 5
    spread_of_means = math.sqrt(0.9 * 1e-4 + error**2 / 2)
    expected = stats.nct.sf(stats.t.isf(0.025, 18), 18, 0.01 / spread_of_means / math.sqrt(0.2))
    assert alike.chance == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("bias", "sd", "answer", "cause"),
    [(0.0, 5e-3, "yes", "nothing"), (5e-3, 5e-3, "no", "bias"), (0.0, 40e-3, "no", "noise")],
)
def test_within_is_the_share_of_a_normal(bias, sd, answer, cause):
    found = asked("T2 of nucleus within 5 %", row(0.08 + bias, sd, 0.08))
    error = sd / 5
    expected = stats.norm.cdf((0.004 - bias) / error) - stats.norm.cdf((-0.004 - bias) / error)
    assert found.chance == pytest.approx(expected)
    assert (found.answer, found.cause) == (answer, cause)


def test_change_is_seen_against_two_scans():
    found = asked("change of 5 ms in T2 of nucleus", row(0.08, 10e-3, 0.08))
    error = math.sqrt(2) * 10e-3 / 5
    limit, shift = stats.norm.isf(0.025), 5e-3 / error
    assert found.chance == pytest.approx(stats.norm.sf(limit - shift) + stats.norm.cdf(-limit - shift))
    assert found.minutes == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        ("T1 of nucleus within 5 %", (row(0.08, 1e-3, 0.08),), "measures t2, not t1"),
        ("T2 of nucleus within 5 %", (row(0.08, 1e-3, math.nan),), "no single true t2"),
        ("T2 of nucleus within 5 %", (row(0.08, 1e-3, 0.08, share=0.2),), "too little signal"),
        ("T2 of nucleus within 5 %", (), "measures no map"),
    ],
)
def test_what_cannot_be_known_is_not_decidable(text, rows, said):
    found = asked(text, *rows)
    assert found.answer == "not decidable"
    assert said in found.reason


def test_thresholds_compare():
    assert asked("SNR of nucleus above 11", row(0.08, 1e-3, 0.08)).answer == "yes"
    assert asked("SNR of nucleus above 13", row(0.08, 1e-3, 0.08)).answer == "no"
    assert asked("CRLB of T2 in nucleus below 12 %", row(0.08, 10e-3, 0.08)).answer == "yes"  # 9 ms of 80 ms
    assert asked("CRLB of T2 in nucleus below 11 %", row(0.08, 10e-3, 0.08)).answer == "no"


def test_a_reader_sees_the_answer_first_and_one_idea_a_line_in_milliseconds():
    lines = verdict_lines(asked("T2 of nucleus within 5 %", row(0.12, 5e-3, 0.08)))
    assert lines[0].startswith("NO, chance < 0.001 (wanted 0.95): T2 of nucleus within 5 %")
    assert lines[1] == "limited by: bias"
    assert lines[2] == "the map reads 120 ms, the truth is 80 ms: bias +40 ms (+50.0 %)"
    assert lines[3] == "noise 1 ms over 25 voxels"
    assert lines[4] == "limit ±4 ms"


@pytest.mark.parametrize(("share", "said"), [(1.5, "+50 % and +50 % off"), (1.02, ""), (0.8, "-20 % and -20 % off")])
def test_a_yes_on_grades_says_how_far_both_read_from_the_truth(share, said):
    found = asked("tell 3 from 4 by T2 of nucleus with 30 discs", row(0.09 * share, 1e-3, 0.09),
                  row(0.06 * share, 1e-3, 0.06, grade=4), spread={3: 5e-3, 4: 5e-3})  # fmt: skip
    assert found.answer == "yes"
    assert said in found.reason
    assert ("off" in found.reason) == bool(said)
