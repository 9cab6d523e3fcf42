"""The registered models against textbook numbers, and the contract that every registered model keeps."""

import numpy as np
import pytest

from mrsim.core.units import dimension_of
from mrsim.fit.latex import equation, markdown
from mrsim.fit.method import Scan, Series
from mrsim.fit.model import Model
from mrsim.fit.models import MODELS, find_model
from mrsim.fit.scatter import scatter
from mrsim.fit.signal import jacobian, resolve_options, signal
from mrsim.fit.solve import solve

from .examples import RELAXOMETRY, SYMBOLIC, WITH_SIGNAL, example, sheet_of

T1, T2 = 1.0, 0.1
UNBOUNDED = ("mdme-magnitude", "t2star-loglin")
"""Lost signs, which noise exchanges, and a line through logarithms: no likelihood with one maximum."""
SNR = {"t2-epg": 1000, "inversion-recovery-magnitude": 300}
"""Where not 100. B1 of a train has a mirror beyond 1, which noise prefers clearly in one voxel in a thousand at 100 and
300; magnitudes near a null are biased by Rice's law at 100 (0.14 SD; the Rician likelihood is not, `bench_scatter.py`).
"""
AWAY_FROM_A_MIRROR = {"t2-epg": {"b1": 0.75}}
"""Towards B1 = 1 the signal of a train has no slope."""


def _solved(model, contrast, series):
    if isinstance(model, Model):
        return solve(model, contrast, series)
    n, voxels = series.shape
    blank = {"weight": np.ones(n), "floor": np.zeros(voxels), "spread": np.full(voxels, np.nan)}
    scan = Scan(contrast=contrast, options=resolve_options(model, {}), sheet=sheet_of(model))
    return model.solve(scan, Series(data=series, **blank))


@pytest.mark.parametrize(
    ("tr", "te", "exact", "simple"),
    [(0.5, 0.01, 0.350524, 0.356026), (2.0, 0.08, 0.383555, 0.388519), (4.0, 0.1, 0.360450, 0.361141)],
)
def test_spin_echo_saturation_forms_give_the_reference_values(tr, te, exact, simple):
    # physics.md B-2, printed to six digits (the last one cut, not rounded)
    parameters, contrast = {"pd": 1.0, "t1": T1, "t2": T2}, {"te": [te], "tr": [tr]}
    assert signal("spin-echo", parameters, contrast)[0] == pytest.approx(exact, abs=1e-6)
    assert signal("spin-echo-simple", parameters, contrast)[0] == pytest.approx(simple, abs=1e-6)


@pytest.mark.parametrize(
    ("tr", "flip", "value", "ernst"),
    [(0.01, 10, 0.0691373, 8.0893), (0.02, 20, 0.0858201, 11.4210), (0.5, 60, 0.489073, 52.661)],
)
def test_spgr_gives_the_reference_values_and_peaks_at_the_ernst_angle(tr, flip, value, ernst):
    # physics.md B-2: six or seven digits, angles to 1e-3 degrees
    parameters = {"m0": 1.0, "t1": T1}
    assert signal("spgr", parameters, {"flip": [np.radians(flip)], "tr": [tr]})[0] == pytest.approx(value, rel=2e-6)
    angles = np.arange(ernst - 1, ernst + 1, 1e-4)
    peak = angles[np.argmax(signal("spgr", parameters, {"flip": np.radians(angles), "tr": tr}))]
    assert peak == pytest.approx(ernst, abs=1e-3)


def test_spgr_b1_scales_the_flip_angle():
    parameters = {"m0": 1.0, "t1": T1}
    low = signal("spgr", parameters, {"flip": np.radians([10.0]), "tr": [0.01]}, b1=0.8)
    assert low == pytest.approx(signal("spgr", parameters, {"flip": np.radians([8.0]), "tr": [0.01]}), rel=1e-13)


def test_inversion_recovery_is_null_at_t1_ln2_and_at_the_finite_tr_null():
    # physics.md B-2: 693.15 ms for TR -> infinity; 2480.5 ms for T1 4300, TR 9000 ms, both at TE = 0
    parameters = {"m0": 1.0, "t1": T1}
    assert abs(signal("inversion-recovery", parameters, {"ti": [0.69314718], "tr": [60.0], "te": [0.0]})[0]) < 1e-8
    csf = {"m0": 1.0, "t1": 4.3}
    around = signal("inversion-recovery", csf, {"ti": [2.4804, 2.4806], "tr": 9.0, "te": 0.0})
    assert around[0] < 0 < around[1]


def test_inversion_recovery_without_inversion_is_a_spin_echo():
    # a 0-degree inversion leaves the saturation term of the 90-180 spin echo, whatever TI
    contrast = {"ti": [0.1, 0.9], "tr": 2.0, "te": 0.02}
    plain = signal("inversion-recovery", {"m0": 1.0, "t1": T1}, contrast, inversion=0.0)
    echo = signal("spin-echo", {"pd": 1.0, "t1": T1, "t2": 1e9}, {"te": [0.02], "tr": [2.0]})[0]
    assert plain == pytest.approx(np.full(2, echo), rel=1e-10)


@pytest.mark.parametrize("inversion", [np.pi, 2.6])
def test_inversion_recovery_equals_the_steady_state_of_its_pulses(inversion):
    # independent route: iterate the longitudinal magnetization over inversion, 90 and 180 degree pulses
    ti, tr, te = 0.4, 1.8, 0.03
    z = 1.0
    for _ in range(5):
        z = 1 + (np.cos(inversion) * z - 1) * np.exp(-ti / T1)
        before_90, z = z, -(1 - np.exp(-te / 2 / T1))
        z = 1 + (z - 1) * np.exp(-(tr - ti - te / 2) / T1)
    value = signal("inversion-recovery", {"m0": 1.0, "t1": T1}, {"ti": ti, "tr": tr, "te": te}, inversion=inversion)
    assert value[0] == pytest.approx(before_90, rel=1e-12)


