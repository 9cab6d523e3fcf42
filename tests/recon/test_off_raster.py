"""Radial and spiral images against direct sums and objects whose samples are summed point by point."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import j1

from mrsim.core.acquisition import Acquisition, Encoding, Readouts
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.recon import NonUniform, Sense, reconstruct
from mrsim.recon.nonuniform import Transform, adjoint, density, forward
from mrsim.recon.off_resonance import segments

from .scans import covariance, nrmse

N, FOV = 40, 0.2
LINE = (np.arange(N) - N // 2) * FOV / N


def spokes(count=80, samples=80):
    """(count, samples, 3) k of full spokes, 1/m."""
    angle = np.pi * np.arange(count) / count
    radius = (np.arange(samples) - samples // 2) * 0.5 / FOV
    k = np.zeros((count, samples, 3))
    k[..., 0], k[..., 1] = np.outer(np.cos(angle), radius), np.outer(np.sin(angle), radius)
    return k


def spiral(arms=8, samples=500):
    """(arms, samples, 3) k of Archimedean arms, 1/m."""
    u = np.linspace(0, 1, samples)
    turn = 2 * np.pi * (N / 2 / arms) * u + 2 * np.pi * np.arange(arms)[:, None] / arms
    k = np.zeros((arms, samples, 3))
    k[..., 0], k[..., 1] = N / 2 / FOV * u * np.cos(turn), N / 2 / FOV * u * np.sin(turn)
    return k


def thing(x, y):
    """Two Gaussians: nothing beyond the sampled part of k-space."""
    one = np.exp(-((x - 0.01) ** 2 + y**2) / (2 * 0.028**2))
    return one + 0.5 * np.exp(-((x + 0.02) ** 2 + (y - 0.02) ** 2) / (2 * 0.013**2))


def coil(angle):
    return lambda x, y: np.exp(-((x - 0.1 * np.cos(angle)) ** 2 + (y - 0.1 * np.sin(angle)) ** 2) / 0.015 + 1j * angle)


def acquired(k, coils=1, field=None, duration=0.0, noise=1e-3):
    grid = Grid(shape=(1, N, N), spacing=(FOV / N, FOV / N, 5e-3))
    fine = (np.arange(2 * N) - N + 0.5) * FOV / (2 * N)
    x, y = (a.ravel() for a in np.meshgrid(fine, fine))
    value = thing(x, y) * grid.voxel_volume / 4
    heard = [value * (1 if coils == 1 else coil(2 * np.pi * c / coils)(x, y)) for c in range(coils)]
    t = np.broadcast_to(np.linspace(0, duration, k.shape[1]), k.shape[:2])
    f = np.zeros_like(x) if field is None else field(x, y)
    data = np.zeros((k.shape[0], coils, k.shape[1]), complex)
    for i in range(len(k)):
        phase = np.outer(k[i, :, 0], x) + np.outer(k[i, :, 1], y) + np.outer(t[i], f)
        data[i] = (np.exp(-2j * np.pi * phase) @ np.array(heard).T).T
    encoding = Encoding(
        grid=grid, frequency=128e6, dwell=1e-5, contrast={"te": np.zeros(1)}, k_from="trajectory", sheet={"family": "x"}
    )
    group = Readouts(data=data, k=k, t=t, labels={"contrast": np.zeros(len(k), dtype=np.int64)})
    density = np.eye(coils, dtype=complex) * (noise * grid.voxel_volume) ** 2 * 1e-5
    return Acquisition(groups={"imaging": group}, encoding=encoding, noise_density=density)


TRUTH = thing(*np.meshgrid(LINE, LINE))


def test_sums_are_the_direct_ones():
    r = np.random.default_rng(0)
    turns = r.uniform(-0.5, 0.5, (60, 2))
    image = r.standard_normal((9, 8)) + 1j * r.standard_normal((9, 8))
    y, x = np.meshgrid(np.arange(9) - 4, np.arange(8) - 4, indexing="ij")
    direct = np.array([np.sum(image * np.exp(-2j * np.pi * (t[0] * x + t[1] * y))) for t in turns])
    np.testing.assert_allclose(forward(turns, image), direct, atol=1e-6 * np.abs(direct).max())
    value = r.standard_normal(60) + 1j * r.standard_normal(60)
    # <A x, y> = <x, A* y>
    assert np.vdot(direct, value) == pytest.approx(np.vdot(image, adjoint(turns, value, (9, 8))), rel=1e-7)
    both = Transform(turns, (9, 8), 3)
    np.testing.assert_allclose(both.forward(np.array([image] * 3))[2], direct, atol=1e-6 * np.abs(direct).max())


@pytest.mark.parametrize("k", [spokes(), spiral()], ids=["radial", "spiral"])
@pytest.mark.parametrize("kind", ["adjoint", "iterative"])
def test_object_comes_back(k, kind):
    image = reconstruct(acquired(k), NonUniform(kind=kind, replicas=2)).data[0, 0]
    inside = TRUTH > 0.05
    # density compensation is approximate; iterations remove that
    assert nrmse(image, TRUTH, inside) < {"adjoint": 0.03, "iterative": 0.003}[kind]


@pytest.mark.parametrize(
    ("k", "radius"),
    [(spokes(), 5.0), (spokes(), 10.0), (spiral(), 5.0), (spiral(), 10.0), (2 * spokes(100, N), 0.3 * N)],
)
def test_discs_read_their_density(k, radius):
    """Discs of any size, in voxels, smoothed by a Gaussian so that nothing rings; their k-space is known."""
    turns = (k[..., :2] * FOV / N).reshape(-1, 2)
    away = np.linalg.norm(turns, axis=1)
    jinc = np.where(away > 0, j1(2 * np.pi * radius * away) * radius / np.maximum(away, 1e-12), np.pi * radius**2)
    known = jinc * np.exp(-2 * (np.pi * 1.2 * away) ** 2)
    image = adjoint(turns, density(turns, (N, N)) * known.astype(complex), (N, N)).real
    x, y = np.meshgrid(np.arange(N) - N // 2, np.arange(N) - N // 2)
    plateau = np.hypot(x, y) < radius - 3
    assert image[plateau].mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("shape", [(12,), (8, 12), (6, 6, 6)])
def test_shares_of_a_raster_are_equal(shape):
    axes = np.meshgrid(*[(np.arange(n) - n // 2) / n for n in shape[::-1]], indexing="ij")
    weights = density(np.stack([a.ravel() for a in axes], axis=1), shape)
    np.testing.assert_allclose(weights, 1 / np.prod(shape), rtol=1e-6)


def test_undersampled_spokes_of_many_coils_come_back_iteratively():
    k = spokes(20, 64)
    joint = np.linalg.norm([coil(2 * np.pi * c / 8)(*np.meshgrid(LINE, LINE)) for c in range(8)], axis=0)
    maps = np.array([coil(2 * np.pi * c / 8)(*np.meshgrid(LINE, LINE)) for c in range(8)])[:, None]
    raw = acquired(k, coils=8)
    inside = TRUTH > 0.1
    found = reconstruct(raw, NonUniform(maps=maps, iterations=30, replicas=2))
    assert nrmse(found.data[0, 0], TRUTH, inside) < 0.01
    own = reconstruct(raw, NonUniform(iterations=30, replicas=2))
    assert nrmse(np.abs(own.data[0, 0]), TRUTH * joint, inside) < 0.05
    one = reconstruct(raw, NonUniform(kind="adjoint", maps=maps))
    assert nrmse(one.data[0, 0], TRUTH, inside) > 2 * nrmse(found.data[0, 0], TRUTH, inside)


def test_segments_sum_to_the_phase():
    r = np.random.default_rng(1)
    t, field = r.uniform(-5e-3, 20e-3, 300), r.uniform(-120, 90, (4, 5))
    b, c = segments(t, field)
    found = np.tensordot(b.T, c, axes=1)
    wanted = np.exp(-2j * np.pi * t[:, None, None] * field)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert segments(t, 0 * field)[0].shape[0] == 1


def test_known_off_resonance_is_corrected():
    def field(x, y):
        return 100 * x / 0.1 + 120 * np.exp(-(x**2 + y**2) / 0.04**2)

    raw = acquired(spiral(4, 1000), field=field, duration=16e-3)
    inside = TRUTH > 0.1
    plain = reconstruct(raw, NonUniform(replicas=2))
    found = reconstruct(raw, NonUniform(field=field(*np.meshgrid(LINE, LINE))[None], iterations=20, replicas=2))
    assert nrmse(np.abs(plain.data[0, 0]), TRUTH, inside) > 0.1
    assert nrmse(found.data[0, 0], TRUTH, inside) < 0.02


def test_noise_is_that_of_draws():
    raw = acquired(spokes(48, 80), coils=2, noise=1e-2)
    maps = np.array([coil(np.pi * c)(*np.meshgrid(LINE, LINE)) for c in range(2)])[:, None]
    method = NonUniform(maps=maps, iterations=5, replicas=64)
    clean = reconstruct(raw, method)
    r = np.random.default_rng(2)
    sigma = np.sqrt(raw.noise_density[0, 0].real / 1e-5)
    group, draws = raw.imaging, []
    for _ in range(12):
        pair = r.standard_normal((2, *group.data.shape))
        noisy = Readouts(data=group.data + sigma * (pair[0] + 1j * pair[1]), k=group.k, t=group.t, labels=group.labels)
        one = Acquisition(groups={"imaging": noisy}, encoding=raw.encoding, noise_density=raw.noise_density)
        draws.append(reconstruct(one, NonUniform(maps=maps, iterations=5, replicas=2)).data - clean.data)
    scatter = np.sqrt(np.mean(np.abs(draws) ** 2, axis=0) / 2)
    assert np.mean(scatter / clean.sigma) == pytest.approx(1, abs=0.03)


def test_given_maps_are_those_of_the_coils_whatever_their_noise():
    """Channels of unequal, correlated noise: the data are whitened, and so must the maps be."""
    raw = acquired(spokes(48, 80), coils=3)
    maps = np.array([coil(2 * np.pi * c / 3)(*np.meshgrid(LINE, LINE)) for c in range(3)])[:, None]
    correlated = replace(raw, noise_density=covariance(3) * raw.noise_density[0, 0])
    image = reconstruct(correlated, NonUniform(maps=maps, replicas=2)).data[0, 0]
    assert nrmse(image, TRUTH, TRUTH > 0.1) < 0.02


def test_unknown_noise_is_a_stated_warning():
    raw = acquired(spokes(48, 80), coils=2)
    unknown = reconstruct(replace(raw, noise_density=0 * raw.noise_density), NonUniform(kind="adjoint"))
    assert "noise of the coils is unknown" in unknown.history["warnings"][0]
    assert not np.any(unknown.sigma)


@pytest.mark.parametrize(("count", "coils", "told"), [(80, 1, False), (12, 1, True), (40, 4, False), (8, 4, True)])
def test_gaps_that_the_coils_cannot_fill_are_a_stated_warning(count, coils, told):
    image = reconstruct(acquired(spokes(count), coils=coils), NonUniform(kind="adjoint"))
    assert any("k-space has gaps beyond" in said for said in image.history.get("warnings", ())) == told


@pytest.mark.parametrize("what", ["data", "k"])
def test_values_that_are_not_finite_are_refused(what):
    raw = acquired(spokes(12, 20))
    bad = getattr(raw.imaging, what).copy()
    bad[3, 0, 1] = np.nan
    with pytest.raises(InputError, match=r"readout 3, (coil 0, sample 1|sample 0, axis 1)"):
        reconstruct(replace(raw, groups={"imaging": replace(raw.imaging, **{what: bad})}))


def test_methods_and_samples_must_fit():
    raw = acquired(spokes(8, 20))
    with pytest.raises(InputError, match="use NonUniform"):
        reconstruct(raw, Sense())
    with pytest.raises(InputError, match="known: adjoint, iterative"):
        reconstruct(raw, NonUniform(kind="gridding"))
    with pytest.raises(InputError, match="z, y, x"):
        reconstruct(raw, NonUniform(field=np.zeros((1, 3, 3))))
