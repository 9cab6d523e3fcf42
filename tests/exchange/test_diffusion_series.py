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
