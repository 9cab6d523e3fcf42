"""Voxels per second of the batched fit, with scipy fitting the same data in the same run.

``python tests/benchmarks/bench_fit.py [--json] [--voxels N]``: a three-parameter decay (T2 with offset) from 16
echoes at SNR 100 to 200, on one core and on all. The last columns are the largest disagreement with
`scipy.optimize.least_squares` over the voxels that scipy fits, relative to the value (offset: to the amplitude).
A second table gives other fits in voxels per second of processor time of one core, with half of what two cores should
do, and baselines: `scipy.optimize.curve_fit` voxel by voxel, a vectorised weighted straight line through logarithms as
dipy fits tensors, and `scipy.optimize.nnls`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.core.cores import available_cores
from mrsim.fit.models import find_model
from mrsim.fit.signal import signal
from mrsim.fit.solve import solve

TE = np.arange(1, 17) * 0.01
MODEL = find_model("t2-offset")
LOWER, UPPER = [0, 1e-4, -np.inf], [np.inf, 10, np.inf]
SAMPLE = 300
MDME = {
    "td": np.repeat([0.17, 0.67, 1.84, 3.84], 2), "te": np.tile([0.022, 0.095], 4), "tr": np.full(8, 4.0),
    "flip": np.full(8, np.pi / 2),
}  # fmt: skip
GOALS = {
    "t2-mono": 6e5, "inversion-recovery": 1.5e5, "spgr": 1.5e5, "mdme": 2.5e4, "mdme-epg": 2.5e4, "t2-epg": 7.5e4,
    "t2-spectrum": 2.5e3,
}  # fmt: skip
"""Half of what two cores should do."""


def decay(te, m0, t2, offset):
    return m0 * np.exp(-te / t2) + offset


def derivative(te, m0, t2, offset):
    e = np.exp(-te / t2)
    return np.stack([e, m0 * te / t2**2 * e, np.ones_like(e)], axis=1)


def noisy_decays(voxels):
    rng = np.random.default_rng(1)
    truth = {
        "m0": rng.uniform(0.5, 1.0, voxels),
        "t2": rng.uniform(0.03, 0.12, voxels),
        "offset": rng.uniform(0.02, 0.1, voxels),
    }
    clean = signal(MODEL, truth, {"te": TE})
    return clean + rng.normal(0, 0.005, clean.shape)


def seconds(work, repeats=3):
    """Return the best wall time of a few runs, and the last result."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def least_squares_fits(data):
    from scipy.optimize import least_squares

    def one(y):
        return least_squares(
            lambda p: decay(TE, *p) - y, [y.max(), 0.06, 0.0], jac=lambda p: derivative(TE, *p),
            bounds=(LOWER, UPPER), x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15,
        ).x  # fmt: skip

    return np.array([one(y) for y in data.T]).T


def curve_fits(data):
    from scipy.optimize import curve_fit

    return np.array([curve_fit(decay, TE, y, [y.max(), 0.06, 0.0])[0] for y in data.T]).T


def measure(voxels):
    data = noisy_decays(voxels)
    solve(MODEL, {"te": TE}, data[:, :2000])
    one, found = seconds(lambda: solve(MODEL, {"te": TE}, data, threads=1))
    every, _ = seconds(lambda: solve(MODEL, {"te": TE}, data))
    slow, reference = seconds(lambda: least_squares_fits(data[:, :SAMPLE]), repeats=1)
    plain, _ = seconds(lambda: curve_fits(data[:, :SAMPLE]), repeats=1)
    scale = np.abs(reference)
    scale[2] = reference[0]
    difference = np.max(np.abs(found.values[:, :SAMPLE] - reference) / scale, axis=1)
    return {
        "voxels": voxels,
        "cores": available_cores(),
        "rounds": float(found.rounds.mean()),
        "voxels_per_s_one_core": voxels / one,
        "voxels_per_s": voxels / every,
        "least_squares_per_s": SAMPLE / slow,
        "curve_fit_per_s": SAMPLE / plain,
        "ratio_least_squares": voxels / every * slow / SAMPLE,
        "ratio_curve_fit": voxels / every * plain / SAMPLE,
        "difference": dict(zip(("m0", "t2", "offset"), difference.tolist(), strict=True)),
    }


def per_second_of_one_core(work, voxels):
    """Return voxels per second of processor time of the second of two runs."""
    work()
    start = time.process_time()
    work()
    return voxels / (time.process_time() - start)


