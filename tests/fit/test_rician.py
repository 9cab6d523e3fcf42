"""Fits of magnitudes by the Rician likelihood: its ingredients, its optimum, its errors, and what it is for."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special

from mrsim.core import magnitude
from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.fit._kernels.levenberg_marquardt import bessel_ratio
from mrsim.fit.crlb import crlb
from mrsim.fit.fit import fit

TE = np.arange(1, 13) * 0.01
SIGMA, T2 = 0.04, 0.04


def _images(voxels, seed=1, sigma=SIGMA):
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, sigma, (2, TE.size, voxels))
    data = np.exp(-TE / T2)[:, None] + noise[0] + 1j * noise[1]
    return Images(
        data=data[:, None, None, :], grid=Grid(shape=(1, 1, voxels), spacing=(1e-3,) * 3), contrast={"te": TE},
        sigma=np.full((TE.size, 1, 1, 1), sigma),
    )  # fmt: skip


@pytest.mark.parametrize("function", [bessel_ratio, bessel_ratio.py_func])
def test_ratio_of_bessel_functions_equals_scipys(function):
    for z in (1e-8, 0.3, 5.0, 19.9, 20.1, 300.0, 1e5, -2.0, -50.0):
        ratio, gap = function(z)
        assert ratio == pytest.approx(special.ive(1, z) / special.ive(0, z), rel=1e-13)
        assert gap == pytest.approx(z - abs(z) - np.log(special.ive(0, z)), rel=1e-12, abs=1e-14)


def test_rician_fit_is_the_maximum_of_the_likelihood():
    # scipy's simplex on the log likelihood of core.magnitude, to its own tolerance of 1e-8
    images = _images(6)
    maps = fit(images, "t2-mono", likelihood="rician")
    for v in range(6):
        y = np.abs(images.data[:, 0, 0, v])

        def loss(p, y=y):
            return -np.sum(magnitude.log_likelihood(y, p[0] * np.exp(-TE / p[1]), SIGMA))

        best = optimize.minimize(loss, [1.0, 0.05], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
        assert maps.values["t2"][0, 0, v] == pytest.approx(best.x[1], rel=2e-6)


def test_rician_likelihood_removes_the_bias_of_the_noise_floor():
    # half of the echoes lie in the noise: least squares on magnitudes is too long by almost half a standard deviation
    voxels = 3000
    images = _images(voxels)
    plain, rician = (fit(images, "t2-mono", likelihood=name) for name in ("gaussian", "rician"))
    sd = rician.values["t2"].std()
    assert plain.values["t2"].mean() - T2 > 0.35 * sd
    assert abs(rician.values["t2"].mean() - T2) < 0.15 * sd  # of second order in 1/SNR
    bound = crlb("t2-mono", {"m0": 1.0, "t2": T2}, {"te": TE}, SIGMA, likelihood="rician")["t2"]
    assert 0.95 < sd / bound < 1.1
    assert np.sqrt(np.mean(rician.errors["t2"] ** 2)) == pytest.approx(sd, rel=0.06)
    # magnitudes scatter less in the noise floor than in the signal: scipy's least squares finds 0.93, too
    assert np.mean(plain.chi2) < 0.95 < 0.97 < np.mean(rician.chi2) < 1.03


def test_rician_and_gaussian_agree_far_above_the_noise():
    images = _images(20, sigma=1e-4)
    plain, rician = (fit(images, "t2-mono", likelihood=name) for name in ("gaussian", "rician"))
    assert rician.values["t2"] == pytest.approx(plain.values["t2"], rel=1e-4)
    assert rician.errors["t2"] == pytest.approx(plain.errors["t2"], rel=1e-3)


def test_rician_bound_is_the_curvature_of_the_expected_likelihood():
    # Hessian of the expected log likelihood by central differences, the expectation by quadrature over magnitudes
    point, steps = np.array([1.0, T2]), np.array([1e-3, 4e-5])
    y = np.linspace(1e-6, 2.2, 6001)
    clean = point[0] * np.exp(-TE / point[1])
    density = np.exp(magnitude.log_likelihood(y, clean[:, None], SIGMA))

    def expected(p):
        return np.trapezoid(density * magnitude.log_likelihood(y, (p[0] * np.exp(-TE / p[1]))[:, None], SIGMA), y).sum()

    hessian = np.empty((2, 2))
    for a in range(2):
        for b in range(2):
            da, db = np.eye(2)[a] * steps, np.eye(2)[b] * steps
            four = (expected(point + s * da + t * db) * s * t for s in (1, -1) for t in (1, -1))
            hessian[a, b] = -sum(four) / (4 * steps[a] * steps[b])
    bound = np.sqrt(np.diag(np.linalg.inv(hessian)))
    found = crlb("t2-mono", {"m0": 1.0, "t2": T2}, {"te": TE}, SIGMA, likelihood="rician")
    assert list(found.values()) == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("despot1", "'spgr'"), ("t2star-loglin", "'t2star-mono'"), ("t2star-arlo", "'t2star-mono'"),
     ("t2-spectrum", "'t2-epg'")],
)  # fmt: skip
def test_methods_that_make_no_likelihood_largest_say_what_does(name, instead):
    flips = {"flip": np.radians(np.linspace(3, 14, 12)), "tr": np.full(12, 0.015)}
    contrast = flips if name == "despot1" else {"te": TE, "tr": np.full(12, 2.0)}
    images = replace(_images(2), contrast=contrast)
    with pytest.raises(InputError, match=f"no rician likelihood.*take {instead}.*noise_floor 'subtract'"):
        fit(images, name, likelihood="rician")


def test_rician_fit_refuses_data_that_are_no_magnitudes_or_have_no_noise():
    images = _images(2)
    with pytest.raises(InputError, match="knows no rician likelihood"):
        fit(
            replace(images, contrast={"ti": TE, "tr": TE * 0 + 2, "te": TE * 0}),
            "inversion-recovery",
            likelihood="rician",
        )
    with pytest.raises(InputError, match="needs the noise"):
        fit(images, "t2-mono", likelihood="rician", sigma="residuals")


def test_subtracted_noise_floor_halves_the_bias_of_a_decay_into_the_noise():
    """SNR 20 in the first of twenty echoes out to four T2: magnitudes read T2 about 6 % long."""
    rng, te = np.random.default_rng(8), np.linspace(0.01, 0.2, 20)
    noise = rng.normal(0, 0.041, (2, 20, 4000))
    data = np.abs(np.exp(-te / 0.05)[:, None] + noise[0] + 1j * noise[1])
    images = Images(
        data=data[:, None, None, :].astype(complex), grid=Grid(shape=(1, 1, 4000), spacing=(1e-3,) * 3),
        contrast={"te": te}, sigma=np.full((20, 1, 1, 1), 0.041),
    )  # fmt: skip
    kept, subtracted = (
        fit(images, "t2-mono", threads=1, noise_floor=way).values["t2"].mean() / 0.05 - 1
        for way in ("keep", "subtract")
    )
    assert kept > 0.045
    assert abs(subtracted) < 0.6 * kept
