"""Voxels per second of the batched fit, with scipy fitting the same data in the same run.

``python tests/benchmarks/bench_fit.py [--json] [--voxels N]``: a three-parameter decay (T2 with offset) from 16
echoes at SNR 100 to 200, on one core and on all. The last columns are the largest disagreement with
`scipy.optimize.least_squares` over the voxels that scipy fits, relative to the value (offset: to the amplitude).
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--voxels", type=int, default=400_000)
    arguments = parser.parse_args()
    result = measure(arguments.voxels)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"t2-offset, 16 echoes, {result['voxels']} voxels, {result['rounds']:.1f} evaluations each")
    print(f"  mrsim, one core      {result['voxels_per_s_one_core']:12,.0f} voxels/s")
    print(f"  mrsim, {result['cores']:2d} cores      {result['voxels_per_s']:12,.0f} voxels/s")
    for name in ("least_squares", "curve_fit"):
        print(f"  scipy {name:14} {result[name + '_per_s']:12,.0f} voxels/s  x {result['ratio_' + name]:,.0f}")
    print("  largest difference   " + ", ".join(f"{k} {v:.1e}" for k, v in result["difference"].items()))


if __name__ == "__main__":
    main()
