"""MRD files: ours read back and by other programs, others' read here, and bad ones refused."""

from __future__ import annotations

import random
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
import sigpy

from mrsim.core.errors import UserError
from mrsim.exchange.mrd import read_mrd, write_mrd
from mrsim.exchange.pulseq import Placement, read_pulseq
from mrsim.phantom.phantom_file import load_phantom
from mrsim.recon import reconstruct
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families import FAMILIES
from mrsim.sequence.scanner import load_scanner
from mrsim.simulate import Bloch, add_noise, simulate

from . import scans

SCANNER = load_scanner("3T")
SINGLE = 2e-7
"""Two steps of single precision, relative to the largest sample."""


@pytest.fixture(scope="module")
def cartesian():
    """Two echoes of a Cartesian family, with noise."""
    family = {f.name: f for f in FAMILIES}["multi-echo-gradient-echo"]
    protocol = family(matrix=(16, 12), fov=(0.16, 0.12), echoes=2)
    raw = simulate(discretize(protocol.build(SCANNER)), load_phantom("ellipse", field=3.0), Bloch(), threads=1)
    return add_noise(raw, rng=3)


@pytest.fixture(scope="module")
def radial(tmp_path_factory):
    path = tmp_path_factory.mktemp("radial") / "radial.seq"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scans.ultrashort(spokes=64).write(str(path))
    sequence = read_pulseq(path, SCANNER, Placement(orientation="sagittal"))
    return simulate(discretize(sequence), load_phantom("ellipse", field=3.0), Bloch(), threads=1)


def same(one: np.ndarray, other: np.ndarray, tolerance: float = SINGLE) -> bool:
    return bool(np.abs(one - other).max() <= tolerance * np.abs(other).max())


@pytest.mark.parametrize("name", ["cartesian", "radial"])
def test_raw_data_come_back_to_single_precision(name, request, tmp_path):
    raw = request.getfixturevalue(name)
    write_mrd(raw, tmp_path / "raw.mrd")
    back = read_mrd(tmp_path / "raw.mrd")
    for purpose, group in raw.groups.items():
        other = back.groups[purpose]
        assert same(other.data, group.data)
        assert same(other.k, group.k)
        assert same(other.t, group.t)
        for label, values in group.labels.items():
            assert np.array_equal(other.labels[label], values)
    one, other = raw.encoding, back.encoding
    assert (one.kind, one.k_from, one.frequency, one.dwell) == (other.kind, other.k_from, other.frequency, other.dwell)
    assert one.grid.shape == other.grid.shape
    assert np.array_equal(one.grid.axes, other.grid.axes)
    for key, values in one.contrast.items():
        assert np.allclose(other.contrast[key], values, rtol=1e-12)
    assert np.array_equal(back.noise_density, raw.noise_density)
    assert back.noisy == raw.noisy
    assert same(reconstruct(back).data, reconstruct(raw).data, 1e-6)


def read_by_ismrmrd(path: Path) -> tuple[object, list[ismrmrd.Acquisition]]:
    with ismrmrd.File(str(path), "r") as file:
        return file["dataset"].header, file["dataset"].acquisitions[:]


def test_sigpy_reconstructs_our_cartesian_image_from_the_file(cartesian, tmp_path):
    write_mrd(cartesian, tmp_path / "raw.mrd")
    header, acquisitions = read_by_ismrmrd(tmp_path / "raw.mrd")
    space = header.encoding[0].encodedSpace
    size, fov = space.matrixSize, space.fieldOfView_mm
    k = np.zeros((2, size.y, size.x), dtype=np.complex128)
    for a in acquisitions:
        line = a.data[0][::-1] if a.is_flag_set(ismrmrd.ACQ_IS_REVERSE) else a.data[0]
        k[a.idx.contrast, a.idx.kspace_encode_step_1] = line
    image = sigpy.ifft(k, axes=(-2, -1)) / np.sqrt(size.x * size.y) / (fov.x * fov.y * fov.z * 1e-9 / size.x / size.y)
    assert same(image, reconstruct(cartesian).data[:, 0], 1e-6)  # single precision over a sum of 192 samples


