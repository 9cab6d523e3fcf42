"""What a protocol's bias depends on: known physics comes out, workers change nothing, bad requests say why."""

import json

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.study.executors import Processes
from mrsim.study.influence import Case, influence, relative_error
from mrsim.study.optimiser.free import read_ranges
from mrsim.study.request import RunRequest

SPGR = {"matrix": "16 16", "dummies": "150", "flip": "3 15 deg", "pulse": "hard", "excitation_duration": "0.2 ms"}
REQUEST = RunRequest(protocol="disc-spgr", overrides=SPGR)
TISSUE = "nucleus_pulposus"


def error(**inputs):
    names = {name.replace("given_", "given."): value for name, value in inputs.items()}
    return relative_error(
        Case(request=REQUEST, tissue=TISSUE, parameter="t1", names=tuple(names), values=tuple(names.values()))
    )


@pytest.mark.slow
def test_wrong_b1_biases_t1_by_its_square_and_knowing_it_mends_that():
    """T1 from small flips goes with the square of the flip (Helms et al. 2008, doi:10.1002/mrm.21542)."""
    base = error(b1=1.0)
    for b1 in (0.9, 1.1):
        wrong = (1 + error(b1=b1)) / (1 + base)
        assert wrong == pytest.approx(b1**2, rel=0.03)
        assert error(b1=b1, given_b1=b1) == pytest.approx(base, abs=0.02)
    assert error(t2=1.2) == pytest.approx(base, abs=0.01)


@pytest.mark.slow
def test_b1_is_to_be_controlled_first_for_t1_by_flip_angles(tmp_path, capsys):
    ranges = read_ranges(["b1=0.9:1.1", "t1=0.9:1.1", "offset=-20:20 Hz", "t2=0.9:1.1"])
    found = influence(REQUEST, TISSUE, "t1", ranges=ranges, runs=32)
    assert found.ranking[0] == "b1"
    assert found.found.first[0] > 0.9
    assert found.found.unexplained < 0.05
    spread = influence(REQUEST, TISSUE, "t1", ranges=ranges, runs=32, executor=Processes(2))
    # to the last digits: linear algebra sums in an order that follows where arrays lie in memory
    np.testing.assert_allclose(found.found.results, spread.found.results, rtol=1e-10)
    screened = influence(REQUEST, TISSUE, "t1", ranges=ranges, method="morris", runs=3)
    assert screened.ranking[0] == "b1"
    assert screened.found.mean[0] == pytest.approx(2 * 0.2, rel=0.2)  # twice the relative change of B1
    settings = [word for key, value in SPGR.items() for word in ("--set", f"{key}={value}")]
    picture = tmp_path / "a.png"
    arguments = ["--tissue", TISSUE, "--vary", "b1=0.9:1.1", "--vary", "t1=0.9:1.1", "--runs", "12", "--json"]
    assert perform(["sensitivity", "disc-spgr", *settings, *arguments, "--out", str(picture)]) == 0
    assert json.loads(capsys.readouterr().out)["ranking"] == ["b1", "t1"]
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(("arguments", "said"), [
    (["--tissue", "liver"], "'liver' is no tissue"),
    (["--tissue", TISSUE, "--vary", "b2=0.9:1.1"], "'b2' cannot be varied"),
    (["--tissue", TISSUE, "--vary", "b1=0.9:1.1 Hz"], "is a fraction, not a frequency"),
    (["--tissue", TISSUE, "--vary", "b1=1:2"], "is no range"),
    (["--tissue", TISSUE, "--parameter", "t2"], "has no truth of 't2'"),
    (["--tissue", TISSUE, "--runs", "5"], "need at least 8"),
])  # fmt: skip
def test_sensitivity_that_cannot_be_had_says_why(arguments, said, capsys):
    small = ["--set", "matrix=16 16", "--set", "dummies=0", "--set", "flip=3 15 deg"]
    assert perform(["sensitivity", "disc-spgr", *small, *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
