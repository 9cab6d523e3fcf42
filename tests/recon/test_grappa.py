"""GRAPPA and coil maps against full data, replicas and physical sensitivities; combination against its statistics."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.recon import Combine, Grappa, Sense, Smash, reconstruct
from mrsim.recon.coil_maps import estimate_maps
from mrsim.recon.combine import matched, whitening
from mrsim.recon.convolution import combined_weights
from mrsim.recon.g_factor import replica_noise
from mrsim.recon.grappa import combine, fill, grappa_kernels, grappa_noise
from mrsim.recon.kspace import to_image
from mrsim.recon.lattice import Lattice
from mrsim.recon.smash import harmonics, smash

from .scans import acquisition, axis, covariance, disc, noisy, nrmse, scan

N = 64
AXES = (-3, -2, -1)


@pytest.fixture(scope="module")
def full():
    data, maps = scan(N, 8)
    return data[:, None], maps[:, None]


def box(width):
    return slice(N // 2 - width // 2, N // 2 + width // 2)


def test_grappa_without_noise_returns_the_coil_images_at_twofold_acceleration(full):
    data, _ = full
    lattice = Lattice(shape=(1, N), rz=1, ry=2)
    found = fill(data, lattice, grappa_kernels(data[:, :, box(24)], lattice))
    # issue gate: 2 %; the kernel is a truncated series of neighbours, so that some error stays
    assert nrmse(found, to_image(data, AXES)) < 0.02
    zero_filled = to_image(data * lattice.mask[..., None], AXES)
    assert nrmse(zero_filled, to_image(data, AXES)) > 0.4


def test_grappa_weights_in_the_image_are_the_convolution_in_k_space(full):
    """One missing line, summed by hand from its neighbours."""
    data, _ = full
    lattice = Lattice(shape=(1, N), rz=1, ry=2)
    kernels = grappa_kernels(data[:, :, box(24)], lattice)
    images = fill(data, lattice, kernels)
    from mrsim.recon.kspace import to_kspace

    filled = to_kspace(images, AXES)
    line, x = 31, 20
    (kernel,) = [k for k in kernels if len(k.offsets) > 1]
    by_hand = sum(
        kernel.weights[:, :, i] @ data[:, 0, line + dy, x + dx] for i, (_, dy, dx) in enumerate(kernel.offsets)
    )
    np.testing.assert_allclose(filled[:, 0, line, x], by_hand, rtol=1e-9)
    np.testing.assert_allclose(filled[:, 0, 32], data[:, 0, 32], atol=1e-10 * np.abs(data).max())


@pytest.mark.parametrize("acceleration", [2, 3])
def test_grappa_g_map_agrees_with_replicas(full, acceleration):
    data, maps = full
    data, maps = data[:, :, :, 16:48], maps[:, :, :, 16:48]  # half the columns: half the time
    lines = {2: 64, 3: 60}[acceleration]
    lattice = Lattice(shape=(1, lines), rz=1, ry=acceleration)
    data, maps = data[:, :, :lines], maps[:, :, :lines]
    weights = combined_weights(grappa_kernels(data[:, :, 20:44], lattice), maps)
    noise, g = grappa_noise(weights, maps, lattice)
    replicas = replica_noise(lambda k: combine(k, lattice, weights), lattice.mask[..., None], maps.shape, 1000, 7)
    # 1000 complex replicas: standard error 1.6 % per voxel
    assert np.sqrt(np.mean((replicas / noise - 1) ** 2)) < 0.03
    assert np.mean(replicas / noise) == pytest.approx(1, abs=0.003)
    # g: over the noise of all lines in the same combination, sqrt(R) taken out (physics B-24)
    seen = replicas * np.sqrt(np.sum(np.abs(maps) ** 2, axis=0)) / np.sqrt(acceleration)
    assert np.sqrt(np.mean((seen / g - 1) ** 2)) < 0.03
    assert g.max() > 1
    maps = maps * (np.arange(maps.shape[-1]) > 3)
    noise, g = grappa_noise(combined_weights(grappa_kernels(data[:, :, 20:44], lattice), maps), maps, lattice)
    assert np.all(g[..., :4] == 1)
    assert np.all(noise[..., :4] == 1)


def test_grappa_kernels_reach_as_far_on_each_side(full):
    data, _ = full
    for lattice, lines in ((Lattice(shape=(1, N), rz=1, ry=2), 4), (Lattice(shape=(1, N), rz=1, ry=3), 4)):
        for kernel in grappa_kernels(data[:, :, box(24)], lattice)[1:]:
            assert {dx for _, _, dx in kernel.offsets} == {-2, -1, 0, 1, 2}
            assert len(kernel.offsets) == 5 * lines
            assert all(dy % lattice.ry for _, dy, _ in kernel.offsets)  # from acquired lines
        (first, *_) = grappa_kernels(data[:, :, box(24), :1], lattice, neighbours=2)[1:]
        assert {dx for _, _, dx in first.offsets} == {0}
        assert len(first.offsets) == 2


def test_grappa_in_two_directions_fills_a_volume():
    """Coils in two rings; acceleration two by two and the shifted lattice of the same density."""
    from .scans import FOV, loop_fields

    nz, n = 16, 32
    z, y, x = np.meshgrid((np.arange(nz) - nz // 2) * FOV / nz, axis(n), axis(n), indexing="ij")
    rings = np.concatenate([loop_fields(6, y, x, z=z - 0.06), loop_fields(6, y, x, z=z + 0.06)])
    ball = 1.0 * ((x / 0.07) ** 2 + (y / 0.08) ** 2 + (z / 0.08) ** 2 < 1)
    from mrsim.recon.kspace import to_kspace

    data = to_kspace(rings * ball, AXES)
    for shift in (0, 1):
        lattice = Lattice(shape=(nz, n), rz=2, ry=2, shift=shift)
        kernels = grappa_kernels(data[:, 2:14, 6:26], lattice)
        found = matched(fill(data, lattice, kernels), rings)
        inside = ball > 0
        assert nrmse(found, ball, inside) < 0.04  # fourfold, with sharp edges in 16 partitions


def test_grappa_and_sense_make_the_same_image_of_a_scan(full):
    data, _ = full
    mask = np.zeros((1, N), bool)
    mask[0, ::2] = True
    raw = acquisition(data[None], mask, middle=24, psi=1e-8 * covariance(8))
    whole = reconstruct(acquisition(data[None], psi=1e-8 * covariance(8)))
    inside = disc(N)[None, None] > 0
    sense, grappa = reconstruct(raw), reconstruct(raw, Grappa())
    assert sense.encoding["reconstruction"] == "SENSE"
    assert grappa.encoding["reconstruction"] == "GRAPPA"
    assert nrmse(sense.data, whole.data, inside) < 0.03
    assert nrmse(grappa.data, whole.data, inside) < 0.03
    assert grappa.encoding["g_factor"].shape == (1, 1, N, N)


def test_grappa_scan_scatters_by_its_sigma(full):
    data, maps = full
    mask = np.zeros((1, N), bool)
    mask[0, ::2] = True
    raw = acquisition(data[None], mask, middle=24, psi=1e-4 * covariance(8))
    method = Grappa(maps=maps)
    clean = reconstruct(raw, method)
    draws = np.array([reconstruct(noisy(raw, seed), method).data - clean.data for seed in range(16)])
    scatter = np.sqrt(np.mean(np.abs(draws) ** 2, axis=0) / 2)
    # 16 complex draws x 4096 voxels; the small number makes the mean of the root 1/64 too small
    assert np.mean(scatter / clean.sigma) == pytest.approx(1 - 1 / 128, abs=0.012)


def test_whitening_makes_noise_independent_and_equal():
    psi = covariance(6)
    matrix, variance = whitening(psi)
    np.testing.assert_allclose(matrix @ psi @ matrix.conj().T, variance * np.eye(6), atol=1e-12)
    np.testing.assert_allclose(whitening(2.5 * np.eye(3).astype(complex))[0], np.eye(3), atol=1e-15)


def test_matched_combination_has_the_best_snr_of_all_linear_ones(full):
    """Roemer: SNR^2 = s^H Psi^-1 s; any other weights have less."""
    _, maps = full
    psi = covariance(8)
    matrix, variance = whitening(psi)
    s = maps[:, 0, 30, 30]
    best = (s.conj() @ np.linalg.solve(psi, s)).real
    white = matrix @ s
    np.testing.assert_allclose(np.sum(np.abs(white) ** 2) / variance, best, rtol=1e-10)
    rng = np.random.default_rng(0)
    for _ in range(50):
        w = rng.standard_normal(8) + 1j * rng.standard_normal(8)
        assert abs(w.conj() @ s) ** 2 / (w.conj() @ psi @ w).real < best


@pytest.mark.parametrize("kind", ["matched", "adaptive", "sos"])
def test_combined_images_have_the_coils_joint_intensity(full, kind):
    data = full[0]
    image = reconstruct(acquisition(data[None]), Combine(kind=kind))
    inside = disc(N, detail=False) > 0
    truth = np.linalg.norm(to_image(data, AXES), axis=0)[0]
    assert nrmse(np.abs(image.data[0, 0]), truth, inside) < 0.01  # smooth maps over sharp edges


def test_sum_of_squares_of_noise_has_the_noncentral_chi_mean():
    """Background of 4, 8 and 16 coils: 2.74162, 3.93803 and 5.61284 sigma (physics B-23)."""
    for coils, mean in ((4, 2.74162), (8, 3.93803), (16, 5.61284)):
        empty = np.zeros((1, coils, 1, 128, 128), complex)
        raw = noisy(acquisition(empty, psi=1e-4 * np.eye(coils)), coils)
        image = reconstruct(raw, Combine(kind="sos"))
        # 16384 voxels: a standard error of 0.2 % of the mean
        assert np.mean(image.data.real) / image.sigma.ravel()[0] == pytest.approx(mean, rel=0.006)
        assert image.encoding["channels"] == coils


@pytest.mark.parametrize("kind", ["espirit", "lowres"])
def test_estimated_maps_are_the_physical_ones_up_to_intensity_and_common_phase(full, kind):
    data, maps = full
    found = estimate_maps(data, (slice(0, 1), box(24)), kind)[:, 0]
    truth = maps[:, 0] / np.linalg.norm(maps[:, 0], axis=0)
    y, x = np.meshgrid(axis(N), axis(N), indexing="ij")
    inside = (x / 0.07) ** 2 + (y / 0.08) ** 2 < 1
    alike = np.abs(np.sum(found.conj() * truth, axis=0))[inside]
    # angle between unit vectors: espirit knows the null space, windowed images mix over 24 lines
    assert np.sqrt(np.mean(1 - alike**2)) < {"espirit": 0.02, "lowres": 0.06}[kind]


def test_smash_is_exact_with_ideal_harmonics():
    n, lattice = 32, Lattice(shape=(1, 32), rz=1, ry=4, y0=1)
    y = (np.arange(n) - n // 2) / n
    pure = np.exp(-2j * np.pi * np.outer(np.arange(4), y))[:, :, None] * np.ones(n)
    mixing = np.random.default_rng(3).standard_normal((4, 4))
    maps = np.tensordot(mixing, pure, axes=1)
    truth = np.random.default_rng(4).standard_normal((n, n))
    from mrsim.recon.kspace import to_kspace

    found = harmonics(maps, 4, composite=pure[0])
    assert found.residual.max() < 1e-12
    image = smash(to_kspace(maps * truth, (-2, -1)), lattice, found)
    np.testing.assert_allclose(image, truth, atol=1e-11)


def test_smash_noise_is_that_of_replicas_and_loops_leave_ghosts(full):
    data, maps = full
    mask = np.zeros((1, N), bool)
    mask[0, ::2] = True
    raw = acquisition(data[None], mask, middle=24)
    clean = reconstruct(raw, Smash(maps=maps))
    assert any("SMASH: the coils miss" in w for w in clean.history["warnings"])
    draws = np.array([reconstruct(noisy(raw, seed), Smash(maps=maps)).data - clean.data for seed in range(24)])
    ratio = np.sqrt(np.mean(np.abs(draws / clean.sigma) ** 2, axis=(0, -1)) / 2)
    np.testing.assert_allclose(ratio, 1, atol=0.06)  # 24 x 64 complex numbers each: 1.3 %


def bad(**change):
    data, _ = scan(32, 4)
    mask = np.zeros((1, 32), bool)
    mask[0, ::2] = True
    return acquisition(data[None, :, None], change.pop("mask", mask), **change)


def test_bad_input_is_refused_with_what_to_do():
    with pytest.raises(InputError, match="no calibration lines"):
        reconstruct(bad())
    with pytest.raises(InputError, match="4 calibration lines along y, coil maps need 8"):
        reconstruct(bad(middle=4))
    with pytest.raises(InputError, match="singular"):
        reconstruct(bad(middle=24, psi=np.ones((4, 4)) * 1e-4))
    with pytest.raises(InputError, match="noise covariance is"):
        reconstruct(bad(middle=24, psi=np.eye(3) * 1e-4))
    with pytest.raises(InputError, match="never acquired"):
        reconstruct(bad(middle=24), Combine())
    with pytest.raises(InputError, match="shape"):
        reconstruct(bad(middle=24), Sense(maps=np.ones((3, 1, 32, 32), complex)))
    random = np.zeros((1, 32), bool)
    random[0, [0, 3, 4, 9, 11, 14, 15, 16, 17, 20, 26, 31]] = True
    with pytest.raises(InputError, match="no regular lattice"):
        reconstruct(bad(middle=24, mask=random), Grappa())
    broken = bad(middle=24)
    broken.groups["imaging"].data[3, 1, 5] = np.nan
    with pytest.raises(InputError, match="imaging readout 3, coil 1, sample 5"):
        reconstruct(broken)


def test_unknown_noise_is_a_stated_warning():
    found = reconstruct(bad(middle=24, psi=np.zeros((4, 4))))
    assert any("unknown" in w for w in found.history["warnings"])
    assert not found.sigma.any()


def test_integrated_calibration_lines_serve_maps_and_are_stated():
    data, _ = scan(N, 8)
    mask = np.zeros((1, N), bool)
    mask[0, ::2] = True
    mask[0, box(24)] = True
    found = reconstruct(acquisition(data[None, :, None], mask))
    whole = reconstruct(acquisition(data[None, :, None]))
    assert nrmse(found.data, whole.data, disc(N)[None, None] > 0) < 0.03
    assert any("12 lines beyond the regular lattice" in w for w in found.history["warnings"])
