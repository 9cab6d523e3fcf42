"""Every row of the reference tables of tissues is carried by the library, or left out for a stated reason.

``tissue_inventory.csv`` lists the rows with their values and where they are: ``TISSUE@GRADE+SET PROPERTY FIELD``, a
key of a phantom's file, ``finding KIND size`` or, after an exclamation mark, why they are nowhere.
"""

import csv
import math
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from mrsim.core.toml import available
from mrsim.core.units import parse_quantity
from mrsim.phantom.spine_findings import SIZES
from mrsim.phantom.substance import load_substance
from mrsim.phantom.tissue import load_tissue

ROOT = Path(__file__).parents[2]
ROWS = {
    "relaxation": 549, "field_model": 73, "diffusion": 190, "perfusion": 153, "mre": 98, "mrs": 209,
    "susceptibility": 92, "fat": 119, "geometry": 163, "mt_cest": 138, "hardware": 131,
}  # fmt: skip
"""Values of each table."""
FACTORS = {
    "1e-3 mm2/s": 1e-9, "mm2/s": 1e-6, "deg": math.pi / 180, "1/min": 1 / 60, "mL/100g/min": 1e-5 / 60, "kPa": 1e3,
    "ms": 1e-3, "us": 1e-6, "mm": 1e-3, "ppm": 1e-6, "ppm/K": 1e-6, "percent": 0.01, "percent wet weight": 0.01,
    "ug/mg wet": 1e-3,
}  # fmt: skip
"""SI factor of the tables' units; 1 for all others."""


def inventory():
    with (Path(__file__).parent / "tissue_inventory.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def tissue(name, grade, field, chosen):
    return load_tissue(name, grade, field, chosen) if name in available("phantoms/tissues") else load_substance(name)


@cache
def phantom_file(name):
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def carried(where):
    """All values, SI, that stand at a place of the library."""
    first, what, *rest = where.split()
    if first == "finding":
        return SIZES[what][0 if rest == ["size"] else 1 : 2]
    if first.endswith(".toml"):
        node = phantom_file(first)
        for key in what.split("."):
            node = node[key]
        return parse_quantity(node, "length" if node.split()[-1].isalpha() else "fraction")
    name, _, chosen = first.partition("+")
    name, _, grade = name.partition("@")
    field = float(rest[0]) if rest else 3.0
    found = tissue(name, grade or None, field, (chosen,) if chosen else ())
    if what in ("peak_shift", "peak_amplitude"):
        return getattr(found.fat.spectrum, what.removeprefix("peak_"))
    return (found.property(what, field).value,)


def test_inventory_has_every_row_of_the_tables():
    rows = inventory()
    assert Counter(row["table"] for row in rows) == ROWS
    kept = [row for row in rows if not row["where"].startswith("!")]
    assert len(kept) > 1300
    for row in rows:
        assert row["where"].removeprefix("! ").strip(), row


def test_library_carries_the_values_of_the_tables():
    wrong = []
    for row in inventory():
        if row["where"].startswith("!"):
            continue
        value = float(row["value"]) * FACTORS.get(row["unit"], 1.0)
        found = carried(row["where"])
        if not any(math.isclose(value, one, rel_tol=5e-5, abs_tol=1e-30) for one in found):
            wrong.append((row["table"], row["tissue"], row["quantity"], value, row["where"], found))
    assert not wrong, wrong[:5]


@pytest.mark.parametrize(
    "reason", ["a scanner or a limit, not a tissue", "the input of contrast dynamics, not a tissue"]
)
def test_rows_that_are_no_tissue_are_all_of_their_kind(reason):
    rows = [row for row in inventory() if row["where"] == f"! {reason}"]
    assert {row["table"] == "hardware" or row["tissue"] == "arterial_input_function" for row in rows} == {True}
