"""What tells one scan's table of signals from another's."""

import copy
import importlib
from types import SimpleNamespace

import numpy as np
import pytest

tabulated = importlib.import_module("mrsim.fit.tabulated")
SHEET = {"flips": [1.0, 2.0], "pulse": {"b1": np.array([1e-6, 2e-6]), "name": "sinc"}}


def _known(sheet):
    scan = SimpleNamespace(contrast={"te": np.array([0.01, 0.02])}, options={"b1": 1.0}, sheet=sheet)
    return tabulated._fingerprint(scan, np.ones(2))


def test_equal_scans_have_one_table_whoever_holds_their_parts():
    name = "".join(["si", "nc"])
    assert _known(copy.deepcopy(SHEET)) == _known({**SHEET, "pulse": {**SHEET["pulse"], "name": name}})


@pytest.mark.parametrize("other", [{"flips": [1.0, 2.5]}, {"flips": [1.0]}, {"pulse": {"b1": np.array([1e-6, 3e-6])}}])
def test_scans_that_differ_have_tables_of_their_own(other):
    assert _known(SHEET) != _known({**SHEET, **other})
