"""The error budget: it adds up, its model is what is left with everything off, its switches are those of --without."""

from dataclasses import replace
from math import fsum

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.evaluation import Evaluation, EvaluationRow
from mrsim.core.storage import load, save
from mrsim.evaluate.budget import INTERACTION, MODEL, error_budget
from mrsim.report.budget import bias_table, budget_figure, spread_table
from mrsim.study.budget import _causes as budget_causes
from mrsim.study.budget import _excused as excused_causes
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare, run

PHANTOM = """
description = "two materials side by side"
extruded = "x"
[material.left]
t1 = "900 ms"
t2 = "80 ms"
t2_star = "40 ms"
pd = "0.9"
[material.right]
t1 = "700 ms"
t2 = "40 ms"
pd = "0.7"
[shape.ventral]
kind = "box"
tissue = "left"
centre = "-8 0 mm"
size = "14 20 mm"
[shape.dorsal]
kind = "box"
tissue = "right"
centre = "6.4 0 mm"
size = "14.6 20 mm"
"""
SMALL = {"matrix": "20 16", "fov": "40 32 mm", "echoes": "5", "dummies": "1"}


def row(bias, sd, region="a"):
    return EvaluationRow(
        region=region, parameter="t2", unit="s", truth=0.1, mean=0.1 + bias, bias=bias, sd=sd, se=sd, fit_se=sd, n=9,
        rejected=0,
    )  # fmt: skip


def test_budget_adds_up_whatever_the_runs_say():
    def one(bias, sd):
        return Evaluation(rows=(row(bias, sd),))

    without = {"noise": one(0.02, 0.001), "mixed": one(0.01, 0.004), "blurred": one(0.004, 0.003)}
    found = error_budget(one(0.03, 0.005), without, one(0.002, 0.0), {"blurred": "mixed"}).rows[0]
    assert found.bias_by_cause["noise"] == pytest.approx(0.01)
    assert found.bias_by_cause["mixed"] == pytest.approx(0.02)
    assert found.bias_by_cause["blurred"] == pytest.approx(0.006)  # on top of its companion
    assert found.bias_by_cause[MODEL] == 0.002
    assert found.bias_by_cause[INTERACTION] == pytest.approx(0.03 - 0.038)
    assert fsum(found.bias_by_cause.values()) == pytest.approx(0.03, abs=1e-17)
    assert found.variance_by_cause["noise"] == pytest.approx(0.005**2 - 0.001**2)
    assert fsum(found.variance_by_cause.values()) == pytest.approx(0.005**2, abs=1e-19)


def test_budget_of_a_region_that_a_run_lost_is_unknown_and_not_zero():
    whole = Evaluation(rows=(row(0.03, 0.005), row(0.01, 0.001, "b")))
    found = error_budget(whole, {"noise": Evaluation(rows=(row(0.02, 0.0),))}, whole)
    assert np.isnan(found.rows[1].bias_by_cause["noise"])
    assert np.isnan(found.rows[1].bias_by_cause[INTERACTION])
    assert np.isfinite(found.rows[0].bias_by_cause[INTERACTION])


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    path = tmp_path_factory.mktemp("phantom") / "pair.toml"
    path.write_text(PHANTOM)
    return RunRequest(
        protocol="disc-t2-mese", phantom=str(path), overrides=SMALL, b1=0.9, seed=3,
        engine={"name": "bloch", "accuracy": 1e-2, "subsamples": 2},
    )  # fmt: skip


@pytest.fixture(scope="module")
def split(asked):
    return run(replace(asked, budget=True))


def test_budget_of_a_run_adds_up_and_its_model_is_exact_without_causes(split):
    assert split.budget.notes == ()
    for line in split.budget.rows:
        assert fsum(line.bias_by_cause.values()) == pytest.approx(line.bias, rel=1e-12)
        assert fsum(line.variance_by_cause.values()) == pytest.approx(line.sd**2, rel=1e-12)
        # nominal flips of 180 degrees, nominal B1, one tissue, no noise: an exponential, and nothing else
        assert abs(line.bias_by_cause[MODEL]) < 1e-9 * line.truth
    causes = list(split.budget.rows[0].bias_by_cause)
    assert causes == ["noise", "slice-profile", "b1", "t2-prime", "partial-volume", "point-spread", "discretisation",
                      MODEL, INTERACTION]  # fmt: skip


def test_budget_blames_the_slice_profile_most(split):
    for line in split.budget.rows:
        worst = max(line.bias_by_cause, key=lambda cause: abs(line.bias_by_cause[cause]))
        assert worst == "slice-profile"
        assert line.bias_by_cause["slice-profile"] > 0.2 * line.truth  # physics B-4


@pytest.mark.parametrize("cause", ["noise", "b1"])
def test_budget_switches_are_those_of_runs_without_a_cause(split, asked, cause):
    other = run(replace(asked, without=(cause,)))
    for line, before, after in zip(split.budget.rows, split.evaluation.rows, other.evaluation.rows, strict=True):
        # the scan is the sum of its tissues; they choose their sub-slices one by one
        assert line.bias_by_cause[cause] == pytest.approx(before.bias - after.bias, abs=1e-2 * line.truth)


def test_budget_shows_a_wrong_model_as_the_model(asked):
    """Negative control: a mono-exponential on a train of 120 degrees is wrong with every cause off."""
    overrides = SMALL | {"refocusing_flip": "120 deg"}
    found = run(replace(asked, overrides=overrides, budget=True, without=("noise", "partial-volume"))).budget
    assert set(found.rows[0].bias_by_cause).isdisjoint({"noise", "partial-volume"})
    for line in found.rows:
        assert line.bias_by_cause[MODEL] > 0.02 * line.truth


@pytest.mark.parametrize(
    ("protocol", "model", "excused"),
    [("disc-t2-mese", "t2-epg", "slice-profile"), ("disc-t2star-megre", "t2star-mono", "t2-prime")],
)
def test_budget_has_no_row_for_what_the_fit_knows_or_measures(asked, protocol, model, excused):
    own = prepare(replace(asked, protocol=protocol, model=model, overrides={}))
    other = prepare(replace(asked, protocol=protocol, model="t1rho", overrides={}))
    assert excused not in budget_causes(own)
    assert excused in budget_causes(other)
    assert model in excused_causes(own.request)[excused]


def test_budget_is_stored_and_shown(split, tmp_path):
    save(tmp_path / "budget.h5", budget=split.budget)
    assert load(tmp_path / "budget.h5")["budget"] == split.budget
    for table in (bias_table(split.budget), spread_table(split.budget)):
        assert len(table.rows) == len(split.budget.rows)
        assert {len(cells) for cells in table.rows} == {len(table.columns)}
    figure = budget_figure(split.budget, "t2").figure
    bars, spread = figure.axes
    assert len(bars.get_yticklabels()) == 2
    assert spread.get_xlabel() == "% of the region's variance"


def test_budget_without_a_model_is_refused(asked):
    with pytest.raises(InputError, match="budget needs a map"):
        run(replace(asked, protocol="disc-bssfp", overrides={"matrix": "8 8", "dummies": "2"}, budget=True))
