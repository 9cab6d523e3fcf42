"""The optimiser against closed forms, and its derivatives against differences."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from mrsim.core.errors import InputError
from mrsim.fit.design import signal_design
from mrsim.fit.models import find_model
from mrsim.plan.b_values import best_b_values
from mrsim.plan.optimise_cost import Target, cost
from mrsim.plan.optimise_search import best_contrast

T2, T1 = 0.084, 0.9
DECAY = Target(name="disc", model="t2-mono", values={"m0": 1.0, "t2": T2}, wanted=("t2",))


def test_optimiser_spaces_two_echoes_by_the_root_of_the_closed_form():
    spacing = brentq(lambda x: x * math.exp(2 * x) - 1 - math.exp(2 * x), 1, 2)
    assert spacing == pytest.approx(1.1088, abs=1e-4)
    for t2, first in ((0.051, 0.015), (0.084, 0.008), (0.21, 0.02)):
        target = Target(name="disc", model="t2-mono", values={"m0": 0.7, "t2": t2}, wanted=("t2",))
        te = best_contrast([target], {"te": (first, 0.8)}, 2).contrast["te"]
        assert te[0] == pytest.approx(first)
        assert (te[1] - te[0]) / t2 == pytest.approx(spacing, rel=1e-3)


def test_optimiser_gives_two_echoes_their_averages():
    spacing = brentq(lambda x: x * math.exp(x) - 1 - math.exp(x), 1, 2)
    assert spacing == pytest.approx(1.2785, abs=1e-4)
    te = np.array(best_contrast([DECAY], {"te": (0.01, 0.5)}, 46).contrast["te"])  # 36 and 10 are as 3.6 to 1
    late = te > 0.05
    assert te[~late] == pytest.approx(0.01)
    assert (te[late] - 0.01) / T2 == pytest.approx(spacing, rel=0.01)
    assert late.sum() / (~late).sum() == pytest.approx(math.exp(spacing), rel=0.01)  # 3.59


@pytest.mark.parametrize(("tr", "t1"), [(0.01, 1.0), (0.02, 1.0), (0.5, 1.0), (0.02, 0.3)])
def test_optimiser_finds_the_ernst_angle(tr, t1):
    target = Target(name="disc", model="spgr", values={"m0": 1.0, "t1": t1}, wanted=("m0",), known=("t1",))
    flip = best_contrast([target], {"flip": (0.01, 2.0)}, 1, fixed={"tr": tr}).contrast["flip"][0]
    assert flip == pytest.approx(math.acos(math.exp(-tr / t1)), rel=1e-4)


@pytest.mark.parametrize(("tr", "t1"), [(0.005, 0.9), (0.02, 0.9), (0.02, 0.3)])
def test_optimiser_finds_pairs_of_flip_angles(tr, t1):
    """Against an independent search, and against 0.71 of the Ernst signal (Deoni et al. 2003, TR << T1)."""
    e1 = math.exp(-tr / t1)

    def variance(pair):
        a = np.asarray(pair)
        signal = np.sin(a) * (1 - e1) / (1 - e1 * np.cos(a))
        by_e1 = np.sin(a) * (np.cos(a) - 1) / (1 - e1 * np.cos(a)) ** 2
        slope = np.stack([signal, by_e1 * e1 * tr / t1**2])
        return np.linalg.inv(slope @ slope.T)[1, 1] / t1**2

    grid = np.radians(np.linspace(0.5, 60, 60))
    start = min(((a, b) for a in grid for b in grid if b > 1.2 * a), key=variance)
    sought = minimize(lambda p: math.log(variance(p)), start, method="Nelder-Mead", options={"xatol": 1e-7}).x
    target = Target(name="disc", model="spgr", values={"m0": 1.0, "t1": t1}, wanted=("t1",))
    flips = best_contrast([target], {"flip": (0.005, 1.5)}, 2, fixed={"tr": tr}).contrast["flip"]
    assert flips == pytest.approx(sorted(sought), rel=2e-3)
    part = 0.7071
    closed = [
        math.acos((part**2 * e1 + s * (1 - e1**2) * math.sqrt(1 - part**2)) / (1 - e1**2 * (1 - part**2)))
        for s in (1, -1)
    ]
    assert flips == pytest.approx(closed, rel=0.01)


def test_optimiser_takes_te_of_t2_star_for_a_change_of_it():
    for t2_star in (0.03, 0.05):
        target = Target(name="grey matter", model="t2star-mono", values={"m0": 1.0, "t2_star": t2_star},
                        wanted=("t2_star",), known=("m0",))  # fmt: skip
        te = best_contrast([target], {"te": (0.005, 0.2)}, 1).contrast["te"][0]
        assert te == pytest.approx(t2_star, rel=1e-4)


def test_optimiser_agrees_with_the_design_of_shares_for_perfusion():
    truth = {"m0": 1.0, "f": 0.1, "d": 1.3e-9, "d_star": 15e-9}
    target = Target(name="disc", model="ivim", values=truth, wanted=("f", "d"))
    found = best_contrast([target], {"b": (0.0, 1e9)}, 20, sigma=0.02)

    def variance(b):
        slope = np.stack([
            truth["f"] * np.exp(-b * 15e-9) + 0.9 * np.exp(-b * 1.3e-9), np.exp(-b * 15e-9) - np.exp(-b * 1.3e-9),
            -b * 0.9 * np.exp(-b * 1.3e-9) * 1.3e-9, -b * 0.1 * np.exp(-b * 15e-9) * 15e-9,
        ])  # fmt: skip
        inverse = np.linalg.inv(slope @ slope.T) * 0.02**2
        return inverse[1, 1] / 0.1**2 + inverse[2, 2]

    assert found.value == pytest.approx(variance(np.array(found.contrast["b"])), rel=1e-6)
    rng, start = np.random.default_rng(5), np.array([0.0, 0.08, 0.3, 0.95])
    best = min(
        minimize(lambda u, c: math.log(variance(1e9 * np.repeat(u, c))), start + rng.uniform(0, 0.02, 4), (c,),
                 method="Nelder-Mead", bounds=[(0, 1)] * 4, options={"maxiter": 600}).fun
        for c in ((4, 9, 4, 3), (5, 8, 4, 3), (4, 8, 5, 3), (3, 9, 5, 3), (5, 7, 5, 3))
    )  # fmt: skip
    assert math.log(found.value) <= best + 1e-3


def test_designs_of_perfusion_in_two_steps_agree_with_the_closed_form():
    """b 0, the threshold and 1.2785/D beyond it; averages by the errors' closed form, found independently."""
    f, d, threshold = 0.1, 1.5e-9, 2e8

    def variances(far, shares):
        s0, s1, s2 = 1.0, (1 - f) * math.exp(-threshold * d), (1 - f) * math.exp(-far * d)
        v0, v1, v2 = (1 / (share * s**2) for share, s in zip(shares, (s0, s1, s2), strict=True))  # of ln S
        gap = far - threshold
        intercept = (far / gap) ** 2 * v1 + (threshold / gap) ** 2 * v2
        return (1 - f) ** 2 * (intercept + v0) / f**2, (v1 + v2) / gap**2 / d**2

    def cost_of(u):
        shares = np.exp([u[1], u[2], 0.0])
        return math.log(sum(variances(1e9 * u[0], shares / shares.sum())))

    best = minimize(cost_of, (1.0, 0.0, 0.0), method="Nelder-Mead",
                    options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000})  # fmt: skip
    shares = np.exp([best.x[1], best.x[2], 0.0]) / np.exp([best.x[1], best.x[2], 0.0]).sum()
    assert 1e9 * best.x[0] == pytest.approx(1052e6, rel=0.01)  # of f alone, and of D alone, exactly
    truth = {"m0": 1.0, "f": f, "d": d}
    found = best_b_values("ivim-segmented", [truth], ["f", "d"], largest=1.5e9, images=200, sigma=0.01)
    assert found.b == pytest.approx((0.0, threshold, 1e9 * best.x[0]), rel=0.01)
    assert np.array(found.images) / 200 == pytest.approx(shares, rel=0.05)
    target = Target(name="disc", model="ivim", values=truth | {"d_star": 1e-6}, wanted=("f", "d"), known=("d_star",))
    b = np.array(best_contrast([target], {"b": (0.0, 1.5e9)}, 60, gap=(0.0, threshold)).contrast["b"])
    assert np.unique(b.round(-5)) == pytest.approx((0.0, threshold, 1e9 * best.x[0]), rel=0.01)
    assert np.unique(b.round(-5), return_counts=True)[1] / 60 == pytest.approx(shares, rel=0.2)


