"""Diffusion series of other programs: NIfTI with a gradient table, fitted by command, against the tensor put in."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.storage import load
from mrsim.core.tensors import prolate
from mrsim.exchange.diffusion_series import read_diffusion
from mrsim.exchange.gradient_tables import write_fsl, write_mrtrix
from mrsim.exchange.nifti import write_volume
from mrsim.sequence.directions import repelled

AXIS = np.array([0.48, 0.6, 0.64])
N = np.concatenate([np.zeros((1, 3)), repelled(12)])
TABLE = {"b": np.array([0.0] + [6e8] * 12)} | {f"direction_{a}": N[:, i] for i, a in enumerate("xyz")}
GRID = Grid(shape=(2, 3, 4), spacing=(1e-3, 2e-3, 3e-3), axes=orientation_axes("sagittal", tilt=0.2))


@pytest.fixture
def file(tmp_path):
    signal = np.exp(-TABLE["b"] * np.einsum("ni,ij,nj->n", N, prolate(1.5e-9, 0.4, AXIS), N))
    write_volume(tmp_path / "dwi.nii.gz", signal[:, None, None, None] * np.ones(GRID.shape), GRID)
    (tmp_path / "dwi.json").write_text(json.dumps({"EchoTime": 0.07}), encoding="utf-8")
    return tmp_path / "dwi.nii.gz"


@pytest.mark.parametrize("kind", ["fsl", "mrtrix"])
def test_series_with_a_gradient_table_is_fitted_by_command(file, kind):
    if kind == "fsl":
        write_fsl(file.with_name("dwi"), TABLE)
    else:
        write_mrtrix(file.with_name("dwi.b"), TABLE, GRID)
    out = file.with_name("maps.h5")
    assert perform(["fit", str(file), "--model", "dti-nlls", "--out", str(out)]) == 0
    maps = load(out, "maps")
    assert maps.values["fa"].shape == GRID.shape
    np.testing.assert_allclose(maps.values["fa"], 0.4, atol=1e-6)  # volumes are stored in single precision
    first = np.stack([maps.values[f"v1_{a}"] for a in "xyz"], axis=-1)
    np.testing.assert_allclose(np.abs(first @ AXIS), 1.0, atol=1e-9)
    assert read_diffusion(file).contrast["te"][0] == 0.07


def test_noise_of_a_series_is_stated_and_that_of_means_over_directions_follows(tmp_path):
    axes, shells = np.tile(np.eye(3), (6, 1)), np.repeat([0.0, 30e6, 80e6, 200e6, 500e6, 800e6], 3)
    table = {"b": shells} | {f"direction_{a}": np.where(shells > 0, axes[:, i], 0.0) for i, a in enumerate("xyz")}
    clean = 900 * (0.1 * np.exp(-shells * 15e-9) + 0.9 * np.exp(-shells * 1.2e-9))
    noise = np.random.default_rng(3).standard_normal((18, 1, 20, 20))
    grid, file, out = Grid(shape=(1, 20, 20), spacing=(1e-3,) * 3), tmp_path / "d.nii.gz", tmp_path / "maps.h5"
    write_volume(file, clean[:, None, None, None] + 9 * noise, grid)
    write_mrtrix(tmp_path / "d.b", table, grid)
    assert perform(["fit", str(file), "--model", "ivim-map"]) == 2  # a prior is weighed against a known noise
    assert perform(["fit", str(file), "--model", "ivim-map", "--sigma", "-9"]) == 2
    found = {}
    for asked in (["ivim-map", "--sigma", "9"], ["adc", "--powder", "--sigma", "9"]):
        assert perform(["fit", str(file), "--out", str(out), "--model", *asked]) == 0
        found[asked[0]] = load(out, "maps")
    perfused, mean = found.values()
    assert np.median(perfused.values["d"]) == pytest.approx(1.2e-9, rel=0.03)
    assert np.median(perfused.values["f"]) == pytest.approx(0.1, rel=0.1)
    assert np.median(mean.errors["adc"]) == pytest.approx(mean.values["adc"].std(), rel=0.15)  # of means of three


def test_series_without_its_table_or_with_a_wrong_one_is_refused(file):
    with pytest.raises(InputError, match="no gradient table"):
        read_diffusion(file)
    short = {name: column[:-1] for name, column in TABLE.items()}
    write_fsl(file.with_name("dwi"), short)
    with pytest.raises(InputError, match="12 b-values for the 13 volumes"):
        read_diffusion(file)
    file.with_name("dwi.bvec").unlink()
    with pytest.raises(InputError, match=r"dwi\.bvec"):
        read_diffusion(file)


@pytest.mark.parametrize("side", ['{"EchoTime": NaN}', '{"EchoTime": -0.07}', '{"RepetitionTime": Infinity}', "[]"])
def test_sidecar_with_times_that_are_none_is_refused(file, side, capsys):
    """Python reads NaN and Infinity, which JSON has not."""
    write_fsl(file.with_name("dwi"), TABLE)
    file.with_name("dwi.json").write_text(side, encoding="utf-8")
    assert perform(["fit", str(file), "--model", "dti-wls"]) == 2
    assert "dwi.json: is no sidecar that can be read" in capsys.readouterr().err
