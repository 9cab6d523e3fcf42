"""Results in the formats of other programs: places, values and names as those programs read them."""

import csv
import errno
import json
import shutil
import subprocess
from contextlib import ExitStack

import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.errors import StorageError
from mrsim.core.evaluation import Evaluation, EvaluationRow
from mrsim.core.grid import Grid, orientation_axes
from mrsim.core.images import Images
from mrsim.core.maps import Maps
from mrsim.core.storage import save
from mrsim.exchange.cfl import read_cfl, write_cfl
from mrsim.recon import reconstruct

GRID = Grid(shape=(2, 3, 4), spacing=(1e-3, 2e-3, 5e-3), centre=(0.01, -0.02, 0.03), gap=1e-3,
            axes=orientation_axes("sagittal", tilt=0.3))  # fmt: skip


def maps(model, factor):
    t2 = np.linspace(0.02, 0.2, 24).reshape(GRID.shape)
    status = np.zeros(GRID.shape, np.int8)
    status[0, 0, 0] = 1
    return Maps(grid=GRID, values={"t2": np.where(status == 0, factor * t2, np.nan)}, errors={"t2": 0.01 * t2},
                units={"t2": "s"}, status=status, model=model)  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    data = (1 + np.arange(48).reshape(2, *GRID.shape)) * np.exp(0.3j)
    images = Images(
        data=data, grid=GRID, contrast={"te": np.array([0.01, 0.08]), "tr": np.full(2, 2.0), "flip": np.full(2, 1.5)},
        sigma=np.ones(1), encoding={"family": "spin-echo", "kind": "2d", "frequency": 127.7e6},
    )  # fmt: skip
    row = EvaluationRow(region="nucleus", parameter="t2", unit="s", truth=0.08, mean=0.1, bias=0.02, sd=0.001,
                        se=0.0005, fit_se=0.001, n=4, rejected=1, flags=("thin, and small",))  # fmt: skip
    region = np.zeros(GRID.shape, bool)
    region[0, :2, :2] = True
    path = tmp_path_factory.mktemp("result") / "result.h5"
    save(path, images=images, maps=maps("t2-mono", 1.1), truth=maps("truth", 1.0), rois={"nucleus": region},
         evaluation=Evaluation(rows=(row,)), provenance={"request": {"protocol": "disc-se", "field": 3.0}})  # fmt: skip
    return path


