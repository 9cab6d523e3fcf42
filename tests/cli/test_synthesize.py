"""`mrsim synthesize`: every contrast from the maps of a run, as HDF5, NIfTI and one figure."""

import json

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.grid import Grid
from mrsim.core.maps import Maps
from mrsim.core.storage import save
from mrsim.exchange.nifti import read_volume
from mrsim.fit.synthetic import CONTRASTS, synthesize

# slices 5 mm apart and 4 mm thick, as synthetic MRI has them
GRID = Grid(shape=(2, 3, 4), spacing=(1e-3, 2e-3, 5e-3), gap=1e-3)


def maps():
    rng = np.random.default_rng(1)
    values = {name: rng.uniform(*ends, GRID.shape) for name, ends in {"t1": (0.5, 2), "t2": (0.03, 0.2)}.items()}
    values["pd"] = np.full(GRID.shape, 0.8)
    zero = {name: np.zeros(GRID.shape) for name in values}
    return Maps(grid=GRID, values=values, errors=zero, units={"t1": "s", "t2": "s", "pd": ""},
                status=np.zeros(GRID.shape, np.int8))  # fmt: skip


def test_every_contrast_is_written_where_its_slices_lie(tmp_path, capsys):
    save(tmp_path / "result.h5", maps=maps())
    assert perform(["synthesize", str(tmp_path), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["contrasts"]) == set(CONTRASTS)
    for name in CONTRASTS:
        values, grid = read_volume(tmp_path / f"synthetic_{name}.nii.gz")
        np.testing.assert_allclose(values, synthesize(maps(), name).data[0].real, rtol=1e-6)
        assert grid.spacing == pytest.approx(GRID.spacing)
        np.testing.assert_allclose(grid.affine(), GRID.affine(), atol=1e-9)
    assert (tmp_path / "synthetic.png").stat().st_size > 5000


def test_one_contrast_at_any_times(tmp_path, capsys):
    save(tmp_path / "maps.h5", maps=maps())
    out = tmp_path / "made"
    asked = ["--contrast", "dir", "--tr", "9 s", "--te", "25 ms", "--ti", "450 ms", "--gap", "2.9 s"]
    assert perform(["synthesize", str(tmp_path / "maps.h5"), *asked, "--out", str(out)]) == 0
    made, _ = read_volume(out / "synthetic_dir.nii.gz")
    expected = synthesize(maps(), "dir", tr=9.0, te=0.025, ti=0.45, gap=2.9)
    np.testing.assert_allclose(made, expected.data[0].real, rtol=1e-6)
    assert not (out / "synthetic_t1w.nii.gz").exists()
