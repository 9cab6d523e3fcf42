"""Cohorts: the drawn numbers have the requested distributions, and any subject can be drawn again."""

import itertools
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.errors import InputError
from mrsim.core.toml import available
from mrsim.phantom import load_phantom
from mrsim.phantom.cohort import FOLDER, before_the_cut, load_cohort, plain_subject
from mrsim.phantom.cohort_file import Trait
from mrsim.phantom.subject import lognormal_factor, subject_phantom
from mrsim.phantom.tissue import load_tissue

COUNT = 4000
SIGMAS = 4.5
"""Of the estimate's own standard error: one failure in 10^5 numbers, at a fixed seed none."""


@pytest.fixture(scope="module")
def drawn():
    return {name: list(load_cohort(name).subjects(COUNT, seed=3)) for name in available(FOLDER)}


@pytest.mark.parametrize("name", available(FOLDER))
def test_cohort_traits_have_the_requested_mean_and_spread(drawn, name):
    content = load_cohort(name).content
    for key, trait in content.trait.items():
        found = np.array([subject.traits[key] for subject in drawn[name]])
        mean, sd = trait.si("mean"), trait.si("sd")
        if trait.low or trait.high:
            assert found.min() >= trait.si("low")
            assert found.max() <= trait.si("high")
        fourth = np.mean((found - found.mean()) ** 4) / sd**4
        assert abs(found.mean() - mean) < SIGMAS * sd / math.sqrt(COUNT), key
        assert abs(found.var() - sd**2) < SIGMAS * sd**2 * math.sqrt((fourth - 1) / COUNT), key


def counts_fit(found, shares):
    """Whether counts of grades 1 to 5 lie within SIGMAS of binomial errors of their shares."""
    total = len(found)
    counts = np.bincount(found, minlength=6)[1:]
    shares = np.asarray(shares) / np.sum(shares)
    return np.all(np.abs(counts - total * shares) <= SIGMAS * np.sqrt(total * shares * (1 - shares)))


def test_population_grades_have_the_requested_shares_at_every_level(drawn):
    for level in ("L1/2", "L2/3", "L3/4", "L4/5", "L5/S1"):
        assert counts_fit([s.grades[level] for s in drawn["lumbar-population"]], (14, 26, 27, 30, 3))


def test_surgical_grades_have_the_priors_of_the_operated_and_of_the_other_levels(drawn):
    subjects = drawn["lumbar-surgical"]
    assert counts_fit([s.grades[s.index_level] for s in subjects], (0, 18.2, 51.9, 28.6, 1.3))
    others = [s.grades["L1/2"] for s in subjects]  # never the operated one
    assert counts_fit(others, (14, 26, 27, 30, 3))
    levels = ("L1/2", "L2/3", "L3/4", "L4/5", "L5/S1")
    assert counts_fit([1 + levels.index(s.index_level) for s in subjects], (0, 1.3, 6.5, 54.5, 37.7))


def test_cohort_correlations_are_the_requested_ones(drawn):
    subjects = drawn["lumbar-population"]
    error = SIGMAS / math.sqrt(COUNT)

    def traits(name):
        return [s.traits[name] for s in subjects]

    def scores(tissue, name):
        return [s.tissue_scores[tissue][name] for s in subjects]

    assert np.corrcoef(traits("body_scale"), traits("height_scale"))[0, 1] == pytest.approx(0.5, abs=error)
    assert np.corrcoef(traits("body_scale"), traits("b1"))[0, 1] == pytest.approx(0, abs=error)
    assert np.corrcoef(scores("csf", "t1"), scores("csf", "t2"))[0, 1] == pytest.approx(0.5, abs=error)
    shared = np.corrcoef(scores("csf", "t1"), scores("nucleus_pulposus", "t1"))[0, 1]
    assert shared == pytest.approx(0.3, abs=error)
    assert np.std(scores("csf", "pd")) == pytest.approx(1, abs=error)
    grades = np.array([[*s.grades.values()] for s in subjects])
    between = np.corrcoef(grades.T)[np.triu_indices(5, 1)]
    assert np.all((between > 0.28) & (between < 0.42))  # 0.4 of the normals, less by the cut into five grades
    for level in range(5):  # 0.3 of the normals, less by the cut into five grades
        assert 0.3 * 0.92 - error < np.corrcoef(traits("age"), grades[:, level])[0, 1] < 0.3 + error


