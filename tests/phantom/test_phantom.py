"""Phantoms: anatomy, truth, regions of interest, spins, bad files."""

import dataclasses
import re

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.toml import available
from mrsim.phantom import load_phantom

PHANTOMS = tuple(available("phantoms"))
SMALL = """\
description = "test"

[material.oil]
t1 = "300 ms"
t2 = "100 ms"
pd = "1"

[shape.drop]
kind = "ellipse"
tissue = "oil"
semi_axes = "10 8 mm"
"""


def sagittal(n, fov=0.128, thickness=4e-3, **turn):
    return Grid(shape=(1, n, n), spacing=(fov / n, fov / n, thickness), axes=orientation_axes("sagittal", **turn))


@pytest.mark.parametrize("field", [1.5, 3.0, 7.0])
@pytest.mark.parametrize("name", PHANTOMS)
def test_shipped_phantom_loads_and_fits_the_field_of_view(name, field):
    phantom = load_phantom(name, field)
    extent = phantom.extent(sagittal(128))
    # spines are imaged with larger fields of view: 280 x 224 mm (lumbar), half of that (neck)
    half = np.array([140e-3, 112e-3] if phantom.solid else [64e-3, 64e-3])
    assert np.all(np.abs(extent[:, :2]) <= half)
    assert all(tissue.pools(field) for tissue in phantom.tissues)


def test_truth_of_the_fields_is_their_value_at_the_voxels_centres():
    grid = sagittal(32)
    across = dataclasses.replace(grid, shape=(1, 34, 34))
    ramp = FieldMap(values=np.broadcast_to(np.arange(34.0), (1, 34, 34)), grid=across)
    truth = dataclasses.replace(load_phantom("lumbar-disc"), offset=ramp, b1=0.9).truth(grid)
    known = np.isfinite(truth.values["off_resonance"])
    expected = np.broadcast_to(np.arange(32.0) + 1, grid.shape)  # pixel 16 of 32 and 17 of 34 lie at the origin
    np.testing.assert_allclose(truth.values["off_resonance"][known], expected[known])
    assert set(truth.values["b1"][known]) == {0.9}
    assert truth.units["off_resonance"] == "Hz"


def test_extent_turns_with_the_grid_and_is_infinite_where_the_object_is():
    phantom = load_phantom("ellipse")
    flat = phantom.extent(sagittal(8))
    np.testing.assert_allclose(flat[:, 2], [-50e-3, 50e-3])
    shifted = phantom.extent(Grid(shape=(1, 8, 8), spacing=(1, 1, 1), centre=(0, 0.01, 0), axes=sagittal(8).axes))
    np.testing.assert_allclose(shifted[:, 0] - flat[:, 0], 0.01)  # readout runs posterior
    endless = dataclasses.replace(
        phantom, regions=tuple(dataclasses.replace(r, span=(-np.inf, np.inf)) for r in phantom.regions)
    )
    np.testing.assert_array_equal(np.isinf(endless.extent(sagittal(8))), [[False, False, True]] * 2)
    cube = load_phantom("single-voxel")
    np.testing.assert_allclose(cube.extent(sagittal(8)), [[-5e-3] * 3, [5e-3] * 3], atol=1e-15)


def test_object_is_uniform_through_slices_across_its_extrusion_only_inside_it():
    phantom, grid = load_phantom("ellipse"), sagittal(8)
    assert phantom.uniform_through(grid, 99e-3)
    assert not phantom.uniform_through(grid, 101e-3)
    assert not phantom.uniform_through(dataclasses.replace(grid, centre=(0.03, 0, 0)), 50e-3)
    assert not phantom.uniform_through(dataclasses.replace(grid, axes=np.eye(3)), 1e-3)


@pytest.mark.parametrize("grade", [1, 3, 5])
def test_disc_height_in_the_middle_is_that_of_its_grade(grade):
    """12.3 mm times 1, 0.97 and 0.6, measured on the fractions along z through the centre."""
    phantom = load_phantom("lumbar-disc", grade=grade)
    grid = Grid(shape=(1, 200, 1), spacing=(1e-4, 2e-4, 1e-3), axes=orientation_axes("sagittal"))
    parts = phantom.fractions(grid)
    inside = sum(parts[name] for name in ("nucleus_pulposus", "annulus_fibrosus_inner", "annulus_fibrosus_outer"))
    height = inside.sum() * 2e-4
    assert height == pytest.approx(12.3e-3 * {1: 1.0, 3: 0.97, 5: 0.6}[grade], rel=2e-3)  # the surface slopes
    endplates = parts["cartilage_endplate"].sum() * 2e-4
    assert endplates == pytest.approx(2e-3 * {1: 0.85, 3: 0.72, 5: 0.5}[grade], rel=2e-3)


