"""Maps of labels, properties and fibres that follow from the phantom alone."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.phantom import load_phantom
from mrsim.phantom.exact_maps import fibre_directions, label_map, label_numbers, property_map, signal_ratios


@pytest.fixture(scope="module")
def segment():
    return load_phantom("motion-segment", grade=2)


@pytest.fixture(scope="module")
def grid():
    return Grid(shape=(1, 80, 50), spacing=(1e-3, 1e-3, 1e-3), axes=orientation_axes("sagittal"))


def test_labels_of_a_level_do_not_depend_on_grade_or_findings(segment):
    other = label_numbers(load_phantom("motion-segment", grade=5))
    same = {name: number for name, number in label_numbers(segment).items() if name in other}
    assert same == {name: other[name] for name in same}
    assert len(set(same.values())) == len(same)
    assert label_numbers(load_phantom("lumbar-spine"))["nucleus_pulposus_L4/5"] == same["nucleus_pulposus_L4/5"]


def test_label_map_has_the_nucleus_where_the_disc_is(segment, grid):
    labels = label_map(segment, grid)
    _, y, z = segment.lamellae[0].frame.world(0.0, -3e-3, 0.0)
    column = int(np.argmin(np.abs(-grid.coordinates(0) - y)))  # readout runs posterior
    row = int(np.argmin(np.abs(grid.coordinates(1) - z)))
    numbers = label_numbers(segment)
    assert labels[0, row, column] in {numbers["nucleus_pulposus_L4/5"], numbers["intranuclear_cleft_L4/5"]}
    assert labels[0, 0, 0] == 0


@pytest.mark.parametrize("name", ["t2", "md", "fa", "shear_stiffness", "susceptibility"])
def test_property_map_holds_the_tissue_value_where_the_tissue_is_alone(segment, grid, name):
    values, unit = property_map(segment, grid, name)
    inside = segment.fractions(grid)["nucleus_pulposus"] >= 1 - 1e-12
    tissue = next(tissue for tissue in segment.tissues if tissue.name == "nucleus_pulposus")
    entry = tissue.property(name, 3.0)
    assert inside.any()
    assert unit == entry.unit
    np.testing.assert_allclose(values[inside], entry.value, rtol=1e-9)


def test_fat_fraction_map_is_that_of_marrow_and_zero_in_discs(segment, grid):
    values, _ = property_map(segment, grid, "fat_fraction")
    fractions = segment.fractions(grid)
    np.testing.assert_allclose(values[fractions["vertebral_bone_marrow"] >= 1 - 1e-12], 0.385, rtol=1e-9)
    np.testing.assert_allclose(values[fractions["nucleus_pulposus"] >= 1 - 1e-12], 0.0, atol=1e-12)


def test_property_that_no_tissue_has_is_refused_with_a_hint(segment, grid):
    with pytest.raises(InputError, match="shear_stiffness"):
        property_map(segment, grid, "shear_stifness")


def test_fibres_exist_in_the_annulus_alone(segment, grid):
    fibres = fibre_directions(segment, grid)
    fractions = segment.fractions(grid)
    annulus = fractions["annulus_fibrosus_outer"] >= 0.99
    assert np.isfinite(fibres[annulus]).all()
    assert np.isnan(fibres[fractions["vertebral_bone_marrow"] >= 0.99]).all()


def test_signal_ratio_is_the_mean_over_that_of_the_reference():
    image = np.array([[[1.0, 3.0, 8.0]]])
    masks = {"a": np.array([[[True, True, False]]]), "csf": np.array([[[False, False, True]]])}
    assert signal_ratios(image, masks, "csf") == {"a": 0.25, "csf": 1.0}
