"""What images say of their noise against the scatter of many noisy scans, through every linear reconstruction."""

import numpy as np
import pytest

from mrsim.core import magnitude
from mrsim.core.grid import Grid
from mrsim.phantom.receive import receive_coils
from mrsim.recon import Combine, Grappa, Sense, reconstruct
from mrsim.recon.kspace import to_kspace
from mrsim.recon.methods import Steps
from mrsim.recon.windows import Window
from mrsim.simulate.noise import add_noise

from .scans import acquisition, axis, covariance, disc, kspace, loop_fields, noisy, scan

N, COILS, SCANS = 32, 4, 60


def one_coil(covered=N):
    mask = np.zeros((1, N), bool)
    mask[0, :covered] = True
    return acquisition(kspace(disc(N, 3)[None], N)[None, :, None], mask)


def array(every=1, middle=0):
    data, _ = scan(N, COILS, 3)
    mask = np.zeros((1, N), bool)
    mask[0, ::every] = True
    psi = covariance(COILS) * 1e-4
    return acquisition(data[None, :, None], mask, middle, psi)


def maps():
    y, x = np.meshgrid(axis(N), axis(N), indexing="ij")
    return loop_fields(COILS, y, x)[:, None]


WAYS = {
    "transform": (one_coil, None, Steps()),
    "window": (one_coil, None, Steps(window=Window(name="hann"))),
    "zero filling": (one_coil, None, Steps(size=(48, 48))),
    "window and zero filling": (one_coil, None, Steps(window=Window(name="tukey", parameter=0.4), size=(40, 64))),
    "partial Fourier, zeros": (lambda: one_coil(24), None, Steps(partial="zero-fill")),
    "matched combination": (array, lambda: Combine(maps=maps()), Steps()),
    "matched, window": (array, lambda: Combine(maps=maps()), Steps(window=Window(name="hamming"))),
    "SENSE": (lambda: array(2), lambda: Sense(maps=maps()), Steps()),
    "SENSE, window, zero filling": (lambda: array(2), lambda: Sense(maps=maps()),
                                    Steps(window=Window(name="hamming"), size=(48, 48))),
    "GRAPPA": (lambda: array(2, 14), lambda: Grappa(maps=maps()), Steps()),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_images_state_the_noise_that_many_scans_show(way):
    make, method, steps = WAYS[way]
    raw = make()
    clean = reconstruct(raw, method and method(), steps=steps)
    drawn = np.array([reconstruct(noisy(raw, s), method and method(), steps=steps).data for s in range(SCANS)])
    found = np.sqrt(np.mean(np.abs(drawn - clean.data) ** 2, axis=0) / 2)[0, 0]
    stated = np.broadcast_to(clean.sigma, clean.data.shape)[0, 0]
    inside = stated > 0
    ratio = found[inside] / stated[inside]
    # each voxel is known to 1 / sqrt(4 x 60) = 6.5 %, all of them together to some tenths of a per cent
    assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1.0, abs=0.02)
    near = 0.0 if np.ptp(stated) < 1e-9 * stated.max() else 0.08  # zero filling takes the map of the nearest old voxel
    assert np.quantile(np.abs(ratio - 1), 0.95) < 0.15 + near * ("filling" in way)
    assert clean.channels == 1


@pytest.mark.parametrize("way", ["transform", "window", "zero filling", "window and zero filling"])
def test_images_state_how_many_voxels_are_independent(way):
    """The mean over the whole image has the variance sigma^2 / (n independent)."""
    make, _, steps = WAYS[way]
    raw = make()
    clean = reconstruct(raw, steps=steps)
    means = [np.mean(reconstruct(noisy(raw, s), steps=steps).data - clean.data) for s in range(600)]
    found = np.sqrt(np.mean(np.abs(means) ** 2) / 2)
    count = clean.data[0].size * clean.independent
    assert found == pytest.approx(float(clean.sigma.ravel()[0]) / np.sqrt(count), rel=4 / np.sqrt(4 * 600))


