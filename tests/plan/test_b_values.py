"""Best b-values against closed forms, the equivalence theorem, brute force, and the gradient's echo time."""

from __future__ import annotations

import numpy as np
import pytest

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.fit.crlb import crlb
from mrsim.plan.b_values import best_b_values, best_shares, information, relative_spread

ADC = {"m0": 1.0, "adc": 1.5e-9}
IVIM = {"m0": 1.0, "f": 0.15, "d": 1.3e-9, "d_star": 15e-9}
KURTOSIS = {"m0": 1.0, "d": 1.4e-9, "k": 0.6}


def test_coefficient_takes_two_b_values_in_the_known_ratio():
    """x = b D with x e^x = 1 + e^x, and e^x images there for one without weighting (Bito 1995, Jones 1999)."""
    found = best_b_values("adc", [ADC], ["adc"], largest=2.4e9, images=100, sigma=0.02)
    assert found.b[0] == pytest.approx(0.0, abs=1e6)
    assert len(found.b) == 2
    assert found.b[1] * 1.5e-9 == pytest.approx(1.27846, rel=0.01)
    assert found.images[1] / found.images[0] == pytest.approx(np.exp(1.27846), rel=0.06)  # of whole images
    closed = np.sqrt(1 / found.images[0] + np.exp(2 * found.b[1] * 1.5e-9) / found.images[1]) * 0.02 / found.b[1]
    assert found.spread["adc"] == pytest.approx(closed / 1.5e-9, rel=1e-6)


@pytest.mark.parametrize(
    ("model", "truth", "wanted", "largest"),
    [("ivim", IVIM, ["f", "d"], 1e9), ("ivim", IVIM, ["f"], 8e8), ("kurtosis", KURTOSIS, ["d", "k"], 2e9)],
)
def test_no_other_shares_do_better(model, truth, wanted, largest):
    """The equivalence theorem, and what a search by brute force finds nowhere."""
    b = np.linspace(0, largest, 41)
    known = information(model, truth, b, 0.02, "gaussian")
    weight = np.diag([1 / value**2 if name in wanted else 0.0 for name, value in truth.items()])
    shares, excess = best_shares([known], [weight])
    assert excess < 2e-4

    def value(w):
        return np.sum(weight * np.linalg.inv(np.einsum("n,npq->pq", w, known)))

    least, rng = value(shares), np.random.default_rng(2)
    for _ in range(300):
        other = 0.8 * shares + 0.2 * rng.dirichlet(np.full(len(b), 0.05))
        assert value(other) >= least * (1 - 2e-4)
    # never more b-values than a symmetric matrix of p parameters has elements (Caratheodory)
    found = best_b_values(model, [truth], wanted, largest=largest, images=40, sigma=0.02)
    assert sum(found.images) == 40
    assert len(truth) - (model == "ivim" and wanted == ["f"]) <= len(found.b) <= len(truth) * (len(truth) + 1) / 2


def test_spread_is_the_bound_of_the_same_images():
    b = np.repeat([0.0, 5e8, 2e9], [3, 4, 5])
    for likelihood in ("gaussian", "rician"):
        bound = crlb("kurtosis", KURTOSIS, {"b": b}, 0.05, likelihood=likelihood)
        found = relative_spread("kurtosis", KURTOSIS, b, 0.05, likelihood)
        for name, value in KURTOSIS.items():
            assert found[name] == pytest.approx(bound[name] / value, rel=1e-9)


def test_near_the_noise_the_largest_b_is_smaller():
    gaussian, rician = (
        best_b_values("adc", [ADC], ["adc"], largest=2.4e9, images=30, sigma=0.2, likelihood=kind).b[-1]
        for kind in ("gaussian", "rician")
    )
    assert rician < gaussian


def test_several_truths_share_a_design_that_is_best_for_neither_alone():
    others = [ADC, {"m0": 1.0, "adc": 0.7e-9}]
    both = best_b_values("adc", others, ["adc"], largest=2.4e9, images=60, sigma=0.02)
    for truth in others:
        alone = best_b_values("adc", [truth], ["adc"], largest=2.4e9, images=60, sigma=0.02)
        shared = relative_spread("adc", truth, np.repeat(both.b, both.images), 0.02)["adc"]
        assert alone.spread["adc"] < shared < 1.5 * alone.spread["adc"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"model": "dti-wls"}, "more than b"), ({"wanted": ["adc"]}, "is wanted"), ({"images": 2}, "images"),
     ({"largest": 1000.0}, "s/mm"), ({"truths": [IVIM | {"f": 0.0}]}, "zero")],
)  # fmt: skip
def test_designs_that_cannot_be_are_refused(change, problem):
    asked = {"model": "ivim", "truths": [IVIM], "wanted": ["f"], "largest": 8e8, "images": 20} | change
    with pytest.raises(InputError, match=problem):
        best_b_values(asked.pop("model"), asked.pop("truths"), asked.pop("wanted"), sigma=0.02, **asked)


def test_a_protocol_trades_weighting_against_its_echo_time():
    request = mr.RunRequest(protocol="sag-dwi", overrides={"slices": "1", "matrix": "32 32"}, phantom="diffusion-tubes")
    found = mr.design_diffusion(request, "d_2", "adc", snr=40.0, largest=2e9, time=120.0)
    te = [row.te for row in found.rows]
    assert te == sorted(te)
    assert te[-1] > te[0] + 5e-3
    for row in found.rows:  # noise stays, signal decays with T2 500 ms
        assert row.snr == pytest.approx(40 * np.exp((found.own.te - row.te) / 0.5), rel=1e-12)
    protocol = mr.load_protocol("sag-dwi", {"slices": "1", "matrix": "32 32", "b": "0 2000 s/mm^2"})
    assert protocol.build(mr.Scanner.preset("3T")).encoding.contrast["te"][0] == pytest.approx(te[-1], abs=1e-9)
    assert found.images == sum(found.best.images)
    assert found.best.spread["adc"] < found.own.spread["adc"]
    # a shorter T2 wants a smaller b: nothing else differs but the decay
    assert found.best.b[-1] * 1.4e-9 < 1.2785 + 0.02


def test_kurtosis_is_designed_below_the_turn_of_its_expansion():
    request = mr.RunRequest(protocol="sag-dwi", overrides={"slices": "1", "matrix": "32 32"}, phantom="diffusion-tubes")
    found = mr.design_diffusion(request, "d_2", "kurtosis", snr=40.0, largest=9e9, truth={"k": 1.0})
    assert max(row.largest for row in found.rows) <= 3 / 1.4e-9
    with pytest.raises(InputError, match="no tissue"):
        mr.design_diffusion(request, "bone", "adc", snr=40.0)
    with pytest.raises(InputError, match="diffusion-epi"):
        mr.design_diffusion(mr.RunRequest(protocol="disc-t2-mese", phantom="diffusion-tubes"), "d_2", "adc", snr=40.0)
