"""B1 maps against flips, steady states and frequency shifts that are computed here."""

from dataclasses import replace

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images

B1 = np.linspace(0.5, 1.4, 60).reshape(1, 6, 10)


def images_of(data, sigma=1e-6, noise=None, encoding=None, **contrast):
    data = np.asarray(data, complex)
    if noise is not None:
        rng = np.random.default_rng(noise)
        data = data + sigma * (rng.standard_normal(data.shape) + 1j * rng.standard_normal(data.shape))
    return Images(
        data=data, grid=Grid(shape=data.shape[1:], spacing=(1e-3, 1e-3, 4e-3)),
        contrast={name: np.asarray(values, float) for name, values in contrast.items()},
        sigma=np.full((2, 1, 1, 1), sigma), noisy=noise is not None, encoding=encoding or {},
    )  # fmt: skip


def spoiled(flip, tr, t1):
    return np.sin(flip) * (1 - np.exp(-tr / t1)) / (1 - np.exp(-tr / t1) * np.cos(flip))


def double_angle(tr, t1, b1=B1, flip=60.0, **kwargs):
    flips = np.radians([flip, 2 * flip])
    data = [spoiled(b1 * f, tr, t1) * np.exp(0.4j) for f in flips]
    return images_of(data, flip=flips, tr=[tr, tr], **kwargs)


def test_double_angle_is_exact_after_full_recovery_even_where_the_second_signal_is_negative():
    maps = mr.fit(double_angle(50.0, 1.0, np.linspace(0.4, 2.2, 60).reshape(1, 6, 10)), "b1-dam")
    np.testing.assert_allclose(maps.values["b1"].ravel(), np.linspace(0.4, 2.2, 60), rtol=1e-9)
    assert "warnings" not in maps.history


def test_short_tr_biases_double_angle_is_flagged_and_t1_mends_it():
    images = double_angle(1.0, 1.0)
    plain = mr.fit(images, "b1-dam")
    assert np.abs(plain.values["b1"] / B1 - 1).max() > 0.03
    assert "incomplete recovery" in plain.history["warnings"][0]
    np.testing.assert_allclose(mr.fit(images, "b1-dam", t1=1.0).values["b1"], B1, rtol=1e-7)


def test_slices_are_flagged_and_other_angles_refused():
    sheet = {"kind": "2d", "excitation_profile": "sinc hamming, time-bandwidth 4"}
    said = mr.fit(double_angle(50.0, 1.0, encoding=sheet), "b1-dam").history["warnings"]
    assert "slice" in said[0]
    with pytest.raises(InputError, match="double"):
        mr.fit(images_of(np.ones((2, 1, 2, 2)), flip=[0.5, 0.9], tr=[9.0, 9.0]), "b1-dam")


def two_repetition_times(angle, t1, tr1=0.03, tr2=0.15):
    """Iterate the longitudinal magnetisation: nothing transverse survives."""
    z = np.ones_like(angle)
    for _ in range(4000):
        before = z
        z = 1 + (z * np.cos(angle) - 1) * np.exp(-tr1 / t1)
        second = z
        z = 1 + (z * np.cos(angle) - 1) * np.exp(-tr2 / t1)
    return before * np.sin(angle), second * np.sin(angle)


def test_afi_agrees_with_iterated_magnetisation():
    angle = np.radians(60) * B1
    images = images_of(two_repetition_times(angle, 1.2), tr=[0.03, 0.15], flip=np.radians([60, 60]))
    limit, exact = (mr.fit(images, "b1-afi", t1=t1).values["b1"] for t1 in (0.0, 1.2))
    assert np.abs(limit / B1 - 1).max() < 0.008  # the limit of short repetition times
    np.testing.assert_allclose(exact, B1, rtol=1e-7)
    with pytest.raises(InputError, match="ratio"):
        mr.fit(images_of(np.ones((2, 1, 2, 2)), tr=[0.03, 0.04], flip=[1.0, 1.0]), "b1-afi")


