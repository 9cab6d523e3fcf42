"""Voxels per second of the batched fit, with scipy fitting the same data in the same run.

``python tests/benchmarks/bench_fit.py [--json] [--voxels N]``: a three-parameter decay (T2 with offset) from 16
echoes at SNR 100 to 200, on one core and on all. The last columns are the largest disagreement with
`scipy.optimize.least_squares` over the voxels that scipy fits, relative to the value (offset: to the amplitude).
A second table gives other fits in voxels per second of processor time of one core, scipy's beside the mono-exponential.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.fit.models import find_model
from mrsim.fit.signal import signal
from mrsim.fit.solve import available_cores, solve

TE = np.arange(1, 17) * 0.01
MODEL = find_model("t2-offset")
LOWER, UPPER = [0, 1e-4, -np.inf], [np.inf, 10, np.inf]
SAMPLE = 300


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
    }  # fmt: skip
    for name, (contrast, ranges) in known.items():
        model = find_model(name)
        truth = {"m0": rng.uniform(0.5, 1, voxels)} | {k: rng.uniform(*v, voxels) for k, v in ranges.items()}
        clean = signal(model, truth, contrast)
        data = clean + rng.normal(0, 0.01 * clean.max(), clean.shape)
        rates[name] = per_second_of_one_core(lambda m=model, c=contrast, d=data: solve(m, c, d, threads=1), voxels)
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
    few = voxels // 40
    part = Series(data=data[:, :few], floor=np.full(few, 0.01), spread=np.full(few, 0.005), **full)
    rates["t2-spectrum"] = per_second_of_one_core(lambda: t2_spectrum.solve(scan, part), few)
    return rates


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
        print(f"  {name:20} {rate:12,.0f} voxels/s of one core")
    print("  largest difference   " + ", ".join(f"{k} {v:.1e}" for k, v in result["difference"].items()))


if __name__ == "__main__":
    main()
