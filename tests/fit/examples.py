"""An example of every registered model: a truth, a contrast table that determines it, and a protocol sheet."""

import numpy as np

from mrsim.fit.model import Model
from mrsim.fit.models import MODELS
from mrsim.sequence.directions import repelled
from mrsim.sequence.protocol import load_protocol
from mrsim.sequence.scanner import Scanner

SYMBOLIC = [model for model in MODELS if isinstance(model, Model)]
WITH_SIGNAL = [model for model in MODELS if isinstance(model, Model) or model.signal is not None]
RELAXOMETRY = [model for model in MODELS if "b" not in {column.name for column in model.contrast}]
"""All but the models of diffusion, whose estimators have tests of their own."""
TRAIN = load_protocol("disc-t2-mese").build(Scanner.preset("3T")).encoding
PULSE = {"off_resonant_pulse": 340.0 * np.hanning(400), "off_resonant_dwell": 20e-6}
EXCITATION = TRAIN.sheet["pulses"]["excitation"]
PULSES = {**TRAIN.sheet["pulses"], "saturation": {**EXCITATION, "signal": EXCITATION["signal"] * 4 / 3}}
SHEET = {**TRAIN.sheet, "frequency": 127.7e6, **PULSE, "pulses": PULSES}
SHEETS = {
    "mp2rage": {"echo_spacing": 0.006, "train_length": 100, "train_centre": 50},
    "look-locker": {"echo_spacing": 0.1, "train_length": 24},
    "spgr-epg": {"phase_increment": np.radians(117.0)},
    "mrf-fisp": {"inversion_time": 0.02},  # hard pulses; a slice has a test of its own
    "mrf-fisp-b1": {"inversion_time": 0.02},
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


def sheet_of(model):
    return SHEETS.get(model.name, SHEET)


def example(model):
    """Return typical parameters and a contrast table that determines them."""
    if "t2-epg" in model.name:
        return {p.name: {"m0": 0.9, "t2": 0.08, "b1": 0.9}[p.name] for p in model.parameters}, {
            name: TRAIN.contrast[name] for name in ("te", "tr")
        }
    values = {"m0": 0.9, "pd": 0.8, "t1": 0.9, "t2": 0.08, "t2_star": 0.03, "offset": 0.05, "b1": 0.8}
    values |= {"phase": 0.6, "off_resonance": 20.0, "pdff": 0.3, "r2_star": 40.0}
    values |= {"efficiency": 0.85, "t1_rho": 0.07, "mtr": 0.3, "mt_saturation": 0.02}
    if model.name.startswith(("dti", "dki")):
        names = [p.name for p in model.parameters if p.name.startswith("v_")]
        fourth = {name: 0.6e-18 * ISOTROPIC.get("".join(sorted(name[2:])), 0.4) for name in names}
        return {"m0": 0.9} | TENSOR | fourth, DIRECTED
    if "b" in {column.name for column in model.contrast}:
        b = {"b": np.array([0.0, 20, 50, 80, 150, 250, 400, 600, 800, 1000]) * 1e6}
        decay = PERFUSED | {"adc": 1.1e-9, "k": 0.7, "v": 0.9e-18, "ddc": 1.2e-9, "stretch": 0.8}
        return {p.name: decay[p.name] for p in model.parameters}, b
    if model.name in CONTRASTS:
        return {p.name: values[p.name] for p in model.parameters}, CONTRASTS[model.name]
    te = np.linspace(0.008, 0.128, 12) * (0.5 if "t2_star" in {p.name for p in model.parameters} else 1.0)
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