def rotated(offset, b1, envelope, dwell):
    """Phase of transverse magnetisation after the pulse, in the frame of resonance, by products of rotations."""
    m = np.tile(np.array([1.0, 0.0, 0.0]), (len(b1), 1))
    fine = 20
    for i, e in enumerate(np.repeat(envelope, fine)):
        t = (i + 0.5) * dwell / fine
        # dM/dt = gamma M x B with B1 = b exp(-i 2 pi f t)
        axis = np.stack([np.cos(2 * np.pi * offset * t), -np.sin(2 * np.pi * offset * t), 0.0])
        angle = -2 * np.pi * b1[:, None] * e * dwell / fine
        cross = np.cross(np.broadcast_to(axis, m.shape), m)
        along = (m @ axis)[:, None] * axis
        m = m * np.cos(angle) + cross * np.sin(angle) + along * (1 - np.cos(angle))
    return m[:, 0] + 1j * m[:, 1]


def test_bloch_siegert_agrees_with_rotations_and_has_the_right_sign():
    n, dwell = 500, 8e-6
    t = np.abs((np.arange(n) + 0.5) / n - 0.5)
    envelope = 340.0 / (1 + np.exp((t - 0.4) / 0.02))
    b1 = np.linspace(0.4, 1.5, 12)
    data = np.stack([rotated(f, b1, envelope, dwell) for f in (4000.0, -4000.0)]).reshape(2, 1, 3, 4)
    sheet = {"off_resonant_pulse": envelope, "off_resonant_dwell": dwell}
    maps = mr.fit(images_of(data, offset=[4000.0, -4000.0], encoding=sheet), "b1-bloch-siegert")
    np.testing.assert_allclose(maps.values["b1"].ravel(), b1, rtol=3e-3)
    back = mr.fit(images_of(data[::-1], offset=[-4000.0, 4000.0], encoding=sheet), "b1-bloch-siegert")
    np.testing.assert_allclose(back.values["b1"], maps.values["b1"])
    with pytest.raises(InputError, match="opposite"):
        mr.fit(images_of(data, offset=[4000.0, -3000.0], encoding=sheet), "b1-bloch-siegert")


@pytest.mark.parametrize("model", ["b1-dam", "b1-afi"])
def test_scatter_is_what_the_standard_error_says(model):
    b1 = np.full((1, 50, 60), 0.9)
    if model == "b1-dam":
        images = double_angle(50.0, 1.0, b1, sigma=0.01, noise=3)
    else:
        one, two = two_repetition_times(np.radians(60) * b1, 1.0)
        images = images_of([one, two], 0.001, 3, tr=[0.03, 0.15], flip=np.radians([60, 60]))
    maps = mr.fit(images, model)
    pull = (maps.values["b1"] - maps.values["b1"].mean()) / maps.errors["b1"]
    assert np.std(pull) == pytest.approx(1.0, abs=0.05)


def test_goodness_of_fit_is_what_neither_b1_nor_phase_explains():
    """Four data and three parameters: the quadrature of a double angle, and the difference of two shifted sizes."""
    images = double_angle(50.0, 1.0, np.full((1, 50, 60), 0.9), sigma=0.01, noise=3)
    assert mr.fit(images, "b1-dam").chi2.mean() == pytest.approx(1.0, abs=0.1)  # 3,000 voxels: 0.026
    turned = replace(images, data=images.data * np.exp(1j * np.array([0.0, 0.3]))[:, None, None, None])
    assert np.median(mr.fit(turned, "b1-dam").chi2) > 50
    sheet = {"off_resonant_pulse": np.full(500, 300.0), "off_resonant_dwell": 8e-6}
    shifted = np.exp(1j * np.array([0.5, -0.5]))[:, None, None, None] * np.ones((2, 1, 50, 60))
    offsets = {"offset": [4000.0, -4000.0], "sigma": 0.01, "noise": 4, "encoding": sheet}
    assert mr.fit(images_of(shifted, **offsets), "b1-bloch-siegert").chi2.mean() == pytest.approx(1.0, abs=0.1)
    shifted[1] *= 0.8
    assert np.median(mr.fit(images_of(shifted, **offsets), "b1-bloch-siegert").chi2) > 50