@pytest.mark.parametrize("likelihood", ["gaussian", "rician"])
@pytest.mark.parametrize(("model", "values", "wanted"), [
    ("t2-mono", {"m0": 0.7, "t2": 0.08}, "t2"), ("spgr", {"m0": 0.7, "t1": 0.9}, "t1"),
])  # fmt: skip
def test_cost_has_exact_derivatives(likelihood, model, values, wanted):
    target = Target(name="x", model=model, values=values, wanted=(wanted,), t1=0.9, decay=0.06, likelihood=likelihood)
    contrast = {"te": np.array([0.01, 0.05, 0.12]), "tr": np.array([1.0, 1.2, 1.0]), "flip": np.array([1.0, 1.5, 0.7])}
    sigma = np.array([0.01, 0.02, 0.01])
    found = cost(target, contrast, sigma)
    for name, column in contrast.items():
        for i in range(3):
            step = 1e-5 * column[i] * np.eye(3)[i]
            up, down = (cost(target, contrast | {name: column + s * step}, sigma).value for s in (1, -1))
            assert found.by_column[name][i] == pytest.approx((up - down) / (2 * step[i]), rel=1e-6)
    for i in range(3):
        step = 1e-4 * np.eye(3)[i]
        up, down = (cost(target, contrast, sigma * np.exp(s * step)).value for s in (1, -1))
        assert found.by_noise[i] == pytest.approx((up - down) / 2e-4, rel=1e-6)