def test_disc_anatomy_stands_in_the_right_order():
    """From front to back at mid-height: annulus, nucleus (set back), annulus, ligament, sac, fat, muscle."""
    phantom = load_phantom("lumbar-disc")
    grid = Grid(shape=(1, 1, 640), spacing=(2e-4, 2e-4, 1e-3), axes=orientation_axes("sagittal"))
    parts = phantom.fractions(grid)
    names = np.array(["background", *parts])
    label = np.argmax(np.stack([1 - sum(parts.values()), *parts.values()]), axis=0)[0, 0]
    sequence = names[label[np.concatenate([[True], np.diff(label) != 0])]].tolist()
    outer, inner = "annulus_fibrosus_outer", "annulus_fibrosus_inner"
    assert sequence == [
        "background", "ligament", outer, inner, "nucleus_pulposus", inner, outer, "ligament",
        "csf", "epidural_fat", "paraspinal_muscle", "background",
    ]  # fmt: skip
    y = -grid.coordinates(0)
    centroid = (parts["nucleus_pulposus"][0, 0] * y).sum() / parts["nucleus_pulposus"].sum()
    assert centroid == pytest.approx(-3e-3, abs=1e-4)  # the table's offset; a voxel is 0.2 mm


def test_disc_is_a_wedge_with_the_tabulated_heights():
    phantom = load_phantom("lumbar-disc", grade=1)
    heights = {}
    for y in (12e-3, -12e-3):
        grid = Grid(shape=(1, 400, 1), spacing=(1e-4, 1e-4, 1e-3), axes=orientation_axes("sagittal"), centre=(0, y, 0))
        parts = phantom.fractions(grid)
        heights[y] = 1e-4 * sum(parts[n].sum() for n in parts if n.startswith(("nucleus", "annulus")))
    parabola = np.polynomial.Polynomial.fit([-18e-3, 0, 18e-3], [7.6e-3, 12.3e-3, 14.2e-3], 2)
    for y, height in heights.items():
        assert height == pytest.approx(parabola(y), rel=2e-3)
    assert heights[12e-3] > 1.2 * heights[-12e-3]


def test_truth_has_scalars_in_pure_voxels_and_none_in_mixed_ones():
    phantom = load_phantom("lumbar-disc")
    maps = phantom.truth(sagittal(128))
    most = np.max(list(maps.fractions.values()), axis=0)
    empty = 1 - sum(maps.fractions.values()) >= 0.99
    np.testing.assert_array_equal(maps.status, np.where(empty, 1, np.where(most >= 0.99, 0, 7)))
    fields = ("b1", "off_resonance")  # these fill space, whatever the tissue
    assert all(np.isnan(v[maps.status != 0]).all() for name, v in maps.values.items() if name not in fields)
    assert all(np.isfinite(maps.values[name][most >= 0.99]).all() for name in fields)
    assert all(np.isnan(maps.values[name][empty]).all() for name in fields)
    nucleus = maps.fractions["nucleus_pulposus"] >= 0.99
    assert np.unique(maps.values["t2"][nucleus]) == pytest.approx(0.084)
    assert np.unique(maps.values["t2_star"][nucleus]) == pytest.approx(0.042)
    assert np.unique(maps.values["pdff"][nucleus]) == pytest.approx(0.0)
    marrow = maps.fractions["vertebral_bone_marrow"] >= 0.99
    assert np.isnan(maps.values["t2"][marrow]).all()
    assert np.unique(maps.values["pdff"][marrow]) == pytest.approx(0.385)
    assert np.unique(maps.values["pd"][marrow]) == pytest.approx(0.5019330 / 0.615, rel=1e-6)  # water / (1 - PDFF)
    assert all(not error.any() for error in maps.errors.values())
    assert maps.model == "truth"
    assert set(np.unique(maps.status)) == {0, 1, 7}


def test_truth_carries_the_grade_and_the_field():
    for field, grade, t2 in [(3.0, 1, 0.190), (3.0, 5, 0.043), (1.5, 3, 0.09078), (7.0, 3, 0.07426)]:
        maps = load_phantom("lumbar-disc", field, grade).truth(sagittal(64))
        assert np.nanmax(maps.values["t2"][maps.fractions["nucleus_pulposus"] >= 0.99]) == pytest.approx(t2)


