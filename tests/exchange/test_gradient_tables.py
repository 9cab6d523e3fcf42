"""Gradient tables against the programs that read them: dipy for FSL's convention, MRtrix for its own."""

import os
import shutil
import subprocess

import nibabel
import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.tensors import prolate
from mrsim.exchange.bids import write_bids
from mrsim.exchange.gradient_tables import read_fsl, read_mrtrix, write_fsl, write_mrtrix
from mrsim.exchange.nifti import read_volume, write_volume
from mrsim.fit.fit import fit
from mrsim.sequence.directions import repelled

TURN = np.linalg.qr(np.random.default_rng(4).standard_normal((3, 3)))[0]
TURN = TURN * np.sign(np.linalg.det(TURN))
GRID = Grid(shape=(2, 3, 4), spacing=(2e-3, 2e-3, 3e-3), axes=TURN)
N = np.concatenate([np.zeros((1, 3)), repelled(12)])
CONTRAST = {"b": np.array([0.0] + [600e6] * 12)} | {f"direction_{a}": N[:, i] for i, a in enumerate("xyz")}
WORLD = np.array([0.36, 0.48, 0.8])


def same(found):
    for name, column in CONTRAST.items():
        np.testing.assert_allclose(found[name], column, rtol=1e-8, atol=1e-9)


def test_tables_come_back_as_they_were(tmp_path):
    same(read_fsl(*write_fsl(tmp_path / "dwi", CONTRAST)))
    write_mrtrix(tmp_path / "dwi.b", CONTRAST, GRID)
    same(read_mrtrix(tmp_path / "dwi.b", GRID))


def test_right_handed_files_have_x_reversed_in_bvec(tmp_path):
    _, bvec = write_fsl(tmp_path / "dwi", CONTRAST)
    np.testing.assert_allclose(np.loadtxt(bvec).T, N * [-1, 1, 1], atol=1e-9)


def series(tmp_path):
    """A diffusion series whose fibres run along WORLD, as a BIDS data set."""
    tensor = TURN.T @ prolate(1.5e-9, 0.6, WORLD) @ TURN
    signal = np.exp(-CONTRAST["b"] * np.einsum("ni,ij,nj->n", N, tensor, N))
    data = np.broadcast_to(signal[:, None, None, None], (13, *GRID.shape)).astype(np.complex128)
    images = Images(
        data=data, grid=GRID, contrast=CONTRAST | {"te": np.full(13, 0.07)}, sigma=np.full((1, 1, 1, 1), 1e-3),
        noisy=False, encoding={"family": "diffusion-epi"},
    )  # fmt: skip
    return images, write_bids(tmp_path / "bids", images)[0]


def test_bids_dwi_has_its_series_and_tables_and_fits_to_the_same_fibres(tmp_path):
    images, path = series(tmp_path)
    assert path.relative_to(tmp_path / "bids").as_posix() == "sub-01/dwi/sub-01_dwi.nii.gz"
    assert nibabel.load(path).shape == (4, 3, 2, 13)
    stem = path.with_name("sub-01_dwi")
    table = read_fsl(stem.with_suffix(".bval"), stem.with_suffix(".bvec"))
    maps = fit(Images(data=images.data, grid=GRID, contrast=table, sigma=images.sigma, noisy=False), "dti-wls")
    first = np.array([maps.values[f"v1_{a}"][0, 0, 0] for a in "xyz"])
    assert abs((TURN @ first) @ WORLD) == pytest.approx(1.0, abs=1e-9)


def test_left_handed_files_are_turned_with_their_tables(tmp_path):
    """The same scan stored left-handed: its bvec is along the stored axes, x not reversed."""
    write_volume(tmp_path / "right.nii", np.arange(24.0).reshape(2, 3, 4), GRID)
    right = nibabel.load(tmp_path / "right.nii")
    turned = right.affine @ np.array([[-1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(np.asarray(right.dataobj)[::-1], turned), tmp_path / "left.nii")
    values, grid = read_volume(tmp_path / "left.nii")
    np.testing.assert_allclose(values, np.arange(24.0).reshape(2, 3, 4))
    np.testing.assert_allclose(grid.axes, TURN, atol=1e-6)
    # voxel x of the left-handed file runs against the grid's x, and FSL does not reverse it
    np.savetxt(tmp_path / "left.bvec", (N * [-1, 1, 1]).T)
    np.savetxt(tmp_path / "left.bval", CONTRAST["b"][None] * 1e-6)
    same(read_fsl(tmp_path / "left.bval", tmp_path / "left.bvec"))


@pytest.mark.skipif(
    shutil.which("dwi2tensor") is None and os.environ.get("CI") != "true", reason="MRtrix is not installed"
)
@pytest.mark.parametrize("kind", ["fsl", "mrtrix"])
def test_mrtrix_finds_the_fibres_in_world_axes(tmp_path, kind):
    _, path = series(tmp_path)
    stem = path.with_name("sub-01_dwi")
    write_mrtrix(tmp_path / "dwi.b", CONTRAST, GRID)
    tables = (
        ["-fslgrad", stem.with_suffix(".bvec"), stem.with_suffix(".bval")]
        if kind == "fsl"
        else ["-grad", tmp_path / "dwi.b"]
    )
    subprocess.run(["dwi2tensor", path, tmp_path / "t.mif", *tables, "-quiet", "-nthreads", "0"], check=True)
    subprocess.run(
        ["tensor2metric", tmp_path / "t.mif", "-vector", tmp_path / "v.nii", "-modulate", "none", "-quiet"], check=True
    )
    vector = np.asarray(nibabel.load(tmp_path / "v.nii").dataobj)[0, 0, 0]
    assert abs(vector @ WORLD) == pytest.approx(1.0, abs=1e-5)  # single precision


@pytest.mark.parametrize(
    ("bval", "bvec", "problem"),
    [
        ("0 1000", "0 1\n0 0\n0 0\n0 0", "three rows"),
        ("0 1000 5", "0 1\n0 0\n0 0", "2 directions for the 3"),
        ("0 1000", "0 2\n0 0\n0 0", "length 2"),
        ("0 1000", "0 0\n0 0\n0 0", "no direction"),
        ("0 -5", "0 1\n0 0\n0 0", "from 0 up"),
        ("0 1e9", "0 1\n0 0\n0 0", "s/mm"),
        ("0 2", "0 1\n0 0\n0 0", "as in ms/um"),
        ("0 x", "0 1\n0 0\n0 0", "table of numbers"),
    ],
)
def test_wrong_tables_say_what_is_wrong(tmp_path, bval, bvec, problem):
    (tmp_path / "a.bval").write_text(bval)
    (tmp_path / "a.bvec").write_text(bvec)
    with pytest.raises(InputError, match=problem):
        read_fsl(tmp_path / "a.bval", tmp_path / "a.bvec")
