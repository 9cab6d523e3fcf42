"""Fisher information against a brute-force Hessian, and the bound against the scatter of real fits."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.fit.crlb import crlb, fisher
from mrsim.fit.models import find_model
from mrsim.fit.solve import solve

TE = np.arange(1, 9) * 0.0126


def _decay(p):
    return p[0] * np.exp(-TE / p[1])


def test_fisher_information_is_the_hessian_of_the_log_likelihood():
    # central second differences of -log L = sum (S(p) - S(p0))^2 / 2 sigma^2; their step error is about 1e-5
    point, sigma = np.array([0.9, 0.084]), 0.01
    steps = 1e-3 * point

    def cost(offset):
        return np.sum((_decay(point + offset) - _decay(point)) ** 2) / (2 * sigma**2)

    unit = np.diag(steps)
    hessian = np.empty((2, 2))
    for a in range(2):
        for b in range(2):
            signs = [(s, t) for s in (1, -1) for t in (1, -1)]
            total = sum(s * t * cost(s * unit[a] + t * unit[b]) for s, t in signs)
            hessian[a, b] = total / (4 * steps[a] * steps[b])
    assert fisher("t2-mono", {"m0": 0.9, "t2": 0.084}, {"te": TE}, sigma) == pytest.approx(hessian, rel=1e-4)


def test_crlb_of_two_echoes_is_propagation_of_errors():
    # T2 = (TE2 - TE1) / ln(S1/S2): the fit is exact, so first-order propagation is the bound
    te, sigma, t2 = np.array([0.02, 0.09]), 0.01, 0.084
    s = 0.9 * np.exp(-te / t2)
    expected = t2**2 / (te[1] - te[0]) * sigma * np.hypot(1 / s[0], 1 / s[1])
    assert crlb("t2-mono", {"m0": 0.9, "t2": t2}, {"te": te}, sigma)["t2"] == pytest.approx(expected, rel=1e-10)


def test_crlb_is_reached_by_the_fit():
    # 4000 fits at SNR 100: the scatter's own uncertainty is 1/sqrt(8000) = 1.1 %; the issue asks 0.95 to 1.1
    sigma, truth = 0.01, {"m0": 1.0, "t2": 0.084}
    noise = np.random.default_rng(17).normal(0, sigma, (TE.size, 4000))
    found = solve(find_model("t2-mono"), {"te": TE}, _decay([1.0, 0.084])[:, None] + noise)
    bound = crlb("t2-mono", truth, {"te": TE}, sigma)
    for row, name in zip(found.values, truth, strict=True):
        assert 0.95 < np.std(row) / bound[name] < 1.1


def test_crlb_scales_with_noise_and_with_the_root_of_repeats():
    point, contrast = {"m0": 1.0, "t1": 0.9}, {"flip": np.radians([3, 12, 20]), "tr": 0.015}
    one = crlb("spgr", point, contrast, 0.001)
    assert crlb("spgr", point, contrast, 0.003)["t1"] == pytest.approx(3 * one["t1"], rel=1e-12)
    four = {"flip": np.tile(contrast["flip"], 4), "tr": 0.015}
    assert crlb("spgr", point, four, 0.001)["t1"] == pytest.approx(one["t1"] / 2, rel=1e-12)


def test_crlb_counts_the_noise_of_each_image():
    # an image with infinite noise is no image
    point, noise = {"m0": 1.0, "t2": 0.08}, np.full(8, 0.01)
    noise[3] = 1e9
    without = crlb("t2-mono", point, {"te": np.delete(TE, 3)}, 0.01)
    assert crlb("t2-mono", point, {"te": TE}, noise)["t2"] == pytest.approx(without["t2"], rel=1e-12)


def test_crlb_is_infinite_where_parameters_cannot_be_separated():
    assert crlb("t2-offset", {"m0": 1.0, "t2": 0.08, "offset": 0.0}, {"te": [0.01, 0.02]}, 0.01)["t2"] == np.inf
    assert crlb("t2-mono", {"m0": 0.0, "t2": 0.08}, {"te": TE}, 0.01)["t2"] == np.inf


def test_crlb_refuses_noise_that_is_not_positive():
    with pytest.raises(InputError, match="greater than zero"):
        crlb("t2-mono", {"m0": 1.0, "t2": 0.08}, {"te": TE}, 0.0)


def test_fits_that_no_memory_holds_are_refused(monkeypatch):
    from mrsim.core import machine_memory
    from mrsim.core.errors import InfeasibleError
    from mrsim.fit.scatter import scatter

    monkeypatch.setattr(machine_memory, "free_bytes", lambda: 1_000_000)
    truth, contrast = {"m0": 1.0, "t2": 0.08}, {"te": np.array([0.01, 0.05])}
    assert scatter("t2-mono", truth, contrast, 0.01, replicates=3000)["t2"].replicates == 3000
    with pytest.raises(InfeasibleError, match="4,000 fits of 2 images would need about"):
        scatter("t2-mono", truth, contrast, 0.01, replicates=4000)
