"""Whole scans against what the kernels in them predict, what repetition saves, and one thread against two.

``python tests/benchmarks/bench_road.py [NAME ...]``, a few minutes. Every scan runs twice: once counting the work that
each kernel is given and keeping the largest call of each, once timed. The kept calls are played again by themselves;
their rates times the counts are the prediction. What the product spends between its kernels (classes, tables) is
therefore not in it. The shares of the object's cells that its tissues fill, which depend on the object and not on the
scan, are timed apart and left out of the ratio. Processor time on one thread throughout, but for the last table, which
is wall-clock time and means something on an idle machine only: the load is printed.
"""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import finufft
import scipy.fft

import mrsim as mr
from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.simulate import Bloch, class_run, simulate
from mrsim.simulate._kernels import bloch, plane, walk

SCANS = {
    "disc-t2-mese": ({}, Bloch()),
    "disc-spgr": ({}, Bloch()),
    "disc-ir-se": ({}, Bloch()),
    "sag-t2w-tse": ({"slices": 1}, Bloch()),
    "disc-radial": ({}, Bloch()),
    "brain-spiral": ({}, Bloch()),
    "spin by spin": ({"matrix": (64, 64)}, Bloch(reuse=False, sub_slices=64, subsamples=1)),
}
"""Protocol entries and engine of every scan; the last one is the main job without reuse."""
REPEATS = 3


def samples_of(phasors, weights):
    """Return the products of places and samples of a readout kernel."""
    return weights.shape[-1] * phasors.shape[-1]


KERNELS = {
    "walk": (walk, "walk", lambda a: a[0].shape[0] * a[0].shape[2] * len(a[5])),
    "propagators": (bloch, "propagators", lambda a: a[0].shape[-1] * a[6].shape[-1]),
    "evolve": (bloch, "evolve", lambda a: a[0].shape[1]),
    "plane readouts": (bloch, "plane_readouts", lambda a: len(a[0]) * samples_of(a[-1], a[0])),
    "sum over y": (class_run, "pencils_of", lambda a: len(np.unique(a[0].plane_moment[:, 1])) * a[1].density.size),
    "weigh": (plane, "weigh", lambda a: a[4].size * a[0].shape[2]),
    "sum anywhere": (finufft, "nufft2d2", lambda a: a[0].size * len(a[2])),
    "transform": (scipy.fft, "fft", lambda a: a[0].size),
}
"""Where each kernel is called from, and the work of a call in a unit of its own."""


class Counted:
    """One kernel that counts its work and keeps its largest call."""

    def __init__(self, name):
        self.module, self.attribute, self.work_of = KERNELS[name]
        self.original = getattr(self.module, self.attribute)
        self.work, self.largest, self.kept = 0, 0, None

    def __call__(self, *arguments, **options):
        """Play the kernel; arrays that it changes are kept as they came in."""
        work = self.work_of(arguments)
        self.work += work
        if work > self.largest:
            self.largest, self.kept = work, (copied(arguments), options)
        return self.original(*arguments, **options)

    def seconds(self):
        """Return what all of the work takes at the rate of the largest call played by itself."""
        if self.kept is None:
            return 0.0
        arguments, options = self.kept
        best = np.inf
        for _ in range(REPEATS):
            fresh = copied(arguments)
            count, began = 0, time.process_time()
            while time.process_time() - began < 0.02:
                self.original(*fresh, **options)
                count += 1
            best = min(best, (time.process_time() - began) / count)
        return self.work / self.largest * best


def copied(arguments):
    """Return arguments with arrays of their own."""
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)


def timed(seconds, function, arguments):
    """Call a function and note the processor time that it took."""
    began = time.process_time()
    found = function(*arguments)
    seconds.append(time.process_time() - began)
    return found


def scan_of(name):
    """Return timeline, phantom and engine of a scan."""
    entries, engine = SCANS[name]
    protocol = mr.load_protocol("disc-t2-mese" if name == "spin by spin" else name)
    scanner = mr.Scanner.preset("3T")
    timeline = discretize(replace(protocol, **entries).build(scanner))
    return timeline, mr.load_phantom("lumbar-disc", field=3.0), engine


def compare(name):
    """Print what a scan takes and what its kernels predict."""
    timeline, phantom, engine = scan_of(name)
    counted = {kernel: Counted(kernel) for kernel in KERNELS}
    for kernel in counted.values():
        setattr(kernel.module, kernel.attribute, kernel)
    try:
        simulate(timeline, phantom, engine, threads=1)
    finally:
        for kernel in counted.values():
            setattr(kernel.module, kernel.attribute, kernel.original)
    cells, sample = [], type(phantom).sample
    type(phantom).sample = lambda *given: timed(cells, sample, given)
    began = time.process_time()
    simulate(timeline, phantom, engine, threads=1)
    actual = time.process_time() - began - sum(cells)
    type(phantom).sample = sample
    parts = {kernel: one.seconds() for kernel, one in counted.items()}
    predicted = sum(parts.values())
    listed = ", ".join(f"{kernel} {part:.2f}" for kernel, part in parts.items() if part > 0.005)
    print(
        f"{name:14s} {actual:7.2f} s beside {sum(cells):.2f} s for the object, predicted {predicted:7.2f} s, "
        f"{actual / predicted:5.2f}x  ({listed})",
        flush=True,
    )


def repetition():
    """Print what 256 repetitions of a spin echo cost in terms of two, the fewest that make an image."""
    phantom, engine, scanner = mr.load_phantom("lumbar-disc", field=3.0), Bloch(), mr.Scanner.preset("3T")
    seconds = {}
    for lines in (2, 2, 256):  # the first one loads and compiles
        echo = SpinEcho(matrix=(256, lines), fov=(256e-3, 1e-3 * lines), te=(0.02,), tr=30.0)
        timeline = discretize(echo.build(scanner))
        began = time.process_time()
        simulate(timeline, phantom, engine, threads=1)
        seconds[lines] = time.process_time() - began
    factor = seconds[256] / seconds[2]
    print(f"256-TR spin echo, relaxed: {seconds[256]:.2f} s, two TRs {seconds[2]:.2f} s: {factor:.1f} times, not 128")


def threads():
    """Print one thread against two, wall-clock."""
    for name in ("disc-t2-mese", "spin by spin"):
        timeline, phantom, engine = scan_of(name)
        wall = []
        for count in (1, 2):
            began = time.perf_counter()
            simulate(timeline, phantom, engine, threads=count)
            wall.append(time.perf_counter() - began)
        print(f"{name:14s} one thread {wall[0]:.2f} s, two {wall[1]:.2f} s wall: {wall[0] / wall[1]:.2f} times as fast")


def main():
    """Run the scans asked for, or all, and the two other tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *SCANS], metavar="NAME", help=", ".join(SCANS))
    names = parser.parse_args().names
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name in names or SCANS:
        compare(name)
    if not names:
        repetition()
        threads()
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
