"""Coil maps, SENSE and compressed sensing against bart (0.8.00, Debian) on the same samples.

bart: axes x, y, z, coil; pics solves the same normal equations by conjugate gradients in single precision.
"""

import os
import shutil
import subprocess

import numpy as np
import pytest

from mrsim.core.undersampling import variable_density
from mrsim.recon import Grappa, Sense, reconstruct
from mrsim.recon.coil_maps import estimate_maps
from mrsim.recon.compressed_sensing import compressed_sensing
from mrsim.recon.kspace import to_image, to_kspace
from mrsim.recon.lattice import Lattice
from mrsim.recon.nonuniform import forward
from mrsim.recon.partial_fourier import complete
from mrsim.recon.sense import unfolding
from tests.recon.scans import acquisition, axis, disc, nrmse, scan

N, COILS = 64, 8
AXES = (-3, -2, -1)


@pytest.fixture
def bart(tmp_path):
    """Run a bart tool on (coil, z, y, x) arrays; return its last file so."""
    program = shutil.which("bart")
    missing = "bart is not installed: apt-get install bart (Debian, Ubuntu); .ci/run does it where it may"
    if program is None and os.environ.get("CI") != "true":
        pytest.skip(missing)
    assert program, missing

    def run(tool, *arrays):
        for i, array in enumerate(arrays):
            write_cfl(tmp_path / f"in{i}", array)
        names = [f"in{i}" for i in range(len(arrays))]
        subprocess.run([program, *tool.split(), *names, "out"], cwd=tmp_path, check=True, capture_output=True)
        return read_cfl(tmp_path / "out")

    return run


def write_cfl(stem, array):
    """(coil, z, y, x) to bart's x, y, z, coil in single precision, x running fastest."""
    sizes = [*array.shape[::-1], *[1] * (16 - array.ndim)]
    stem.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
    array.astype(np.complex64).tofile(stem.with_suffix(".cfl"))


def read_cfl(stem):
    sizes = [int(n) for n in stem.with_suffix(".hdr").read_text().splitlines()[1].split()]
    return np.fromfile(stem.with_suffix(".cfl"), np.complex64).reshape(sizes[::-1])[(0,) * (len(sizes) - 4)]


@pytest.fixture(scope="module")
def samples():
    data, maps = scan(N, COILS, fine=2)
    return data[:, None], maps[:, None]


def inside():
    y, x = np.meshgrid(axis(N), axis(N), indexing="ij")
    return (x / 0.07) ** 2 + (y / 0.08) ** 2 < 1


def test_bart_sense_equals_ours_on_the_same_samples(bart, samples):
    data, maps = samples
    lattice = Lattice(shape=(1, N), rz=1, ry=2)
    theirs = bart("pics -l2 -r 0 -i 100 -w 1", data * lattice.mask[..., None], maps)[0]
    ours = unfolding(maps, lattice).apply(data, lattice)
    # both transforms are orthonormal: no factor in between; single precision, conjugate gradients, g up to 2
    assert nrmse(theirs[0], ours[0]) < 2e-3


def test_bart_espirit_maps_equal_ours_up_to_a_common_phase(bart, samples):
    data, _ = samples
    theirs = bart("ecalib -m 1 -r 24 -k 6 -c 0", data)
    ours = estimate_maps(data, (slice(0, 1), slice(N // 2 - 12, N // 2 + 12)))
    both = np.abs(np.sum(ours.conj() * theirs, axis=0))[0][inside()]
    # bart cuts the null space elsewhere and keeps the full raster: unit vectors within 1 degree
    assert np.sqrt(np.mean(np.maximum(0, 1 - both**2))) < 0.02


def test_bart_wavelet_image_and_ours_are_equally_near_the_truth(bart, samples):
    data, maps = samples
    mask = variable_density((1, N), 3, 10, rng=1)
    power = np.sum(np.abs(maps) ** 2, axis=0)
    truth = (np.sum(maps.conj() * to_image(data, AXES), axis=0) / power)[0]
    unit = maps / np.sqrt(power)
    there = data * mask[..., None]
    theirs = bart("pics -l1 -r 0.001 -i 100 -w 1 -S", there, unit)[0, 0] / np.sqrt(power[0])
    ours = compressed_sensing(there, mask, unit)[0] / np.sqrt(power[0])
    where = disc(N) > 0
    errors = nrmse(ours, truth, where), nrmse(theirs, truth, where)
    # other wavelets, shifted at random in theirs: the same problem, not the same minimiser
    assert errors[0] < 1.25 * errors[1]
    assert nrmse(ours, theirs, where) < sum(errors)


def test_sense_and_grappa_from_one_scan_agree_with_barts_maps(bart, samples):
    data, _ = samples
    mask = np.zeros((1, N), bool)
    mask[0, ::2] = True
    raw = acquisition(data[None], mask, middle=24, psi=1e-8 * np.eye(COILS))
    maps = bart("ecalib -m 1 -r 24 -k 6 -c 0", data).astype(complex)
    images = [reconstruct(raw, method).data[0, 0] for method in (Sense(maps=maps), Grappa(maps=maps))]
    assert nrmse(images[1], images[0], disc(N) > 0) < 0.03


def test_bart_homodyne_equals_ours_on_the_same_lines(bart):
    """bart weighs with a ramp by default, -I with steps as ours; its phase is that of the symmetric lines, as ours."""
    y, x = np.meshgrid(np.arange(N) - N // 2, np.arange(N) - N // 2, indexing="ij")
    image = disc(N) * np.exp(1j * (0.4 + 0.02 * y - 0.015 * x))
    k = to_kspace(image[None], AXES)
    k[:, : N // 4] = 0
    theirs = bart("homodyne -I 1 0.75", k[None])[0]
    keep = slice(N // 4, N)
    ours = complete(to_image(k, AXES), -2, keep, "homodyne")
    where = disc(N) > 0
    errors = [nrmse(np.abs(found)[0], np.abs(image), where) for found in (ours, theirs)]
    zero_filled = nrmse(np.abs(to_image(k, AXES))[0], np.abs(image), where)
    assert errors[0] < 0.7 * zero_filled
    assert errors[0] < 1.2 * errors[1]
    assert nrmse(np.abs(ours[0]), np.abs(theirs[0]), where) < sum(errors)


def test_bart_nufft_equals_ours_on_the_same_spokes(bart, samples):
    data, _ = samples
    image = to_image(data[:1], AXES)[0, 0]
    angle = np.pi * np.arange(40) / 40
    radius = np.arange(N) - N // 2 + 0.0
    k = np.stack([np.outer(np.cos(angle), radius), np.outer(np.sin(angle), radius)], axis=-1)
    trajectory = np.zeros((40, N, 3))
    trajectory[..., :2] = k
    theirs = bart("nufft", trajectory, image[None, None])
    ours = forward(k.reshape(-1, 2) / N, image).reshape(40, N) / N
    assert nrmse(theirs.reshape(40, N), ours) < 2e-3  # single precision and bart's gridding kernel
