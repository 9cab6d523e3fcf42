"""What a wrong nuisance does to a fit: the first order against new fits."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrsim.fit.models import find_model
from mrsim.fit.signal import jacobian, signal
from mrsim.phantom.tissue import load_tissue
from mrsim.study.bounds import Asked, predicted_bounds
from mrsim.study.request import RunRequest
from mrsim.study.sensitivity import first_order, longer, nuisances, refitted

TABLE = {"flip": np.radians([3.0, 8.0, 15.0, 25.0]), "tr": np.full(4, 0.015)}
TRUTH = {"m0": 0.8, "t1": 1.1}
SIGMA = np.array([1.0, 1.0, 2.0, 1.0]) * 1e-3


@pytest.mark.parametrize("wrong", [1e-3, -2e-3])
def test_first_order_is_what_a_new_fit_gives_for_small_errors(wrong):
    """B1 of the flips higher by a part in a thousand: T1 longer by two; the second order is a thousandth of that."""
    change = signal("spgr", TRUTH, TABLE, b1=1 + wrong) - signal("spgr", TRUTH, TABLE)
    shift = first_order(jacobian("spgr", TRUTH, TABLE), change, SIGMA)
    header = SimpleNamespace(contrast=TABLE, sheet={})
    found = refitted(find_model("spgr"), header, signal("spgr", TRUTH, TABLE, b1=1 + wrong), SIGMA, {})
    for moved, (name, value) in zip(shift, TRUTH.items(), strict=True):
        assert found[name] - value == pytest.approx(moved, rel=5e-3)
    assert found["t1"] - TRUTH["t1"] == pytest.approx(2 * wrong * TRUTH["t1"], rel=0.05)


def test_longer_t1_is_that_of_the_tissue_and_of_nothing_else():
    tissue = load_tissue("nucleus_pulposus", 3, 3.0)
    longest = tissue.with_t1(1.1, 3.0)
    for name in ("t1", "t2", "t2_star", "pd"):
        factor = 1.1 if name == "t1" else 1.0
        assert longest.property(name, 3.0).value == pytest.approx(factor * tissue.property(name, 3.0).value)


def test_every_nuisance_is_a_scan_of_its_own():
    cases = nuisances(RunRequest(protocol="disc-t2-mese", b1=0.9))
    assert {name.split(" ")[0] for name in cases} == {"B1", "offset", "no", "T1", "MT"}
    assert cases["B1 +10 %"][0].b1 == pytest.approx(0.99)
    assert cases["T1 +10 %"][1] is longer
    assert "mt" in cases["MT"][0].including


def test_bounds_come_with_the_scatter_of_fits_that_reach_them():
    asked = Asked(replicates=2000)
    request = RunRequest(protocol="disc-ir-se", without=("slice-profile",), overrides={"matrix": "32 24"}, threads=1)
    found = predicted_bounds(request, ("nucleus_pulposus",), asked)
    rows = {row.parameter: row for row in found.rows}
    seen = rows["t1"].scatter
    assert seen.bound == rows["t1"].bound
    assert seen.replicates == 2000
    assert seen.judged
    assert seen.reached
    assert rows["t1"].bias == {}


@pytest.mark.slow
def test_bounds_take_what_another_protocol_measures_as_true_and_say_so():
    request = RunRequest(protocol="disc-spgr", model="spgr", given={"b1": "b1-afi"}, overrides={"matrix": "32 24"})
    found = predicted_bounds(request, ("nucleus_pulposus",), Asked())
    assert {row.parameter for row in found.rows} == {"m0", "t1"}
    assert any("b1 is taken as true" in note and "b1-afi" in note for note in found.notes)
