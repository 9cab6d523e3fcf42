"""Scatter of every registered model against its bound: the long table.

``python tests/benchmarks/bench_scatter.py [--json] [--replicates N] [MODEL ...]``: for each model's example
(tests/fit/examples.py) at SNR 100 and 1000, N fits (2,000) with the Gaussian and, where the model has it, the Rician
likelihood. Where the relative bound is below 10 % the fit should reach it: SD / bound from 0.95 to 1.1, bias below 0.1
SD, each within three standard errors. Methods without a likelihood, and several maxima, are printed with their bias.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.core.errors import InputError
from mrsim.fit.method import Method
from mrsim.fit.models import MODELS
from mrsim.fit.models.t2_spectrum import METHOD as SPECTRUM
from mrsim.fit.scatter import scatter
from mrsim.fit.signal import signal
from tests.fit.examples import example, sheet_of

BORROWED = {"t2star-arlo": "t2star-mono", "t2-spectrum": "t2-epg"}
"""Methods without a signal of their own -> the model whose signal they are given."""


def rows(model, replicates):
    source = next(m for m in MODELS if m.name == BORROWED.get(model.name, model.name))
    parameters, contrast = example(source)
    sheet = sheet_of(source)
    clean = signal(source, parameters, contrast, sheet=sheet)
    magnitudes = model.data in ("magnitude", "polarity-restored")
    known = model.likelihoods if isinstance(model, Method) else ("gaussian", "rician") if magnitudes else ("gaussian",)
    truth = {name: value for name, value in parameters.items() if name in {p.name for p in model.parameters}}
    if model is SPECTRUM:
        truth["mwf"] = 0.0
    for kind in known:
        for snr in (100, 1000):
            sigma = np.abs(clean).max() / snr
            try:
                found = scatter(
                    model, truth, contrast, sigma, replicates=replicates, sheet=sheet, likelihood=kind, data=clean
                )
            except InputError as problem:
                yield {"model": model.name, "likelihood": kind, "snr": snr, "problem": str(problem)}
                continue
            for name, seen in found.items():
                yield {
                    "model": model.name, "likelihood": kind, "snr": snr, "parameter": name, "truth": seen.truth,
                    "bound": seen.bound, "efficiency": seen.efficiency, "bias_over_sd": seen.bias,
                    "bias": seen.mean - seen.truth, "sd": seen.sd, "stated_over_bound": seen.error / seen.bound,
                    "share": seen.share, "judged": seen.judged, "reached": seen.reached,
                }  # fmt: skip


def line(row):
    head = f"{row['model']:29}{row['likelihood']:9}{row['snr']:5}"
    if "problem" in row:
        return f"{head}  {row['problem']}"
    relative = 100 * row["bound"] / abs(row["truth"]) if row["truth"] else float("nan")
    said = "not judged" if not row["judged"] else "reached" if row["reached"] else "NOT REACHED"
    return (
        f"{head} {row['parameter']:14}{relative:8.3g} {row['efficiency']:8.3f} {row['bias_over_sd']:+8.3f} "
        f"{row['bias']:+11.3g} {row['sd']:10.3g} {row['stated_over_bound']:8.3f} {row['share']:7.4f}  {said}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--replicates", type=int, default=2000)
    arguments = parser.parse_args()
    if not arguments.json:
        titles = ("parameter", "bound %", "SD/bound", "bias/SD", "bias", "SD", "SE/bound", "share")
        print(f"{'model':29}{'noise':9}{'SNR':>5} {titles[0]:14}" + " ".join(f"{t:>8}" for t in titles[1:]))
    for model in MODELS:
        if arguments.models and model.name not in arguments.models:
            continue
        for row in rows(model, arguments.replicates):
            print(json.dumps(row) if arguments.json else line(row), flush=True)


if __name__ == "__main__":
    main()