def test_bart_reconstructs_our_cartesian_image_from_the_file(cartesian, tmp_path):
    write_mrd(cartesian, tmp_path / "raw.mrd")
    _, acquisitions = read_by_ismrmrd(tmp_path / "raw.mrd")
    k = np.zeros((16, 12), dtype=np.complex64)
    for a in acquisitions:
        if a.idx.contrast == 0:
            k[:, a.idx.kspace_encode_step_1] = a.data[0]
    (tmp_path / "k.hdr").write_text("# Dimensions\n16 12 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n")
    k.ravel(order="F").tofile(tmp_path / "k.cfl")
    subprocess.run(["bart", "fft", "-i", "-u", "3", "k", "image"], cwd=tmp_path, check=True, capture_output=True)
    image = np.fromfile(tmp_path / "image.cfl", dtype=np.complex64).reshape((16, 12), order="F").T
    wanted = reconstruct(cartesian).data[0, 0]
    assert same(image / np.abs(image).max(), wanted / np.abs(wanted).max(), 1e-5)  # bart computes in single precision


def test_sigpy_reconstructs_our_radial_image_from_the_files_trajectory(radial, tmp_path):
    write_mrd(radial, tmp_path / "raw.mrd")
    header, acquisitions = read_by_ismrmrd(tmp_path / "raw.mrd")
    size = header.encoding[0].encodedSpace.matrixSize
    k = np.concatenate([a.traj[:, :2] for a in acquisitions]).astype(np.float64)
    data = np.concatenate([a.data[0] for a in acquisitions]).astype(np.complex128)
    # the area of each sample's ring over the spokes: spokes begin on the gradient's ramp, so rings differ in width
    away = [np.hypot(*a.traj[:, :2].astype(np.float64).T) for a in acquisitions]
    edges = [np.concatenate([[0.0], (r[1:] + r[:-1]) / 2, [1.5 * r[-1] - 0.5 * r[-2]]]) for r in away]
    weights = np.concatenate([np.diff(edge**2) for edge in edges])
    image = sigpy.nufft_adjoint(data * weights, k[:, ::-1], oshape=(size.y, size.x))
    wanted = reconstruct(radial).data[0, 0]
    scale = np.vdot(image, wanted) / np.vdot(image, image)
    # The two density compensations differ at the centre and the edge of k-space by a few per cent of the energy.
    assert np.linalg.norm(scale * image - wanted) < 0.06 * np.linalg.norm(wanted)


def foreign(path: Path, *, coils: int = 1, centre: int = 4, drop: tuple[str, ...] = ()) -> np.ndarray:
    """A file as another program writes it: a box in k-space with ismrmrd's own interface; returns the k-space."""
    xsd = ismrmrd.xsd
    ny, nx = 8, 12
    size = xsd.matrixSizeType(x=nx, y=ny, z=1)
    space = xsd.encodingSpaceType(matrixSize=size, fieldOfView_mm=xsd.fieldOfViewMm(x=240.0, y=160.0, z=5.0))
    limits = xsd.encodingLimitsType(kspace_encoding_step_1=xsd.limitType(minimum=0, maximum=ny - 1, center=centre))
    header = xsd.ismrmrdHeader(
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=63_870_000),
        encoding=[xsd.encodingType(encodedSpace=space, reconSpace=space, encodingLimits=limits,
                                   trajectory=xsd.trajectoryType.CARTESIAN)],
        sequenceParameters=xsd.sequenceParametersType(TE=[12.0], TR=[500.0], flipAngle_deg=[90.0]),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    k = rng.normal(size=(coils, ny, nx, 2)) @ [1, 1j]
    rows = []
    for noise in range(4):
        a = ismrmrd.Acquisition.from_array((rng.normal(size=(coils, 256, 2)) @ [0.3, 0.3j]).astype(np.complex64))
        a.setFlag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        a.scan_counter, a.sample_time_us = noise, 10.0
        rows.append(a)
    for line in range(ny):
        a = ismrmrd.Acquisition.from_array(np.ascontiguousarray(k[:, line]).astype(np.complex64))
        a.idx.kspace_encode_step_1, a.sample_time_us, a.center_sample = line, 10.0, nx // 2
        a.read_dir[:], a.phase_dir[:], a.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
        rows.append(a)
    with ismrmrd.File(str(path), "w") as file:
        container = file["dataset"]
        if "header" not in drop:
            container.header = header
        container.acquisitions = rows
    return k


