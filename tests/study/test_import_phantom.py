"""Phantoms of other programs: where voxels lie, what they hold, and what is refused."""

import h5py
import nibabel
import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.maps import Maps
from mrsim.core.storage import save
from mrsim.exchange.nifti import write_volume
from mrsim.exchange.spin_files import SpinTable, read_jemris, read_koma, write_jemris, write_koma
from mrsim.phantom import load_phantom
from mrsim.phantom.tissue import load_tissue
from mrsim.phantom.voxel_maps import ideal_tissue
from mrsim.phantom.voxels import voxel_phantom
from mrsim.study.import_phantom import open_phantom, spin_table
from mrsim.study.request import RunRequest
from mrsim.study.run import simulate_only

GRID = Grid(shape=(6, 7, 8), spacing=(2e-3, 3e-3, 4e-3), centre=(5e-3, -2e-3, 1e-3))
WATER = ideal_tissue("water", np.array([1.0, 0.08, 0.05, 0.9]), "a test")
OIL = ideal_tissue("oil", np.array([0.3, 0.06, 0.06, 0.7]), "a test")


def blocks():
    labels = np.full(GRID.shape, -1, dtype=np.int64)
    labels[1:5, 2:6, 1:4] = 0
    labels[2:6, 1:4, 4:7] = 1
    return voxel_phantom("blocks", labels, GRID, (WATER, OIL), 3.0)


def test_voxels_on_their_own_grid_are_themselves():
    phantom = blocks()
    found = phantom.fractions(GRID)
    np.testing.assert_allclose(found["water"], phantom.labels == 0, atol=1e-12)
    np.testing.assert_allclose(found["oil"], phantom.labels == 1, atol=1e-12)


