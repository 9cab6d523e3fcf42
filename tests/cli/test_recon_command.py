"""`mrsim recon`: images from files of ours and of other programs, and what it says to bad ones."""

import json
import re
from dataclasses import replace

import ismrmrd
import numpy as np
import pytest

from mrsim.cli import perform
from mrsim.core.field_map import FieldMap
from mrsim.core.grid import Grid
from mrsim.core.storage import load, save
from tests.recon import test_off_raster as off_raster
from tests.recon import test_spectra as spectra
from tests.recon.scans import acquisition, covariance, disc, noisy, nrmse, scan

N = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Raw data of eight coils, every second line, with calibration."""
    where = tmp_path_factory.mktemp("recon")
    data, _ = scan(N, 8, fine=2)
    mask = np.zeros((1, N), bool)
    mask[0, ::2] = True
    raw = noisy(acquisition(data[None, :, None], mask, middle=24, psi=1e-6 * covariance(8)), 1)
    save(where / "raw.h5", raw=raw)
    return where


def called(capsys, *words):
    code = perform(["recon", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("method", "name"), [("auto", "SENSE"), ("grappa", "GRAPPA"), ("wavelet", "compressed sensing, wavelet")]
)
def test_methods_by_name_write_images(folder, capsys, method, name):
    code, out, _ = called(capsys, folder / "raw.h5", "--method", method, "--out", folder / "o.h5", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["reconstruction"] == name
    assert told["acceleration"] == pytest.approx(2)
    assert load(folder / "o.h5")["images"].data.shape == (1, 1, N, N)


def test_steps_and_options_reach_the_reconstruction(folder, capsys):
    words = ("--window", "tukey:0.3", "--size", "96x96", "--method", "sense", "--set", "regularisation=0.01")
    code, out, _ = called(capsys, folder / "raw.h5", *words, "--out", folder / "o.h5")
    assert code == 0
    assert "96 x 96 x 1 voxels by SENSE" in out
    assert "acceleration 2, " in out
    assert "g mean 1." in out
    images = load(folder / "o.h5")["images"]
    assert images.encoding["regularisation"] == 0.01
    assert images.encoding["window"] == "tukey"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "sense", "--set", "regularization=1"), "did you mean 'regularisation'"),
        (("--method", "sense", "--set", "regularisation=much"), "expected a number"),
        (("--method", "slice-grappa"), "needs bands and shift"),
        (("--window", "blackman"), "unknown window"),
        (("--size", "96"), "is no size"),
        (("--ghost", "phase"), "unknown correction"),
        (("--method", "combine"), "never acquired"),
        (("--method", "iterative"), "off the raster"),
        (("--unwarp", "pair"), "same polarity"),
        (("--set", "rank=3"), "belongs to a method"),
    ],
)
def test_wrong_words_are_refused_by_what_is_wrong(folder, capsys, words, said):
    code, _, err = called(capsys, folder / "raw.h5", *words, "--out", folder / "bad.h5")
    assert code == 2
    assert said in err
    assert not (folder / "bad.h5").exists()


def test_wrong_files_are_refused(folder, capsys):
    (folder / "text.h5").write_text("no data")
    assert "no HDF5 file" in called(capsys, folder / "text.h5", "--out", folder / "o.h5")[2]
    assert "no such file" in called(capsys, folder / "none.h5", "--out", folder / "o.h5")[2]
    called(capsys, folder / "raw.h5", "--method", "grappa", "--out", folder / "made.h5")
    assert "no raw data" in called(capsys, folder / "made.h5", "--out", folder / "p.h5")[2]


def _changed(raw, group="imaging", **change):
    return replace(raw, groups={**raw.groups, group: replace(raw.groups[group], **change)})


def _without_calibration(raw):
    return replace(raw, groups={"imaging": raw.groups["imaging"]})


def _few_calibration_lines(raw):
    group = raw.groups["calibration"]
    keep = np.arange(len(group.data)) < 5
    labels = {name: values[keep] for name, values in group.labels.items()}
    return _changed(raw, "calibration", data=group.data[keep], k=group.k[keep], t=group.t[keep], labels=labels)


def _a_coil_less(raw):
    return replace(raw, noise_density=raw.noise_density[:7, :7])


def _calibration_of_fewer_coils(raw):
    return _changed(raw, "calibration", data=raw.groups["calibration"].data[:, :7])


def _dead_coil(raw):
    density = raw.noise_density.copy()
    density[3], density[:, 3] = density[2], density[:, 2]
    density[3, 3] = density[2, 2]
    return replace(raw, noise_density=density)


def _a_hole(raw):
    group = raw.groups["imaging"]
    keep = np.arange(len(group.data)) != 7
    labels = {name: values[keep] for name, values in group.labels.items()}
    return _changed(raw, data=group.data[keep], k=group.k[keep], t=group.t[keep], labels=labels)


def _a_line_beyond(raw):
    labels = {**raw.groups["imaging"].labels, "line": raw.groups["imaging"].labels["line"] + N}
    return _changed(raw, labels=labels)


def _not_finite(raw):
    data = raw.groups["imaging"].data.copy()
    data[3, 2, 1] = np.nan
    return _changed(raw, data=data)


def _without_the_second_image(raw):
    encoding = replace(raw.encoding, contrast={"te": np.array([0.01, 0.02])})
    return replace(raw, encoding=encoding)


def _calibration_not_finite(raw):
    data = raw.groups["calibration"].data.copy()
    data[2, 1, 0] = np.inf
    return _changed(raw, "calibration", data=data)


@pytest.mark.parametrize(
    ("broken", "method", "said"),
    [
        (_without_calibration, "sense", "calibration lines"),
        (_few_calibration_lines, "grappa", "calibration lines"),
        (_a_coil_less, "auto", "7 x 7|covariance"),
        (_calibration_of_fewer_coils, "sense", "coils"),
        (_dead_coil, "auto", "is singular"),
        (_without_the_second_image, "auto", "hold no line, the first is contrast 1, slice 0"),
        (_calibration_not_finite, "auto", "calibration readout 2, coil 1, sample 0"),
        (_a_line_beyond, "auto", "label 'line' runs from"),
        (_not_finite, "auto", "not finite, the first is imaging readout 3, coil 2, sample 1"),
    ],
)
def test_bad_raw_data_are_refused_by_what_is_wrong(folder, capsys, broken, method, said):
    raw = load(folder / "raw.h5")["raw"]
    save(folder / "broken.h5", raw=broken(raw))
    (folder / "bad.h5").unlink(missing_ok=True)
    code, _, err = called(capsys, folder / "broken.h5", "--method", method, "--out", folder / "bad.h5")
    assert code == 2, err
    assert re.search(said, err), err
    assert not (folder / "bad.h5").exists()


@pytest.mark.parametrize("method", ["sense", "grappa"])
def test_a_hole_that_can_be_bridged_is_told_of(folder, capsys, method):
    save(folder / "hole.h5", raw=_a_hole(load(folder / "raw.h5")["raw"]))
    code, _, err = called(capsys, folder / "hole.h5", "--method", method, "--out", folder / "o.h5")
    assert code == 0, err
    assert "11 lines beyond the regular lattice" in err  # every fourth line is left of every second
    assert np.isfinite(load(folder / "o.h5")["images"].data).all()


def foreign(path, *, samples, oversampled, reverse=False, broken=None):
    """A Cartesian file as another program writes it: oversampled along x, perhaps asymmetric or in both directions."""
    xsd = ismrmrd.xsd
    wide = 2 * N if oversampled else N
    data = scan(N, 4, fine=2)[0]
    y = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(data, axes=-1), axis=-1), axes=-1)
    spread = np.zeros((4, N, wide), complex)
    spread[..., wide // 2 - N // 2 : wide // 2 + N // 2] = y
    k = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(spread, axes=-1), axis=-1), axes=-1)

    def space(n, fov):
        size = xsd.matrixSizeType(x=n, y=N, z=1)
        return xsd.encodingSpaceType(matrixSize=size, fieldOfView_mm=xsd.fieldOfViewMm(x=fov, y=200.0, z=5.0))

    limits = xsd.encodingLimitsType(kspace_encoding_step_1=xsd.limitType(minimum=0, maximum=N - 1, center=N // 2))
    header = xsd.ismrmrdHeader(
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=63_870_000),
        encoding=[
            xsd.encodingType(
                encodedSpace=space(wide, 200.0 * wide / N), reconSpace=space(N, 200.0), encodingLimits=limits,
                trajectory=xsd.trajectoryType.CARTESIAN,
            )
        ],
    )  # fmt: skip
    rng, rows = np.random.default_rng(0), []
    for kind in ("noise", *range(N), "feedback"):
        line = k[:, kind, wide - samples :] if isinstance(kind, int) else rng.normal(size=(4, 30000, 2)) @ [1e-4, 1e-4j]
        back = reverse and isinstance(kind, int) and kind % 2 == 1
        a = ismrmrd.Acquisition.from_array(np.ascontiguousarray(line[:, ::-1] if back else line).astype(np.complex64))
        centre = wide // 2 - (wide - samples)
        a.center_sample = samples - 1 - centre if back else centre
        a.sample_time_us = 10.0
        if kind == "noise":
            a.setFlag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        elif kind == "feedback":
            a.setFlag(ismrmrd.ACQ_IS_RTFEEDBACK_DATA)
        else:
            a.idx.kspace_encode_step_1 = kind
            if back:
                a.setFlag(ismrmrd.ACQ_IS_REVERSE)
            if kind == broken:
                a.data[0, 0] = np.nan
        rows.append(a)
    with ismrmrd.File(str(path), "w") as file:
        file["dataset"].header = header
        file["dataset"].acquisitions = rows


@pytest.mark.parametrize(
    "change",
    [
        {"samples": 2 * N, "oversampled": True},
        {"samples": N, "oversampled": False, "reverse": True},
        {"samples": N - 8, "oversampled": False},
        {"samples": N - 8, "oversampled": False, "reverse": True},
    ],
    ids=["oversampled", "reversed", "asymmetric", "both"],
)
def test_other_programs_lines_become_the_object(folder, capsys, change):
    foreign(folder / "other.mrd", **change)
    code, _, err = called(capsys, folder / "other.mrd", "--method", "sos", "--out", folder / "o.h5", "--ghost", "none")
    assert code == 0, err
    images = load(folder / "o.h5")["images"]
    assert images.data.shape == (1, 1, N, N)
    data = scan(N, 4, fine=2)[0]
    whole = np.linalg.norm(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(data, axes=(1, 2))), axes=(1, 2)), axis=0)
    found = np.abs(images.data[0, 0])
    found *= np.sum(found * whole) / np.sum(found**2)
    # an edge of k-space is missing; else the coils' noise, by which they are weighted, is measured to 0.3 %
    assert nrmse(found, whole, disc(N) > 0) < (0.06 if change["samples"] < N else 5e-3)


def test_values_that_are_not_finite_are_named(folder, capsys):
    foreign(folder / "other.mrd", samples=N, oversampled=False, broken=5)
    code, _, err = called(capsys, folder / "other.mrd", "--out", folder / "bad.h5")
    assert code == 2
    assert "imaging readout 5, coil 0, sample 0" in err


def test_map_of_the_field_sharpens_a_spiral(tmp_path, capsys):
    def field(x, y):
        return 100 * x / 0.1 + 120 * np.exp(-(x**2 + y**2) / 0.04**2)

    raw = off_raster.acquired(off_raster.spiral(4, 1000), field=field, duration=16e-3)
    save(tmp_path / "spiral.h5", raw=raw)
    grid = Grid(shape=(2, 101, 101), spacing=(2e-3, 2e-3, 5e-3))
    place = np.meshgrid(grid.coordinates(0), grid.coordinates(1))
    save(tmp_path / "field.h5", field=FieldMap(values=np.array([field(*place)] * 2), grid=grid))
    error = {}
    for name, words in (("plain", ()), ("sharp", ("--off-resonance", tmp_path / "field.h5"))):
        code, _, err = called(
            capsys, tmp_path / "spiral.h5", *words, "--method", "iterative", "--out", tmp_path / "o.h5"
        )
        assert code == 0, err
        found = np.abs(load(tmp_path / "o.h5")["images"].data[0, 0])
        error[name] = nrmse(found, off_raster.TRUTH, off_raster.TRUTH > 0.1)
    assert error["plain"] > 0.1
    assert error["sharp"] < 0.03
    words = ("--off-resonance", tmp_path / "field.h5", "--method", "sense")
    assert "adjoint or iterative" in called(capsys, tmp_path / "spiral.h5", *words, "--out", tmp_path / "o.h5")[2]


def test_spectra_are_reconstructed_with_what_is_asked_for(tmp_path, capsys):
    signals = np.stack([spectra.METABOLITES * np.exp(0.1j * turn) for turn in range(4)])[:, None]
    save(tmp_path / "svs.h5", raw=spectra.acquisition(signals))
    out = tmp_path / "o.h5"
    words = ("--method", "spectrum", "--set", "gauss=4 Hz", "--set", "points=2048", "--set", "align=false")
    code, said, err = called(capsys, tmp_path / "svs.h5", *words, "--out", out)
    assert code == 0, err
    assert "1 spectra of 2048 points" in said
    assert load(out)["spectra"].encoding["apodisation"] == (0.0, 4.0)
    for wrong, because in (
        (("--set", "gauss=4"), "with its unit"),
        (("--window", "hann"), "are for images"),
        (("--unwarp", "pair"), "these are spectra"),
    ):
        code, _, err = called(capsys, tmp_path / "svs.h5", "--method", "spectrum", *wrong, "--out", tmp_path / "bad.h5")
        assert code == 2
        assert because in err
    assert not (tmp_path / "bad.h5").exists()


def test_each_step_of_spectra_is_chosen_by_command(tmp_path, capsys):
    """Eight averages of two coils drift, one is spoiled, an eddy current turns all, and residual water is left."""
    time, rng = spectra.TIME, np.random.default_rng(3)
    hearing = np.array([1.0, 0.5 * np.exp(1.1j)])[:, None]
    eddy = np.exp(2j * np.pi * 6.0 * 0.05 * (1 - np.exp(-time / 0.05)))
    clean = spectra.METABOLITES + spectra.line(4.65, 20.0)
    turned = [clean * np.exp(2j * np.pi * hertz * time) for hertz in rng.uniform(-5, 5, 8)]
    turned[5] = turned[5] + spectra.noise(len(time), 2.0)
    signals = np.array([hearing * one * eddy for one in turned])
    water = np.array([hearing * spectra.line(4.65, 5000.0) * eddy])
    raw = spectra.acquisition(signals + spectra.noise(signals.shape, 0.02), water)
    save(tmp_path / "svs.h5", raw=replace(raw, noisy=True))

    def made(*options):
        words = [word for option in options for word in ("--set", option)]
        code, out, err = called(
            capsys, tmp_path / "svs.h5", "--method", "spectrum", *words, "--out", tmp_path / "o.h5", "--json"
        )
        assert code == 0, err
        one = load(tmp_path / "o.h5")["spectra"]
        return json.loads(out), one.ppm(), np.abs(one.spectrum()[0, 0])

    def peak(ppm, spectrum, shift):
        return spectrum[np.abs(ppm - shift) < 0.15].max()

    told, ppm, whole = made()
    assert told["averages"] == 7
    assert told["rejected"] == 1
    assert told["eddy_currents"] is True
    assert made("reject=0")[0]["averages"] == 8
    assert peak(ppm, made("align=false")[2], 1.31) < 0.9 * peak(ppm, whole, 1.31)
    assert peak(ppm, made("eddy_currents=false")[2], 1.31) < 0.99 * peak(ppm, whole, 1.31)
    assert peak(ppm, made("remove_water=true")[2], 4.65) < 0.05 * peak(ppm, whole, 4.65)
    # alone the line of 8 Hz would keep 8 / 18 of its height; it stands on the feet of the others
    assert 0.4 < peak(ppm, made("lorentz=10 Hz")[2], 1.31) / peak(ppm, whole, 1.31) < 0.65
    assert len(made("points=4096")[1]) == 4096