def test_rois_are_disjoint_pure_and_eroded():
    phantom, grid = load_phantom("lumbar-disc"), sagittal(192)
    masks, whole = phantom.rois(grid), phantom.rois(grid, erode=False)
    assert set(masks) >= {
        "nucleus_pulposus", "annulus_fibrosus_inner_anterior", "annulus_fibrosus_inner_posterior",
        "annulus_fibrosus_outer_anterior", "annulus_fibrosus_outer_posterior", "csf", "marrow_upper", "marrow_lower",
        "paraspinal_muscle", "cartilage_endplate_upper", "cartilage_endplate_lower",
    }  # fmt: skip
    assert np.sum(list(whole.values()), axis=0).max() == 1
    status = phantom.truth(grid).status
    for name, mask in masks.items():
        assert (status[whole[name]] == 0).all()
        assert not (mask & ~whole[name]).any()
        if name in masks.not_eroded:
            np.testing.assert_array_equal(mask, whole[name])
        else:
            assert 0 < mask.sum() < whole[name].sum()
    assert masks["nucleus_pulposus"].sum() > 100
    assert "nucleus_pulposus" not in masks.not_eroded
    assert "cartilage_endplate_upper" in masks.not_eroded  # 0.72 mm in voxels of 0.67 mm


def test_roi_halves_lie_in_front_of_and_behind_the_nucleus():
    masks = load_phantom("lumbar-disc").rois(sagittal(192), erode=False)
    y = -sagittal(192).coordinates(0)
    for part in ("inner", "outer"):
        front = y[masks[f"annulus_fibrosus_{part}_anterior"].any(axis=(0, 1))]
        back = y[masks[f"annulus_fibrosus_{part}_posterior"].any(axis=(0, 1))]
        assert front.min() > back.max()


def test_tube_rois_hold_the_values_of_their_tubes():
    phantom, grid = load_phantom("calibration-tubes"), Grid(shape=(1, 128, 128), spacing=(1e-3, 1e-3, 4e-3))
    maps, masks = phantom.truth(grid), phantom.rois(grid)
    times = [np.unique(maps.values["t2"][masks[f"tube_{i:02d}"]]) for i in range(1, 15)]
    assert all(len(t) == 1 for t in times)
    assert np.concatenate(times) == pytest.approx(
        np.array([10, 15, 20, 30, 40, 50, 60, 80, 100, 130, 170, 220, 300, 500]) * 1e-3
    )


def test_spins_have_the_volume_of_the_object():
    phantom = load_phantom("ellipse")
    grid = sagittal(64, thickness=3e-3)
    spins = phantom.sample(grid)
    assert spins.volume.sum() == pytest.approx(np.pi * 40e-3 * 25e-3 * 3e-3, rel=1e-3)  # the promise
    assert spins.tissue.dtype == np.int32
    assert spins.cell.dtype == np.int64
    centroid = (spins.volume[:, None] * spins.position).sum(axis=0) / spins.volume.sum()
    # Boundary voxels are represented by their centres: an error below 1 % of a voxel of 2 mm.
    np.testing.assert_allclose(centroid, [-6e-3, -4e-3, 0.0], atol=2e-5)


def test_spins_list_every_tissue_of_a_voxel_once():
    phantom, grid = load_phantom("lumbar-disc"), sagittal(64)
    spins, parts = phantom.sample(grid), phantom.fractions(grid)
    assert len(np.unique(spins.cell * 100 + spins.tissue)) == len(spins.cell)
    for number, name in enumerate(spins.tissues):
        rebuilt = np.zeros(grid.shape)
        mine = spins.tissue == number
        rebuilt.ravel()[spins.cell[mine]] = spins.volume[mine] / grid.voxel_volume
        np.testing.assert_allclose(rebuilt, parts[name], atol=1e-9)  # slivers below 1e-9 are left out
    z, y, x = np.unravel_index(spins.cell, grid.shape)
    np.testing.assert_allclose(spins.position[:, 0], grid.coordinates(0)[x])
    np.testing.assert_allclose(spins.position[:, 1], grid.coordinates(1)[y])
    np.testing.assert_allclose(spins.position[:, 2], grid.coordinates(2)[z])
    assert [len(pools) for pools in spins.pools] == [len(t.pools(3.0)) for t in phantom.tissues]


