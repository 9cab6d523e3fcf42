"""`mrsim fit` on files as scanners' converters leave them, and what it says to bad ones."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.storage import save
from mrsim.exchange.bids_series import read_images

TE = (0.01, 0.02, 0.04, 0.07)
T2 = 0.05
AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])
SHAPE = (4, 2, 1)
"""Voxels along x, y, z."""


def written(folder, data, te=TE, affine=AFFINE):
    """Write one NIfTI file and sidecar per echo, (echo, x, y, z); return the first."""
    for number, (values, time) in enumerate(zip(data, te, strict=True), 1):
        stem = f"{folder}/sub-1_echo-{number}_MESE"
        nibabel.save(nibabel.Nifti1Image(values, affine), f"{stem}.nii.gz")
        side = {"RepetitionTimeExcitation": 3.0} | ({} if time is None else {"EchoTime": time})
        with open(f"{stem}.json", "w", encoding="utf-8") as file:
            json.dump(side, file)
    return f"{folder}/sub-1_echo-1_MESE.nii.gz"


def decays(te=TE):
    return 100 * np.exp(-np.asarray(te) / T2)[:, None, None, None] * np.ones((1, *SHAPE))


def marked(folder, values, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(np.asarray(values, np.float32), affine), f"{folder}/mask.nii")
    return f"{folder}/mask.nii"


def called(capsys, *words):
    code = perform(["fit", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def fitted(capsys, *words):
    code, out, err = called(capsys, *words, "--model", "t2-mono", "--json")
    assert code == 0, err
    told = json.loads(out)
    return {row["parameter"]: row for row in told["rows"]}["t2"], told["status"]


def test_one_file_stands_for_its_series_in_any_order(tmp_path, capsys):
    row, status = fitted(capsys, written(tmp_path, decays(TE[::-1]), TE[::-1]))
    assert row["mean"] == pytest.approx(T2, rel=1e-6)
    assert (row["n"], row["rejected"], status) == (8, 0, {"converged": 8})


def test_a_file_of_four_dimensions_takes_the_lists_of_its_sidecar(tmp_path, capsys):
    path = tmp_path / "series.nii"
    nibabel.save(nibabel.Nifti1Image(np.moveaxis(decays(), 0, -1), AFFINE), path)
    path.with_suffix(".json").write_text(json.dumps({"EchoTime": TE, "RepetitionTime": 3.0}))
    assert fitted(capsys, path)[0]["mean"] == pytest.approx(T2, rel=1e-6)
    path.with_suffix(".json").write_text(json.dumps({"EchoTime": TE[1:]}))
    assert "3 values for 4 volumes" in called(capsys, path, "--model", "t2-mono")[2]
    path.with_suffix(".json").unlink()
    code, _, err = called(capsys, path, "--model", "t2-mono")
    assert code == 2
    assert "series.json" in err
    assert "EchoTime" in err


def test_magnitudes_and_phases_are_one_complex_series(tmp_path):
    phase = np.linspace(-3, 3, 8).reshape(SHAPE)
    for number, te in enumerate(TE[:2], 1):
        for part, values in (("mag", np.full(SHAPE, 2.0)), ("phase", number * phase / 2)):
            stem = tmp_path / f"sub-1_echo-{number}_part-{part}_MEGRE"
            nibabel.save(nibabel.Nifti1Image(values, AFFINE), f"{stem}.nii")
            stem.with_name(f"{stem.name}.json").write_text(json.dumps({"EchoTime": te}))
    images = read_images(tmp_path / "sub-1_echo-2_part-phase_MEGRE.nii")
    assert images.contrast["te"].tolist() == list(TE[:2])
    assert images.data[1] == pytest.approx(2 * np.exp(1j * phase.T))


@pytest.mark.parametrize(
    ("data", "te", "said"),
    [
        (decays()[:1], TE[:1], "takes at least 2"),
        (decays(), (10.0, 20.0, 40.0, 70.0), "looks like ms"),
        (decays(), (*TE[:3], None), "does not say EchoTime"),
        (decays(), (None,) * 4, "no contrast column 'te'"),
    ],
)
def test_series_that_cannot_be_are_refused_by_what_is_wrong(tmp_path, capsys, data, te, said):
    code, out, err = called(capsys, written(tmp_path, data, te), "--model", "t2-mono")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_empty_voxels_and_those_at_a_bound_are_counted(tmp_path, capsys):
    data = decays()
    data[:, 0, 0, 0] = 0
    data[1, 1, 0, 0] = np.nan
    data[:, 2, 0, 0] = 50  # no decay at all
    path = written(tmp_path, data)
    row, status = fitted(capsys, path)
    assert status == {"converged": 5, "no signal": 1, "at a bound": 1, "not finite": 1}
    assert row["rejected"] == 2
    said = called(capsys, path, "--model", "t2-mono")[1]
    assert "5 converged, 1 no signal, 1 at a bound, 1 not finite" in said


def test_a_mask_leaves_voxels_out_and_may_be_turned(tmp_path, capsys):
    values = np.zeros(SHAPE)
    values[0] = 1
    values[1, 0] = np.nan
    path = written(tmp_path, decays())
    row, status = fitted(capsys, path, "--mask", marked(tmp_path, values))
    assert (row["n"], row["rejected"]) == (2, 0)
    assert status == {"converged": 2, "outside the mask": 6}
    turned = np.diag([-2.0, 2.0, 5.0, 1.0])
    turned[0, 3] = 2.0 * (SHAPE[0] - 1)
    assert fitted(capsys, path, "--mask", marked(tmp_path, values[::-1], turned))[1] == status


@pytest.mark.parametrize(
    ("values", "affine", "said"),
    [
        (np.ones((4, 3, 1)), AFFINE, "4 x 3 x 1 voxels, which are not the 4 x 2 x 1 of the images"),
        (np.ones(SHAPE), np.diag([3.0, 2.0, 5.0, 1.0]), "at another place or of another size"),
        (np.zeros(SHAPE), AFFINE, "marks no voxel"),
    ],
)
def test_masks_that_do_not_match_are_refused(tmp_path, capsys, values, affine, said):
    path, mask = written(tmp_path, decays()), marked(tmp_path, values, affine)
    code, out, err = called(capsys, path, "--model", "t2-mono", "--mask", mask)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_regions_of_a_result_are_a_mask(tmp_path, capsys):
    images = Images(
        data=decays().transpose(0, 3, 2, 1).astype(complex), grid=Grid(shape=SHAPE[::-1], spacing=(2e-3, 2e-3, 5e-3)),
        contrast={"te": np.array(TE)}, sigma=np.full((4, 1, 1, 1), 0.1), encoding={},
    )  # fmt: skip
    disc = np.zeros(SHAPE[::-1], bool)
    disc[0, 0, :3] = True
    save(tmp_path / "r.h5", images=images, rois={"disc": disc, "rest": ~disc})
    assert fitted(capsys, tmp_path / "r.h5", "--mask", f"{tmp_path}/r.h5:disc")[1]["converged"] == 3
    assert fitted(capsys, tmp_path / "r.h5", "--mask", tmp_path / "r.h5")[1] == {"converged": 8}
    assert "did you mean 'disc'" in called(capsys, tmp_path / "r.h5", "--model", "t2-mono", "--mask",
                                           f"{tmp_path}/r.h5:disk")[2]  # fmt: skip
    wider = replace(images, data=np.repeat(images.data, 2, axis=3), grid=replace(images.grid, shape=(1, 2, 8)))
    save(tmp_path / "w.h5", images=wider)
    refused = called(capsys, tmp_path / "w.h5", "--model", "t2-mono", "--mask", tmp_path / "r.h5")
    assert refused[0] == 2
    assert "are not the 8 x 2 x 1" in refused[2]
    assert "holds no regions" in called(capsys, tmp_path / "r.h5", "--model", "t2-mono", "--mask",
                                        tmp_path / "w.h5")[2]  # fmt: skip


def test_a_basis_of_another_program_takes_its_broad_lines_by_name(capsys, tmp_path):
    """Files of LCModel do not say which members are macromolecules: N-acetyl is found 2.6 times too small."""
    from mrsim.exchange.basis_files import write_lcmodel
    from mrsim.exchange.nifti_mrs import write_nifti_mrs
    from tests.spectral_fit.examples import basis, spectra

    amounts = {"Lac": 9.0, "Cho": 1.5, "Cr": 3.0, "PG": 6.0}
    write_nifti_mrs(spectra(amounts, noise=0.5, phase=0.6), tmp_path / "s.nii.gz")
    write_lcmodel(replace(basis(tuple(amounts)), te=0.03), tmp_path / "b.basis")
    asked = (str(tmp_path / "s.nii.gz"), "--basis", str(tmp_path / "b.basis"))
    code, out, err = called(capsys, *asked)
    assert code == 0
    assert "basis narrower than the data: too small" in next(line for line in out.splitlines() if "PG" in line)
    assert "mrsim fit --broad" in " ".join(err.split())
    code, out, err = called(capsys, *asked, "--broad", "PG", "--figure", str(tmp_path / "fit.png"), "--json")
    value = next(row for row in json.loads(out)["rows"] if row["parameter"] == "PG")
    assert abs(value["median"] - 6.0) < 0.3
    assert (tmp_path / "fit.png").stat().st_size > 1e4
    code, _, err = called(capsys, *asked, "--broad", "PGG")
    assert (code, "did you mean 'PG'" in err) == (2, True)
    code, _, err = called(capsys, *asked, "--figure", str(tmp_path / "fit.pdf"))
    assert (code, "does not end in .png" in err) == (2, True)


@pytest.mark.parametrize("sigma", ["1e-320", "1e308"])
def test_sigma_whose_square_is_no_number_is_refused(tmp_path, capsys, sigma):
    code, _, err = called(capsys, written(tmp_path, decays()), "--model", "t2-mono", "--sigma", sigma)
    assert (code, err) == (2, "mrsim: sigma: must be greater than zero everywhere, 1e-100 to 1e+100\n")


def test_file_that_is_read_is_not_written_over(tmp_path, capsys):
    """Its images would be gone."""
    source = Path(written(tmp_path, decays()))
    before = source.read_bytes()
    other = tmp_path / "beside.h5"
    other.symlink_to(source)
    for target in (source, other):
        code, _, err = called(capsys, source, "--model", "t2-mono", "--out", target)
        assert code == 2
        assert "is read by this command; name another file" in err
    assert source.read_bytes() == before


def test_empty_text_is_not_taken_for_one_left_out(tmp_path, capsys):
    code, _, err = called(capsys, written(tmp_path, decays()), "--model", "")
    assert code == 2
    assert "'--model': is empty" in err


def test_file_that_is_read_is_seen_behind_a_key_and_before_a_region(tmp_path, capsys):
    source, result = written(tmp_path, decays()), tmp_path / "r.h5"
    result.write_bytes(b"a result's regions")
    for words in (("--mask", f"{result}:disc"), ("--given", f"b1={result}")):
        code, _, err = called(capsys, source, "--model", "t2-mono", *words, "--out", result)
        assert code == 2
        assert "is read by this command; name another file" in err
    assert result.read_bytes() == b"a result's regions"


def test_one_file_is_not_written_twice(tmp_path, capsys):
    """The second would take the first one's place."""
    out = tmp_path / "same.png"
    code, _, err = called(capsys, written(tmp_path, decays()), "--figure", out, "--out", f"{tmp_path}/./same.png")
    assert (code, out.exists()) == (2, False)
    assert "is named twice" in err


@pytest.mark.parametrize("words", [("--out", ""), ("--out=",), ("",)])
def test_empty_path_is_not_the_current_folder(tmp_path, capsys, words):
    code, _, err = called(capsys, written(tmp_path, decays()), "--model", "t2-mono", *words)
    assert (code, "is empty" in err or "extra argument" in err) == (2, True)


def test_a_folder_that_is_gone_and_a_name_too_long_are_said(tmp_path, capsys, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    source = written(tmp_path, decays())
    code, _, err = called(capsys, source, "--model", "t2-mono", "--out", "maps.h5")
    assert (code, "the current folder is gone" in err) == (2, True)
    from mrsim.cli import perform

    assert perform(["run", "disc-se", "--out", str(tmp_path / ("a" * 300))]) == 2
    assert "File name too long" in capsys.readouterr().err


def test_message_does_not_repeat_a_megabyte(tmp_path, capsys):
    code, _, err = called(capsys, written(tmp_path, decays()), "--model", "x" * 1_000_000)
    assert code == 2
    assert len(err) < 4200
    assert "characters left out" in err
    assert err.startswith("mrsim: ")
