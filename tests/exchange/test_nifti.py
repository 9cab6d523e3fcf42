"""NIfTI volumes: where they lie, and what is refused, with nibabel as the other program."""

import struct

import nibabel
import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.exchange.nifti import read_volume, turned_to, write_volume

AFFINE = np.array([[0.0, 0.0, 3.0, -20.0], [-2.0, 0.0, 0.0, 30.0], [0.0, 1.5, 0.0, -10.0], [0, 0, 0, 1]])


def image(path, affine=AFFINE, shape=(4, 5, 6), unit="mm", qform=1, sform=1):
    values = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    made = nibabel.Nifti1Image(values, affine)
    made.header.set_xyzt_units(unit)
    made.set_qform(affine if qform else None, qform)
    made.set_sform(affine if sform else None, sform)
    nibabel.save(made, path)
    return values


def value_at(values, grid, world):
    """Value of the voxel at a world position, m."""
    index = np.rint(((world - np.asarray(grid.centre)) @ grid.axes) / np.asarray(grid.spacing)).astype(int)
    x, y, z = index + np.array(grid.shape[::-1]) // 2
    return values[z, y, x]


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_nifti_voxels_lie_where_nibabel_says(tmp_path, mirror):
    affine = AFFINE.copy()
    affine[:, 0] *= mirror  # one of both is left-handed
    written = image(tmp_path / "a.nii.gz", affine)
    values, grid = read_volume(tmp_path / "a.nii.gz")
    assert np.linalg.det(grid.axes) == pytest.approx(1)
    for index in ((0, 0, 0), (3, 1, 5), (2, 4, 0)):
        world = nibabel.affines.apply_affine(affine, index) * 1e-3
        assert value_at(values, grid, world) == written[index]


def test_nifti_round_trip_keeps_an_oblique_grid(tmp_path):
    grid = Grid(
        shape=(3, 4, 5), spacing=(1e-3, 2e-3, 3e-3), centre=(0.01, -0.02, 0.03), axes=orientation_axes("sagittal", 0.3)
    )
    values = np.random.default_rng(1).integers(0, 9, grid.shape)
    write_volume(tmp_path / "a.nii", values, grid)
    back, there = read_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(back, values)
    assert there.shape == grid.shape
    np.testing.assert_allclose(there.affine(), grid.affine(), atol=1e-7)  # single precision in the file


def test_nifti_metres_are_not_millimetres(tmp_path):
    affine = AFFINE.copy()
    affine[:3] *= 1e-3
    image(tmp_path / "a.nii", affine, unit="meter")
    assert read_volume(tmp_path / "a.nii")[1].spacing == pytest.approx((2e-3, 1.5e-3, 3e-3), rel=1e-6)


def sheared():
    affine = AFFINE.copy()
    affine[0, 0] = 0.4
    return affine


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"affine": sheared(), "qform": 0}, "sheared affine"),
        ({"qform": 0, "sform": 0}, "does not say where it lies"),
        ({"shape": (4, 5, 6, 2)}, "has 4 dimensions"),
    ],
)
def test_nifti_with_a_wrong_affine_is_refused(tmp_path, changes, problem):
    image(tmp_path / "a.nii", **changes)
    with pytest.raises(InputError, match=problem):
        read_volume(tmp_path / "a.nii")


def test_nifti_whose_two_forms_differ_is_refused(tmp_path):
    image(tmp_path / "a.nii")
    loaded = nibabel.load(tmp_path / "a.nii")
    moved = AFFINE.copy()
    moved[0, 3] += 5
    loaded.set_sform(moved, 1)
    nibabel.save(loaded, tmp_path / "b.nii")
    with pytest.raises(InputError, match="a qform and an sform that differ"):
        read_volume(tmp_path / "b.nii")


def test_nifti_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"not an image")
    with pytest.raises(InputError, match="is no NIfTI file"):
        read_volume(tmp_path / "a.nii")
    with pytest.raises(InputError, match="no such file"):
        read_volume(tmp_path / "b.nii")


def test_volumes_that_a_program_turned_come_back_voxel_by_voxel(tmp_path):
    """nibabel brings a volume to each of some orientations; the values return to where they were."""
    grid = Grid(
        shape=(3, 4, 5), spacing=(1e-3, 2e-3, 3e-3), centre=(0.01, 0.0, 0.02), axes=orientation_axes("sagittal")
    )
    values = np.random.default_rng(1).standard_normal(grid.shape)
    write_volume(tmp_path / "a.nii", values, grid)
    for codes in ("RAS", "LPS", "SAR", "PIL"):
        image = nibabel.load(tmp_path / "a.nii")
        way = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(tuple(codes))
        )
        nibabel.save(image.as_reoriented(way), tmp_path / "b.nii")
        np.testing.assert_array_equal(turned_to(*read_volume(tmp_path / "b.nii"), grid), values)


@pytest.mark.parametrize("change", [{"centre": (0.0111, 0.0, 0.02)}, {"spacing": (1.1e-3, 2e-3, 3e-3)},
                                    {"shape": (3, 5, 4)}, {"axes": orientation_axes("axial")}])  # fmt: skip
def test_volumes_of_other_places_are_not_turned(change):
    fields = {"shape": (3, 4, 5), "spacing": (1e-3, 2e-3, 3e-3), "centre": (0.01, 0.0, 0.02)}
    fields["axes"] = orientation_axes("sagittal")
    other = Grid(**(fields | change))
    assert turned_to(np.zeros(other.shape), other, Grid(**fields)) is None


@pytest.mark.parametrize(("at", "code", "value", "problem"), [
    (46, "<h", 0, "has no voxels"), (256, "<f", 5e28, "qform and sform are rotations"),
])  # fmt: skip
def test_nifti_without_voxels_or_with_an_impossible_rotation_is_refused(tmp_path, at, code, value, problem):
    path = tmp_path / "a.nii"
    write_volume(path, np.ones((3, 4, 5), np.float32), Grid(shape=(3, 4, 5), spacing=(1e-3, 1e-3, 1e-3)))
    content = bytearray(path.read_bytes())
    struct.pack_into(code, content, at, value)  # the header's dim[3]; its quatern_b
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        read_volume(path)


@pytest.mark.parametrize(("row", "said"), [((np.nan, 0, 0, 0), "nan"), ((1e20, 0, 0, 0), "1e"), ((0, 0, 0, 0), "0 x"),
                                          ((2, 0, 0, np.inf), "finite")])  # fmt: skip
def test_nifti_with_a_first_row_that_no_voxel_has_is_refused_without_a_warning(tmp_path, row, said):
    image(tmp_path / "a.nii", np.diag([2.0, 2, 2, 1]), qform=0)
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[280:296] = np.asarray(row, "<f4").tobytes()  # srow_x
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(InputError, match=f"has voxels .*{said}"):
        read_volume(tmp_path / "a.nii")
