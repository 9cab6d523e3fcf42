"""Noise that is no factor per image times a factor per voxel: what fits make of it, against their scatter."""

from dataclasses import replace

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit.models import find_model
from mrsim.fit.signal import signal
from mrsim.recon import Sense, reconstruct
from tests.fit.examples import WITH_SIGNAL, example, sheet_of
from tests.recon.scans import acquisition, covariance, disc, noisy, scan

SHAPE = (1, 30, 50)


def uneven(images, rng):
    """Standard deviations of (image, voxel), up to a factor of three apart in a pattern of their own per voxel kind."""
    kinds = np.exp(rng.uniform(-0.55, 0.55, (images, 3)))
    return kinds[:, np.arange(np.prod(SHAPE)) % 3]


def scan_of(model, seed=1):
    """Noisy images of one truth, and the truth."""
    truth, contrast = example(model)
    # methods without a signal of their own are tried on that of the exponential
    clean = signal(model if model in WITH_SIGNAL else "t2star-mono", truth, contrast, sheet=sheet_of(model))
    rng = np.random.default_rng(seed)
    sigma = 2e-3 * np.abs(clean).max() * uneven(len(clean), rng)
    noise = rng.standard_normal((2, *sigma.shape))
    data = clean[:, None] + sigma * (noise[0] + 1j * noise[1])
    shape = (len(clean), *SHAPE)
    contrast = {name: np.broadcast_to(np.asarray(c, float), (len(clean),)) for name, c in contrast.items()}
    images = Images(
        data=data.reshape(shape), grid=Grid(shape=SHAPE, spacing=(1e-3,) * 3), contrast=contrast,
        sigma=sigma.reshape(shape), encoding=dict(sheet_of(model)),
    )  # fmt: skip
    return images, truth


METHODS = [
    "t2-mono", "inversion-recovery", "mtr", "mtsat", "mp2rage", "despot1", "t2star-loglin", "t2star-arlo",
    "t2star-complex", "field-map", "dixon", "b1-dam", "b1-afi", "b1-bloch-siegert",
]  # fmt: skip
"""Of every kind of arithmetic one that is quick."""


@pytest.mark.parametrize("name", METHODS)
def test_standard_errors_are_the_scatter_under_any_noise(name):
    images, _ = scan_of(find_model(name))
    maps = mr.fit(images, name)
    assert (maps.status == 0).all()
    for parameter, values in maps.values.items():
        ratio = [
            np.std(values.ravel()[kind::3]) / np.median(maps.errors[parameter].ravel()[kind::3]) for kind in range(3)
        ]
        # 500 draws of each kind: 3.2 %
        np.testing.assert_allclose(ratio, 1.0, atol=0.11, err_msg=parameter)
    if name in ("t2-mono", "dixon", "t2star-complex"):
        assert np.median(maps.chi2) == pytest.approx(1.0, abs=0.2)


def test_noise_that_is_a_factor_gives_the_same_errors_either_way():
    images, _ = scan_of(find_model("t2-mono"))
    even = replace(images, sigma=images.sigma[:, :, :1, :1] * np.linspace(1, 2, 50))
    nearly = replace(even, sigma=even.sigma * (1 + 1e-5 * np.random.default_rng(0).standard_normal(images.data.shape)))
    one, other = (mr.fit(each, "t2-mono") for each in (even, nearly))
    np.testing.assert_allclose(one.errors["t2"], other.errors["t2"], rtol=1e-4)
    np.testing.assert_allclose(one.values["t2"], other.values["t2"], rtol=1e-4)


def unfolded(echoes, maps, te, seed=None):
    """Images of echoes that were each reconstructed by itself, with noise where a seed is given."""
    parts = [
        reconstruct(echo if seed is None else noisy(echo, 10 * seed + k), Sense(maps=maps[:, None]))
        for k, echo in enumerate(echoes)
    ]
    sigma = np.concatenate([np.broadcast_to(part.sigma, part.data.shape) for part in parts])
    data = np.concatenate([part.data for part in parts])
    return replace(parts[0], data=data, sigma=sigma, contrast={"te": te})


def test_echoes_unfolded_each_with_its_own_lines_have_errors_like_their_scatter():
    n, te, echoes = 36, 0.015 * np.arange(1, 5), []
    data, maps = scan(n, 6, fine=2)
    for t, (step, first) in zip(te, ((2, 0), (3, 1), (1, 0), (3, 2)), strict=True):
        mask = np.zeros((1, n), bool)
        mask[0, first::step] = True
        echoes.append(acquisition(data[None, :, None] * np.exp(-t / 0.05), mask, psi=4e-6 * covariance(6)))
    truth = mr.fit(unfolded(echoes, maps, te), "t2-mono").values["t2"]
    inside, pulls = disc(n)[None] > 0.4, []
    for seed in range(8):
        found = mr.fit(unfolded(echoes, maps, te, seed), "t2-mono")
        pulls.append(((found.values["t2"] - truth) / found.errors["t2"])[inside])
    assert np.std(pulls) == pytest.approx(1.0, abs=0.04)
    # 8 draws of every voxel: the scatter of its spread is 26 %; were errors off by the lines, it would be more
    assert np.std(np.std(pulls, axis=0)) < 0.31
    with pytest.raises(InputError, match="errors follow any noise"):
        mr.fit(unfolded(echoes, maps, te, 0), "t2-mono", likelihood="rician")
