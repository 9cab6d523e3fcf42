"""Bound protons from a tissue's facts: the observed T1 stays, truth stays, and what is unknown is said."""

import dataclasses

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.phantom.phantom_file import load_phantom
from mrsim.phantom.tissue import load_tissue
from mrsim.phantom.transfer import transfer_notes, with_transfer


@pytest.mark.parametrize("name", ["nucleus_pulposus", "brain_white_matter", "paraspinal_muscle"])
def test_whole_tissue_recovers_with_the_observed_t1(name):
    tissue = load_tissue(name, field=3.0)
    water = dataclasses.replace(tissue, transfer=True).pools(3.0)[0]
    (bound,) = water.exchange
    observed = tissue.property("t1", 3.0).value
    there, back = bound.fraction * bound.rate, bound.rate
    matrix = np.array([[-1 / water.t1 - there, back], [there, -1 / bound.t1 - back]])
    slow = -np.linalg.eigvals(matrix).real.max()
    assert slow == pytest.approx(1 / observed, rel=1e-12)
    assert abs(water.t1 / observed - 1) > 1e-4  # the correction does something
    assert water.t2 == tissue.property("t2", 3.0).value


def test_truth_of_a_phantom_is_what_a_measurement_of_the_whole_tissue_shows():
    plain = load_phantom("lumbar-disc", field=3.0, grade=3)
    bound = with_transfer(plain)
    grid = Grid(shape=(1, 32, 32), spacing=(2e-3, 2e-3, 4e-3), axes=np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]))
    for name, value in plain.truth(grid).values.items():
        np.testing.assert_array_equal(bound.truth(grid).values[name], value)
    held = {t.name: t.pools(3.0)[0].exchange for t in bound.tissues if t.water}
    assert held["nucleus_pulposus"][0].fraction == pytest.approx(0.045)
    assert held["csf"] == ()


def test_note_names_tissues_without_facts_and_what_was_assumed():
    (note,) = transfer_notes(with_transfer(load_phantom("lumbar-disc", field=3.0)))
    assert "csf" in note.split(";")[1]
    assert "T1 is taken as 1 s in paraspinal_muscle" in note


def test_phantom_without_bound_protons_is_refused():
    plain = load_phantom("lumbar-disc", field=3.0)
    csf = tuple(t for t in plain.tissues if t.name == "csf")
    with pytest.raises(InputError, match="no tissue of phantom 'lumbar-disc' states bound protons at 3 T"):
        with_transfer(dataclasses.replace(plain, tissues=csf))
