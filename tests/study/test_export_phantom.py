"""Phantoms go out to NIfTI, KomaMRI and JEMRIS and come back as they were."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from mrsim.cli import cli
from mrsim.core.errors import InputError
from mrsim.exchange.nifti import read_volume
from mrsim.exchange.spin_files import read_koma
from mrsim.phantom import load_phantom
from mrsim.phantom.exact_maps import label_map, label_numbers, property_map
from mrsim.phantom.transfer import with_transfer
from mrsim.study.export_phantom import export_grid, export_phantom, jemris_maps, koma_spins
from mrsim.study.import_phantom import open_phantom

STEP = 4e-3


@pytest.fixture(scope="module")
def tubes():
    phantom = load_phantom("calibration-tubes", 3.0)
    grid = export_grid(phantom, STEP)
    return phantom, grid, *jemris_maps(phantom, grid)


@pytest.mark.parametrize("ending", ["phantom", "h5"])
def test_exported_phantoms_come_back(tmp_path, tubes, ending):
    phantom, grid, maps, fine = tubes
    assert fine.spacing == grid.spacing  # nothing to cut where there is no fat
    path = tmp_path / f"tubes.{ending}"
    words = export_phantom(phantom, path, STEP)
    held = maps["pd"] > 0
    back, _ = jemris_maps(open_phantom(str(path), 3.0), grid)
    for key, values in maps.items():
        np.testing.assert_allclose(back[key][held], values[held], rtol=2e-3)  # values within 0.1 % become one tissue
    np.testing.assert_array_equal(back["pd"] > 0, held)
    assert ("KomaMRI" if ending == "phantom" else "JEMRIS") in words
    with h5py.File(path) as file:
        count = file.attrs["Ns"] if ending == "phantom" else np.count_nonzero(file["sample/data"][..., 0])
    assert count == np.count_nonzero(held)


def test_exported_voxels_have_the_volume_of_the_object(tubes):
    phantom, grid, maps, _ = tubes
    fractions = phantom.fractions(grid)
    whole = sum(part.sum() for part in fractions.values())
    assert np.count_nonzero(maps["pd"]) == pytest.approx(whole, rel=0.02)  # voxels held by half or more
    low, high = phantom.box()
    first = [grid.coordinates(a)[0] + grid.centre[a] - STEP / 2 for a in range(3)]
    assert np.all(np.array(first) <= low + 1e-12)
    assert np.all(np.array(first) + STEP * np.array(grid.shape[::-1]) >= high - 1e-12)


def marrow(tmp_path):
    path = tmp_path / "bone.toml"
    path.write_text(
        'description = "marrow in fat"\noffset = "20 Hz"\n[shape.fat]\nkind = "ellipsoid"\n'
        'tissue = "subcutaneous_fat"\nsemi_axes = "16 16 16 mm"\n[shape.bone]\nkind = "ellipsoid"\n'
        'tissue = "vertebral_bone_marrow"\nsemi_axes = "9 9 9 mm"\n'
    )
    return load_phantom(str(path), 3.0)


def decay(values, times, cell, density):
    """The free decay of spins, from the equation."""
    turn = np.exp(-2j * np.pi * np.outer(times, values["offset"]) - np.outer(times, 1 / values["t2_star"]))
    return density * cell * turn @ values["pd"]


def tissue_decay(phantom, grid, times):
    """The same from the tissues' pools and the voxels that each fills most of."""
    parts = np.stack([*phantom.fractions(grid).values()])
    filled, most = parts.sum(axis=0), parts.argmax(axis=0)
    total = np.zeros(len(times), dtype=complex)
    for number, tissue in enumerate(phantom.tissues):
        volume = filled[(filled >= 0.5) & (most == number)].sum() * grid.voxel_volume
        for pool in tissue.pools(3.0):
            frequency = phantom.offset + pool.shift * 3.0 * 42.577478518e6
            rate = 1 / pool.t2 + 1 / pool.t2_prime
            total += volume * pool.pd * np.exp(-2j * np.pi * frequency * times - rate * times)
    return total