@pytest.mark.parametrize("model", WITH_SIGNAL, ids=lambda m: m.name)
def test_model_jacobian_matches_finite_differences(model):
    # central differences with a step of 1e-6 of the value: truncation 1e-12, round-off 1e-10 relative
    parameters, contrast = example(model)
    exact = jacobian(model, parameters, contrast, sheet=sheet_of(model))
    for k, (name, value) in enumerate(parameters.items()):
        grid = model.parameters[k].grid
        step = 1e-6 * max(abs(value), 0.0 if grid is None else grid[0])
        up = signal(model, parameters | {name: value + step}, contrast, sheet=sheet_of(model))
        down = signal(model, parameters | {name: value - step}, contrast, sheet=sheet_of(model))
        difference = (up - down) / (2 * step)
        assert exact[k] == pytest.approx(difference, rel=1e-7, abs=1e-8 * np.abs(difference).max())


@pytest.mark.parametrize("model", SYMBOLIC, ids=lambda m: m.name)
def test_model_compiled_signal_equals_its_expression(model):
    # the expression evaluated by sympy in 30 digits; the kernel's exponential is good to 1e-15
    parameters, contrast = example(model)
    symbols, expression = model.symbols(), model.expression()
    options = {symbols[o.name]: o.default for o in model.options}
    for i, value in enumerate(signal(model, parameters, contrast)):
        point = {symbols[n]: v for n, v in parameters.items()} | {symbols[n]: c[i] for n, c in contrast.items()}
        assert value == pytest.approx(float(expression.evalf(30, subs=point | options)), rel=2e-14, abs=1e-15)


@pytest.mark.parametrize("model", WITH_SIGNAL, ids=lambda m: m.name)
def test_model_returns_its_parameters_and_scatters_as_its_bound_says(model):
    # 200 random truths within a factor 3 of the example without noise: the solver's last step is below 1e-8. Then 5,000
    # noisy signals of the example itself, in one test because both need the same table of signals
    parameters, contrast = example(model)
    rng = np.random.default_rng(3)
    width = {"b1": 0.3 if "epg" in model.name else 0.15}
    truth = {
        name: value * np.exp(rng.uniform(-1, 1, 200) * width.get(name, 0.55)) for name, value in parameters.items()
    }
    found = _solved(model, contrast, signal(model, truth, contrast, sheet=sheet_of(model)))
    assert (found.status == 0).all()
    for row, values in zip(found.values[: len(truth)], truth.values(), strict=True):
        assert row == pytest.approx(values, rel=1e-6)
    if model in RELAXOMETRY and model.name not in UNBOUNDED:
        _reaches_its_bound(model, parameters | AWAY_FROM_A_MIRROR.get(model.name, {}), contrast)


def _reaches_its_bound(model, parameters, contrast):
    """5,000 fits: the scatter is known to 1 %, the mean to 0.014 standard deviations, so that nothing is let by."""
    sheet = sheet_of(model)
    sigma = np.abs(signal(model, parameters, contrast, sheet=sheet)).max() / SNR.get(model.name, 100)
    judged = {
        name: seen
        for name, seen in scatter(
            model, parameters, contrast, sigma, replicates=5000, sheet=sheet, rng=5, threads=1
        ).items()
        if seen.judged
    }
    assert judged
    for name, seen in judged.items():
        assert seen.share > 0.999, name
        assert 0.95 < seen.efficiency < 1.1, name
        assert abs(seen.bias) < 0.1, name
        assert seen.error == pytest.approx(seen.bound, rel=0.05), name


@pytest.mark.parametrize("model", SYMBOLIC, ids=lambda m: m.name)
def test_model_is_linear_and_homogeneous_where_it_says_so(model):
    # the initial guess solves the linear parameters exactly, which is right only if S = sum p_k dS/dp_k
    parameters, contrast = example(model)
    rows = [k for k, p in enumerate(model.parameters) if p.grid is None]
    assert rows
    derivative = jacobian(model, parameters, contrast)
    total = sum(parameters[model.parameters[k].name] * derivative[k] for k in rows)
    assert total == pytest.approx(signal(model, parameters, contrast), rel=1e-13)
    tripled = jacobian(model, parameters | {model.parameters[k].name: 3.0 for k in rows}, contrast)
    assert tripled[rows] == pytest.approx(derivative[rows], rel=1e-13)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_model_is_described(model):
    assert model.title
    assert model.reference
    assert {p.unit for p in model.parameters} <= {"s", "", "Hz", "1/s", "rad", "m^2/s", "m^4/s^2"}
    entries = (*model.parameters, *model.derived, *model.contrast, *model.options)
    assert all(dimension_of(entry.unit) for entry in entries)
    assert all(p.lower < p.upper for p in model.parameters)
    assert set(model.constant) <= {column.name for column in model.contrast}
    text = equation(model)
    for entry in (*model.parameters, *model.contrast, *model.options):
        assert entry.symbol in text or not isinstance(model, Model)
        assert f"`{entry.name}`" in markdown(model)


def test_model_names_are_unique_and_found():
    assert len({m.name for m in MODELS}) == len(MODELS)
    assert find_model("spgr").name == "spgr"
    with pytest.raises(Exception, match="did you mean 't2-mono'"):
        find_model("t2_mono")


def test_latex_of_the_decay_is_the_textbook_equation():
    assert equation("t2-mono") == r"S = M_0 e^{- \frac{T_E}{T_2}}"
