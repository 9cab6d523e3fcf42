"""`mrsim snr` and `mrsim run --budget` as a user types them."""

import json
from math import prod

import pytest
from click.testing import CliRunner

from mrsim.cli import cli

SMALL = ["--set", "matrix=16 16", "--set", "te=15 ms", "--tissue", "nucleus_pulposus"]


def said(*arguments):
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_snr_command_prints_the_budget_and_compares_fields():
    text = said("snr", "disc-se", "--field", "1.5,3", *SMALL)
    assert "SNR at 1.5 T" in text
    assert "SNR at 3 T" in text
    assert "nucleus pulposus" in text
    assert "3 T / 1.5 T" in text


def test_snr_command_writes_json_whose_factors_multiply_to_the_snr():
    (found,) = json.loads(said("snr", "disc-se", "--exponent", "linear", "--field", "7", *SMALL, "--json"))
    (row,) = found["rows"]
    assert found["law"] == "linear"
    assert row["factors"]["field"] == pytest.approx(7 / 3)
    assert prod(row["factors"].values()) == pytest.approx(row["snr"])
    assert row["snr_per_root_second"] == pytest.approx(row["snr"] / found["scan_time"] ** 0.5)


def test_snr_command_averages_and_slices_cost_no_simulation_but_count():
    one, four = (
        json.loads(said("snr", "disc-se", "--set", f"averages={n}", "--set", "slices=3", *SMALL, "--json"))[0]
        for n in (1, 4)
    )
    assert four["rows"][0]["snr"] == pytest.approx(2 * one["rows"][0]["snr"], rel=1e-9)
    assert four["scan_time"] > 3.5 * one["scan_time"]
