"""Wave images against motion-encoded phases written down in closed form."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.unwrap import integrated_gradient
from mrsim.core.wave_filters import directions
from mrsim.recon.wave_images import wave_images
from mrsim.recon.wave_processing import curled, directed, high_passed, low_passed, smoothed

HADAMARD = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
SHAPE = (2, 20, 24)
AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
GRID = Grid(shape=SHAPE, spacing=(2e-3, 2e-3, 3e-3))
XI = 6e4
"""Encoding efficiency, rad/m: 0.06 rad/um."""


def displacement(amplitude=10e-6):
    """Return (3, z, y, x) phasors of a plane wave."""
    z, y, x = np.meshgrid(*(GRID.coordinates(a) for a in (2, 1, 0)), indexing="ij")
    wave = np.exp(-1j * (2 * np.pi / 30e-3 * x + 50 * y - 5j * x + 20 * z))
    return amplitude * np.stack([0.6 * wave, 0.3j * wave, 1.0 * wave * np.exp(0.4j)])


def scan(u, directions=AXES, offsets=4, reversal=True, second=0.0, rest=0.03, sigma=0.0, rng=None):
    """Return images whose phases are static phase - Re(xi . u), with `second` times the second harmonic added."""
    rng = rng or np.random.default_rng(0)
    static = 3 * np.sin(np.arange(SHAPE[2]) / 4) * np.ones(SHAPE)
    rows, data, told = [], [], []
    for direction in np.atleast_2d(directions):
        for polarity in (1, -1) if reversal else (1,):
            for n in range(offsets):
                turn = np.exp(2j * np.pi * n / offsets)
                slices = np.exp(0.3j * np.arange(SHAPE[0]))
                xi = XI * turn * slices[:, None] * (polarity * np.asarray(direction, float) + rest)
                phase = static - np.einsum("zc,czyx->zyx", xi, u).real - second * (polarity * turn**2).real
                data.append(np.exp(1j * phase))
                told.append(xi)
                rows.append((*direction, polarity, n, np.angle(turn)))
    dx, dy, dz, polarity, offset, phase = np.array(rows, float).T
    noise = sigma * (rng.standard_normal((2, len(data), *SHAPE)).T @ np.array([1, 1j])).T
    contrast = {
        "encoding": np.full(len(data), XI), "vibration_phase": phase % (2 * np.pi), "motion_polarity": polarity,
        "vibration_offset": offset, "direction_x": dx, "direction_y": dy, "direction_z": dz,
    }  # fmt: skip
    sheet = {"vibration_frequency": 80.0, "motion_encoding": np.array(told)}
    return Images(data=np.array(data) + noise, grid=GRID, contrast=contrast, sigma=np.full((1, 1, 1, 1), sigma or 0.01),
                  noisy=sigma > 0, encoding=sheet)  # fmt: skip


@pytest.mark.parametrize("way", ["temporal", "reliability", "laplacian", "gradient"])
@pytest.mark.parametrize(("rows", "offsets", "reversal"), [(np.eye(3), 4, True), (HADAMARD, 8, True),
                                                           (np.eye(3), 8, False)])  # fmt: skip
def test_wave_images_return_the_motion_that_was_encoded(way, rows, offsets, reversal):
    u = displacement()
    waves = wave_images(scan(u, rows, offsets, reversal), unwrapping=way)
    assert waves.components == ("x", "y", "z")
    assert waves.frequencies == pytest.approx([80.0])
    np.testing.assert_allclose(waves.displacement[0], u, atol=1e-12 * np.abs(u).max() * 1e3)
    assert waves.mask.all()


def test_one_axis_gives_one_component():
    u = displacement()
    waves = wave_images(scan(u, [(0, 0, 1)], rest=0.0))
    assert waves.components == ("z",)
    np.testing.assert_allclose(waves.displacement[0, 0], u[2], atol=1e-15)


@pytest.mark.parametrize("way", ["temporal", "reliability", "laplacian", "gradient"])
def test_wraps_are_recovered_by_every_way_and_stay_without_one(way):
    # 2 x 0.06 rad/um x 50 um = 6 rad: wrapped several times; along 8 offsets steps of up to 4.6 rad are out of reach
    u = displacement(50e-6) if way != "temporal" else displacement(25e-6)
    images = scan(u, offsets=8)
    np.testing.assert_allclose(wave_images(images, unwrapping=way).displacement[0], u, atol=1e-9 * np.abs(u).max())
    phases = np.angle(images.data[-16:-8] * np.conj(images.data[-8:]))
    assert np.abs(np.diff(phases, axis=-1)).max() > 4  # they were wrapped


def test_wraps_beyond_recovery_are_flagged_or_refused():
    u = displacement()
    u[:, :, 5:9, 5:9] *= 20 * np.exp(1j * np.random.default_rng(1).uniform(0, 7, (4, 4)))
    waves = wave_images(scan(u))
    assert np.mean(waves.mask[:, 5:9, 5:9]) < 0.2  # by chance a wrapped phase may look like a small one
    assert waves.mask[:, 12:, 12:].all()
    assert "beyond recovery" in waves.history["warnings"][-1]
    rough = 3e-4 * np.exp(1j * np.random.default_rng(2).uniform(0, 7, (3, *SHAPE)))
    with pytest.raises(InputError, match="beyond recovery in all"):
        wave_images(scan(rough), unwrapping="none")


@pytest.mark.parametrize("offsets", [4, 8])
def test_part_that_turns_by_more_than_half_a_turn_between_offsets_is_left_out(offsets):
    """A smooth bump on a body at rest: each voxel alone shows a harmonic without residual, off by a turn."""
    _, y, x = np.meshgrid(*(GRID.coordinates(a) for a in (2, 1, 0)), indexing="ij")
    bump = np.exp(-(x**2 + y**2) / (2 * (9e-3) ** 2))
    peak = 1.3 * np.pi / (2 * np.sin(np.pi / offsets)) / (2 * XI) / np.cos(np.pi / offsets)
    u = peak * bump * np.array([0, 0, 1.0])[:, None, None, None]
    waves = wave_images(scan(u.astype(complex), offsets=offsets))
    held = waves.inside
    assert held.sum() > 0.6 * held.size
    assert not held[:, 10, 12].any()
    np.testing.assert_allclose(waves.displacement[0][:, held], u[:, held], atol=1e-12)
    said = waves.history["warnings"][-1]
    most = np.pi / (2 * np.sin(np.pi / offsets)) / (2 * XI)
    assert "mm from the middle" in said
    assert f"amplitudes up to {most * 1e6:.2g}"[:-1] in said
    whole = wave_images(scan(0.6 * u.astype(complex), offsets=offsets))
    assert whole.inside.all()


def test_second_harmonic_is_kept_apart_and_too_few_offsets_are_refused():
    u = displacement()
    np.testing.assert_allclose(wave_images(scan(u, second=0.3)).displacement[0], u, atol=1e-15)
    with pytest.raises(InputError, match="fold its harmonic 2 onto the first"):
        wave_images(scan(u, offsets=3))
    with pytest.raises(InputError, match="needs 6 offsets"):
        wave_images(scan(u), harmonics=4)
    folded = wave_images(scan(u, offsets=3, second=0.3), harmonics=1)  # asked for: the harmonic is taken as motion
    assert np.abs(folded.displacement[0] - u).max() > 1e-6


def test_noise_of_displacements_agrees_with_the_scatter():
    # 40 scans of 960 voxels: 0.4 % for the mean; 1 / SNR is the phase noise to first order
    u, rng = displacement(), np.random.default_rng(4)
    scans = [wave_images(scan(u, HADAMARD, 8, sigma=0.02, rng=rng)) for _ in range(40)]
    off = np.stack([waves.displacement[0] - u for waves in scans])
    told = scans[0].sigma[0].mean(axis=(1, 2, 3))
    assert np.std(off.real, axis=(0, 2, 3, 4)) == pytest.approx(told, rel=0.02)
    assert np.std(off.imag, axis=(0, 2, 3, 4)) == pytest.approx(told, rel=0.02)
    # one axis, polarity difference, N = 4: (1 / SNR) sqrt(2) sqrt(2 / N) / (2 xi)
    one = wave_images(scan(u, [(0, 0, 1)], sigma=0.02, rest=0.0))
    assert one.sigma.mean() == pytest.approx(0.02 * np.sqrt(2) * np.sqrt(2 / 4) / (2 * XI), rel=0.02)


def test_a_mask_of_no_voxel_is_told_from_images_without_signal():
    images = scan(displacement())
    with pytest.raises(InputError, match="is empty: it holds no voxel"):
        wave_images(images, mask=np.zeros(images.grid.shape, bool))
    with pytest.raises(InputError, match="is empty: no voxel has a signal"):
        wave_images(replace(images, data=0 * images.data), mask=np.ones(images.grid.shape, bool))


def test_images_that_are_no_elastography_are_refused():
    images = scan(displacement())
    with pytest.raises(InputError, match="no elastography protocol"):
        wave_images(replace(images, contrast={"te": np.zeros(24)}))
    with pytest.raises(InputError, match="is empty"):
        wave_images(images, mask=np.zeros(SHAPE, bool))
    with pytest.raises(InputError, match="did you mean 'laplacian'"):
        wave_images(images, unwrapping="laplace")
    with pytest.raises(InputError, match="more than once"):
        wave_images(replace(images, contrast=images.contrast | {"vibration_offset": np.zeros(24)}))


def test_smoothing_keeps_constants_and_says_what_is_left_of_the_noise():
    waves = wave_images(scan(displacement()))
    flat = replace(waves, displacement=np.ones_like(waves.displacement))
    assert smoothed(flat, 1.0).displacement == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((1, 3, 1, 200, 200)) + 1j * rng.standard_normal((1, 3, 1, 200, 200))
    grid = Grid(shape=(1, 200, 200), spacing=(1e-3, 1e-3, 1e-3))
    white = replace(waves, grid=grid, displacement=noise, mask=None, sigma=np.array(1.0))
    for change in (lambda w: smoothed(w, 1.3), lambda w: high_passed(w, 150.0, 2), lambda w: low_passed(w, 100.0)):
        done = change(white)
        assert np.std(done.displacement.real) == pytest.approx(float(done.sigma), rel=0.02)
    steps = low_passed(smoothed(white, 1.0), 1e2).encoding["processing"]
    assert [step["step"] for step in steps] == ["gaussian", "low-pass"]


def test_directional_filter_passes_the_waves_that_go_its_way():
    grid = Grid(shape=(1, 40, 40), spacing=(1e-3, 1e-3, 1e-3))
    x = grid.coordinates(0)
    right, left = np.exp(-2j * np.pi * x / 10e-3), np.exp(2j * np.pi * x / 10e-3)
    waves = replace(wave_images(scan(displacement())), grid=grid, mask=None, components=("z",), sigma=np.array(1e-7),
                    displacement=(1e-6 * (right + 0.5 * left) * np.ones((1, 1, 1, 40, 1))))  # fmt: skip
    assert directed(waves, 0.0).displacement == pytest.approx(1e-6 * right * np.ones((1, 1, 1, 40, 1)), abs=1e-15)
    assert directed(waves, np.pi).displacement == pytest.approx(0.5e-6 * left * np.ones((1, 1, 1, 40, 1)), abs=1e-15)
    total = directions((1, 40, 40), (1e-3, 1e-3, 1e-3), 8).sum(axis=0)
    assert total.ravel()[1:] == pytest.approx(2.0)


def test_curl_removes_the_gradient_of_a_potential_and_keeps_shear_waves():
    n, h = 24, 1e-3
    grid = Grid(shape=(n, n, n), spacing=(h, h, h))
    z, y, x = np.meshgrid(*(grid.coordinates(a) for a in (2, 1, 0)), indexing="ij")
    k = 2 * np.pi / 12e-3
    pressure = np.stack([np.ones_like(x), 0.3 * np.ones_like(x), -0.7 * np.ones_like(x)]) * (1 + 2 * x - y)  # grad-like
    pressure = np.stack([2 * x, 2 * y, -4 * z])  # gradient of x^2 + y^2 - 2 z^2
    shear = np.stack([np.zeros_like(x), np.exp(-1j * k * x), np.zeros_like(x)])
    waves = replace(wave_images(scan(displacement())), grid=grid, mask=None, sigma=np.array(1e-7),
                    displacement=(1e-3 * pressure + 1e-6 * shear)[None].astype(complex))  # fmt: skip
    found = curled(waves)
    inner = (slice(1, -1),) * 3
    expected = -1e-6j * np.sin(k * h) / h * np.exp(-1j * k * x)
    assert found.displacement[0, 2][inner] == pytest.approx(expected[inner], abs=1e-12)
    assert np.abs(found.displacement[0, :2]).max() < 1e-12
    assert found.mask.sum() == (n - 2) ** 3
    assert found.sigma.mean() == pytest.approx(1e-7 / h)


def test_unwrapping_by_gradients_integrates_a_smooth_phase():
    y, x = np.mgrid[:30, :40]
    true = 0.02 * (x - 20) ** 2 + 0.3 * y
    found = integrated_gradient(true % (2 * np.pi), np.ones(true.shape, bool))
    assert np.ptp(found - true) < 1e-9
