"""The drawn path through k-space is the one that the encoding promises."""

import numpy as np
import pytest

import mrsim as mr
from mrsim.report.kspace import distinct_windows, kspace_figure, sampled_k
from mrsim.report.repetition import take
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.families.echo_planar import EchoPlanar
from mrsim.sequence.families.radial_gradient_echo import RadialGradientEcho
from mrsim.sequence.families.slice2d import Slice2D
from mrsim.sequence.scanner import load_scanner

LABELLED = [
    f
    for f in FAMILIES
    if issubclass(f, Slice2D)
    and not issubclass(f, (EchoPlanar, RadialGradientEcho))
    and len(f().matrix) == 2
    and f().slices == 1
]
"""Families whose k follows from the labels of their lines, in one slice."""


@pytest.mark.parametrize("family", LABELLED, ids=lambda family: family.name)
def test_samples_lie_on_the_cartesian_grid_of_the_field_of_view(family):
    """k = (i - n//2) / FOV in read, (j - n//2) / FOV in phase: the definition of the encoded matrix."""
    fov, matrix = (0.16, 0.12), (16, 6)
    sequence = family(fov=fov, matrix=matrix).build(load_scanner("3T"))
    k, time = sampled_k(sequence)
    expected = [((i - 8) / fov[0], (j - 3) / fov[1]) for j in range(6) for i in range(16)]
    by_line = k[np.lexsort(np.round(k[:, :2] * fov).T)]  # echo trains visit the lines in an order of their own
    np.testing.assert_allclose(
        by_line[:, :2], expected, atol=1e-6 / fov[0]
    )  # a millionth of a step: round-off of areas
    assert (np.diff(time) > 0).all()
    assert time[-1] < sequence.duration


def test_slice_axis_is_refocused_at_every_spin_echo(mese):
    part = take(mese, 2)
    k = part.path(part.sample_times())
    crusher = 4.0 / mese.encoding.sheet["slice_thickness"]
    assert np.abs(k[:, 2]).max() < 1e-6 * crusher  # round-off against the crushers that must cancel


def test_echoes_on_one_line_are_drawn_once(mese):
    assert distinct_windows(take(mese, 2)) == 1


def test_figure_shows_all_samples_with_units(mese):
    figure = kspace_figure(mese).figure
    left, right = figure.axes[:2]
    assert len(right.collections[0].get_offsets()) == 8 * 6
    assert "m⁻¹" in left.get_xlabel()
    assert "m⁻¹" in left.get_ylabel()


def test_kspace_of_diffusion_keeps_to_the_samples_and_says_where_the_lobes_lead():
    """A lobe of 60 mT/m leads to thousands of 1/m; samples end at n / (2 FOV)."""
    sequence = mr.load_protocol("sag-dwi", {"matrix": "32 32", "slices": "1"}).build(load_scanner("3T"))
    left = kspace_figure(sequence)[0]
    edge = 32 / (2 * 0.22)
    assert edge < left.get_xlim()[1] < 2 * edge
    assert "leads to" in left.get_title(loc="left")