@pytest.mark.parametrize("orientation", ["axial", "sagittal", "coronal"])
def test_voxels_keep_their_volume_and_place_on_any_grid(orientation):
    """Volume exactly; the first moment exactly, too, where cells cut voxels along their faces."""
    phantom = blocks()
    axes = orientation_axes(orientation)
    grid = Grid(shape=(40, 41, 42), spacing=(1.3e-3, 1.7e-3, 1.1e-3), centre=(4e-3, -1e-3, 3e-3), axes=axes)
    for label, part in enumerate(phantom.region_fractions(grid)):
        inside = np.argwhere(phantom.labels == label)
        assert part.sum() * grid.voxel_volume == pytest.approx(len(inside) * GRID.voxel_volume, rel=1e-12)
        x, y, z = (grid.coordinates(a) for a in range(3))
        place = grid.to_world(np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1))
        centre = np.tensordot(part, place, axes=3) / part.sum()
        true = GRID.to_world(((inside.mean(axis=0) - np.array(GRID.shape) // 2)[::-1]) * GRID.spacing)
        np.testing.assert_allclose(centre, true, atol=0.9e-3)  # half a cell: cells are no points


def test_voxels_on_an_oblique_grid_keep_their_volume():
    phantom = blocks()
    grid = Grid(
        shape=(40, 40, 40), spacing=(1.3e-3,) * 3, centre=GRID.centre, axes=orientation_axes("sagittal", 0.3, 0.2)
    )
    parts = phantom.region_fractions(grid)
    for label, part in enumerate(parts):
        volume = np.count_nonzero(phantom.labels == label) * GRID.voxel_volume
        assert part.sum() * grid.voxel_volume == pytest.approx(volume, rel=0.01)  # 64 points per cell
    assert parts.sum(axis=0).max() <= 1 + 1e-12


def test_voxel_truth_and_spins_are_those_of_their_tissues():
    phantom = blocks()
    truth = phantom.truth(GRID)
    assert truth.values["t2_star"][phantom.labels == 0] == pytest.approx(0.05)
    assert truth.values["t1"][phantom.labels == 1] == pytest.approx(0.3)
    assert np.all(truth.status[phantom.labels < 0] == 1)
    spins = phantom.sample(GRID)
    assert len(spins.volume) == np.count_nonzero(phantom.labels >= 0)
    low, high = phantom.extent(GRID)
    assert np.all(spins.position >= low - 1e-12)
    assert np.all(spins.position <= high + 1e-12)


def label_file(folder, tissues, values=None):
    labels = np.zeros(GRID.shape, dtype=np.int64)
    labels[1:5, 2:6, 1:4] = 7
    labels[2:6, 1:4, 4:7] = 12
    write_volume(folder / "labels.nii.gz", labels if values is None else values, GRID)
    path = folder / "own.toml"
    path.write_text(f'description = "labels"\n[voxels]\nlabels = "labels.nii.gz"\n[voxels.tissues]\n{tissues}\n')
    return str(path), labels


def test_label_images_become_tissues(tmp_path):
    path, labels = label_file(tmp_path, '7 = "csf"\n12 = "nucleus_pulposus"')
    phantom = open_phantom(path, 3.0, 4)
    fractions = phantom.fractions(GRID)
    np.testing.assert_allclose(fractions["csf"], labels == 7, atol=1e-5)  # single precision in the file's affine
    np.testing.assert_allclose(fractions["nucleus_pulposus"], labels == 12, atol=1e-5)
    t2 = load_tissue("nucleus_pulposus", 4, 3.0).property("t2", 3.0).value
    assert np.nanmax(phantom.truth(GRID).values["t2"][labels == 12]) == pytest.approx(t2)


@pytest.mark.parametrize(
    ("tissues", "values", "problem"),
    [
        ('7 = "csf"', None, "no tissue is named for the labels 12"),
        ('7 = "csf"\n12 = "cfs"', None, "unknown tissue 'cfs'; did you mean 'csf'"),
        ('7 = "csf"', np.full(GRID.shape, 0.5), "0.5 that are no labels"),
        ('seven = "csf"', None, "whole numbers as keys"),
    ],
)
def test_label_images_that_cannot_be_are_refused(tmp_path, tissues, values, problem):
    with pytest.raises(InputError, match=problem):
        open_phantom(label_file(tmp_path, tissues, values)[0], 3.0)


def parameter_maps():
    phantom = blocks()
    held = phantom.labels >= 0
    rows = {"t1": (1.0, 0.3), "t2": (0.08, 0.06), "t2_star": (0.05, 0.06), "pd": (0.9, 0.7)}
    maps = {key: np.where(held, np.array([*pair, 0.0])[phantom.labels], 0.0) for key, pair in rows.items()}
    return maps | {"offset": np.where(held, np.arange(held.size).reshape(held.shape) * 0.1, 0.0)}, held


def same_phantom(phantom, maps, held, grid=GRID, rtol=1e-6):
    truth = phantom.truth(grid)
    for key in ("t1", "t2", "t2_star", "pd"):
        np.testing.assert_allclose(truth.values[key][held], maps[key][held], rtol=rtol)
    assert np.all(truth.status[~held] == 1)
    spins = phantom.sample(grid)
    np.testing.assert_allclose(spins.offset, maps["offset"].ravel()[spins.cell], atol=1e-4)


def test_nifti_maps_become_tissues(tmp_path):
    maps, held = parameter_maps()
    scale = {"t1": 1e3, "t2": 1e3, "t2_star": 1e3}
    for key, values in maps.items():
        write_volume(tmp_path / f"{key}.nii", values * scale.get(key, 1.0), GRID)
    lines = "\n".join(f'{key} = "{key}.nii"' for key in maps)
    (tmp_path / "own.toml").write_text(f'description = "maps"\n[voxels.maps]\n{lines}\n')
    same_phantom(open_phantom(str(tmp_path / "own.toml"), 3.0), maps, held)
    moved = Grid(shape=GRID.shape, spacing=GRID.spacing)
    write_volume(tmp_path / "t2.nii", maps["t2"] * 1e3, moved)
    with pytest.raises(InputError, match=r"t2\.nii does not lie on the grid"):
        open_phantom(str(tmp_path / "own.toml"), 3.0)


def test_maps_of_mrsim_become_tissues(tmp_path):
    maps, held = parameter_maps()
    zero = {key: np.zeros(GRID.shape) for key in maps}
    units = dict.fromkeys(maps, "s") | {"pd": "", "offset": "Hz"}
    save(
        tmp_path / "m.h5",
        maps=Maps(grid=GRID, values=maps, errors=zero, units=units, status=np.zeros(GRID.shape, np.int8)),
    )
    same_phantom(open_phantom(str(tmp_path / "m.h5"), 3.0), maps, held)


def test_koma_phantoms_go_out_and_come_in(tmp_path):
    maps, held = parameter_maps()
    phantom = voxel_phantom("blocks", blocks().labels, GRID, (WATER, OIL), 3.0)
    table = spin_table(phantom.sample(GRID), GRID)
    table.values["offset"][:] = maps["offset"][held]
    write_koma(tmp_path / "a.phantom", table, "blocks")
    with h5py.File(tmp_path / "a.phantom") as file:
        assert file.attrs["Ns"] == np.count_nonzero(held)
        assert file["contrast/Δw"][5] == pytest.approx(2 * np.pi * maps["offset"][held][5])  # rad/s
        assert file["contrast/T2s"][0] == pytest.approx(0.05)  # s
    back = open_phantom(str(tmp_path / "a.phantom"), 3.0)
    same_phantom(back, maps, held)
    assert back.voxels.spacing == pytest.approx(GRID.spacing, rel=1e-9)


def test_koma_tables_of_older_files_are_read(tmp_path):
    with h5py.File(tmp_path / "a.phantom", "w") as file:
        file.attrs["Ns"] = 3
        file["position/x/values"] = [0.0, 1e-3, 2e-3]
        node = file.create_group("contrast/T1")
        node.attrs["type"], node["values"], node["table"] = "Indexed", [1, 2, 1], [0.5, 0.7]
        file["contrast/T2/values"] = [0.05, 0.05, 0.06]
        file.create_group("motion").attrs["model"] = "NoMotion"
    spins = read_koma(tmp_path / "a.phantom")
    np.testing.assert_array_equal(spins.values["t1"], [0.5, 0.7, 0.5])
    np.testing.assert_array_equal(spins.position[:, 0], [0.0, 1e-3, 2e-3])
    assert np.all(spins.values["pd"] == 1)
    with h5py.File(tmp_path / "a.phantom", "a") as file:
        file["motion"].attrs["model"] = "ArbitraryMotion"
    with pytest.raises(InputError, match="spins that move"):
        read_koma(tmp_path / "a.phantom")


def test_spins_off_a_lattice_are_refused(tmp_path):
    rng = np.random.default_rng(1)
    values = {"pd": np.ones(9), "t1": np.ones(9), "t2": np.ones(9), "t2_star": np.ones(9), "offset": np.zeros(9)}
    write_koma(tmp_path / "a.phantom", SpinTable(position=rng.normal(size=(9, 3)), values=values), "cloud")
    with pytest.raises(InputError, match="do not lie on a regular lattice"):
        open_phantom(str(tmp_path / "a.phantom"), 3.0)


def test_jemris_samples_go_out_and_come_in(tmp_path):
    maps, held = parameter_maps()
    write_jemris(tmp_path / "a.h5", maps, GRID)
    with h5py.File(tmp_path / "a.h5") as file:
        first = np.ravel(file["sample/offset"]) - (np.array(GRID.shape[::-1]) - 1) / 2 * np.ravel(
            file["sample/resolution"]
        )
        np.testing.assert_allclose(first, GRID.affine()[:3, 3] * 1e3)  # KomaMRI's reading of the same file, mm
        assert file["sample/data"][1, 2, 1, 1] == pytest.approx(1e-3)  # 1/T1 of 1 s in 1/ms
    back, grid = read_jemris(tmp_path / "a.h5")
    np.testing.assert_allclose(grid.affine(), GRID.affine(), atol=1e-15)
    np.testing.assert_allclose(back["t2"][held], maps["t2"][held])
    same_phantom(open_phantom(str(tmp_path / "a.h5"), 3.0), maps, held)


def test_files_of_no_known_kind_are_refused(tmp_path):
    (tmp_path / "a.phantom").write_text("nothing")
    with pytest.raises(InputError, match="is no HDF5 file"):
        open_phantom(str(tmp_path / "a.phantom"), 3.0)
    with h5py.File(tmp_path / "b.phantom", "w") as file:
        file.attrs["Ns"] = 1
    with pytest.raises(InputError, match="not laid out as expected"):
        open_phantom(str(tmp_path / "b.phantom"), 3.0)
    with pytest.raises(InputError, match="no such file"):
        open_phantom(str(tmp_path / "c.h5"), 3.0)


def test_raw_data_of_voxels_and_of_the_shape_they_paint_agree(tmp_path):
    """A box of ideal material, painted and as voxels whose faces are the box's."""
    path = tmp_path / "box.toml"
    path.write_text(
        'description = "a box"\nextruded = "x"\nlength = "20 mm"\n[shape.box]\nkind = "box"\ntissue = "gel"\n'
        'size = "24 30 mm"\n[material.gel]\nt1 = "900 ms"\nt2 = "70 ms"\npd = "0.8"\n'
    )
    gel = ideal_tissue("gel", np.array([0.9, 0.07, 0.07, 0.8]), "a test")
    voxels = Grid(shape=(11, 9, 11), spacing=(2e-3, 3e-3, 3e-3))
    labels = np.full(voxels.shape, -1, dtype=np.int64)
    labels[:10, :8, :10] = 0
    corner = Grid(shape=voxels.shape, spacing=voxels.spacing, centre=(1e-3 - 1e-3 + 1e-3, 1.5e-3, 1.5e-3))
    made = voxel_phantom("gel", labels, corner, (gel,), 3.0)
    painted = load_phantom(str(path), 3.0)
    grid = Grid(shape=(20, 20, 20), spacing=(2.7e-3, 2.2e-3, 3.1e-3))
    np.testing.assert_allclose(made.fractions(grid)["gel"], painted.fractions(grid)["gel"], atol=2e-3)
    write_koma(tmp_path / "gel.phantom", spin_table(made.sample(corner), corner), "gel")
    raw = [
        simulate_only(
            RunRequest(protocol="disc-se", phantom=str(name), overrides={"matrix": "16,16"}, without=("noise",))
        )[2].imaging.data
        for name in (path, tmp_path / "gel.phantom")
    ]
    np.testing.assert_allclose(raw[1], raw[0], atol=2e-3 * np.abs(raw[0]).max())


def test_nifti_labels_of_nibabel_are_read(tmp_path):
    """Left-handed storage (LAS), as most segmentations have it."""
    labels = np.zeros((4, 5, 6))
    labels[0, 1, 2] = 3
    affine = np.diag([-2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (10, -20, 30)
    image = nibabel.Nifti1Image(labels, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nibabel.save(image, tmp_path / "labels.nii.gz")
    (tmp_path / "own.toml").write_text(
        'description = "one voxel"\n[voxels]\nlabels = "labels.nii.gz"\n[voxels.tissues]\n3 = "csf"\n'
    )
    phantom = open_phantom(str(tmp_path / "own.toml"), 3.0)
    low, high = phantom.extent(Grid(shape=(1, 1, 1), spacing=(1e-3,) * 3))
    np.testing.assert_allclose((low + high) / 2, np.array([10, -17, 38]) * 1e-3, atol=1e-9)
    np.testing.assert_allclose(high - low, np.array([2, 3, 4]) * 1e-3, atol=1e-9)