def test_design_derivatives_of_a_method_agree_with_its_model():
    contrast = {"flip": np.radians([3.0, 8, 15, 25]), "tr": np.full(4, 0.02)}
    exact = signal_design("spgr", {"m0": 0.7, "t1": 0.9}, contrast)
    method = signal_design(find_model("despot1"), {"m0": 0.7, "t1": 0.9}, contrast)
    for name in ("value", "slope", "by_column", "slope_by_column"):
        np.testing.assert_allclose(getattr(method, name), getattr(exact, name), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("change", "said"), [
    ({"wanted": ("t3",)}, "t2-mono has m0, t2; got t3"), ({"wanted": ()}, "got nothing"),
    ({"known": ("t2",)}, "both wanted and known"), ({"values": {"m0": 1.0, "t2": math.nan}}, "has no t2"),
    ({"wanted": ("m0",), "values": {"m0": 0.0, "t2": 0.1}}, "has no m0"),
])  # fmt: skip
def test_target_that_cannot_be_measured_is_refused(change, said):
    given = {"name": "x", "model": "t2-mono", "values": {"m0": 1.0, "t2": 0.1}, "wanted": ("t2",)} | change
    with pytest.raises(InputError, match=said):
        Target(**given)


def test_optimiser_refuses_what_no_settings_tell():
    with pytest.raises(InputError, match="no settings in these ranges tell the wanted parameters apart"):
        best_contrast([DECAY], {"te": (0.01, 0.1)}, 1)
