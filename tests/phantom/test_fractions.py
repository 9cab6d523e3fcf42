"""Volume fractions against areas in closed form and against dense point counting."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrsim.core.grid import Grid, orientation_axes
from mrsim.phantom import fractions as engine
from mrsim.phantom import load_phantom
from mrsim.phantom.phantom import FRAMES
from mrsim.phantom.shapes import Band, Box, Ellipse, Intersection, Polygon

ENDLESS = (-np.inf, np.inf)


def plane_fractions(shapes, n, fov, shift=(0.0, 0.0)):
    """Return the (shape, y, x) fractions of plane shapes on an n x n grid of width fov."""
    d = fov / n
    first = np.array([shift[0] - (n // 2) * d, shift[1] - (n // 2) * d, 0.0])
    lattice = engine.Lattice(origin=first, steps=np.diag([d, d, 1.0]), counts=(n, n, 1))
    levels = [lambda x, s=shape: s.level(x[..., :2]) for shape in shapes]
    return engine.lattice_fractions(levels, [ENDLESS] * len(shapes), lattice)[..., 0].transpose(0, 2, 1)


def sagittal(n, fov=0.128, thickness=4e-3, **turn):
    return Grid(shape=(1, n, n), spacing=(fov / n, fov / n, thickness), axes=orientation_axes("sagittal", **turn))


CLOSED_FORM = {
    "circle": (Ellipse(centre=(0.31, 0.12), semi_axes=(1.1, 1.1)), np.pi * 1.21),
    "turned ellipse": (Ellipse(centre=(0.3, 0.1), semi_axes=(3.0, 0.7), angle=0.4), np.pi * 2.1),
    "turned box": (Box(centre=(0.1, 0.2), size=(2.0, 1.0), angle=0.3), 2.0),
    "aligned box": (Box(centre=(0.0, 0.0), size=(2.0, 1.0)), 2.0),
    "thin turned layer": (Box(centre=(0.013, 0.0), size=(5.0, 0.05), angle=0.2), 0.25),
    "rounded box": (Box(centre=(0.1, 0.0), size=(3.0, 2.0), angle=0.7, rounding=0.5), 6.0 - (4 - np.pi) * 0.25),
    "triangle": (Polygon(vertices=((-1.0, -1.0), (1.0, -1.0), (0.0, 1.5))), 2.5),
    "band": (
        Intersection(
            shapes=(
                Band(along=0, lower=(-1.0, 0.0, 0.1), upper=(1.0, 0.2), domain=(-2.0, 2.0)),
                Box(centre=(0.0, 0.0), size=(4.0, 9.0)),
            )
        ),
        8.0 - 0.1 * 2 * 8 / 3,
    ),
}


@pytest.mark.parametrize("n", [1, 3, 16, 101])
@pytest.mark.parametrize("name", CLOSED_FORM)
def test_fractions_add_up_to_the_area_in_closed_form(name, n):
    shape, area = CLOSED_FORM[name]
    filled = plane_fractions([shape], n, 12.0)[0]
    # The promise is 1e-3 per voxel; errors of one voxel have random signs, so the sum is held to the same.
    assert filled.sum() * (12.0 / n) ** 2 == pytest.approx(area, abs=1e-3 * (12.0 / n) ** 2)


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4])
def test_fractions_of_a_half_plane_are_exact(angle):
    """A straight edge is its own tangent: the error is rounding, compared with the clipped pixel's area."""
    shape = Box(centre=(-50.0 * np.cos(angle), -50.0 * np.sin(angle)), size=(100.0, 1000.0), angle=angle)
    filled = plane_fractions([shape], 9, 9.0)[0]
    c, s = np.cos(angle), np.sin(angle)
    x = np.arange(9) - 4.0
    fine = (np.arange(4000) + 0.5) / 4000 - 0.5
    for i, j in [(4, 4), (3, 5), (5, 3), (2, 6)]:
        v = x[i] + fine
        edge = np.where(s == 0, -v * 0.0, -v * np.tan(angle) if c else 0)
        truth = np.clip(edge - (x[j] - 0.5), 0.0, 1.0).mean()  # midpoint sum of a piecewise linear length: 1e-7
        assert filled[i, j] == pytest.approx(truth, abs=1e-6)


def test_fractions_of_a_layer_on_the_grid_lines_are_whole():
    filled = plane_fractions([Box(centre=(0.5, 0.0), size=(2.0, 3.0))], 8, 8.0, shift=(0.0, 0.0))[0]
    assert np.all((np.abs(filled) < 1e-12) | (np.abs(filled - 1) < 1e-12))
    assert filled.sum() == pytest.approx(6.0, abs=1e-12)


