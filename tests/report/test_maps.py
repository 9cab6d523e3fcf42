"""Map figures show the maps: values, masks, orientation and windows, read off the artists."""

import numpy as np
import pytest
from matplotlib.colors import Normalize

from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.report.curves import region_decays, roi_curves
from mrsim.report.fitted import fitted_maps
from mrsim.report.images import image_series, image_title
from mrsim.report.maps import error_map, map_comparison, shared_window, symmetric_window
from mrsim.report.slices import draw_slice, outlines
from mrsim.report.style import png, styled


def shown(axes):
    return axes.images[0].get_array()


def test_error_panel_equals_fit_minus_truth_in_milliseconds(run):
    figure = map_comparison(run.maps, run.truth, "t2", run.rois).figure
    fitted, true, error, relative = (shown(axes) for axes in figure.axes[:4])
    both = ~np.ma.getmaskarray(error)
    np.testing.assert_allclose(error[both], (fitted - true)[both], atol=1e-12)
    np.testing.assert_allclose(relative[both], (100 * (fitted - true) / true)[both], atol=1e-12)
    assert set(np.round(error[both], 9)) == {4.0, -5.0}  # 44 - 40 and 95 - 100 ms


def test_error_is_masked_without_truth_and_without_fit(run):
    error = error_map(run.maps, run.truth, "t2")
    known = np.isfinite(run.truth.values["t2"])
    assert np.isnan(error[~known]).all()
    assert np.isnan(error[0, 1, 1])  # the fit stopped at the iteration limit
    assert np.isfinite(error[known]).sum() == known.sum() - 1


def test_fit_and_truth_share_their_window_and_errors_are_symmetric(run):
    figure = map_comparison(run.maps, run.truth, "t2", run.rois).figure
    norms = [axes.images[0].norm for axes in figure.axes[:4]]
    assert norms[0] is norms[1]
    assert all(norm.vmin == -norm.vmax for norm in norms[2:])
    assert [axes.get_ylabel() for axes in figure.axes[4:]] == [
        "T2 / ms",
        "T2 / ms",
        "error of T2 / ms",
        "error of T2 / %",
    ]


def test_window_is_logarithmic_where_truths_span_decades():
    assert type(shared_window(np.array([40.0, 100.0]))) is Normalize
    assert shared_window(np.array([30.0, 2000.0, np.nan])).__class__.__name__ == "LogNorm"


def test_error_window_gives_every_region_the_same_say():
    """A region of 900 voxels that is 5000 off does not hide two small ones that are 2 and 4 off."""
    error = np.zeros((1, 10, 100))
    rois = {name: np.zeros(error.shape, dtype=bool) for name in "abc"}
    for name, place, size in (("a", slice(0, 9), 5000.0), ("b", slice(9, 10), 2.0)):
        rois[name][0, place] = True
        error[0, place] = size
    rois["b"][0, 9, 50:] = False
    rois["c"][0, 9, 50:] = True
    error[rois["c"]] = 4.0
    assert symmetric_window(error, rois).vmax == pytest.approx(8.0)


def test_outline_of_a_region_encloses_its_area(grid_of):
    """The shoelace sum of a closed outline is the area; here from its edges' lengths: 2 x (3 dx + 2 dy)."""
    mask = np.zeros((1, 4, 6), dtype=bool)
    mask[0, 1:3, 2:5] = True
    edges = outlines(mask, grid_of("axial"))
    length = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum()
    assert length == pytest.approx(2 * (3 * 2.0 + 2 * 3.0))
    low, high = edges.min(axis=(0, 1)), edges.max(axis=(0, 1))
    # columns 2..4 of 6 lie at -2, 0, 2 mm; rows 1..2 of 4 at -3, 0 mm
    np.testing.assert_allclose([*low, *high], [-3.0, -4.5, 3.0, 1.5])


@pytest.mark.parametrize(
    ("orientation", "left", "up"), [("sagittal", "A", "S"), ("coronal", "R", "S"), ("axial", "R", "A")]
)
def test_pictures_are_turned_as_radiologists_look_at_them(grid_of, orientation, left, up):
    """A voxel at the far left of the body's letter is drawn at the left of the picture."""
    grid = grid_of(orientation)
    world = {"A": (1, 1.0), "S": (2, 1.0), "R": (0, 1.0)}
    with styled(3, 3) as figure:
        axes = figure.subplots()
        draw_slice(axes, np.zeros(grid.shape), grid, norm=Normalize(0, 1), colours="gray")
    for letter, direction in ((left, (-1.0, 0.0)), (up, (0.0, 1.0))):
        middle = axes.transData.transform((0.0, 0.0))
        toward = np.linalg.solve(grid.axes, np.eye(3)[world[letter][0]] * world[letter][1])[:2]
        step = axes.transData.transform(toward) - middle
        assert step @ np.array(direction) > 0.9 * np.linalg.norm(step)
    letters = [text.get_text() for text in axes.texts]
    assert letters[0] == left
    assert letters[3] == up


