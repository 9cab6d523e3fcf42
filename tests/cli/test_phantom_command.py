"""`mrsim phantom`: the picture and what is said beside it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from mrsim.cli import cli
from mrsim.core.grid import Grid
from mrsim.exchange.nifti import write_volume
from mrsim.exchange.spin_files import write_jemris, write_koma
from mrsim.phantom.exact_maps import label_map, property_map
from mrsim.report.phantom import surface
from mrsim.study.import_phantom import open_phantom, spin_table

GRID = Grid(shape=(10, 12, 14), spacing=(3e-3, 2e-3, 2e-3), centre=(0.01, -0.02, 0.03))


def drawn(*words):
    done = CliRunner().invoke(cli, ["phantom", *words, "--orientation", "axial", "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_phantom_command_draws_a_picture_and_tells_the_discs(tmp_path):
    path = tmp_path / "segment.png"
    said = drawn("motion-segment", "--grade", "5", "--out", str(path))
    assert said["discs"]["L4/5"]["grade"] == 5
    assert abs(said["discs"]["L4/5"]["height_middle"] - 0.6 * 12.3e-3) < 1e-9
    assert said["extrapolated"] == {}
    assert path.read_bytes().startswith(b"\x89PNG")


def test_phantom_command_stamps_what_is_extrapolated(tmp_path):
    ball = tmp_path / "ball.toml"
    ball.write_text(
        'description = "a ball"\n[shape.ball]\nkind = "ellipsoid"\ntissue = "nucleus_pulposus"\n'
        'semi_axes = "8 8 8 mm"\n'
    )
    words = ["phantom", str(ball), "--field", "9.4", "--orientation", "axial", "--out", str(tmp_path / "a.png")]
    refused = CliRunner().invoke(cli, words)
    assert refused.exit_code != 0
    done = CliRunner().invoke(cli, [*words, "--extrapolate"])
    assert done.exit_code == 0, done.output
    assert "warning: extrapolated to 9.4 T, beyond what is known: " in done.stderr
    assert "nucleus_pulposus (t1, t2, t2_star)" in done.stderr


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """The same two tissues as labels, as KomaMRI's spins and as JEMRIS's sample."""
    folder = tmp_path_factory.mktemp("imported")
    labels = np.zeros(GRID.shape, dtype=np.int64)
    labels[2:8, 2:10, 2:12] = 3
    labels[4:6, 4:6, 4:8] = 5
    write_volume(folder / "labels.nii.gz", labels, GRID)
    (folder / "labels.toml").write_text(
        'description = "labels"\n[voxels]\nlabels = "labels.nii.gz"\n[voxels.tissues]\n'
        '3 = "csf"\n5 = "nucleus_pulposus"\n'
    )
    phantom = open_phantom(str(folder / "labels.toml"), 3.0, 2)
    write_koma(folder / "spins.phantom", spin_table(phantom.sample(GRID), GRID), "spins")
    truth = phantom.truth(GRID)
    maps = {key: np.nan_to_num(truth.values[key]) for key in ("pd", "t1", "t2", "t2_star")}
    write_jemris(folder / "sample.h5", maps | {"offset": np.zeros(GRID.shape)}, GRID)
    return folder, labels


@pytest.mark.parametrize("name", ["labels.toml", "spins.phantom", "sample.h5"])
def test_phantoms_of_other_programs_are_drawn(imported, name):
    folder, labels = imported
    out = folder / "picture.png"
    said = drawn(str(folder / name), "--grade", "2", "--out", str(out))
    assert len(said["tissues"]) == 2
    assert out.read_bytes().startswith(b"\x89PNG")
    phantom = open_phantom(str(folder / name), 3.0, 2)
    np.testing.assert_array_equal(label_map(phantom, GRID) > 0, labels > 0)
    t2, unit = property_map(phantom, GRID, "t2")
    assert unit == "s"
    np.testing.assert_allclose(t2[labels == 5], 0.12, rtol=1e-5)  # grade II at 3 T
    assert surface(phantom).max() > 0.5


def test_planes_that_miss_the_phantom_are_refused(imported):
    folder, _ = imported
    words = ["phantom", str(folder / "labels.toml"), "--at", "0 0 9 mm", "--out", str(folder / "b.png")]
    refused = CliRunner().invoke(cli, [*words, "--orientation", "axial"])
    assert refused.exit_code != 0
    assert "the axial plane at z = 9 mm misses the phantom, which reaches from 23 to 35 mm" in str(refused.exception)