@pytest.mark.parametrize(("thickness", "voxel"), [(0.7, 1.0), (0.7, 10.0), (0.05, 1.0)])
def test_fractions_of_a_thin_aligned_layer_are_its_thickness(thickness, voxel):
    layer = Box(centre=(0.0, 0.123), size=(1000.0, thickness))
    filled = plane_fractions([layer], 5, 5 * voxel)[0]
    np.testing.assert_allclose(filled.sum(axis=0), thickness / voxel, atol=1e-3)  # the promise


def test_fractions_converge_with_second_order_when_never_subdivided(monkeypatch):
    """Replacing an arc by its tangent over a cell of size h leaves an area error of order h^2 in all."""
    monkeypatch.setattr(engine, "DEPTH", 0)
    shape, area = CLOSED_FORM["circle"]
    sizes = np.array([64, 128, 256, 512])
    error = [abs(plane_fractions([shape], n, 4.0)[0].sum() * (4.0 / n) ** 2 - area) for n in sizes]
    order = -np.polyfit(np.log(sizes), np.log(error), 1)[0]
    assert order == pytest.approx(2.0, abs=0.2)  # four sizes, the boundary falls differently on each


@settings(max_examples=25, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.2, 3), st.floats(0.2, 3), st.floats(0, 3.1), st.floats(1.5, 5))
def test_fractions_of_overlapping_shapes_sum_to_the_union(x, y, a, b, angle, exponent):
    """Painting over never creates or destroys area: parts add up to the union, and to 1 where all is covered."""
    shapes = [
        Box(centre=(0.0, 0.0), size=(6.0, 5.0)),
        Ellipse(centre=(x, y), semi_axes=(a, b), angle=angle, exponent=exponent),
        Box(centre=(y, x), size=(b, a), angle=angle),
    ]
    background = Box(centre=(0.0, 0.0), size=(100.0, 100.0))
    filled = plane_fractions([background, *shapes], 7, 8.0)
    np.testing.assert_allclose(filled.sum(axis=0), 1.0, atol=1e-12)  # rounding of at most 1e6 additions
    top = plane_fractions(shapes[2:], 7, 8.0)[0]
    np.testing.assert_allclose(filled[3], top, atol=1e-4)  # subdivided differently: tangents differ


def counted(phantom, grid, cells, samples):
    """Return the (cell, region) visible fractions by counting points of a dense regular lattice."""
    first, second, _ = FRAMES[phantom.axis]
    fine = (np.arange(samples) + 0.5) / samples - 0.5
    results = []
    for z, y, x in cells:
        centre = [grid.coordinates(a)[i] for a, i in enumerate((x, y, z))]
        u, v = np.meshgrid(fine * grid.spacing[0] + centre[0], fine * grid.spacing[1] + centre[1])
        world = grid.to_world(np.stack([u.ravel(), v.ravel(), np.full(u.size, centre[2])], axis=-1))
        point = world[:, [first, second]]
        top = np.full(len(point), -1)
        for number, region in enumerate(phantom.regions):
            top[region.shape.level(point) < 0] = number
        results.append([(top == number).mean() for number in range(len(phantom.regions))])
    return np.array(results)


@pytest.mark.parametrize(("n", "tilt"), [(213, 0.0), (128, 0.1), (64, 0.0), (16, 0.35)])
def test_fractions_of_the_disc_agree_with_point_counting(n, tilt):
    """At thin endplates and junctions of three and more tissues, for voxels from 0.6 to 8 mm."""
    phantom, grid = load_phantom("lumbar-disc"), sagittal(n, in_plane=tilt)
    filled = phantom.region_fractions(grid)
    crowd = (filled > 1e-3).sum(axis=0)
    order = np.argsort(crowd.ravel(), kind="stable")[::-1][:5]
    mixed = np.random.default_rng(1).choice(np.flatnonzero(crowd.ravel() == 2), 3, replace=False)
    cells = np.stack(np.unravel_index(np.concatenate([order, mixed]), grid.shape), axis=1)
    truth = counted(phantom, grid, cells, 400)
    # Counting 400 x 400 points is itself good to 1 or 2 in 800 at nearly aligned edges and to
    # 2e-4 in general; the promise is 1e-3.
    assert np.abs(filled[:, cells[:, 0], cells[:, 1], cells[:, 2]].T - truth).max() < 2e-3
    assert np.sqrt(np.mean((filled[:, cells[:, 0], cells[:, 1], cells[:, 2]].T - truth) ** 2)) < 3e-4


