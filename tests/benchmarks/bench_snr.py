"""Predicted SNR against noisy reconstructed images, for imaging protocols at three fields. Takes many minutes.

Run with ``python tests/benchmarks/bench_snr.py [PROTOCOL ...]``. Every protocol is played with one slice and a smaller
matrix over the same field of view, on a block of one material. The goal is 3 % for every image whose SNR is above a
tenth of the best; undersampled protocols need an array and are named and left out.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import mrsim as mr
from mrsim.core.errors import UserError
from mrsim.core.toml import available
from mrsim.plan.snr import predict_snr
from mrsim.sequence.protocol import FOLDER, load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import simulate

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
length = "400 mm"
"""
AXES = {"sagittal": "x", "coronal": "y", "axial": "z"}


def smaller(name):
    """Return the protocol with one slice, one volume and a third of the matrix."""
    protocol = load_protocol(name)
    changes = {key: "1" for key in ("slices", "volumes", "averages") if getattr(protocol, key, 1) not in (1, None)}
    matrix = np.atleast_1d(getattr(protocol, "matrix", ()))
    if len(matrix):
        least = [max(8, 2 * round(int(n) / 6)) for n in matrix]
        changes["matrix"] = " ".join(map(str, least)) if len(least) > 1 else str(least[0])
    return load_protocol(name, changes)


def measured(sequence, phantom, engine, seeds=4):
    """Return the (image,) mean in the middle over the scatter of the noise there."""
    raw = simulate(mr.discretize(sequence), phantom, engine)
    clean = mr.reconstruct(raw)
    nz, ny, nx = clean.grid.shape
    inside = (slice(None), [nz // 2], slice(ny // 2 - 3, ny // 2 + 4), slice(nx // 2 - 3, nx // 2 + 4))
    noise = np.array([mr.reconstruct(mr.add_noise(raw, rng=s)).data - clean.data for s in range(seeds)])
    sigma = np.sqrt(np.mean(np.abs(noise) ** 2, axis=(0, 2, 3, 4)) / 2)
    return np.abs(clean.data[inside].mean(axis=(1, 2, 3))) / sigma


def judge(name, field):
    """Return one line on a protocol at a field."""
    protocol = smaller(name)
    if getattr(protocol, "acceleration", 1) > 1:
        return "left out: undersampled, needs an array"
    sequence = protocol.build(Scanner.preset(f"{field:g}T"))
    if sequence.encoding.kind == "spectrum":
        return "left out: a spectrum"
    grid = sequence.encoding.grid
    size = 0.7e3 * min(grid.shape[2] * grid.spacing[0], grid.shape[1] * grid.spacing[1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "block.toml")
        path.write_text(PHANTOM.format(axis=AXES[protocol.orientation], size=f"{size:.1f}"))
        phantom = mr.load_phantom(str(path), field=field)
        engine, start = mr.Bloch(accuracy=5e-3), time.process_time()
        found = np.array([row.snr for row in predict_snr(sequence, phantom, engine).rows])
        seconds = time.process_time() - start
        expected = measured(sequence, phantom, engine)
    strong = found > 0.1 * found.max()
    worst = float(np.abs(found / expected - 1)[strong].max())
    verdict = "ok" if worst <= GOAL else "MISSED"
    return f"SNR {found.max():7.2f}  worst deviation {worst:6.1%}  {verdict:6s}  prediction {seconds:5.1f} CPU s"


def main():
    """Judge the protocols that are named, or all."""
    for name in sys.argv[1:] or available(FOLDER):
        for field in (1.5, 3.0, 7.0):
            try:
                said = judge(name, field)
            except UserError as problem:
                said = f"left out: {str(problem).splitlines()[0][:110]}"
            print(f"{name:22s} {field:3g} T  {said}", flush=True)


if __name__ == "__main__":
    main()