def test_bounded_traits_keep_their_mean_and_spread_however_tight_the_bounds():
    """Against numerical quadrature of the cut normal."""
    for low, high in (("18", "80"), ("30", "60"), ("", "58"), ("34", "")):
        trait = Trait(mean="45", sd="8", low=low, high=high, source="a test")
        mean, sd = before_the_cut(trait)
        at = np.linspace(float(low or mean - 9 * sd), float(high or mean + 9 * sd), 100_001)
        moments = [np.trapezoid(at**n * np.exp(-(((at - mean) / sd) ** 2) / 2), at) for n in range(3)]
        assert moments[1] / moments[0] == pytest.approx(45, abs=1e-6)
        assert math.sqrt(moments[2] / moments[0] - 45**2) == pytest.approx(8, abs=1e-5)


def test_cohort_subject_is_the_same_alone_and_in_the_stream():
    cohort = load_cohort("lumbar-surgical")
    stream = list(cohort.subjects(5, seed=11))
    assert cohort.subject(11, 3) == stream[3]
    assert next(iter(cohort.subjects(1, seed=11, first=4))) == stream[4]
    assert cohort.subject(12, 3) != stream[3]


def test_cohort_streams_without_being_held():
    cohort = load_cohort("lumbar-population")
    subjects = cohort.subjects(10**4)
    next(subjects)
    tracemalloc.start()
    for _ in itertools.islice(subjects, 300):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000  # 300 kept subjects take more than 1 MB


def test_subject_tissues_keep_the_mean_and_spread_of_their_file():
    field, grade = 3.0, 3
    known = load_tissue("nucleus_pulposus", grade, field).property("t2", field)
    z = np.random.default_rng(4).standard_normal(20000)
    values = known.value * np.array([lognormal_factor(known.sd / known.value, one) for one in z])
    assert values.mean() == pytest.approx(known.value, abs=SIGMAS * known.sd / math.sqrt(len(z)))
    assert values.std() == pytest.approx(known.sd, rel=SIGMAS / math.sqrt(len(z)))


def test_subject_phantom_has_the_subjects_grade_tissues_and_fields():
    subject = load_cohort("lumbar-surgical").subject(1, 0)
    phantom = subject_phantom(subject, "lumbar-disc", 3.0, breathing=True)
    assert phantom.grade == subject.grades[subject.index_level]
    assert phantom.b1 == subject.traits["b1"]
    assert phantom.offset == pytest.approx(subject.traits["b0"] * 3 * 42.577478518e6)
    by_name = {tissue.name: tissue for tissue in phantom.tissues}
    plain = load_tissue("csf", None, 3.0)
    for name, follows in (("t1", "t1"), ("t2", "t2_star")):
        known = plain.property(name, 3.0)
        factor = lognormal_factor(known.sd / known.value, subject.tissue_scores["csf"][name])
        assert by_name["csf"].property(follows, 3.0).value == pytest.approx(factor * plain.property(follows, 3.0).value)
    assert by_name["csf"].pools(3.0)[0].t1 == pytest.approx(by_name["csf"].property("t1", 3.0).value)
    assert len(phantom.motion) == 1
    with pytest.raises(InputError, match="'L9' is no level"):
        subject_phantom(subject, "lumbar-disc", 3.0, level="L9")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"14 26 27 30 3 %"', '"14 26 27 30 %"', "has 4 shares; give 5"),
        ('"14 26 27 30 3 %"', '"14 26 27 30 13 %"', "adds up to 110 %"),
        ('["age", "grade"]', '["aeg", "grade"]', "unknown trait 'aeg'; did you mean 'age'"),
        ('grade_correlation = "0.4"', 'grade_correlation = "0.04"', "0.3 of age and grade is more than 0.2"),
        ('low = "18"', 'low = "44"', "no normal cut at its bounds has the mean 45 and the spread 12"),
        ('sd = "0.08"', 'sd = "-1"', "-1 is not positive"),
        ('mean = "0.4 mm"', 'mean = "0.4 s"', "is a time"),
        ('t1_t2 = "0.5"', 't1_t2 = "-0.99"', "contradict each other"),
    ],
)
def test_cohort_file_that_cannot_be_is_refused(tmp_path, old, new, problem):
    text = available(FOLDER)["lumbar-population"].read_text(encoding="utf-8")
    assert old in text
    changed = text.replace(old, new, 1)
    if "contradict" in problem:
        changed = changed.replace('t2_pd = "0.3"', 't2_pd = "0.9"').replace('t1_pd = "0.2"', 't1_pd = "0.9"')
    path = Path(tmp_path / "own.toml")
    path.write_text(changed)
    with pytest.raises(InputError, match=problem):
        load_cohort(str(path))


