"""Predicted SNR against noisy reconstructed images, for imaging protocols at three fields. Takes many minutes.

Run with ``python tests/benchmarks/bench_snr.py [PROTOCOL ...] [--field 1.5,3,7] [--share 0.33]``. Every protocol is
played with one slice and a share of the matrix over the same field of view, on a block of one material; undersampled
ones with eight coils. The goal is 3 % for every image whose SNR is above a tenth of the best.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import mrsim as mr
from mrsim.core.errors import UserError
from mrsim.core.toml import available
from mrsim.phantom.phantom import PURE
from mrsim.plan.probe import selects_slab
from mrsim.plan.snr import predict_snr
from mrsim.sequence.protocol import FOLDER, load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import simulate
from mrsim.study.fields import coils_of
from mrsim.study.request import RunRequest

GOAL = 0.03
PHANTOM = """
description = "a block of one material"
extruded = "{axis}"
[material.sample]
t1 = "900 ms"
t2 = "90 ms"
t2_star = "60 ms"
pd = "0.8"
[shape.block]
kind = "box"
tissue = "sample"
size = "{size} {size} mm"
length = "{length} mm"
"""
AXES = {"sagittal": "x", "coronal": "y", "axial": "z"}


def smaller(name, share):
    """Return the protocol with one slice, one volume and a share of the matrix, or with as much as can be built."""
    protocol = load_protocol(name)
    changes = {key: "1" for key in ("slices", "volumes", "averages") if getattr(protocol, key, 1) not in (1, None)}
    matrix = np.atleast_1d(getattr(protocol, "matrix", ()))
    if len(matrix):
        least = [max(8, 2 * round(int(n) * share / 2)) for n in matrix]
        changes["matrix"] = " ".join(map(str, least)) if len(least) > 1 else str(least[0])
    return load_protocol(name, changes)


def measured(sequence, phantom, engine, coils, seeds):
    """Return the (image,) SNR of the reconstructed image: mean over scatter, in the middle or, of arrays, all over."""
    raw = simulate(mr.discretize(sequence), phantom, engine, coils=coils, threads=1)
    clean = mr.reconstruct(raw)
    nz, ny, nx = clean.grid.shape
    noisy = np.array([mr.reconstruct(mr.add_noise(raw, rng=s)).data for s in range(seeds)])
    if coils is None:
        noise = noisy - clean.data
        inside = (slice(None), [nz // 2], slice(ny // 2 - 3, ny // 2 + 4), slice(nx // 2 - 3, nx // 2 + 4))
        sigma = np.sqrt(np.mean(np.abs(noise) ** 2, axis=(0, 2, 3, 4)) / 2)
        return np.abs(clean.data[inside].mean(axis=(1, 2, 3))) / sigma
    pure = sum(phantom.fractions(clean.grid).values()) > PURE
    # coil maps from noisy calibration lines have a phase of their own: magnitudes, which are far above the noise
    sigma = np.sqrt(np.mean((np.abs(noisy) - np.abs(clean.data)) ** 2, axis=0))
    few = 1 - 3 / (4 * seeds)  # the mean of 1 / s of s from n squares is 1 + 3 / 4 n
    return np.mean((np.abs(clean.data) / sigma)[:, pure], axis=1) * few


def judge(name, field, share):
    """Return one line on a protocol at a field."""
    protocol = smaller(name, share)
    sequence = protocol.build(Scanner.preset(f"{field:g}T"))
    if sequence.encoding.kind == "spectrum":
        return "left out: a spectrum"
    grid = sequence.encoding.grid
    size = 0.7e3 * min(grid.shape[2] * grid.spacing[0], grid.shape[1] * grid.spacing[1])
    # what a pulse does not select along the slab must end with it, or it folds
    length = 1e3 * grid.shape[0] * grid.spacing[2] if sequence.encoding.kind == "3d" else 400.0
    if sequence.encoding.kind == "3d" and selects_slab(mr.discretize(sequence)):
        length = 400.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "block.toml")
        path.write_text(PHANTOM.format(axis=AXES[protocol.orientation], size=f"{size:.1f}", length=f"{length:.3f}"))
        phantom = mr.load_phantom(str(path), field=field)
    coils = None
    if getattr(protocol, "acceleration", 1) not in (1, None):
        coils = coils_of(phantom, sequence.scanner, RunRequest(protocol=name, phantom=phantom.name, receive="head-8"))
    engine, start = mr.Bloch(accuracy=5e-3), time.process_time()
    found = np.array([row.snr for row in predict_snr(sequence, phantom, engine, coils=coils, threads=1).rows])
    seconds = time.process_time() - start
    expected = measured(sequence, phantom, engine, coils, 4 if coils is None else 24)
    strong = found > 0.1 * found.max()
    worst = float((found / expected - 1)[strong][np.abs(found / expected - 1)[strong].argmax()])
    verdict = "ok" if abs(worst) <= GOAL else "MISSED"
    return f"SNR {found.max():7.2f}  worst deviation {worst:+6.1%}  {verdict:6s}  prediction {seconds:5.1f} CPU s"


def main():
    """Judge the protocols that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL")
    parser.add_argument("--field", default="1.5,3,7", help="field strengths, T")
    parser.add_argument("--share", type=float, default=1 / 3, help="of the matrix")
    asked = parser.parse_args()
    for name in asked.protocols or available(FOLDER):
        for field in map(float, asked.field.split(",")):
            try:
                said = judge(name, field, asked.share)
            except UserError as problem:
                said = f"left out: {str(problem).splitlines()[0][:110]}"
            print(f"{name:22s} {field:3g} T  {said}", flush=True)


if __name__ == "__main__":
    main()
