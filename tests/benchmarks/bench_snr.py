"""Predicted SNR against noisy reconstructed images, for every imaging protocol at three fields. Takes many minutes.

Run with ``python tests/benchmarks/bench_snr.py [PROTOCOL ...] [--field 1.5,3,7] [--share 0.33]``. Every protocol is
played with one slice and a share of the matrix over the same field of view, on a block of one material; undersampled
ones and those of an inner volume with all of the matrix. Arrays are the protocols' own, their maps known; what the maps
of the calibration lines cost is told beside. The ringing of the block's edges, which its finite k-space shows and no
prediction of a voxel can, is divided out. The goal is 3 % for every image whose SNR is above a tenth of the best; the
verdict leaves the scatter of the measured noise, which follows from the number of its samples, two standard errors. The
pooled line states the deviation that is left when the scatter is taken out.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mrsim as mr
from mrsim.core.errors import UserError
from mrsim.core.toml import available
from mrsim.phantom.phantom import PURE, voxel_centres
from mrsim.plan.probe import selects_slab
from mrsim.plan.snr import predict_snr
from mrsim.recon.methods import Sense
from mrsim.sequence.protocol import FOLDER, load_protocol
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import simulate
from mrsim.study.fields import coils_of
from mrsim.study.request import RunRequest
from mrsim.study.run import prepare

GOAL = 0.03
SIZE = 0.7
"""Side of the block over the smaller side of the field of view."""
SEEDS, SEEDS_OF_ARRAYS = 4, 16
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


@dataclass(frozen=True)
class Judged:
    """One protocol at one field."""

    snr: float
    deviation: float
    """Of the worst image, prediction over measurement - 1."""
    scatter: float
    """Standard error of the measurement."""
    seconds: float
    lost: float
    """Share of the SNR that coil maps from noisy calibration lines cost."""

    @property
    def verdict(self):
        return "ok" if abs(self.deviation) <= GOAL else "MISSED" if self.beyond > 0 else "open"

    @property
    def beyond(self):
        """By how much the deviation exceeds the goal and twice its scatter."""
        return abs(self.deviation) - 2 * self.scatter - GOAL


def smaller(name, share):
    """Return the protocol with one slice, one volume and a share of the matrix, or with as much as can be built."""
    protocol = load_protocol(name)
    changes = {key: "1" for key in ("slices", "volumes", "averages") if getattr(protocol, key, 1) not in (1, None)}
    whole = undersampled(protocol) or getattr(protocol, "inner_volume", 0.0)
    matrix = np.atleast_1d(getattr(protocol, "matrix", ()))
    if len(matrix) and not whole:
        least = [max(8, 2 * round(int(n) * share / 2)) for n in matrix]
        changes["matrix"] = " ".join(map(str, least)) if len(least) > 1 else str(least[0])
    if isinstance(getattr(protocol, "directions", None), int):
        changes["directions"] = "6"  # an image in a direction is like any other
    return load_protocol(name, changes)


def undersampled(protocol):
    return getattr(protocol, "acceleration", 1) not in (1, None)


def edges(grid, axis, size):
    """Return what the samples of one axis make of a box of `size` m around the middle, at every voxel."""
    n, spacing = grid.shape[2 - axis], grid.spacing[axis]
    k = (np.arange(n) - n // 2) / (n * spacing)
    place = grid.coordinates(axis)
    return np.real(np.exp(2j * np.pi * np.outer(place, k)) @ (size * np.sinc(k * size))) / (n * spacing)


def core(grid, size, inner):
    """Return the middle of the block in the middle slice, and what ringing makes of its mean."""
    # an inner volume falls off towards its edges
    inside = [np.abs(grid.coordinates(axis)) <= size / (20 if inner and axis == 1 else 4) for axis in range(2)]
    rings = [edges(grid, axis, size)[inside[axis]].mean() for axis in range(2)]
    where = np.zeros(grid.shape, dtype=bool)
    where[grid.shape[0] // 2] = np.outer(inside[1], inside[0])
    return where, rings[0] * rings[1]


def measured(sequence, phantom, engine, coils, middle, known=True):
    """Return the (image,) SNR of the reconstructed image, mean over scatter, and the scatter's standard error."""
    raw = simulate(mr.discretize(sequence), phantom, engine, coils=coils, threads=1)
    how = [Sense(maps=coils.heard(voxel_centres(raw.encoding.grid)))] if coils is not None and known else []
    clean = mr.reconstruct(raw, *how)
    seeds = SEEDS if coils is None else SEEDS_OF_ARRAYS
    noisy = np.array([mr.reconstruct(mr.add_noise(raw, rng=s), *how).data for s in range(seeds)])
    where, ringing = middle
    if coils is None:
        noise = noisy - clean.data
        sigma = np.sqrt(np.mean(np.abs(noise) ** 2, axis=(0, 2, 3, 4)) / 2)
        samples = raw.imaging.data.size / len(clean.data) * seeds
        return np.abs(clean.data[:, where].mean(axis=1)) / ringing / sigma, 1 / np.sqrt(4 * samples)
    pure = sum(phantom.fractions(clean.grid).values()) > PURE
    if known:  # the part in phase with the signal, which a magnitude far above the noise shows
        turn = np.exp(-1j * np.angle(clean.data[:, pure]))
        count, sigma = seeds, np.sqrt(np.mean(((noisy - clean.data)[:, :, pure] * turn).real ** 2, axis=0))
    else:  # maps from noisy calibration lines have a phase of their own
        count, sigma = seeds - 1, np.std(np.abs(noisy)[:, :, pure], axis=0, ddof=1)
    few = 1 - 3 / (4 * count)  # the mean of 1 / s of s from n squares is 1 + 3 / 4 n
    snr = np.mean(np.abs(clean.data)[:, pure] / sigma, axis=1) * few
    return snr, 1 / np.sqrt(2 * count * pure.sum() / 2)  # neighbours share noise: half of them count


