"""What is said of true values: assumed, remembered, extrapolated; and where it stands beside a number."""

import dataclasses

import numpy as np

import mrsim as mr
from mrsim.core.grid import Grid
from mrsim.core.maps import Maps
from mrsim.phantom.origins import ASSUMED, BEYOND, RESTS_ON, UNVERIFIED, truth_history
from mrsim.phantom.tissue import load_tissue

GRID = Grid(shape=(1, 24, 24), spacing=(2e-3, 2e-3, 4e-3))


def test_doubts_are_those_of_the_tissue_file():
    tissue = load_tissue("nucleus_pulposus", grade=3, field=3.0)
    found = truth_history((tissue,), 3.0)["doubts"][tissue.name]
    for name, entry in tissue.known(3.0).items():
        if name in RESTS_ON:
            continue
        expected = {"compiled default": ASSUMED, "recalled from the cited paper, not verified": UNVERIFIED}
        assert found.get(name) == expected.get(entry.provenance), name


def test_what_is_chosen_is_not_doubted_and_what_rests_on_an_assumption_is():
    tissue = load_tissue("nucleus_pulposus", grade=3, field=3.0)
    assert "t2" not in truth_history((tissue.with_t2(1.1, 3.0),), 3.0)["doubts"][tissue.name]
    by_law = truth_history((tissue,), 5.0)["doubts"][tissue.name]  # between fields, of values that are assumed
    assert by_law["t2"] == ASSUMED
    assert truth_history((tissue,), 3.0)["doubts"][tissue.name]["rd"] == ASSUMED


def test_extrapolated_truth_stands_beside_the_number():
    phantom = mr.load_phantom("lumbar-disc", field=9.4, grade=3, extrapolate=True)
    truth = phantom.truth(GRID)
    rows = {(r.region, r.parameter): r for r in mr.evaluate(truth, truth, phantom.rois(GRID)).rows}
    assert rows["nucleus_pulposus", "t2"].flags == (BEYOND,)
    assert rows["nucleus_pulposus", "pd"].flags == (ASSUMED,)
    assert rows["nucleus_pulposus", "pdff"].flags == ()


def test_range_of_the_model_stands_beside_every_number():
    truth = mr.load_phantom("lumbar-disc", field=3.0, grade=3).truth(GRID)
    plain = dataclasses.replace(truth, history={})
    maps: Maps = dataclasses.replace(plain, history={"flags": ("outside the model's range",)})
    rows = mr.evaluate(maps, plain).rows
    assert len(rows) > 5
    assert all(row.flags == ("outside the model's range",) for row in rows if np.isfinite(row.mean))