def test_cohort_command_writes_all_subjects_in_order(tmp_path, capsys):
    path = tmp_path / "subjects.csv"
    assert perform(["cohort", "lumbar-surgical", "--subjects", "20", "--seed", "5", "--out", str(path)]) == 0
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 21
    row = dict(zip(lines[0].split(","), lines[8].split(","), strict=True))
    subject = plain_subject(load_cohort("lumbar-surgical").subject(5, 7))
    assert row["subject"] == "7"
    assert float(row["b1"]) == subject["b1"]
    assert perform(["cohort", "lumbar-surgical", "--subjects", "3"]) == 0
    assert "Patients" in capsys.readouterr().out


def test_subject_spine_has_the_grades_of_all_levels():
    subject = load_cohort("lumbar-population").subject(2, 4)
    spine = subject_phantom(subject, "lumbar-spine", 3.0)
    tissues = {tissue.grade for tissue in spine.tissues if tissue.name.startswith("nucleus_pulposus")}
    assert tissues == set(subject.grades.values())


def area_under_curve(low, high):
    """Probability that a value of `high` exceeds one of `low`."""
    from scipy.stats import rankdata

    rank = rankdata(np.concatenate([low, high]))
    return (rank[len(low) :].sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high))


def read_times(subjects):
    """Grades as read, and T2 of the nucleus at 3 T, of L4/5 of some subjects."""
    known = {g: load_tissue("nucleus_pulposus", g).property("t2", 3.0) for g in (1, 2, 3, 4, 5)}
    read, times = [], []
    for subject in subjects:
        entry = known[subject.grades["L4/5"]]
        spread = subject.heterogeneity * entry.sd / entry.value
        times.append(entry.value * lognormal_factor(spread, subject.tissue_scores["nucleus_pulposus"]["t2"]))
        read.append(subject.read_grades["L4/5"])
    return np.array(read), np.array(times)


def test_heterogeneity_and_misread_grades_reach_the_published_discrimination(drawn):
    """T2 tells grade I from II-III with an area of 0.87 and from IV-V with 0.95 in 195 discs; here within 3 s.e."""
    read, times = read_times(drawn["lumbar-clinical"])
    early, late = (area_under_curve(times[np.isin(read, g)], times[read == 1]) for g in ((2, 3), (4, 5)))
    assert early == pytest.approx(0.87, abs=0.025)
    assert late == pytest.approx(0.95, abs=0.02)


def test_the_tight_cohort_tells_the_grades_apart_almost_always(drawn):
    read, times = read_times(drawn["lumbar-population"])
    areas = [area_under_curve(times[read == g + 1], times[read == g]) for g in (1, 2, 3)]
    assert min(areas) > 0.93
    assert area_under_curve(times[np.isin(read, (2, 3))], times[read == 1]) > 0.975


def test_heterogeneity_keeps_the_mean_and_scales_the_spread():
    factors = np.array([lognormal_factor(2.0 * 0.15, z) for z in np.random.default_rng(2).standard_normal(40000)])
    assert factors.mean() == pytest.approx(1.0, abs=SIGMAS * 0.3 / 200)
    assert factors.std() == pytest.approx(0.3, rel=0.03)


def test_subject_resizes_the_spine_and_varies_every_grade_of_disc():
    subject = load_cohort("lumbar-population").subject(2, 5)
    body, heights = subject.traits["body_scale"], subject.traits["height_scale"]
    phantom = subject_phantom(subject, "lumbar-spine", 3.0)
    usual = load_phantom("lumbar-spine", 3.0, grade=tuple(subject.grades.values()))
    for disc, measured in phantom.history["discs"].items():
        wanted = body * heights * usual.history["discs"][disc]["height_middle"]
        assert measured["height_middle"] == pytest.approx(wanted, rel=1e-9)
    times = {tissue.name: tissue.property("t2", 3.0).value for tissue in usual.tissues if "nucleus" in tissue.name}
    assert len(times) == len(set(subject.grades.values()))
    for tissue in phantom.tissues:
        if tissue.name in times:
            assert tissue.property("t2", 3.0).value != times[tissue.name]