def judge(name, field, share):
    """Return the judgement of a protocol at a field, or a line on why there is none."""
    protocol = smaller(name, share)
    sequence = protocol.build(Scanner.preset(f"{field:g}T"))
    if sequence.encoding.kind == "spectrum":
        return "left out: a spectrum"
    grid = sequence.encoding.grid
    size = SIZE * min(grid.shape[2] * grid.spacing[0], grid.shape[1] * grid.spacing[1])
    # what a pulse does not select along the slab must end with it, or it folds
    length = 1e3 * grid.shape[0] * grid.spacing[2] if sequence.encoding.kind == "3d" else 400.0
    if sequence.encoding.kind == "3d" and selects_slab(mr.discretize(sequence)):
        length = 400.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "block.toml")
        sides = {"size": f"{1e3 * size:.1f}", "length": f"{length:.3f}"}
        path.write_text(PHANTOM.format(axis=AXES[protocol.orientation], **sides))
        phantom = mr.load_phantom(str(path), field=field)
    coils = None
    if undersampled(protocol):
        array = prepare(RunRequest(protocol=name)).request.receive
        coils = coils_of(phantom, sequence.scanner, RunRequest(protocol=name, phantom=phantom.name, receive=array))
    engine, start = mr.Bloch(accuracy=5e-3, longest=120.0), time.process_time()
    found = np.array([row.snr for row in predict_snr(sequence, phantom, engine, coils=coils, threads=1).rows])
    seconds = time.process_time() - start
    middle = core(grid, size, getattr(protocol, "inner_volume", 0.0))
    expected, scatter = measured(sequence, phantom, engine, coils, middle)
    strong = found > 0.1 * found.max()
    off = (found / expected - 1)[strong]
    lost = 0.0
    if coils is not None:
        own = measured(sequence, phantom, engine, coils, middle, known=False)[0]
        lost = 1 - float(np.mean((own / expected)[strong]))
    return Judged(float(found.max()), float(off[np.abs(off).argmax()]), float(scatter), seconds, lost)


def pooled(judged):
    """Return the line on all protocols together."""
    off = np.array([each.deviation for each in judged])
    noise = np.array([each.scatter for each in judged])
    left = np.sqrt(max(0.0, np.mean(off**2) - np.mean(noise**2)))
    counts = {word: sum(each.verdict == word for each in judged) for word in ("ok", "open", "MISSED")}
    return (
        f"{len(judged)} judged: {counts['ok']} within {GOAL:.0%}, {counts['open']} not decided, "
        f"{counts['MISSED']} missed; mean {off.mean():+.2%} +- {off.std() / np.sqrt(len(off)):.2%}, "
        f"rms {np.sqrt(np.mean(off**2)):.2%}, without the scatter of the measurement {left:.2%}"
    )


def main():
    """Judge the protocols that are named, or all; fail if one is beyond its goal by more than its scatter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL")
    parser.add_argument("--field", default="1.5,3,7", help="field strengths, T")
    parser.add_argument("--share", type=float, default=1 / 3, help="of the matrix")
    asked = parser.parse_args()
    judged = []
    for name in asked.protocols or available(FOLDER):
        for field in map(float, asked.field.split(",")):
            try:
                one = judge(name, field, asked.share)
            except UserError as problem:
                one = f"left out: {str(problem).splitlines()[0][:110]}"
            if isinstance(one, Judged):
                judged.append(one)
                one = (
                    f"SNR {one.snr:8.2f}  worst {one.deviation:+6.2%} +- {one.scatter:.2%}  {one.verdict:6s}  "
                    f"prediction {one.seconds:5.1f} CPU s" + (f"  own maps cost {one.lost:.1%}" if one.lost else "")
                )
            print(f"{name:22s} {field:3g} T  {one}", flush=True)
    if judged:
        print(pooled(judged))
    return 1 if any(each.verdict == "MISSED" for each in judged) else 0


if __name__ == "__main__":
    raise SystemExit(main())