def exported(capsys, result, kind, out):
    assert perform(["export", str(result), "--to", kind, "--out", str(out), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_truth_against_fit_by_region_and_voxel(capsys, result, tmp_path):
    assert exported(capsys, result, "csv", tmp_path / "r.csv")["rows"] == 1
    with (tmp_path / "r.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["region"], row["unit"], row["notes"]) == ("nucleus", "s", "thin, and small")
    assert float(row["bias_percent"]) == pytest.approx(25)
    with (tmp_path / "r-voxels.csv").open(newline="") as file:
        first, second, *rest = csv.DictReader(file)
    assert (first["fit"], first["status"], len(rest)) == ("", "no signal", 2)
    assert float(second["fit"]) == pytest.approx(1.1 * float(second["truth"]))
    index = [int(second[f"i_{axis}"]) for axis in "xyz"]
    place = [float(second[name]) for name in ("right_m", "anterior_m", "superior_m")]
    assert place == pytest.approx((GRID.affine() @ (*index, 1))[:3])


def test_arrays_of_bart(capsys, result, tmp_path):
    assert exported(capsys, result, "cfl", tmp_path / "r.cfl")["arrays"] == 1
    values = read_cfl(tmp_path / "r")
    assert values.shape == (4, 3, 2, 1, 1, 2, *[1] * 10)
    assert values[3, 1, 0, 0, 0, 1].item() == pytest.approx((1 + 24 + 7) * np.exp(0.3j), rel=1e-6)


@pytest.mark.skipif(shutil.which("bart") is None, reason="bart is not installed")
def test_bart_makes_the_image_of_our_raw_data(capsys, tmp_path):
    rng, lines = np.random.default_rng(1), np.arange(12)
    data = rng.standard_normal((24, 1, 16)) + 1j * rng.standard_normal((24, 1, 16))
    grid = Grid(shape=(1, 12, 16), spacing=(1e-3, 1e-3, 5e-3))
    group = Readouts(
        data=data, k=np.zeros((24, 16, 3)), t=np.zeros((24, 16)),
        labels={"line": np.tile(lines, 2), "contrast": np.repeat([0, 1], 12)},
    )  # fmt: skip
    encoding = Encoding(grid=grid, frequency=127e6, dwell=1e-5, contrast={"te": np.array([0.01, 0.02])})
    raw = Acquisition(groups={"imaging": group}, encoding=encoding, noise_density=np.eye(1, dtype=complex))
    save(tmp_path / "raw.h5", raw=raw)
    assert exported(capsys, tmp_path / "raw.h5", "cfl", tmp_path / "r")["arrays"] == 1
    subprocess.run(["bart", "fft", "-i", "-u", "3", "r_kspace", "image"], cwd=tmp_path, check=True)
    theirs, ours = read_cfl(tmp_path / "image").squeeze(), reconstruct(raw).data[:, 0].transpose(2, 1, 0)
    match = np.vdot(ours, theirs) / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert match == pytest.approx(1.0, abs=1e-5)


def test_volumes_as_nifti(capsys, result, tmp_path):
    import nibabel

    assert exported(capsys, result, "nifti", tmp_path / "set")["NIfTI files"] == 5
    image = nibabel.load(tmp_path / "set/images.nii.gz")
    assert image.shape == (4, 3, 2, 2)
    assert (tmp_path / "set/regions.tsv").read_text() == "index\tname\n1\tnucleus\n"


def test_series_of_diffusion_as_nifti_has_the_table_of_either_program(capsys, tmp_path):
    from mrsim.exchange.gradient_tables import read_fsl, read_mrtrix

    axis = np.array([0.48, 0.6, 0.64])
    table = {"b": np.array([0.0, 6e8])}
    table |= {f"direction_{a}": np.array([0.0, axis[i]]) for i, a in enumerate("xyz")}
    images = Images(data=np.ones((2, *GRID.shape), complex), grid=GRID, contrast=table, sigma=np.ones(1))
    save(tmp_path / "dwi.h5", images=images)
    exported(capsys, tmp_path / "dwi.h5", "nifti", tmp_path / "set")
    for read in (
        read_fsl(tmp_path / "set/images.bval", tmp_path / "set/images.bvec"),
        read_mrtrix(tmp_path / "set/images.b", GRID),
    ):
        for name, column in table.items():
            np.testing.assert_allclose(read[name], column, atol=1e-9)
    world = np.loadtxt(tmp_path / "set/images.b")[1, :3]
    np.testing.assert_allclose(world, GRID.axes @ axis, atol=1e-9)


def test_series_and_map_as_dicom_lie_where_the_grid_says(capsys, result, tmp_path):
    import pydicom

    assert exported(capsys, result, "dicom", tmp_path / "d") == {
        "source": str(result), "to": "dicom", "out": str(tmp_path / "d"), "images": 4, "parametric maps": 1,
    }  # fmt: skip
    file = pydicom.dcmread(tmp_path / "d/IM00004.dcm")  # second echo, second slice
    assert (file.EchoTime, file.RepetitionTime, file.MagneticFieldStrength, file.SliceThickness) == (80, 2000, 3, 4)
    shown = file.pixel_array * float(file.RescaleSlope)
    frames = pydicom.dcmread(tmp_path / "d/map_t2.dcm")
    mapped = np.frombuffer(frames.FloatPixelData, "<f4").reshape(2, frames.Rows, frames.Columns)
    row, column = np.reshape(np.array(file.ImageOrientationPatient, float), (2, 3))
    assert row[1] > 0.9
    assert column[2] < -0.9  # to the back, and down
    inverse, lps = np.linalg.inv(GRID.affine()), np.diag([-1, -1, 1])
    first, steps = np.array(file.ImagePositionPatient, float), np.array(file.PixelSpacing, float)
    for i, j in ((0, 0), (2, 3), (1, 2)):
        world = lps @ (first + i * steps[0] * column + j * steps[1] * row) * 1e-3
        x, y, z = np.rint(inverse @ (*world, 1))[:3].astype(int)
        assert z == 1
        assert shown[i, j] == pytest.approx(1 + 24 + (z * 3 + y) * 4 + x, abs=48 / 4095)
        assert mapped[1, i, j] == pytest.approx(1e3 * maps("", 1.1).values["t2"][z, y, x], rel=1e-6)
    assert np.isnan(mapped).sum() == 1
    meaning = frames.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert meaning.MeasurementUnitsCodeSequence[0].CodeValue == "ms"


@pytest.mark.parametrize(
    ("kind", "said"), [("nifti-mrs", "no spectra"), ("mrd", "no raw data"), ("koma", "how it was")]
)
def test_what_a_file_does_not_hold_is_refused(capsys, result, tmp_path, kind, said):
    assert perform(["export", str(result), "--to", kind, "--out", str(tmp_path / "x.nii.gz")]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_folder_with_other_files_is_left_alone(capsys, result, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert perform(["export", str(result), "--to", "nifti", "--out", str(tmp_path)]) == 2
    assert "not an empty folder" in capsys.readouterr().err


def test_arrays_of_bart_stand_together_or_not_at_all(tmp_path):
    def write(problem):
        with ExitStack() as together:
            for name in ("r", "r_kspace"):
                write_cfl(tmp_path / name, np.ones((2, 3), complex), (0, 1), together)
            if problem:
                raise problem

    with pytest.raises(StorageError, match="No space left"):
        write(OSError(errno.ENOSPC, "No space left on device"))
    assert not list(tmp_path.iterdir())
    write(None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.cfl", "r.hdr", "r_kspace.cfl", "r_kspace.hdr"]
