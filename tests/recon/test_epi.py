"""Echo-planar images from raw data summed point by point: ramps, ghosts, distortion, blur."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.recon import Grappa, Steps, reconstruct
from mrsim.recon.windows import interpolated

from .echo_planar import FOV, N, acquired, blob, on_lattice, one_by_one, points, sequence, truth
from .scans import nrmse

OBJECT = blob(5.0, (0.012, -0.008))


@pytest.fixture(scope="module")
def single():
    return sequence()


@pytest.mark.parametrize("ramp_sampling", [True, False])
def test_ramp_samples_become_the_object(ramp_sampling):
    image = reconstruct(acquired(sequence(ramp_sampling=ramp_sampling), OBJECT))
    # Gaussian of 5 voxels: truncation 1e-10, points on halves of a voxel; the fit's cut-off is 1e-3
    assert nrmse(image.data[0, 0], truth(OBJECT)) < 1e-4


@pytest.mark.parametrize(("degrees", "expected"), [(5.0, 0.0437), (10.0, 0.0875)])
def test_phase_between_directions_leaves_a_ghost_of_its_half_tangent(single, degrees, expected):
    small = blob(2.5)
    raw = acquired(single, small, turn=np.radians(degrees))
    image = np.abs(reconstruct(raw, steps=Steps(ghost="none")).data[0, 0])
    assert image[0, N // 2] / image[N // 2, N // 2] == pytest.approx(expected, abs=2e-4)  # physics B-5
    for correction in ("navigator", "entropy"):
        image = np.abs(reconstruct(raw, steps=Steps(ghost=correction)).data[0, 0])
        assert image[0, N // 2] < 1e-3 * image[N // 2, N // 2]  # the gate: 0.1 % without noise
        assert image[N // 2, N // 2] == pytest.approx(truth(small)[N // 2, N // 2], rel=1e-3)


@pytest.mark.parametrize(("correction", "lag"), [("navigator", 2e-6), ("entropy", 2e-6), ("entropy", 25e-6)])
def test_lag_of_the_gradients_is_found_and_undone(single, correction, lag):
    raw = acquired(single, OBJECT, lag=lag, turn=0.2)
    image = reconstruct(raw, steps=Steps(ghost=correction))
    # both directions see the object through the lag: it is a property of the trajectory, to nanoseconds
    if correction == "navigator":
        assert image.encoding["gradient_lag"] == pytest.approx(2e-6, abs=2e-8)
    found, wanted = np.abs(image.data[0, 0]), truth(OBJECT)
    assert np.abs(found - wanted).max() < 1e-3 * wanted.max()
    none = np.abs(reconstruct(raw, steps=Steps(ghost="none")).data[0, 0])
    assert np.abs(none - wanted).max() > 0.05 * wanted.max()


def test_noise_of_regridded_lines_is_that_of_the_images(single):
    clean = acquired(single, OBJECT)
    image = reconstruct(clean, steps=Steps(ghost="none"))
    r = np.random.default_rng(3)
    draws = []
    for _ in range(30):
        group = clean.imaging
        sigma = np.sqrt(clean.noise_density[0, 0].real / group.dwell)
        noise = sigma * (r.standard_normal((2, *group.data.shape))[0] + 1j * r.standard_normal(group.data.shape))
        noisy = type(group)(data=group.data + noise, k=group.k, t=group.t, labels=group.labels, dwell=group.dwell)
        draws.append(
            reconstruct(replace(clean, groups={**clean.groups, "imaging": noisy}), steps=Steps(ghost="none")).data
            - image.data
        )
    scatter = np.sqrt(np.mean(np.abs(draws) ** 2, axis=(0, 2, 3)) / 2)[0]
    # 30 x 48 complex draws per column: 1.9 % each
    np.testing.assert_allclose(scatter / image.sigma[0, 0, 0], 1, atol=0.08)
    assert np.mean(scatter / image.sigma[0, 0, 0]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("field", "expected"), [(63.9, 4.29), (127.7, 8.58), (298.0, 20.0)])
def test_one_ppm_moves_by_the_published_number_of_pixels(field, expected):
    """Physics B-5: echo spacing 0.7 ms, 96 lines; measured on images of a small object."""
    built = sequence(matrix=(N, 96), fov=(FOV, 2 * FOV), echo_spacing=0.7e-3, navigator_lines=0)
    small = blob(2.0, (0.0, -0.04))
    rest, moved = (
        reconstruct(acquired(built, small, offset=lambda x, y, f=f: f + 0 * x), steps=Steps(ghost="none")).data[0, 0]
        for f in (0.0, field)
    )
    # the shift theorem: the phase between the two images' transforms is 2 pi shift line / 96
    before, after = (np.fft.fftshift(np.fft.fft(np.fft.ifftshift(i, axes=0), axis=0), axes=0) for i in (rest, moved))
    product = np.sum(after * before.conj(), axis=1)
    strong = np.abs(product) > 1e-3 * np.abs(product).max()
    slope = np.polyfit(np.flatnonzero(strong), np.unwrap(np.angle(product[strong])), 1)[0]
    assert -slope * 96 / (2 * np.pi) == pytest.approx(expected, abs=0.03)


def test_decay_blurs_by_the_published_width(single):
    """B-5: FWHM of N ESP / (pi T2*) pixels, of the power spectrum of the decay's Lorentzian."""
    spacing = single.definitions["echo_spacing"]
    t2_star = N * spacing / (np.pi * 1.5)
    raw = acquired(single, (np.zeros(1), np.zeros(1), np.ones(1)), decay=t2_star)
    image = reconstruct(raw, steps=Steps(ghost="none"))
    fine = interpolated(image, (16 * N, N))
    kspace = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(fine.data[0, 0, :, N // 2])))
    weight = np.abs(kspace[np.abs(kspace) > 1e-9 * np.abs(kspace).max()])
    rate = abs(np.polyfit(np.arange(len(weight)), np.log(weight), 1)[0])
    # a decay exp(-rate line) is a Lorentzian of half width rate N / 2 pi lines: FWHM rate N / pi pixels
    assert rate * N / np.pi == pytest.approx(N * spacing / (np.pi * t2_star), rel=0.01)


def heard(count=8):
    """Smooth sensitivities around the object."""
    return [
        lambda x, y, a=2 * np.pi * i / count: (
            np.exp(-((x - 0.1 * np.cos(a)) ** 2 + (y - 0.1 * np.sin(a)) ** 2) / 0.012) * np.exp(1j * (a + 6 * x))
        )
        for i in range(count)
    ]


def test_twofold_partial_train_of_eight_coils_gives_every_volume():
    built = sequence(acceleration=2, calibration_lines=24, partial_fourier=0.75, volumes=2)
    raw = acquired(built, OBJECT, lag=1e-6, turn=0.1, coils=heard())
    joint = np.linalg.norm([c(*np.meshgrid(*[(np.arange(N) - N // 2) * FOV / N] * 2)) for c in heard()], axis=0)
    wanted = truth(OBJECT) * joint
    for method in (None, Grappa()):
        images = reconstruct(raw, method)
        assert images.data.shape[0] == 2
        assert images.contrast["polarity"].tolist() == [1, 1]
        assert images.contrast["repetition"].tolist() == [0, 1]
        assert images.encoding["partial_fourier_method"] == "pocs"
        for image in images.data[:, 0]:
            inside = wanted > 0.05 * wanted.max()
            assert nrmse(np.abs(image), wanted, inside) < 0.02


def test_one_coil_folds_with_a_warning():
    image = reconstruct(acquired(sequence(acceleration=2), blob(2.5)))
    assert any("folded" in w for w in image.history["warnings"])
    both = np.abs(image.data[0, 0])
    assert both[N // 2, N // 2] == pytest.approx(both[0, N // 2], rel=1e-3)
    assert both[N // 2, N // 2] == pytest.approx(1, rel=0.01)


def test_bad_corrections_are_refused(single):
    raw = acquired(single, points(OBJECT, 1))
    with pytest.raises(InputError, match="did you mean 'navigator'"):
        reconstruct(raw, steps=Steps(ghost="navigators"))
    raw.groups.pop("navigator")
    with pytest.raises(InputError, match="no navigators"):
        reconstruct(raw, steps=Steps(ghost="navigator"))
    assert reconstruct(raw).encoding["ghost_correction"] == "entropy"


def test_sums_on_a_lattice_are_those_over_points():
    x, y, value = points(OBJECT, 1)
    value = np.array([value, value * (1 + 50j * x)])
    k = np.random.default_rng(1).normal(scale=100, size=(3, 20))
    quick, slow = on_lattice(x, y, value, 30.0)(*k), one_by_one(x, y, value, np.full(len(x), 30.0))(*k)
    np.testing.assert_allclose(quick, slow, atol=1e-11 * np.abs(value).sum())


def test_calibration_before_the_steady_state_is_a_warning():
    built = sequence(acceleration=2, calibration_lines=24)
    raw = acquired(built, OBJECT, coils=heard())
    assert not reconstruct(raw).history.get("warnings")
    for name, trains in (("navigator", 3), ("calibration", 2)):  # navigators go ahead of the image's train too
        group = raw.groups[name]
        half = len(group.data) // trains
        faded = group.data.copy()
        faded[half:] *= 0.8
        raw = replace(raw, groups={**raw.groups, name: replace(group, data=faded)})
    (said,) = reconstruct(raw).history["warnings"]
    assert "changes by 20 % between the trains that read the calibration" in said