def test_fractions_of_the_disc_sum_to_at_most_one_and_to_one_inside():
    phantom = load_phantom("lumbar-disc")
    total = sum(phantom.fractions(sagittal(128)).values())
    assert total.min() >= 0
    assert total.max() <= 1 + 1e-12
    assert np.count_nonzero(np.abs(total - 1) < 1e-12) > 3000


@pytest.mark.parametrize("orientation", ["sagittal", "coronal", "axial"])
def test_fractions_do_not_depend_on_how_the_grid_is_laid(orientation):
    """The same voxels, indexed along other axes, hold the same tissue."""
    phantom = load_phantom("lumbar-disc")
    shape = {"sagittal": (3, 48, 88), "coronal": (88, 48, 3), "axial": (48, 88, 3)}[orientation]
    step = {"sagittal": (1.5, 2, 3), "coronal": (3, 2, 1.5), "axial": (3, 1.5, 2)}[orientation]
    grid = Grid(shape=shape, spacing=tuple(s * 1e-3 for s in step), axes=orientation_axes(orientation))
    reference = Grid(shape=(3, 48, 88), spacing=(1.5e-3, 2e-3, 3e-3), axes=orientation_axes("sagittal"))
    other, expected = phantom.fractions(grid), phantom.fractions(reference)
    for tissue, volume in expected.items():
        got = other[tissue].sum() * grid.voxel_volume
        # The whole object lies in both; voxel errors of random sign add up to much less than 1e-3.
        assert got == pytest.approx(volume.sum() * reference.voxel_volume, rel=1e-4), tissue


def test_fractions_on_an_oblique_grid_agree_with_point_counting():
    phantom = load_phantom("single-voxel")
    axes = orientation_axes("sagittal", tilt=0.4, in_plane=0.25)
    grid = Grid(shape=(5, 6, 6), spacing=(3e-3, 4e-3, 5e-3), axes=axes)
    filled = phantom.fractions(grid)["sample"]
    fine = (np.arange(60) + 0.5) / 60 - 0.5
    w = np.stack(np.meshgrid(fine, fine, fine), axis=-1).reshape(-1, 3) * grid.spacing
    for z, y, x in [(2, 2, 2), (2, 4, 3), (1, 3, 4), (3, 2, 4)]:
        centre = np.array([grid.coordinates(0)[x], grid.coordinates(1)[y], grid.coordinates(2)[z]])
        inside = np.all(np.abs(grid.to_world(centre + w)) < 5e-3, axis=1).mean()
        assert filled[z, y, x] == pytest.approx(inside, abs=3e-3)  # 60^3 points count an oblique face to 1e-3
    assert filled.sum() * grid.voxel_volume == pytest.approx(1e-6, rel=1e-3)  # the cube's volume


def test_fractions_on_a_slightly_tilted_grid_still_see_the_end_faces():
    """A face almost parallel to the slice is nearly a step along the depth of a voxel."""
    phantom = load_phantom("single-voxel")
    grid = Grid(shape=(3, 4, 4), spacing=(4e-3, 4e-3, 7e-3), axes=orientation_axes("sagittal", tilt=1e-4))
    filled = phantom.fractions(grid)["sample"]
    assert filled[0, 2, 2] == pytest.approx(1.5 / 7, abs=1e-3)  # 5 - 3.5 mm of a 7 mm voxel; the promise
    assert filled[1, 2, 2] == pytest.approx(1.0, abs=1e-9)


def test_single_voxel_fills_its_voxel_exactly():
    grid = Grid(shape=(3, 3, 3), spacing=(10e-3, 10e-3, 10e-3), axes=orientation_axes("sagittal"))
    filled = load_phantom("single-voxel").fractions(grid)["sample"]
    expected = np.zeros((3, 3, 3))
    expected[1, 1, 1] = 1.0
    np.testing.assert_allclose(filled, expected, atol=1e-12)


def test_fractions_are_fast_enough():
    phantom = load_phantom("lumbar-disc")
    best = dict.fromkeys((128, 512), np.inf)
    for n in best:
        for _ in range(3):
            start = time.process_time()
            phantom.fractions(sagittal(n))
            best[n] = min(best[n], time.process_time() - start)
    assert best[128] < 0.5
    assert best[512] < 2.0
