"""SENSE against closed forms, replicas, sigpy's operator and true images."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.recon import Sense, reconstruct
from mrsim.recon.g_factor import replica_noise, two_coil_g
from mrsim.recon.kspace import to_image, to_kspace
from mrsim.recon.lattice import Lattice, find_lattice
from mrsim.recon.sense import iterate, unfolding

from .scans import acquisition, axis, covariance, disc, loop_fields, noisy, nrmse, scan

N = 48
MASK = np.zeros((1, N), bool)
MASK[0, 1::3] = True


def maps_of(coils=8, n=N):
    y, x = np.meshgrid(axis(n), axis(n), indexing="ij")
    inside = ((x / 0.08) ** 2 + (y / 0.09) ** 2) < 1
    return (loop_fields(coils, y, x) * inside)[:, None]


@pytest.mark.parametrize(("crosstalk", "g"), [(0.25, 1.1333), (0.5, 1.6667), (0.75, 3.5714), (0.9, 9.5263)])
def test_two_coils_with_crosstalk_have_the_closed_forms_g(crosstalk, g):
    """Coil 1 hears the upper half with 1 and the lower with a, coil 2 the other way round (physics B-24)."""
    assert two_coil_g(crosstalk) == pytest.approx(g, abs=5e-5)  # four decimals are printed there
    n = 8
    upper = (np.arange(n) < n // 2)[:, None] * np.ones((n, n))
    maps = np.array([upper + crosstalk * (1 - upper), 1 - upper + crosstalk * upper])[:, None].astype(complex)
    solved = unfolding(maps, Lattice(shape=(1, n), rz=1, ry=2))
    np.testing.assert_allclose(solved.g, two_coil_g(crosstalk), rtol=1e-12)


LATTICES = [
    ((1, 48), Lattice(shape=(1, 48), rz=1, ry=3, y0=2)),
    ((8, 12), Lattice(shape=(8, 12), rz=2, ry=2)),
    ((8, 12), Lattice(shape=(8, 12), rz=2, ry=2, shift=1, z0=1, y0=1)),
    ((6, 12), Lattice(shape=(6, 12), rz=3, ry=3, shift=0, z0=2)),
]


@pytest.mark.parametrize(("shape", "lattice"), LATTICES, ids=["y3", "zy", "caipirinha", "nine"])
def test_sense_returns_any_object_exactly_where_maps_are_known(shape, lattice):
    rng = np.random.default_rng(1)
    nz, ny, nx = *shape, 4
    maps = rng.standard_normal((12, nz, ny, nx)) + 1j * rng.standard_normal((12, nz, ny, nx))
    truth = rng.standard_normal((nz, ny, nx)) + 1j * rng.standard_normal((nz, ny, nx))
    samples = to_kspace(maps * truth, (-3, -2, -1)) * lattice.mask[..., None]
    assert find_lattice(lattice.mask) == lattice
    np.testing.assert_allclose(unfolding(maps, lattice).apply(samples, lattice), truth, atol=1e-11)


def test_sense_normal_equations_are_those_of_the_encoding_matrix():
    """The whole linear problem at once, by numpy's least squares: image, and noise from its covariance."""
    rng = np.random.default_rng(2)
    lattice = Lattice(shape=(1, 12), rz=1, ry=3, y0=1)
    maps = rng.standard_normal((5, 1, 12, 1)) + 1j * rng.standard_normal((5, 1, 12, 1))
    matrix = np.array([
        (to_kspace(maps * unit.reshape(1, 12, 1), (-3, -2, -1))[:, lattice.mask]).ravel() for unit in np.eye(12)
    ]).T  # fmt: skip
    solved = unfolding(maps, lattice)
    inverse = np.linalg.inv(matrix.conj().T @ matrix)
    np.testing.assert_allclose(solved.noise.ravel(), np.sqrt(np.diag(inverse).real), rtol=1e-10)


