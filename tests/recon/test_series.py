"""Bands, sparse images and contrast series against truths that they did not learn from."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.undersampling import variable_density
from mrsim.recon import CompressedSensing, SliceGrappa, Subspace, reconstruct
from mrsim.recon.compressed_sensing import compressed_sensing, point_spread
from mrsim.recon.g_factor import replica_noise
from mrsim.recon.kspace import sort_lines, to_image, to_kspace
from mrsim.recon.simultaneous import band_phase, leakage, separate, slice_kernels
from mrsim.recon.subspace import subspace_basis, subspace_images

from .scans import FINE, acquisition, axis, disc, kspace, loop_fields, noisy, nrmse, scan

N = 48
AXES = (-3, -2, -1)


def stack(slices, coils=12, n=N, apart=0.03):
    """(slice, coil, y, x) k-space of different objects in a stack, and (slice, coil, y, x) sensitivities."""
    y, x = np.meshgrid(axis(n, FINE), axis(n, FINE), indexing="ij")
    yc, xc = np.meshgrid(axis(n), axis(n), indexing="ij")
    data, maps, truth = [], [], []
    for i in range(slices):
        z = (i - (slices - 1) / 2) * apart
        rings = [
            np.concatenate([loop_fields(coils // 2, b, a, z=z + s) for s in (-0.05, 0.05)])
            for b, a in ((y, x), (yc, xc))
        ]
        image = np.roll(disc(n, FINE), (4 * i, -5 * i), axis=(0, 1)) * (0.6 + 0.2 * i)
        data.append(kspace(rings[0] * image, n))
        maps.append(rings[1])
        truth.append(kspace(image[None], n)[0])
    return np.array(data), np.array(maps), to_image(np.array(truth), (-2, -1))


@pytest.fixture(scope="module")
def two_bands():
    return stack(2)


def test_caipirinha_phase_moves_a_band_by_its_share_of_the_field_of_view(two_bands):
    data, _, _ = two_bands
    moved = to_image(data[1] * band_phase(2, N, 0.5)[1][:, None], (-2, -1))
    np.testing.assert_allclose(moved, np.roll(to_image(data[1], (-2, -1)), N // 2, axis=-2), atol=1e-12)


@pytest.mark.parametrize("split", [True, False])
def test_slice_grappa_keeps_bands_apart(two_bands, split):
    """Learnt on 24 lines, judged on all: each band must come back, and the other must stay out."""
    data, _, _ = two_bands
    middle = slice(N // 2 - 12, N // 2 + 12)
    kernels = slice_kernels(data[:, :, middle], (12, N // 2), 0.5, split=split)
    matrix = leakage(data, kernels, 0.5)
    assert np.diag(matrix).min() >= 0.98  # physics B-24
    assert np.diag(matrix).max() <= 1.02
    assert (matrix - np.diag(np.diag(matrix))).max() < {True: 0.05, False: 0.15}[split]
    together = np.sum(data * band_phase(2, N, 0.5)[:, None, :, None], axis=0)
    found = separate(together, kernels, 0.5)
    assert nrmse(found, to_image(data, (-2, -1))) < 0.06


def test_caipirinha_lowers_the_noise_of_bands(two_bands):
    """Bands 3 cm apart: hardly any difference between coils along z, half a field of view between them in the plane."""
    data, _, _ = two_bands
    middle = slice(N // 2 - 12, N // 2 + 12)
    noise = {}
    for shift in (0.0, 0.5):
        kernels = slice_kernels(data[:, :, middle], (12, N // 2), shift)
        noise[shift] = np.mean([np.sum(np.abs(k.weights) ** 2) for k in kernels])
    assert noise[0.5] < 0.7 * noise[0.0]


def band_scan(data, maps, shift, psi=None):
    slices = len(data)
    groups = slices // 2
    together = np.zeros_like(data)
    for g in range(groups):
        members = data[g::groups]
        together[g] = np.sum(members * band_phase(2, N, shift)[:, None, :, None], axis=0)
    mask = np.zeros((slices, N), bool)
    mask[:groups] = True
    raw = acquisition(
        together.swapaxes(0, 1)[None], mask, middle=24, calibration=data.swapaxes(0, 1), psi=psi
    )  # fmt: skip
    return raw, SliceGrappa(bands=2, shift=shift, maps=maps.swapaxes(0, 1))


@pytest.mark.slow
def test_slice_grappa_scan_gives_every_slice_and_its_noise():
    data, maps, truth = stack(4)
    raw, method = band_scan(data, maps, 0.5, psi=1e-4 * np.eye(12))
    clean = reconstruct(raw, method)
    assert nrmse(clean.data[0], truth) < 0.08
    assert clean.encoding["leakage"].shape == (2, 2, 2)
    draws = np.array([reconstruct(noisy(raw, seed), method).data - clean.data for seed in range(12)])
    scatter = np.sqrt(np.mean(np.abs(draws) ** 2, axis=0) / 2)
    # 12 complex draws x 9216 voxels; the mean root of 12 is 1 % low
    assert np.mean(scatter / clean.sigma) == pytest.approx(1 - 1 / 96, abs=0.015)


def test_bands_without_calibration_are_refused():
    data, maps, _ = stack(2)
    raw, method = band_scan(data, maps, 0.5)
    raw.groups.pop("calibration")
    with pytest.raises(InputError, match="every slice alone"):
        reconstruct(raw, method)


def sparse_object(n=64, count=60, rng=1):
    """(1, y, x): the sum of `count` Haar wavelets, drawn at random over levels 1 to 4, by their definition."""
    r = np.random.default_rng(rng)
    image = np.zeros((n, n), complex)
    for _ in range(count):
        size = 2 ** r.integers(1, 5)
        y, x = size * r.integers(0, n // size, 2)
        kind = r.integers(0, 3)
        half = np.repeat([1.0, -1.0], size // 2)
        one = np.ones(size)
        patch = [np.outer(half, one), np.outer(one, half), np.outer(half, half)][kind] / size
        image[y : y + size, x : x + size] += patch * (r.standard_normal() + 1j * r.standard_normal())
    return image[None]


def test_sparse_object_comes_back_from_a_third_of_its_samples_by_fista():
    """60 coefficients of 4096, one coil, random points of k-space: the theory promises the object (physics B-25)."""
    truth = sparse_object()
    chance = np.random.default_rng(2).random((1, 64, 64))
    mask = chance < 0.4
    samples = to_kspace(truth, AXES)[None] * mask
    found = compressed_sensing(
        samples, mask, np.ones((1, 1, 64, 64), complex), weight=1e-5, iterations=300, wavelet="haar", shifts=False
    )
    zero_filled = to_image(samples, AXES)[0]
    assert nrmse(found, truth) < 1e-4
    assert nrmse(zero_filled, truth) > 0.3
    assert 0.02 < point_spread(mask)[1] < 0.1  # incoherent: near sqrt(0.6 / 0.4 / 4096) times the largest of 4096 draws


def test_point_spread_of_a_lattice_is_coherent():
    mask = np.zeros((1, 32), bool)
    mask[0, ::4] = True
    assert point_spread(mask)[1] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("sparse", ["wavelet", "tv"])
@pytest.mark.parametrize(("seed", "level"), [(11, 3e-3), (12, 1e-2), (13, 3e-3)])
def test_compressed_sensing_halves_the_error_of_zero_filling_at_fourfold(sparse, seed, level):
    """Studies VX-10: 8 coils, masks and noise drawn anew (others than those by which the weights were chosen)."""
    n = 128
    data, maps = scan(n, 8, fine=2)
    mask = variable_density((1, n), 4, 8, rng=seed)
    raw = noisy(acquisition(data[None, :, None], mask, psi=level**2 * np.eye(8)), seed)
    found = reconstruct(raw, CompressedSensing(sparse=sparse, maps=maps[:, None]))
    power = np.sum(np.abs(maps) ** 2, axis=0)
    whole = np.sum(maps.conj() * to_image(data, (-2, -1)), axis=0) / power
    samples = sort_lines(raw).data[0, :, 0] / (np.sqrt(n * n) * raw.encoding.grid.voxel_volume)
    zero_filled = np.sum(maps.conj() * to_image(samples, (-2, -1)), axis=0) / power
    inside = disc(n) > 0
    assert nrmse(found.data[0, 0], whole, inside) <= 0.5 * nrmse(zero_filled, whole, inside)
    assert found.encoding["acceleration"] == pytest.approx(4)
    assert any("not linear" in w for w in found.history["warnings"])


def test_compressed_sensing_of_all_samples_is_never_better_than_the_truth():
    """With everything acquired and no noise the penalty can only bias: its error grows with its weight."""
    truth = disc(64)[None].astype(complex)
    maps = np.ones((1, 1, 64, 64), complex)
    samples, mask = to_kspace(truth, AXES)[None], np.ones((1, 64), bool)
    errors = [nrmse(compressed_sensing(samples, mask, maps, weight=w, iterations=60), truth) for w in (0.0, 1e-3, 1e-2)]
    assert errors[0] < 1e-10 < errors[1] < errors[2]


def echoes(n=32, count=10):
    """(contrast, y, x) decays with three T2, (contrast,) echo times and a dictionary of other T2."""
    te = 0.01 * np.arange(1, count + 1)
    inner = disc(n)
    t2 = np.where(inner > 1.2, 0.12, np.where(inner < 0.8, 0.04, 0.07))
    dictionary = np.exp(-te / np.geomspace(0.02, 0.3, 50)[:, None])
    return inner * np.exp(-te[:, None, None] / t2), te, dictionary


def test_subspace_of_decays_needs_few_vectors():
    _, _, dictionary = echoes()
    left = [subspace_basis(dictionary, rank)[1] for rank in (1, 2, 3)]
    assert left[0] > 0.1 > left[1] > 0.01 > left[2]


def test_subspace_brings_back_echoes_that_are_sampled_differently():
    """Every echo acquires every fourth line, each echo other ones."""
    series, te, dictionary = echoes()
    n = series.shape[-1]
    _, maps = scan(n, 4, fine=1)
    mask = np.array([[(np.arange(n) - t) % 4 == 0] for t in range(len(te))])
    full = to_kspace(maps[None, :, None] * series[:, None, None], AXES)
    raw = acquisition(full, mask, te=te)
    method = Subspace(rank=3, dictionary=dictionary, maps=maps[:, None], regularisation=1e-6, replicas=2)
    found = reconstruct(raw, method)
    inside = np.broadcast_to(disc(n) > 0, series.shape)
    left = found.encoding["left_out"]
    assert nrmse(found.data[:, 0], series, inside) < max(0.02, 3 * left)
    alone = to_image(full * mask[:, None, :, :, None], AXES)
    combined = np.sum(maps.conj()[None, :, None] * alone, axis=1) / np.sum(np.abs(maps) ** 2, axis=0)
    assert nrmse(combined[:, 0], series, inside) > 0.3


def test_subspace_noise_is_that_of_replicas():
    series, te, dictionary = echoes(16, 6)
    _, maps = scan(16, 4, fine=1)
    basis, _ = subspace_basis(dictionary, 2)
    mask = np.ones((6, 1, 16), bool)
    m = maps[:, None]

    def solve(k):
        return subspace_images(k, mask, m, basis, 0.0, 60)

    noise = replica_noise(solve, mask[:, None, :, :, None], (6, 4, 1, 16, 16), 200, 1)
    # fully sampled and unregularised it is a projection: variance |row of Phi|^2 / sum |s|^2
    wanted = np.sqrt(np.sum(np.abs(basis) ** 2, axis=1))[:, None, None, None] / np.sqrt(np.sum(np.abs(m) ** 2, axis=0))
    assert np.mean(noise / wanted) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(noise / wanted, 1, atol=0.2)  # 200 complex draws: 3.5 % per voxel, 5 sigma of 1536
    assert series.shape[0] == len(te)


def test_compressed_sensing_and_subspace_report_progress():
    data, maps = scan(32, 4, fine=1)
    seen = []
    raw = acquisition(data[None, :, None])
    reconstruct(
        raw, CompressedSensing(maps=maps[:, None], iterations=3), lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (3, 3)
    assert [d for d, _ in seen] == [1, 2, 3]