def test_offset_and_b1_of_the_file_reach_the_spins(tmp_path):
    path = tmp_path / "drop.toml"
    path.write_text('offset = "20 Hz"\nb1 = 0.85\n' + SMALL)
    spins = load_phantom(str(path)).sample(sagittal(16, fov=0.032))
    assert np.unique(spins.offset) == pytest.approx(20.0)
    assert np.unique(spins.b1) == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('t1 = "300 ms"', 't1 = "300"', "material.oil.t1", "no unit"),
        ('t1 = "300 ms"', 't1 = "-300 ms"', "material.oil.t1", "not positive"),
        ('t2 = "100 ms"', 't2 = "700 ms"', "material.oil.t2", "exceeds 2 x t1 = 600 ms"),
        ('t2 = "100 ms"', 't2 = "100 ms"\nt3 = "1 ms"', "material.oil.t3", "unknown key"),
        ('kind = "ellipse"', 'kind = "elipse"', "shape.drop.kind", "did you mean 'ellipse'"),
        ('semi_axes = "10 8 mm"', 'semi_axes = "10 mm"', "shape.drop.semi_axes", "give two"),
        ('semi_axes = "10 8 mm"', 'semi_axes = "10 0 mm"', "shape.drop.semi_axes", "not positive"),
        ('semi_axes = "10 8 mm"', 'semi_axes = "10 8 deg"', "shape.drop.semi_axes", "is a angle|is an angle"),
        ('semi_axes = "10 8 mm"', 'semi_axis = "10 8 mm"', "shape.drop", "semi_ax"),
        ('description = "test"', 'description = "test"\nb1 = "0"', "b1", "not positive"),
        ('description = "test"', 'description = "test"\nsize = 3', "size", "unknown key"),
    ],
)
def test_bad_phantom_file_is_refused_with_file_line_and_key(tmp_path, old, new, key, message):
    path = tmp_path / "bad.toml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        load_phantom(str(path))
    assert re.match(rf"{re.escape(str(path))}:\d+: {re.escape(key)}", str(caught.value)), str(caught.value)


def test_unknown_tissue_in_a_phantom_is_refused_with_a_suggestion(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(SMALL.replace('tissue = "oil"', 'tissue = "oli"'))
    with pytest.raises(InputError, match=r"unknown tissue or material 'oli'; did you mean 'oil'\?"):
        load_phantom(str(path))


def test_unknown_phantom_suggests_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="did you mean 'lumbar-disc'"):
        load_phantom("lumbar-disk")
    assert load_phantom("lumbar-disc").name == "lumbar-disc"


def test_field_outside_a_tissue_is_refused_by_the_phantom():
    with pytest.raises(InputError, match=r"t1 at 9\.4 T is unknown; it is known between .* and 7 T.*--extrapolate"):
        load_phantom("lumbar-disc", 9.4)


def test_phantom_beyond_the_known_fields_says_what_was_extrapolated(tmp_path):
    phantom = load_phantom("lumbar-disc", 0.55, extrapolate=True)
    assert "t1" in phantom.extrapolated["nucleus_pulposus"]
    assert "paraspinal_muscle" not in {name for name, what in phantom.extrapolated.items() if "t1" in what}
    assert load_phantom("lumbar-disc", 2.0).extrapolated == {}
    file = tmp_path / "allowed.toml"
    text = available("phantoms")["lumbar-disc"].read_text(encoding="utf-8")
    file.write_text("extrapolate = true\n" + text, encoding="utf-8")
    assert load_phantom(str(file), 0.55).extrapolated == phantom.extrapolated
    grid = Grid(shape=(1, 4, 4), spacing=(1e-3, 1e-3, 1e-3))
    assert "nucleus_pulposus" in phantom.truth(grid).history["extrapolated"]


TWO = """description = "two"
[shape.{first}]
kind = "ellipse"
tissue = "csf"
centre = "0 0 mm"
semi_axes = "{a} {a} mm"
[shape.{second}]
kind = "ellipse"
tissue = "ligament"
centre = "{y} 0 mm"
semi_axes = "10 10 mm"
{more}
"""


@pytest.mark.parametrize(("a", "y", "more"), [(20, 0, ""), (20, 30, ""), (20, 25, "overlaps = true"), (20, 31, "")])
def test_shapes_inside_beside_or_meant_to_cross_are_allowed(tmp_path, a, y, more):
    path = tmp_path / "two.toml"
    path.write_text(TWO.format(first="one", second="other", a=a, y=y, more=more))
    assert len(load_phantom(str(path)).regions) == 2


def test_shapes_that_cross_or_hide_are_refused(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO.format(first="one", second="other", a=20, y=29, more=""))
    with pytest.raises(InputError, match=r"shape\.other: crosses 'one'.*overlaps = true") as problem:
        load_phantom(str(path))
    assert problem.value.line == 7
    path.write_text(TWO.format(first="one", second="other", a=5, y=0, more=""))
    with pytest.raises(InputError, match=r"shape\.one: lies wholly under 'other'"):
        load_phantom(str(path))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"offset": np.nan}, "offset: is nan Hz; an object's off-resonance lies within"),
        ({"offset": -1e6}, r"offset: is 1e\+06 Hz; an object's off-resonance lies within"),
        ({"b1": np.inf}, "b1: is inf of the nominal transmit field; it must be at most 100"),
    ],
)
def test_fields_beyond_what_an_object_has_are_refused(changed, said):
    with pytest.raises(InputError, match=said):
        dataclasses.replace(load_phantom("single-voxel", field=3.0), **changed)
