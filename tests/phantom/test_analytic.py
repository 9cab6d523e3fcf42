"""Closed forms of k-space against Fourier sums of the sampled shapes."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.phantom import load_phantom
from mrsim.phantom.analytic import rectangle_kspace, shape_kspace
from mrsim.phantom.shapes import Box, Ellipse, Polygon

from .test_fractions import plane_fractions


@pytest.mark.parametrize(
    "shape",
    [
        Ellipse(centre=(0.6, -0.4), semi_axes=(3.0, 1.7), angle=0.35),
        Box(centre=(0.37, 0.2), size=(2.2, 3.1), angle=0.5),
    ],
)
def test_closed_form_of_k_space_is_the_transform_of_the_fractions(shape):
    """Averaging over a voxel multiplies k-space by sinc(k d), which is divided out; the rest is aliasing."""
    n, fov = 512, 10.0
    d = fov / n
    filled = plane_fractions([shape], n, fov)[0]
    x = (np.arange(n) - n // 2) * d
    k = np.stack(np.meshgrid([0.0, 0.1, 0.35, -0.6], [0.0, -0.25, 0.5]), axis=-1).reshape(-1, 2)
    waves = np.exp(-2j * np.pi * k[:, :1] * x)[:, None, :] * np.exp(-2j * np.pi * k[:, 1:] * x)[:, :, None]
    numeric = (waves * filled).sum(axis=(1, 2)) * d * d / np.prod(np.sinc(k * d), axis=1)
    # Aliases sit at 51 / m and more, attenuated by their own sinc: below 1e-4 of the area.
    np.testing.assert_allclose(shape_kspace(shape, k), numeric, atol=1e-4 * filled.sum() * d * d)


def test_closed_form_at_the_origin_is_the_area():
    assert shape_kspace(Ellipse(centre=(1.0, 2.0), semi_axes=(3.0, 2.0)), np.zeros(2)) == pytest.approx(6 * np.pi)
    assert rectangle_kspace(np.zeros(2), (0.3, 0.1), (2.0, 5.0)) == pytest.approx(10.0)


def test_closed_form_is_refused_for_other_shapes():
    with pytest.raises(InputError, match="closed form"):
        shape_kspace(Polygon(vertices=((0, 0), (1, 0), (0, 1))), np.zeros(2))


def test_ellipse_phantom_is_the_shape_of_its_closed_form():
    phantom = load_phantom("ellipse")
    grid = Grid(shape=(1, 128, 128), spacing=(1e-3, 1e-3, 1e-3), axes=orientation_axes("sagittal"))
    area = phantom.fractions(grid)["sample"].sum() * 1e-6
    closed = shape_kspace(phantom.regions[0].shape, np.zeros(2)).real
    assert area == pytest.approx(closed, rel=1e-5)  # 1e-3 per boundary voxel at most, with random signs