def test_images_share_one_window_and_name_their_echo_times(run):
    figure = image_series(run.images).figure
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in panels] == ["TE 12 ms", "TE 24 ms", "TE 36 ms", "TE 48 ms"]
    assert len({axes.images[0].norm for axes in panels}) == 1
    np.testing.assert_allclose(shown(panels[1]), np.abs(run.images.data[1, 0]))
    assert image_title(run.images, 0) == "TE 12 ms"


def test_decay_of_a_perfect_fit_leaves_nothing_over(run):
    """The images hold exp(-TE/T2) of the very maps, so mean and fit agree at every echo."""
    axis = np.array([0.0, 0.012])
    for decay in region_decays(run.images, run.maps, run.rois, "te", axis):
        np.testing.assert_allclose(decay.fitted, decay.mean, rtol=1e-12)
        assert decay.fine[0] == pytest.approx(1.0)
    error = region_decays(run.images, run.maps, run.rois, "te", axis)[1].error
    np.testing.assert_allclose(error, 0.01 / np.sqrt(12))  # sigma / sqrt(n)


def test_curves_draw_a_line_and_points_per_region(run):
    top = roi_curves(run.images, run.maps, run.rois)[0]
    assert [text.get_text() for text in top.get_legend().get_texts()] == ["short", "long"]
    assert len(top.containers) == 2


def test_figures_say_so_where_no_region_has_a_voxel(run):
    """A phantom smaller than a voxel has no region: a figure that says so, without a warning."""
    empty = {name: np.zeros_like(mask) for name, mask in run.rois.items()}
    assert "no region" in roi_curves(run.images, run.maps, empty)[0].texts[0].get_text()
    assert len(png(map_comparison(run.maps, run.truth, "t2", empty))) > 1000


def test_png_of_the_same_figure_is_the_same_bytes(run):
    assert png(image_series(run.images)) == png(image_series(run.images))


def test_images_of_elastography_are_told_by_direction_and_phase():
    table = {
        "direction_x": [0.0, 1.0], "direction_y": [1.0, 0.0], "direction_z": [0.0, 0.0],
        "motion_polarity": [-1.0, 1.0], "vibration_offset": [0.0, 3.0], "vibration_phase": [0.1, 0.2],
    }  # fmt: skip
    images = Images(
        data=np.ones((2, 1, 2, 2), complex), grid=Grid(shape=(1, 2, 2), spacing=(1e-3,) * 3), sigma=np.array(0.1),
        contrast={name: np.array(column) for name, column in table.items()},
    )  # fmt: skip
    assert [image_title(images, index) for index in (0, 1)] == ["-y, phase 1", "+x, phase 4"]


def test_series_of_diffusion_are_told_by_weighting_and_direction():
    table = {
        "b": [0.0, 6e8, 6e8], "b_xx": [1e5, 6e8, 2e8], "te": [0.05, 0.05, 0.05],
        "direction_x": [0.0, 1.0, 0.6], "direction_y": [0.0, 0.0, -0.8], "direction_z": [0.0, 0.0, 0.0],
    }  # fmt: skip
    images = Images(
        data=np.ones((3, 1, 2, 2), complex), grid=Grid(shape=(1, 2, 2), spacing=(1e-3,) * 3), sigma=np.array(0.1),
        contrast={name: np.array(column) for name, column in table.items()},
    )  # fmt: skip
    titles = [image_title(images, index) for index in range(3)]
    assert titles == ["b 0 s/mm²", "b 600 s/mm², x", "b 600 s/mm², (0.60 −0.80 0)"]


def test_anisotropy_by_direction_is_one_picture_in_the_colours_of_the_body():
    """Grid axes of a sagittal scan: x from front to back, y from foot to head, z across."""
    grid = Grid(shape=(1, 1, 3), spacing=(1e-3,) * 3, axes=orientation_axes("sagittal"))
    values = {"fa": np.array([[[0.5, 0.8, 1.2]]])}
    values |= {f"v1_{axis}": np.array([[row]]) for axis, row in zip("xyz", np.eye(3), strict=True)}
    values |= {f"colour_{axis}": values["fa"] * values[f"v1_{axis}"] for axis in "xyz"}
    units, status = dict.fromkeys(values, ""), np.zeros((1, 1, 3), np.int8)
    maps = Maps(grid=grid, values=values, errors={}, units=units, status=status)
    figure = fitted_maps(maps, maps, list(values)).figure
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images and axes.get_title(loc="left")]
    assert titles == ["fa", "v1 x", "v1 y", "v1 z", "FA by direction"]
    picture = next(axes for axes in figure.axes if axes.get_title(loc="left") == "FA by direction").images[0]
    np.testing.assert_allclose(np.asarray(picture.get_array())[0], [[0, 0.5, 0], [0, 0, 0.8], [1, 0, 0]], atol=1e-12)
