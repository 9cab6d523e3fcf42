"""Partial Fourier against objects of known phase; windows and zero filling against their definitions."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.recon import Combine, Grappa, Sense, Steps, Window, reconstruct
from mrsim.recon.kspace import to_image, to_kspace
from mrsim.recon.partial_fourier import complete, completed_noise, covered, noise_share, out_of_phase
from mrsim.recon.windows import filtered, interpolated

from .scans import acquisition, disc, noisy, nrmse, scan

AXES = (-3, -2, -1)
N = 64


def left_out(image, keep, axis=-2):
    """The image of k-space that is zero but for `keep` along an axis."""
    kspace = to_kspace(image, AXES)
    mask = np.zeros(image.shape[axis], bool)
    mask[keep] = True
    return to_image(kspace * mask.reshape([-1 if a == axis else 1 for a in (-3, -2, -1)]), AXES)


def smooth(n=N):
    y, x = np.meshgrid(*[(np.arange(n) - n // 2) / n] * 2, indexing="ij")
    return np.exp(1j * (0.7 + 2.0 * y - 1.5 * x + 3 * x * y))[None]


def soft(n=N):
    """A real object with detail at every scale that n voxels show, without a line at the edge of k-space."""
    image = disc(n)[None].astype(complex)
    kspace = to_kspace(image, AXES)
    kspace[:, 0], kspace[..., 0] = 0, 0
    return to_image(kspace, AXES).real


@pytest.mark.parametrize("n", [64, 65])
@pytest.mark.parametrize("axis", [-2, -1])
@pytest.mark.parametrize("upper", [True, False])
def test_homodyne_of_a_real_image_is_exact(n, axis, upper):
    """Physics B-25: at most 1e-10, whichever end is missing, for an even and an odd number of lines."""
    truth = soft(n)[:, :, 7:-4] if axis == -2 else soft(n)[:, 7:-4]
    keep = slice(n // 4, n) if upper else slice(0, n - n // 4)
    found = complete(left_out(truth.astype(complex), keep, axis), axis, keep, "homodyne")
    np.testing.assert_allclose(found, truth, atol=1e-10)
    assert nrmse(left_out(truth.astype(complex), keep, axis), truth) > 0.02


def test_pocs_of_a_smooth_phase_is_near():
    """Physics B-25: below 1 %."""
    truth = soft() * smooth()
    keep = slice(N // 4, N)
    found = complete(left_out(truth, keep), -2, keep, "pocs")
    assert nrmse(found, truth) < 0.01
    zero_filled = nrmse(left_out(truth, keep), truth)
    assert zero_filled > 2 * nrmse(found, truth)
    assert nrmse(complete(left_out(truth, keep), -2, keep, "homodyne"), truth) < zero_filled


def test_noise_follows_the_lines():
    """Zero filling: sqrt(f). Homodyne and POCS: in phase sqrt(3 - 2 f)."""
    n, keep = 64, slice(16, 64)
    f = 48 / 64
    object_ = 50 * np.ones((1, n, n), complex)
    r = np.random.default_rng(1)
    draws = {kind: [] for kind in ("zero-fill", "homodyne", "pocs")}
    for _ in range(20):
        noise = r.standard_normal((1, n, n)) + 1j * r.standard_normal((1, n, n))
        for kind, found in draws.items():
            found.append(complete(left_out(object_ + noise, keep), -2, keep, kind) - object_)
    for kind, found in draws.items():
        share = noise_share(n, keep, kind)
        assert share == pytest.approx(np.sqrt(f) if kind == "zero-fill" else np.sqrt(3 - 2 * f), rel=0.03)
        # 20 x 4096 draws: 0.3 %; phases of a low-resolution image of SNR 50 err by little
        assert np.std(np.real(found)) == pytest.approx(share, rel=0.03)


def test_lattices_and_random_lines_are_not_taken_for_partial_fourier():
    mask = np.zeros(24, bool)
    mask[::2] = True
    assert covered(mask) == slice(0, 24)
    mask[:7] = False
    assert covered(mask) == slice(8, 24)
    assert covered(np.ones(24, bool)) == slice(0, 24)
    assert covered(np.arange(24) >= 6) == slice(6, 24)
    assert covered(np.arange(24) < 20) == slice(0, 20)


@pytest.mark.parametrize(
    ("acquired", "stretch"),
    [
        (range(2, 12), (2, 12)),  # two lines are more than the step of one
        (range(1, 12), (1, 12)),
        (range(11), (0, 11)),
        (range(10), (0, 10)),
        (range(1, 12, 2), (0, 12)),  # a lattice that begins at its second line
        (range(2, 12, 2), (2, 12)),
        (range(0, 10, 2), (0, 10)),
        (range(0, 9, 2), (0, 10)),  # the last line of the lattice stands for two
        (range(3, 9), (0, 12)),  # both ends are missing: low resolution
        ((5,), (0, 12)),
        ((0, 3, 5, 6, 9, 11), (0, 12)),
        ((4, 5, 8, 9, 11), (4, 12)),
    ],
)
def test_stretch_that_was_scanned_is_found(acquired, stretch):
    assert covered(np.isin(np.arange(12), acquired)) == slice(*stretch)


@pytest.mark.parametrize("axis", [-3, -2])
@pytest.mark.parametrize(("n", "keep"), [(12, slice(3, 12)), (13, slice(0, 10))])
def test_noise_that_varies_is_that_of_the_whole_linear_problem(n, keep, axis):
    """Every voxel's own noise through the matrix of Fourier transform, weights and back."""
    rng = np.random.default_rng(5)
    shape = [2, 3, 4]
    shape[axis] = n
    noise, counts = rng.uniform(0.5, 2.0, shape), rng.uniform(size=shape) > 0.2
    at = np.arange(n) - n // 2
    transform = np.exp(-2j * np.pi * np.outer(at, at) / n) / np.sqrt(n)
    there = np.isin(np.arange(n), np.arange(n)[keep])
    alone = there & ~np.isin(2 * (n // 2) - np.arange(n), np.arange(n)[keep]) & (2 * (n // 2) - np.arange(n) < n)
    alone &= 2 * (n // 2) - np.arange(n) >= 0
    matrix = transform.conj().T @ np.diag(there + 1.0 * alone) @ transform
    variance = np.moveaxis(np.where(counts, noise, 0) ** 2, axis, 0)
    mixed = np.moveaxis(np.tensordot(np.abs(matrix) ** 2, variance, axes=1), 0, axis)
    plain = noise * np.sqrt(np.mean((there + 1.0 * alone) ** 2))
    found = completed_noise(noise, axis, keep, "pocs", counts)
    np.testing.assert_allclose(found, np.where(counts, np.sqrt(mixed), plain), rtol=1e-12)
    rest = completed_noise(noise, axis, keep, "zero-fill", counts)
    np.testing.assert_allclose(rest, noise * np.sqrt(there.mean()), rtol=1e-12)
    one = completed_noise(np.ones((1, 1, 1)), axis, keep, "homodyne", counts)
    np.testing.assert_allclose(one, np.sqrt(np.mean((there + 1.0 * alone) ** 2)), rtol=1e-12)


@pytest.mark.parametrize("method", [None, Sense(), Grappa()])
def test_scan_with_partial_and_parallel_acquisition(method):
    data, _ = scan(N, 8)
    mask = np.zeros((1, N), bool)
    mask[0, N // 4 :: 2 if method else 1] = True
    raw = acquisition(data[None, :, None], mask, middle=24, psi=1e-8 * np.eye(8))
    whole = reconstruct(acquisition(data[None, :, None], psi=1e-8 * np.eye(8)))
    inside = disc(N)[None, None] > 0
    errors = {}
    for partial in ("zero-fill", "pocs", "homodyne"):
        image = reconstruct(raw, method, steps=Steps(partial=partial))
        assert image.encoding["partial_fourier_method"] == partial
        errors[partial] = nrmse(np.abs(image.data), np.abs(whole.data), inside)
    assert errors["pocs"] < 0.025
    assert errors["pocs"] < 0.7 * errors["zero-fill"]
    assert errors["homodyne"] < 0.8 * errors["zero-fill"]


def test_partitions_may_be_partial_too():
    truth = np.stack([disc(32) * v for v in (0, 0, 1, 2, 3, 3, 2, 1, 1, 0, 0, 0)]).astype(complex)
    data = to_kspace(truth, AXES)[None, None]
    mask = np.zeros((12, 32), bool)
    mask[3:, 8:] = True
    found = reconstruct(acquisition(data, mask, kind="3d"))
    assert found.encoding["partial_fourier_method"] == "pocs"
    rest = reconstruct(acquisition(data, mask, kind="3d"), steps=Steps(partial="zero-fill"))
    whole = reconstruct(acquisition(data, kind="3d")).data
    assert nrmse(found.data, whole) < 0.6 * nrmse(rest.data, whole)
    with pytest.raises(InputError, match="one axis"):
        reconstruct(acquisition(data, mask, kind="3d"), steps=Steps(partial="homodyne"))
    with pytest.raises(InputError, match="did you mean 'pocs'"):
        reconstruct(acquisition(data, mask, kind="3d"), steps=Steps(partial="poc"))


@pytest.mark.parametrize("window", [Window(name="hamming"), Window(name="tukey", parameter=0.6), Window(name="fermi")])
def test_window_changes_noise_as_it_says(window):
    data, maps = scan(N, 4)
    raw = acquisition(data[None, :, None], psi=1e-4 * np.eye(4))
    method = Combine(maps=maps[:, None])
    clean = reconstruct(raw, method, steps=Steps(window=window))
    plain = reconstruct(raw, method)
    assert clean.sigma.mean() < plain.sigma.mean()
    draws = np.array(
        [reconstruct(noisy(raw, s), method, steps=Steps(window=window)).data - clean.data for s in range(12)]
    )
    scatter = np.sqrt(np.mean(np.abs(draws) ** 2, axis=0) / 2)
    inside = disc(N) > 0
    assert np.mean((scatter / clean.sigma)[0, 0][inside]) == pytest.approx(1, abs=0.03)


def test_windows_by_hand():
    assert Window(name="hamming").values((8,)) == pytest.approx(
        0.54 + 0.46 * np.cos(np.pi * np.abs(np.arange(8) - 4) / 4)
    )
    assert Window(name="hann").values((4, 1))[:, 0] == pytest.approx([0, 0.5, 1, 0.5])
    for name in ("hamming", "hann", "tukey", "fermi", "gauss"):
        assert Window(name=name).values((9, 9))[4, 4] == pytest.approx(1)
    with pytest.raises(InputError, match="did you mean 'hamming'"):
        Window(name="haming")
    with pytest.raises(InputError, match="at most 1"):
        Window(name="tukey", parameter=1.5)


@pytest.mark.parametrize("n", [24, 25])
def test_zero_filling_keeps_voxels_and_their_places(n):
    """At a whole multiple the old voxels are among the new ones; world positions and values stay."""
    data, _ = scan(n, 4, fine=2) if n % 2 == 0 else (to_kspace(np.tile(disc(n), (4, 1, 1)), (-2, -1)), None)
    images = reconstruct(acquisition(data[None, :, None]), Combine(kind="adaptive"))
    fine = interpolated(images, (3 * n, 3 * n))
    place = (np.arange(n) - n // 2) * 3 + 3 * n // 2
    np.testing.assert_allclose(fine.grid.coordinates(0)[place], images.grid.coordinates(0), atol=1e-12)
    edge = 1e-9 if n % 2 else 0.02  # the line at -n/2 has no partner in the finer raster
    assert nrmse(fine.data[0, 0][np.ix_(place, place)], images.data[0, 0]) < edge
    with pytest.raises(InputError, match="at least"):
        interpolated(images, (8, 8))


def test_filtered_noise_map_is_the_convolved_variance():
    data, _ = scan(32, 4, fine=1)
    images = reconstruct(acquisition(data[None, :, None]), Combine())
    uneven = replace(images, sigma=np.broadcast_to(np.linspace(1, 3, 32), images.data.shape).copy())
    found = filtered(uneven, Window(name="hann")).sigma
    r = np.random.default_rng(0)
    noise = uneven.sigma * (r.standard_normal((400, *images.data.shape[1:])))
    passed = filtered(replace(uneven, data=noise.astype(complex), sigma=np.ones((400, 1, 1, 1))), Window(name="hann"))
    scatter = np.sqrt(np.mean(np.abs(passed.data) ** 2, axis=(0, 1, 2)))
    np.testing.assert_allclose(scatter, found[0, 0].mean(axis=0), rtol=0.06)


@pytest.mark.parametrize("kind", ["pocs", "homodyne", "zero-fill"])
@pytest.mark.parametrize("n", [64, 65])
def test_noise_out_of_phase_is_as_stated(kind, n):
    """Of a bright object of no phase: 40 draws of 64 x 64 voxels know each part to 0.3 %."""
    rng = np.random.default_rng(3)
    keep = slice(n // 4, n)
    shape = (40, n, n)
    noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    clean = np.full(shape, 1000.0 + 0j)
    found = complete(left_out(clean + noise, keep), -2, keep, kind) - complete(left_out(clean, keep), -2, keep, kind)
    share = out_of_phase(n, keep, kind)
    assert found.imag.std() / found.real.std() == pytest.approx(share, abs=0.01 if share else 2e-3)
    assert out_of_phase(n, slice(0, n), kind) == 1.0


def test_size_that_no_memory_holds_is_refused_before_the_scan(tmp_path, capsys):
    from mrsim.cli import perform

    out = tmp_path / "out"
    for size, said in (("100000x100000", "1 image of 100000x100000 voxels would need about 372.5 GiB"),
                       ("16²x16", "is no size"), ("1" * 5000 + "x16", "is no size")):  # fmt: skip
        assert perform(["run", "disc-se", "--recon", f"size={size}", "--out", str(out)]) == 2
        assert said in capsys.readouterr().err
        assert not out.exists()


def test_images_that_no_memory_holds_are_refused_by_their_number(monkeypatch):
    from mrsim.core import machine_memory
    from mrsim.core.errors import InfeasibleError
    from mrsim.recon.windows import check_size

    monkeypatch.setattr(machine_memory, "free_bytes", lambda: 41_000_000)
    check_size((1000, 1000))
    with pytest.raises(InfeasibleError, match="2 images of 1000x1000 voxels would need about"):
        check_size((1000, 1000), 2)
