"""Phantoms go out to NIfTI, KomaMRI and JEMRIS and come back as they were."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from mrsim.cli import cli
from mrsim.core.errors import InputError
from mrsim.exchange.nifti import read_volume
from mrsim.phantom import load_phantom
from mrsim.phantom.exact_maps import label_map, label_numbers
from mrsim.study.export_phantom import export_grid, export_phantom, voxel_maps
from mrsim.study.import_phantom import open_phantom

STEP = 4e-3


@pytest.fixture(scope="module")
def tubes():
    phantom = load_phantom("calibration-tubes", 3.0)
    grid = export_grid(phantom, STEP)
    return phantom, grid, voxel_maps(phantom, grid)


@pytest.mark.parametrize("ending", ["phantom", "h5"])
def test_exported_phantoms_come_back(tmp_path, tubes, ending):
    phantom, grid, maps = tubes
    path = tmp_path / f"tubes.{ending}"
    words = export_phantom(phantom, path, STEP)
    held = maps["pd"] > 0
    back = voxel_maps(open_phantom(str(path), 3.0), grid)
    for key, values in maps.items():
        np.testing.assert_allclose(back[key][held], values[held], rtol=2e-3)  # values within 0.1 % become one tissue
    np.testing.assert_array_equal(back["pd"] > 0, held)
    assert ("KomaMRI" if ending == "phantom" else "JEMRIS") in words
    with h5py.File(path) as file:
        count = file.attrs["Ns"] if ending == "phantom" else np.count_nonzero(file["sample/data"][..., 0])
    assert count == np.count_nonzero(held)


def test_exported_voxels_have_the_volume_of_the_object(tubes):
    phantom, grid, maps = tubes
    fractions = phantom.fractions(grid)
    whole = sum(part.sum() for part in fractions.values())
    assert np.count_nonzero(maps["pd"]) == pytest.approx(whole, rel=0.02)  # voxels held by half or more
    low, high = phantom.box()
    first = [grid.coordinates(a)[0] + grid.centre[a] - STEP / 2 for a in range(3)]
    assert np.all(np.array(first) <= low + 1e-12)
    assert np.all(np.array(first) + STEP * np.array(grid.shape[::-1]) >= high - 1e-12)


def test_exported_labels_are_those_of_the_label_map(tmp_path):
    path = tmp_path / "disc.nii.gz"
    words = ["phantom", "single-disc", "--grade", "2", "--export", str(path), "--voxel", "2 mm"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    phantom = load_phantom("single-disc", 3.0, 2)
    values, _ = read_volume(path)
    np.testing.assert_array_equal(values, label_map(phantom, export_grid(phantom, 2e-3)))
    assert f"{label_numbers(phantom)['nucleus_pulposus_L4/5']} nucleus_pulposus_L4/5" in done.stdout


def test_exports_that_cannot_be_are_refused(tmp_path):
    disc = load_phantom("lumbar-disc", 3.0)
    with pytest.raises(InputError, match=r"several pools, which lists of spins cannot hold: .*vertebral_bone_marrow"):
        export_phantom(disc, tmp_path / "a.phantom", STEP)
    with pytest.raises(InputError, match="ends in none of"):
        export_phantom(disc, tmp_path / "a.mat", STEP)
    with pytest.raises(InputError, match="voxels, more than 20,000,000"):
        export_phantom(disc, tmp_path / "a.nii", 1e-5)
