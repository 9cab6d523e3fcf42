"""The registered models against textbook numbers, and the contract that every registered model keeps."""

import numpy as np
import pytest

from mrsim.fit.latex import equation, markdown
from mrsim.fit.method import Scan, Series
from mrsim.fit.model import Model
from mrsim.fit.models import MODELS, find_model
from mrsim.fit.signal import jacobian, resolve_options, signal
from mrsim.fit.solve import solve
from mrsim.sequence.directions import repelled
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner

T1, T2 = 1.0, 0.1
SYMBOLIC = [model for model in MODELS if isinstance(model, Model)]
WITH_SIGNAL = [model for model in MODELS if isinstance(model, Model) or model.signal is not None]
TRAIN = load_protocol("disc-t2-mese").build(Scanner.preset("3T")).encoding
PULSE = {"off_resonant_pulse": 340.0 * np.hanning(400), "off_resonant_dwell": 20e-6}
EXCITATION = TRAIN.sheet["pulses"]["excitation"]
PULSES = {**TRAIN.sheet["pulses"], "saturation": {**EXCITATION, "signal": EXCITATION["signal"] * 4 / 3}}
SHEET = {**TRAIN.sheet, "frequency": 127.7e6, **PULSE, "pulses": PULSES}
SHEETS = {
    "mp2rage": {"echo_spacing": 0.006, "train_length": 100, "train_centre": 50},
    "look-locker": {"echo_spacing": 0.1, "train_length": 24},
    "spgr-epg": {"phase_increment": np.radians(117.0)},
}
"""Protocol sheets of the methods that read one; the multi-echo train's for all others."""
REPETITION = np.arange(160)
CONTRASTS = {
    "mp2rage": {"ti": np.array([0.7, 2.5]), "flip": np.radians([4.0, 5.0]), "tr": np.full(2, 5.0)},
    "look-locker": {"ti": 0.04 + 0.1 * np.arange(24), "flip": np.full(24, np.radians(6)), "tr": np.full(24, 6.0)},
    "spgr-epg": {"flip": np.radians([3.0, 8.0, 15.0, 25.0]), "tr": np.full(4, 0.02)},
    "mrf-fisp": {
        "flip": np.radians(5 + 55 * np.sin(np.pi * (REPETITION % 80) / 80)), "te": np.full(160, 0.002),
        "tr": 0.012 + 0.002 * np.sin(REPETITION / 7),
    },
    "mtsat": {"flip": np.radians([5.0, 15.0, 5.0]), "tr": np.array([0.025, 0.011, 0.025]), "mt": np.array([0.0, 0, 1])},
    "mtr": {"mt": np.array([0.0, 1.0])},
}  # fmt: skip
CONTRASTS["mrf-fisp-b1"] = CONTRASTS["mrf-fisp"]
SPREAD = repelled(15).T
DIRECTED = {
    "b": np.repeat([0.0, 1e9, 2e9], [1, 15, 15]),
    **{f"direction_{a}": np.concatenate([[0.0], row, row]) for a, row in zip("xyz", SPREAD, strict=True)},
}
TENSOR = {"d_xx": 1.6e-9, "d_yy": 1.2e-9, "d_zz": 0.9e-9, "d_xy": 0.1e-9, "d_xz": -0.2e-9, "d_yz": 0.05e-9}
ISOTROPIC = {"xxxx": 1.0, "yyyy": 1.0, "zzzz": 1.0, "xxyy": 1 / 3, "xxzz": 1 / 3, "yyzz": 1 / 3}
"""Of a kurtosis that is alike in all directions."""
PERFUSED = {"m0": 0.9, "f": 0.1, "d": 1.2e-9, "d_star": 1.5e-8}


def _sheet(model):
    return SHEETS.get(model.name, SHEET)