def test_fat_goes_out_as_spins_with_their_shift_and_comes_back(tmp_path):
    phantom = marrow(tmp_path)
    grid, times = export_grid(phantom, STEP), np.linspace(0, 12e-3, 25)
    true = tissue_decay(phantom, grid, times)
    path = tmp_path / "bone.phantom"
    export_phantom(phantom, path, STEP)
    spins = read_koma(path)
    np.testing.assert_allclose(decay(spins.values, times, grid.voxel_volume, 1.0), true, rtol=1e-9)
    back = open_phantom(str(path), 3.0)
    again = koma_spins(back, grid)
    np.testing.assert_allclose(decay(again.values, times, grid.voxel_volume, 1.0), true, rtol=2e-3)
    kinds = {len(tissue.pools(3.0)) for tissue in back.tissues}
    assert kinds == {len(tissue.pools(3.0)) for tissue in phantom.tissues}


def test_fat_goes_to_jemris_in_half_voxels_as_one_line(tmp_path):
    phantom = marrow(tmp_path)
    grid = export_grid(phantom, STEP)
    maps, fine = jemris_maps(phantom, grid)
    assert "cut in two along x" in export_phantom(phantom, tmp_path / "bone.h5", STEP)
    assert fine.spacing[0] == grid.spacing[0] / 2
    ends = [g.centre[0] + g.coordinates(0)[0] - g.spacing[0] / 2 for g in (grid, fine)]
    assert ends[0] == pytest.approx(ends[1], abs=1e-12)
    held = maps["pd"] > 0
    table = {key: values[held] for key, values in maps.items()}
    # one line has the peaks' density and their mean frequency: value and slope of the decay at its beginning
    true = tissue_decay(phantom, grid, np.array([0.0, 1e-6]))
    found = decay(table, np.array([0.0, 1e-6]), fine.voxel_volume, 1.0)
    np.testing.assert_allclose(found[0], true[0], rtol=1e-9)
    np.testing.assert_allclose(found[1] - found[0], true[1] - true[0], rtol=1e-3)


def test_exported_labels_are_those_of_the_label_map(tmp_path):
    path = tmp_path / "disc.nii.gz"
    words = ["phantom", "single-disc", "--grade", "2", "--export", str(path), "--voxel", "2 mm"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    phantom = load_phantom("single-disc", 3.0, 2)
    values, _ = read_volume(path)
    np.testing.assert_array_equal(values, label_map(phantom, export_grid(phantom, 2e-3)))
    assert f"{label_numbers(phantom)['nucleus_pulposus_L4/5']} nucleus_pulposus_L4/5" in done.stdout


def test_labels_come_back_with_their_grades_numbers_and_names(tmp_path):
    """Two discs of different grades: every property and the label map are those of the exported voxels."""
    spine = load_phantom("lumbar-spine", 3.0, (2, 5))
    grid = export_grid(spine, 5e-3)
    export_phantom(spine, tmp_path / "spine.nii.gz", 5e-3)
    back = open_phantom(str(tmp_path / "spine-labels.toml"), 3.0)
    there = label_map(spine, grid)
    np.testing.assert_array_equal(label_map(back, grid), there)
    names = {number: name for name, number in label_numbers(spine).items()}
    assert {names[n] for n in np.unique(there[there > 0])} == set(back.labels_by_region)
    t2, _ = property_map(back, grid, "t2")
    tissues = {region.name: spine.tissues[region.tissue] for region in spine.regions}
    for disc in ("L4/5", "L5/S1"):
        name = f"nucleus_pulposus_{disc}"
        expected = tissues[name].property("t2", 3.0).value
        np.testing.assert_allclose(
            t2[there == label_numbers(spine)[name]], expected, rtol=1e-5
        )  # affines are in single precision
    assert {t.name for t in back.tissues} <= {t.name for t in spine.tissues}
    export_phantom(back, tmp_path / "again.nii", 5e-3)
    again = open_phantom(str(tmp_path / "again-labels.toml"), 3.0)
    assert again.segments == back.segments


def test_exports_that_cannot_be_are_refused(tmp_path):
    disc = load_phantom("lumbar-disc", 3.0)
    with pytest.raises(InputError, match="exchanges magnetisation"):
        export_phantom(with_transfer(load_phantom("single-disc", 3.0)), tmp_path / "a.phantom", STEP)
    with pytest.raises(InputError, match="no voxel is filled to half"):
        export_phantom(load_phantom("single-voxel", 3.0), tmp_path / "a.h5", 0.1)
    with pytest.raises(InputError, match="ends in none of"):
        export_phantom(disc, tmp_path / "a.mat", STEP)
    with pytest.raises(InputError, match="voxels, more than 20,000,000"):
        export_phantom(disc, tmp_path / "a.nii", 1e-5)