def test_sense_with_regularisation_is_tikhonovs_solution_of_the_whole_problem():
    """lambda over the mean of sum |s|^2 in the object, which does not fill the field of view."""
    rng = np.random.default_rng(4)
    lattice = Lattice(shape=(1, 12), rz=1, ry=3)
    maps = rng.standard_normal((5, 1, 12, 1)) + 1j * rng.standard_normal((5, 1, 12, 1))
    maps[:, :, 2:5] = 0
    held = np.any(maps != 0, axis=0).ravel()
    matrix = np.array([
        (to_kspace(maps * unit.reshape(1, 12, 1), (-3, -2, -1))[:, lattice.mask]).ravel() for unit in np.eye(12)
    ]).T  # fmt: skip
    data = rng.standard_normal(matrix.shape[0]) + 1j * rng.standard_normal(matrix.shape[0])
    penalty = 0.3 * np.mean(np.sum(np.abs(maps) ** 2, axis=0).ravel()[held]) / 3  # the matrix has a third of the rows
    wanted = np.linalg.solve(matrix.conj().T @ matrix + penalty * np.eye(12), matrix.conj().T @ data)
    samples = np.zeros((5, 1, 12, 1), complex)
    samples[:, lattice.mask] = data.reshape(5, -1, 1)
    solved = unfolding(maps, lattice, 0.3)
    np.testing.assert_allclose(solved.apply(samples, lattice).ravel(), np.where(held, wanted, 0), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(solved.g.ravel()[~held], 1)
    np.testing.assert_array_equal(solved.noise.ravel()[~held], 1)
    steps = iterate(samples, lattice.mask, maps, 0.3 / 3, 100)  # its lambda is over that of all lines
    np.testing.assert_allclose(steps.ravel()[held], wanted[held], rtol=1e-6)


def test_sense_g_map_agrees_with_replicas():
    maps, lattice = maps_of(), find_lattice(MASK)
    solved = unfolding(maps, lattice)
    inside = np.any(maps != 0, axis=0)
    noise = replica_noise(lambda k: solved.apply(k, lattice), MASK[..., None], maps.shape, 1000, 3)
    g = noise * np.sqrt(np.sum(np.abs(maps) ** 2, axis=0)) / np.sqrt(3)
    # 1000 complex replicas: the standard error of one voxel is 1.6 %, of the map's root mean square 0.05 %
    assert np.sqrt(np.mean((g[inside] / solved.g[inside] - 1) ** 2)) < 0.03
    assert np.mean(g[inside] / solved.g[inside]) == pytest.approx(1, abs=0.003)
    assert solved.g[inside].max() > 1.2


def test_sense_images_carry_the_noise_that_they_have():
    data, truth_maps = scan(N)
    raw = acquisition(data[None, :, None], MASK, psi=1e-4 * covariance(8))
    maps = truth_maps[:, None] * (np.sum(np.abs(truth_maps), axis=0) > 0)
    method = Sense(maps=maps)
    clean = reconstruct(raw, method)
    draws = np.array([reconstruct(noisy(raw, seed), method).data - clean.data for seed in range(40)])
    scatter = np.sqrt(np.mean(np.abs(draws) ** 2, axis=0) / 2)
    # 40 complex draws x 2304 voxels: 0.2 % on the mean ratio
    assert np.mean(scatter / clean.sigma) == pytest.approx(1, abs=0.01)
    inside = disc(N)[None, None] > 0
    assert (
        nrmse(clean.data, disc(N)[None, None], inside) < 0.15
    )  # truncation rings at edges, both here and in the full scan
    full = reconstruct(acquisition(data[None, :, None], psi=1e-4 * covariance(8)), Sense(maps=maps))
    assert nrmse(clean.data, full.data) < 0.05
    assert full.encoding["acceleration"] == 1
    np.testing.assert_allclose(full.encoding["g_factor"], 1, rtol=1e-12)


def test_sense_regularised_trades_noise_for_bias():
    maps, lattice = maps_of(6), Lattice(shape=(1, N), rz=1, ry=4)
    plain, damped = unfolding(maps, lattice), unfolding(maps, lattice, 0.05)
    inside = np.any(maps != 0, axis=0)
    assert damped.noise[inside].max() < plain.noise[inside].max()
    truth = disc(N)[None] * inside
    samples = to_kspace(maps * truth, (-3, -2, -1))
    assert nrmse(plain.apply(samples, lattice), truth) < 1e-9 < nrmse(damped.apply(samples, lattice), truth)


def test_sense_by_conjugate_gradients_equals_the_closed_form():
    maps, lattice = maps_of(), find_lattice(MASK)
    samples = to_kspace(maps * disc(N)[None], (-3, -2, -1)) * MASK[..., None]
    # 200 steps: the residual of the normal equations is at rounding for g below 2
    found = iterate(samples, MASK, maps, 0.0, 200)
    assert nrmse(found, unfolding(maps, lattice).apply(samples, lattice)) < 1e-6


def test_sense_refuses_more_folds_than_coils():
    with pytest.raises(InputError, match="2 coils cannot tell 3 folded voxels apart"):
        unfolding(maps_of()[:2], Lattice(shape=(1, N), rz=1, ry=3))


def test_sense_refuses_coils_that_hear_the_same():
    same = np.ones((4, 1, 8, 8), complex)
    with pytest.raises(InputError, match="linearly dependent"):
        unfolding(same, Lattice(shape=(1, 8), rz=1, ry=2))


def test_transform_is_unitary():
    data, _ = scan(16, 2)
    np.testing.assert_allclose(to_kspace(to_image(data, (-2, -1)), (-2, -1)), data, atol=1e-12)


def test_few_voxels_that_coils_hear_alike_are_given_up_and_told_of():
    """A ring of coils hears both ends of its axis of symmetry alike."""
    n = 16
    y, x = np.meshgrid(np.arange(n) - n // 2, np.arange(n) - n // 2, indexing="ij")
    maps = np.array([np.exp(-((x - 6 * a) ** 2 + (y - 6 * b) ** 2) / 90) for a, b in ((1, 0.5), (-1, 0.5), (0, -1))])
    maps[:, n // 2 + 4, 3] = 1.7 * maps[:, n // 2 - 4, 3]
    found = unfolding(maps[:, None].astype(complex), Lattice(shape=(1, n), rz=1, ry=2))
    lost = np.isinf(found.g[0])
    assert np.argwhere(lost).tolist() == [[n // 2 - 4, 3], [n // 2 + 4, 3]]
    assert np.array_equal(np.isinf(found.noise[0]), lost)
    assert np.isfinite(found.weights).all()
    regular = unfolding(maps[:, None].astype(complex), Lattice(shape=(1, n), rz=1, ry=2), regularisation=1e-3)
    assert np.isfinite(regular.noise).all()