def _example(model):
    """Return typical parameters and a contrast table that determines them."""
    if "t2-epg" in model.name:
        return {p.name: {"m0": 0.9, "t2": 0.08, "b1": 0.9}[p.name] for p in model.parameters}, {
            name: TRAIN.contrast[name] for name in ("te", "tr")
        }
    values = {"m0": 0.9, "pd": 0.8, "t1": 0.9, "t2": 0.08, "t2_star": 0.03, "offset": 0.05, "b1": 0.8}
    values |= {"phase": 0.6, "off_resonance": 20.0, "pdff": 0.3, "r2_star": 40.0}
    values |= {"t1_rho": 0.07, "mtr": 0.3, "mt_saturation": 0.02}
    if model.name.startswith(("dti", "dki")):
        names = [p.name for p in model.parameters if p.name.startswith("v_")]
        fourth = {name: 0.6e-18 * ISOTROPIC.get("".join(sorted(name[2:])), 0.05) for name in names}
        return {"m0": 0.9} | TENSOR | fourth, DIRECTED
    if "b" in {column.name for column in model.contrast}:
        b = {"b": np.array([0.0, 20, 50, 80, 150, 250, 400, 600, 800, 1000]) * 1e6}
        decay = PERFUSED | {"adc": 1.1e-9, "k": 0.7, "ddc": 1.2e-9, "stretch": 0.8}
        return {p.name: decay[p.name] for p in model.parameters}, b
    if model.name in CONTRASTS:
        return {p.name: values[p.name] for p in model.parameters}, CONTRASTS[model.name]
    te = np.linspace(0.008, 0.128, 12)
    columns = {"te": te, "tr": np.full(12, 2.5)}
    names = {column.name for column in model.contrast}
    if "ti" in names:
        columns = {"ti": np.geomspace(0.05, 2.2, 12), "tr": np.full(12, 2.5), "te": np.full(12, 0.01)}
    elif "td" in names:
        echoes = np.array([0.022, 0.055, 0.099]) if model.name != "mdme-epg" else TRAIN.contrast["te"][[0, 2, 5]]
        columns = {"td": np.repeat([0.17, 0.67, 1.84, 3.6], 3), "te": np.tile(echoes, 4)}
        columns |= {"tr": np.full(12, 4.0), "flip": np.full(12, np.pi / 2)}
    elif "recovery" in names:
        columns = {"recovery": np.geomspace(0.1, 4.0, 12)}
    elif "tsl" in names:
        columns = {"tsl": np.linspace(0.0, 0.1, 12)}
    elif "flip" in names:
        columns = {"flip": np.radians(np.linspace(3, 40, 12)), "tr": np.full(12, 0.015)}
    elif "tr" in names:
        columns = {"te": np.tile(te[::4], 4), "tr": np.repeat([0.4, 0.8, 1.6, 3.2], 3)}
    if model.name.startswith("dixon"):
        columns = {"te": 2.2e-3 + 1.6e-3 * np.arange(6), "tr": np.full(6, 0.03), "flip": np.full(6, 0.05)}
    columns |= {
        "b1-dam": {"flip": np.radians([50.0, 100.0]), "tr": np.full(2, 6.0)},
        "b1-afi": {"tr": np.array([0.03, 0.15]), "flip": np.full(2, np.radians(60))},
        "b1-bloch-siegert": {"offset": np.array([4000.0, -4000.0])},
    }.get(model.name, {})
    return {p.name: values[p.name] for p in model.parameters}, {n: columns[n] for n in names}


def _solved(model, contrast, series):
    if isinstance(model, Model):
        return solve(model, contrast, series)
    n, voxels = series.shape
    blank = {"weight": np.ones(n), "floor": np.zeros(voxels), "spread": np.full(voxels, np.nan)}
    scan = Scan(contrast=contrast, options=resolve_options(model, {}), sheet=_sheet(model))
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
    parameters, contrast = _example(model)
    exact = jacobian(model, parameters, contrast, sheet=_sheet(model))
    for k, (name, value) in enumerate(parameters.items()):
        step = 1e-6 * value
        up = signal(model, parameters | {name: value + step}, contrast, sheet=_sheet(model))
        down = signal(model, parameters | {name: value - step}, contrast, sheet=_sheet(model))
        difference = (up - down) / (2 * step)
        assert exact[k] == pytest.approx(difference, rel=1e-7, abs=1e-8 * np.abs(difference).max())


@pytest.mark.parametrize("model", SYMBOLIC, ids=lambda m: m.name)
def test_model_compiled_signal_equals_its_expression(model):
    # the expression evaluated by sympy in 30 digits; the kernel's exponential is good to 1e-15
    parameters, contrast = _example(model)
    symbols, expression = model.symbols(), model.expression()
    options = {symbols[o.name]: o.default for o in model.options}
    for i, value in enumerate(signal(model, parameters, contrast)):
        point = {symbols[n]: v for n, v in parameters.items()} | {symbols[n]: c[i] for n, c in contrast.items()}
        assert value == pytest.approx(float(expression.evalf(30, subs=point | options)), rel=2e-14, abs=1e-15)


@pytest.mark.parametrize("model", WITH_SIGNAL, ids=lambda m: m.name)
def test_model_without_noise_returns_its_parameters(model):
    # 200 random truths within a factor 3 of the example; the solver's last step is below 1e-8
    parameters, contrast = _example(model)
    rng = np.random.default_rng(3)
    width = {"b1": 0.3 if "epg" in model.name else 0.15}
    truth = {
        name: value * np.exp(rng.uniform(-1, 1, 200) * width.get(name, 0.55)) for name, value in parameters.items()
    }
    found = _solved(model, contrast, signal(model, truth, contrast, sheet=_sheet(model)))
    assert (found.status == 0).all()
    for row, values in zip(found.values[: len(truth)], truth.values(), strict=True):
        assert row == pytest.approx(values, rel=1e-6)


@pytest.mark.parametrize("model", SYMBOLIC, ids=lambda m: m.name)
def test_model_is_linear_and_homogeneous_where_it_says_so(model):
    # the initial guess solves the linear parameters exactly, which is right only if S = sum p_k dS/dp_k
    parameters, contrast = _example(model)
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
