"""The verification that users run: every check passes, and a broken product does not."""

import json
import math
from dataclasses import replace

import pytest

from mrsim.cli import perform
from mrsim.core.errors import InputError
from mrsim.study.verification import CHECKS, engines, verify
from mrsim.study.verification.check import carried_out


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_check_passes(check):
    found = carried_out(check)
    assert found.problem == ""
    assert found.error <= check.tolerance


def test_checks_have_names_of_their_own():
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(("name", "home", "attribute"), [
    ("rabi", engines, "GAMMA_BAR"), ("short-t2", engines, "GAMMA_BAR"),
])  # fmt: skip
def test_check_fails_when_the_physics_is_off_by_a_thousandth(name, home, attribute, monkeypatch):
    (check,) = (check for check in CHECKS if check.name == name)
    monkeypatch.setattr(home, attribute, getattr(home, attribute) * 1.001)
    assert not carried_out(check).passed


def test_check_that_breaks_down_fails_and_says_why():
    def broken():
        raise ZeroDivisionError("no spins")

    found = carried_out(replace(CHECKS[0], error=broken))
    assert math.isnan(found.error)
    assert not found.passed
    assert found.problem == "ZeroDivisionError: no spins"


def test_unknown_check_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'rabi'"):
        verify(["rabbi"])


def test_command_writes_one_json_document_and_says_whether_all_passed(capsys):
    assert perform(["verify", "relaxation", "agreement", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found] == ["relaxation", "agreement"]
    assert all(entry["passed"] for entry in found)
    assert all(entry["error"] <= entry["tolerance"] for entry in found)


def test_command_fails_with_a_code_of_its_own(monkeypatch, capsys):
    import mrsim.study.verification as home

    monkeypatch.setattr(home, "CHECKS", (replace(CHECKS[1], error=lambda: 1.0),))
    assert perform(["verify"]) == 3
    assert "1 FAILED: relaxation" in capsys.readouterr().out