def others(voxels):
    """Return {name: voxels per second of one core} of fits at a signal-to-noise ratio of about 100."""
    from scipy.optimize import nnls

    from mrsim.fit.method import Scan, Series
    from mrsim.fit.models import t2_epg, t2_spectrum
    from mrsim.fit.tabulated import solve as solve_tabulated
    from mrsim.fit.tabulated import tabulate
    from mrsim.sequence.protocol import load_protocol
    from mrsim.sequence.scanner import Scanner

    rng, rates = np.random.default_rng(2), {}
    known = {
        "t2-mono": ({"te": np.arange(1, 11) * 0.01}, {"t2": (0.03, 0.15)}),
        "inversion-recovery": (
            {"ti": np.array([0.05, 0.3, 0.7, 1.3, 2.6]), "tr": np.full(5, 4.0), "te": np.full(5, 0.015)},
            {"t1": (0.5, 2)},
        ),
        "spgr": ({"flip": np.radians([3.0, 8, 15, 25]), "tr": np.full(4, 0.015)}, {"t1": (0.5, 2)}),
        "mdme": (MDME, {"t1": (0.5, 2), "t2": (0.03, 0.15), "b1": (0.8, 1.1)}),
    }  # fmt: skip
    for name, (contrast, ranges) in known.items():
        model = find_model(name)
        truth = {model.parameters[0].name: rng.uniform(0.5, 1, voxels)} | {
            k: rng.uniform(*v, voxels) for k, v in ranges.items()
        }
        clean = signal(model, truth, contrast)
        data = clean + rng.normal(0, 0.01 * clean.max(), clean.shape)
        rates[name] = per_second_of_one_core(lambda m=model, c=contrast, d=data: solve(m, c, d, threads=1), voxels)
        if name == "t2-mono":
            rates |= baselines(contrast["te"], data)
    header = load_protocol("disc-t2-mese-16").build(Scanner.preset("3T")).encoding
    scan = Scan(
        contrast={k: header.contrast[k] for k in ("te", "tr")}, sheet=header.sheet,
        options={"t1": 1.0, "b1": 0.0, "cutoff": 0.04, "regularisation": 0.0},
    )  # fmt: skip
    table = tabulate(t2_epg.atoms, t2_epg.axes(scan), scan, np.ones(16))
    truth = {"t2": rng.uniform(0.03, 0.15, voxels), "b1": rng.uniform(0.7, 1.1, voxels)}
    data = table.signal(truth) + rng.normal(0, 0.005, (16, voxels))
    full = {"weight": np.ones(16), "threads": 1}
    series = Series(data=data, floor=np.full(voxels, 0.01), spread=np.full(voxels, 0.005), **full)
    work = lambda: solve_tabulated(t2_epg.METHOD, table, scan, series)  # noqa: E731
    rates["t2-epg"] = per_second_of_one_core(work, voxels)
    few = voxels // 4  # the trains cost seconds, whatever the voxels
    part = Series(data=data[:, :few], floor=np.full(few, 0.01), spread=np.full(few, 0.005), **full)
    rates["t2-spectrum"] = per_second_of_one_core(lambda: t2_spectrum.solve(scan, part), few)
    nodes = np.geomspace(8e-3, 2.0, 40)
    matrix = t2_epg.atoms(scan, {"t2": nodes, "b1": np.ones(40)})
    rates["  scipy nnls, B1 known"] = per_second_of_one_core(lambda: [nnls(matrix, y) for y in data.T[:SAMPLE]], SAMPLE)
    rates["mdme-epg"] = joint(voxels // 2)
    return rates


def baselines(te, data):
    """Return {name: voxels per second of one core} of other ways to fit a decay."""
    from scipy.optimize import curve_fit

    def straight_lines():
        weight, logs = data**2, np.log(np.maximum(data, 1e-6))
        w, wx, wy = weight.sum(0), (weight * te[:, None]).sum(0), (weight * logs).sum(0)
        wxx, wxy = (weight * te[:, None] ** 2).sum(0), (weight * te[:, None] * logs).sum(0)
        return (w * wxx - wx**2) / (wx * wy - w * wxy)

    def one_by_one():
        return [curve_fit(lambda t, m, d: m * np.exp(-t / d), te, y, [y[0], 0.07])[0] for y in data.T[:SAMPLE]]

    return {
        "  scipy curve_fit": per_second_of_one_core(one_by_one, SAMPLE),
        "  weighted lines": per_second_of_one_core(straight_lines, data.shape[1]),
    }


def joint(voxels):
    """Return voxels per second of one core of MDME with the played pulses."""
    from mrsim.fit.method import Scan, Series
    from mrsim.fit.models import mdme_epg
    from mrsim.fit.tabulated import solve as solve_tabulated
    from mrsim.fit.tabulated import tabulate
    from mrsim.sequence.protocol import load_protocol
    from mrsim.sequence.scanner import Scanner

    rng, header = np.random.default_rng(3), load_protocol("sag-mdme-symri").build(Scanner.preset("3T")).encoding
    scan = Scan(contrast={k: header.contrast[k] for k in ("td", "te", "tr")}, sheet=header.sheet)
    table = tabulate(mdme_epg.atoms, mdme_epg.axes(scan), scan, np.ones(8))
    ranges = {"t1": (0.5, 2), "t2": (0.03, 0.15), "b1": (0.8, 1.1)}
    truth = {k: rng.uniform(*v, voxels) for k, v in ranges.items()}
    data = table.signal(truth) + rng.normal(0, 0.01, (8, voxels))
    series = Series(
        data=data, weight=np.ones(8), floor=np.full(voxels, 0.02), spread=np.full(voxels, 0.01), threads=1
    )  # fmt: skip
    return per_second_of_one_core(lambda: solve_tabulated(mdme_epg.METHOD, table, scan, series), voxels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--voxels", type=int, default=400_000)
    arguments = parser.parse_args()
    result = measure(arguments.voxels)
    result["one_core"] = others(arguments.voxels // 2)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"t2-offset, 16 echoes, {result['voxels']} voxels, {result['rounds']:.1f} evaluations each")
    print(f"  mrsim, one core      {result['voxels_per_s_one_core']:12,.0f} voxels/s")
    print(f"  mrsim, {result['cores']:2d} cores      {result['voxels_per_s']:12,.0f} voxels/s")
    for name in ("least_squares", "curve_fit"):
        print(f"  scipy {name:14} {result[name + '_per_s']:12,.0f} voxels/s  x {result['ratio_' + name]:,.0f}")
    for name, rate in result["one_core"].items():
        goal = f"  goal {GOALS[name]:,.0f}" if name in GOALS else ""
        print(f"  {name:24} {rate:12,.0f} voxels/s of one core{goal}")
    print("  largest difference   " + ", ".join(f"{k} {v:.1e}" for k, v in result["difference"].items()))


if __name__ == "__main__":
    main()