def test_sum_of_squares_states_its_statistics():
    """Of whitened channels: noncentral chi with 2 x coils degrees of freedom about the coils' joint signal."""
    raw = array()
    images = reconstruct(raw, Combine(kind="sos"))
    assert images.channels == COILS
    drawn = np.array([reconstruct(noisy(raw, s), Combine(kind="sos")).data.real[0, 0] for s in range(SCANS)])
    signal, sigma = images.data.real[0, 0], np.broadcast_to(images.sigma, images.data.shape)[0, 0]
    expected = magnitude.mean(signal, sigma, COILS)
    spread = magnitude.standard_deviation(signal, sigma, COILS)
    pull = (drawn.mean(axis=0) - expected) / spread * np.sqrt(SCANS)
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert pull.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * pull.size))
    weak = signal < sigma
    assert weak.any()
    assert np.mean(drawn[:, weak].std(axis=0) / spread[weak]) == pytest.approx(1.0, abs=0.03)


NOISY_MAPS = {
    "SENSE, pocs": (2, Sense(), "pocs", 0.03),
    "SENSE, homodyne": (2, Sense(), "homodyne", 0.03),
    "SENSE, windowed maps, pocs": (2, Sense(estimate="lowres"), "pocs", 0.03),
    "SENSE, windowed maps, homodyne": (2, Sense(estimate="lowres"), "homodyne", 0.035),
    "SENSE, windowed maps, zeros": (2, Sense(estimate="lowres"), "zero-fill", 0.03),
    "GRAPPA, windowed maps, pocs": (2, Grappa(estimate="lowres"), "pocs", 0.03),
    # without folds the image has less noise of its own, and the phase of the maps, which comes from 24 noisy lines,
    # tells on it: by 4 % where the image has an SNR of 5 to 60
    "matched, windowed maps, pocs": (1, Combine(estimate="lowres"), "pocs", 0.05),
    "adaptive, pocs": (1, Combine(kind="adaptive"), "pocs", 0.05),
    "sum of squares, pocs": (1, Combine(kind="sos"), "pocs", 0.03),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", NOISY_MAPS)
def test_maps_of_noisy_lines_cost_no_more_than_the_images_state(way):
    """Three quarters of k-space, all lines or half, maps from 32 noisy ones: a spine array far from much of it."""
    (step, method, partial, bound), n, scans = NOISY_MAPS[way], 96, 24
    place = np.zeros((1, n, n, 3))
    place[..., 1], place[..., 2] = axis(n)[None, None, :], axis(n)[None, :, None]
    coils = receive_coils("spine-8", Grid(shape=(56, 56, 3), spacing=(8e-3, 8e-3, 8e-3)))
    maps = coils.heard(place)
    block = np.outer(np.abs(axis(n)) < 0.07, np.abs(axis(n)) < 0.07)
    power = np.einsum("izyx,ij,jzyx->zyx", maps.conj(), np.linalg.inv(coils.covariance), maps).real[0]
    psi = coils.covariance * (np.sqrt(power)[block].mean() / 35) ** 2
    mask = np.zeros((1, n), bool)
    mask[0, : 3 * n // 4 : step] = True
    raw = acquisition(to_kspace(maps * block, (-2, -1))[None], mask, 32, psi)
    clean = reconstruct(raw, method, steps=Steps(partial=partial))
    told = [reconstruct(add_noise(raw, rng=s), method, steps=Steps(partial=partial)) for s in range(scans)]
    inside = np.outer(np.abs(axis(n)) < 0.065, np.abs(axis(n)) < 0.065)
    drawn = np.array([np.abs(one.data)[0, 0] for one in told])[:, inside]
    # GRAPPA's kernels depend on the noise of the lines, too: what each scan states of itself counts
    stated = np.array([np.broadcast_to(one.sigma, one.data.shape)[0, 0] for one in told])[:, inside]
    # 3,600 voxels, of which an eighth are independent, in 24 scans: a standard error of 0.7 %
    assert np.sqrt(np.mean(np.var(drawn, axis=0, ddof=1)) / np.mean(stated**2)) == pytest.approx(1.0, abs=bound)
    # nor does it cost signal; a sum of squares of noise has some of its own
    gain = np.mean(drawn) / np.mean(np.abs(clean.data)[0, 0, inside])
    assert gain == pytest.approx(1.0, abs=0.02 if "squares" in way else 0.01)