def test_a_file_of_another_program_gives_its_data_geometry_and_noise(tmp_path):
    k = foreign(tmp_path / "other.mrd")
    raw = read_mrd(tmp_path / "other.mrd")
    assert same(raw.imaging.data[:, 0], k[0])
    grid = raw.encoding.grid
    assert grid.shape == (1, 8, 12)
    assert grid.spacing == pytest.approx((0.02, 0.02, 0.005))
    assert np.allclose(grid.axes, np.diag([-1, -1, 1]))  # its axes are LPS, ours RAS
    assert raw.encoding.contrast["te"] == pytest.approx([0.012])
    assert raw.encoding.contrast["flip"] == pytest.approx([np.pi / 2])
    # 0.3 per quadrature channel at 10 us; 2048 numbers know the variance to 3 %, three sigma are 10 %
    assert raw.noise_density[0, 0].real == pytest.approx(0.09 * 1e-5, rel=0.1)
    assert set(raw.groups) == {"noise", "imaging"}
    wanted = sigpy.ifft(k[0], axes=(-2, -1)) / np.sqrt(96) / grid.voxel_volume
    assert same(reconstruct(raw).data[0, 0], wanted, 1e-6)


def test_lines_count_from_the_centre_that_the_limits_name(tmp_path):
    foreign(tmp_path / "other.mrd", centre=3)
    raw = read_mrd(tmp_path / "other.mrd")
    assert raw.imaging.k[3, 0, 1] == 0.0
    assert list(raw.imaging.labels["line"]) == list(range(1, 9))


def test_coils_are_kept_apart(tmp_path):
    k = foreign(tmp_path / "other.mrd", coils=3)
    raw = read_mrd(tmp_path / "other.mrd")
    assert same(raw.imaging.data, k.transpose(1, 0, 2))
    assert raw.noise_density.shape == (3, 3)


def test_bad_files_are_refused_by_what_is_wrong(cartesian, tmp_path):
    path = tmp_path / "bad.mrd"
    for content, said in ((b"", "cannot be read"), (b"not HDF5" * 100, "cannot be read")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=said):
            read_mrd(path)
    with pytest.raises(UserError, match="no such file"):
        read_mrd(tmp_path / "absent.mrd")
    foreign(path, drop=("header",))
    with pytest.raises(UserError, match="no MRD dataset"):
        read_mrd(path)
    wounds = {"<encoding>": ("<encodign>", "header"), "<x>12</x>": ("<x>0</x>", "encodedSpace"),
              "<?xml": ("<!DOCTYPE a><?xml", "entities")}  # fmt: skip
    for old, (new, said) in wounds.items():
        foreign(path)
        with h5py.File(path, "r+") as file:
            file["dataset/xml"][0] = file["dataset/xml"][0].replace(old.encode(), new.encode())
        with pytest.raises(UserError, match=said):
            read_mrd(path)
    foreign(path)
    with h5py.File(path, "r+") as file:
        rows = file["dataset/data"][:]
        rows["head"]["number_of_samples"][5] = 60000
        file["dataset/data"][...] = rows
    with pytest.raises(UserError, match="acquisition 5: 24 numbers for 60000"):
        read_mrd(path)
    write_mrd(cartesian, path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UserError, match="cannot be read"):
        read_mrd(path)


def test_labels_beyond_sixteen_bits_are_refused(cartesian, tmp_path):
    group = cartesian.imaging
    wide = replace(group, labels={**group.labels, "line": group.labels["line"] + 70000})
    with pytest.raises(UserError, match="MRD counts from 0 to 65535"):
        write_mrd(replace(cartesian, groups={"imaging": wide}), tmp_path / "raw.mrd")


def test_mutated_files_read_or_complain_and_nothing_else(tmp_path):
    good = tmp_path / "good.mrd"
    foreign(good)
    content, path = good.read_bytes(), tmp_path / "mutant.mrd"
    chance = random.Random(1)
    read, refused = 0, []
    for _ in range(300):
        wounded = bytearray(content)
        for _ in range(chance.choice((1, 4, 40))):
            wounded[chance.randrange(len(wounded))] = chance.randrange(256)
        if chance.random() < 0.2:
            wounded = wounded[: chance.randrange(len(wounded))]
        path.write_bytes(wounded)
        try:
            read_mrd(path)
            read += 1
        except UserError as error:
            refused.append(str(error))
    assert all(str(path) in said for said in refused)
    assert min(read, len(refused)) > 20
