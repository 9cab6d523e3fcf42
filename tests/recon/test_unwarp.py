"""Distortion by a field undone: against points that precessed, and against the integral."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.recon import Steps, reconstruct
from mrsim.recon.unwarp import field_of_pair, resampled, unwarped, voxel_shift

from .echo_planar import FOV, N, acquired, blob, points, sequence, truth
from .scans import nrmse


def bump(height, width=9.0):
    """A Gaussian field, Hz."""
    return lambda x, y: height * np.exp(-(x**2 + y**2) / (2 * (width * FOV / N) ** 2))


def soft_disc(x, y):
    """A disc with a soft edge and stripes."""
    radius = np.hypot(x / 0.062, y / 0.066)
    return (1 + 0.25 * np.cos(2 * np.pi * y / 0.03) * np.cos(2 * np.pi * x / 0.05)) / (1 + np.exp((radius - 1) / 0.06))


@pytest.fixture(scope="module")
def pair():
    """Distorted images with both polarities, the undistorted one, and the field."""
    built = sequence(blips="both", navigator_lines=0)
    cloud = points(soft_disc, 2)
    field = bump(2.5 / (built.definitions["echo_spacing"] * N))
    images = reconstruct(acquired(built, cloud, offset=field), steps=Steps(ghost="none"))
    line = (np.arange(N) - N // 2) * FOV / N
    return images, truth(soft_disc)[None], field(*np.meshgrid(line, line))[None]


def test_displacement_is_field_times_readout_time(pair):
    images, _, field = pair
    shift = voxel_shift(images, field)
    assert shift[0].max() == pytest.approx(2.5, rel=1e-3)
    np.testing.assert_allclose(shift[1], -shift[0])


def test_field_map_puts_voxels_back(pair):
    images, plain, field = pair
    found = unwarped(images, field)
    inside = plain[0] > 0.1
    for contrast in (0, 1):
        before = nrmse(np.abs(images.data[contrast, 0]), plain[0], inside)
        after = nrmse(np.abs(found.data[contrast, 0]), plain[0], inside)
        assert before > 0.1
        assert after < 0.02


def test_integral_along_the_phase_encoding_is_conserved(pair):
    _, plain, field = pair
    shift = 0.02 * field * np.hanning(N)[:, None]  # nothing leaves the image
    moved = resampled(plain, shift)
    np.testing.assert_allclose(moved.sum(axis=-2), plain.sum(axis=-2), rtol=1e-9)
    # stretched by 1 + d' without moving in the middle: brightness falls by the Jacobian 1 / (1 + d')
    y = np.arange(N) - N / 2 + 0.0
    flat = resampled(np.exp(-(y**2) / 50)[None, :, None] * np.ones((1, 1, 3)), -0.2 * y[None, :, None])
    assert flat[0, N // 2, 1] == pytest.approx(0.8, rel=2e-3)


def test_pair_of_opposite_blips_tells_the_field(pair):
    images, plain, field = pair
    found = field_of_pair(images, 0, 1)
    slope = 1 + np.gradient(voxel_shift(images, field)[0], axis=1)
    judged = (plain[0] > 0.2) & (slope[0] > 0.2) & (2 - slope[0] > 0.2)
    pixels = voxel_shift(images, found - field)[0, 0]
    # the gate: 0.1 pixel where the Jacobian is above 0.2
    assert np.abs(pixels[judged]).max() < 0.1
    corrected = unwarped(images, found)
    assert nrmse(np.abs(corrected.data[0, 0]), plain[0], judged) < 0.03
    assert nrmse(np.abs(corrected.data[0, 0]), np.abs(corrected.data[1, 0]), judged) < 0.02


def test_pair_tells_the_field_in_noise(pair):
    images, plain, field = pair
    r = np.random.default_rng(4)
    noise = 0.02 * (r.standard_normal(images.data.shape) + 1j * r.standard_normal(images.data.shape))
    found = field_of_pair(replace(images, data=images.data + noise), 0, 1)
    pixels = voxel_shift(images, found - field)[0, 0][plain[0] > 0.3]
    assert np.sqrt(np.mean(pixels**2)) < 0.25  # SNR 50


def test_bad_fields_are_refused(pair):
    images, _, field = pair
    with pytest.raises(InputError, match="resample"):
        unwarped(images, field[:, :3])
    with pytest.raises(InputError, match="not finite"):
        unwarped(images, np.where(field > 1, np.nan, field))
    with pytest.raises(InputError, match="opposite"):
        field_of_pair(images, 0, 0)
    folding = np.where(np.arange(N)[:, None] > N // 2, -300.0, 0.0) * np.ones((1, N, N))
    assert any("folds" in w for w in unwarped(images, folding).history["warnings"])


def test_offset_blob_is_not_needed_for_a_uniform_field():
    """A uniform field moves everything by the same distance."""
    built = sequence(navigator_lines=0)
    hertz = 3 / (built.definitions["echo_spacing"] * N)
    images = reconstruct(acquired(built, blob(3.0), offset=lambda x, y: hertz + 0 * x), steps=Steps(ghost="none"))
    back = np.abs(unwarped(images, np.full((1, N, N), hertz)).data[0, 0])
    assert np.unravel_index(back.argmax(), back.shape) == (N // 2, N // 2)
