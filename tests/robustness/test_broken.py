"""A fitter, a coil map, a tissue table and an engine that are broken on purpose, slightly, are each noticed.

Each is broken where the product computes it, by what an honest mistake would do (a per cent, a sign, a neighbour's
entry), and the check that must notice is one that `mrsim verify` or the suite carries out anyway.
"""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.study.verification import CHECKS
from mrsim.study.verification.check import carried_out
from tests.phantom import test_tissue_inventory as inventory

NAMED = {check.name: check for check in CHECKS}


def noticed(name):
    """Return whether a check that passes as things are fails now."""
    found = carried_out(NAMED[name])
    return not found.passed and found.problem == ""


@pytest.fixture
def whole():
    """The checks that are relied upon pass while nothing is broken."""
    assert not any(noticed(name) for name in ("relaxation", "rabi", "tensor", "bound", "loop", "g-factor"))


@pytest.mark.usefixtures("whole")
def test_engine_whose_relaxation_is_off_by_a_per_cent_is_noticed(monkeypatch):
    from mrsim.simulate.steps import TimeTable

    kept = TimeTable.decay
    monkeypatch.setattr(TimeTable, "decay", lambda self, rate, dtype: kept(self, 1.01 * rate, dtype))
    assert noticed("relaxation")


@pytest.mark.usefixtures("whole")
def test_engine_whose_pulses_are_a_thousandth_too_strong_is_noticed(monkeypatch):
    from mrsim.simulate import pulse_response

    kept = pulse_response.pulse_table

    def stronger(*given):
        table = kept(*given)
        return replace(table, b1=1.001 * table.b1)

    monkeypatch.setattr(pulse_response, "pulse_table", stronger)
    assert noticed("rabi")


@pytest.mark.usefixtures("whole")
def test_fitter_that_takes_a_wrong_element_is_noticed(monkeypatch):
    from mrsim.fit import tensor_maps

    kept = tensor_maps._scalars
    monkeypatch.setattr(tensor_maps, "_scalars", lambda tensor, packed: kept(tensor[[0, 1, 1, 3, 4, 5]], packed))
    assert noticed("tensor")


@pytest.mark.usefixtures("whole")
def test_bound_of_a_fitter_that_forgets_half_the_noise_is_noticed(monkeypatch):
    from mrsim.fit import crlb

    kept = crlb.fisher
    monkeypatch.setattr(crlb, "fisher", lambda *given, **more: 2 * kept(*given, **more))
    assert noticed("bound")


@pytest.mark.usefixtures("whole")
def test_coil_map_that_is_off_by_a_per_cent_is_noticed(monkeypatch):
    from mrsim.phantom.loops import Loop

    kept = Loop.field
    monkeypatch.setattr(Loop, "field", lambda self, points: 1.01 * kept(self, points))
    assert noticed("loop")


@pytest.mark.usefixtures("whole")
def test_coil_map_that_mixes_up_its_coils_is_noticed(monkeypatch):
    from mrsim.recon import sense

    kept = sense.unfolding
    monkeypatch.setattr(sense, "unfolding", lambda maps, lattice: kept(np.abs(maps) ** 1.01, lattice))
    assert noticed("g-factor")


@pytest.mark.parametrize(("old", "new"), [("2200 2030 1050 ms", "2200 1050 2030 ms"), ("4280 4300", "4280 4310")])
def test_tissue_table_with_a_wrong_entry_is_noticed(tmp_path, monkeypatch, old, new):
    from mrsim.phantom import tissue

    inventory.test_library_carries_the_values_of_the_tables()
    kept = tissue.resource
    text = kept("csf", "phantoms/tissues", "tissue").read_text("utf-8")
    (tmp_path / "csf.toml").write_text(text.replace(old, new, 1), "utf-8")
    assert text.count(old) == 1
    broken = lambda name, *more: tmp_path / "csf.toml" if name == "csf" else kept(name, *more)  # noqa: E731
    monkeypatch.setattr(tissue, "resource", broken)
    inventory.tissue.cache_clear()
    try:
        with pytest.raises(AssertionError):
            inventory.test_library_carries_the_values_of_the_tables()
    finally:
        inventory.tissue.cache_clear()
