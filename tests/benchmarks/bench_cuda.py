"""Speed of the Bloch engine on a graphics processor, after a check against the CPU.

``python tests/benchmarks/bench_cuda.py [--json] [--spins N]``: spins with their own T1, T2, offset and B1, gradients on
three axes, through the call that a run uses (upload, signal sum and download included). With 8 coils a spin counts
once. Aims on an H200: 1e12 spin samples/s under a constant gradient, 2e11 RF steps/s, single precision. Exits with 1
if the check fails.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.simulate.cuda import CudaSpins, cuda_signal, device_name, why_no_cuda
from mrsim.simulate.direct import direct_signal
from mrsim.study.bench.scans import SAMPLES, STEPS, own_spins, scan

PRECISIONS = {"single": (np.float32, 2e-4), "double": (np.float64, 1e-11)}
"""With the largest difference from the CPU in double precision: 10,000 rounded steps and phases of 100 turns."""
AIMS = {"rf single": 2e11, "readout constant single": 1e12}


def many_spins(count, coils=1):
    """Spins drawn like `own_spins`, without an object for each."""
    rng = np.random.default_rng(0)
    position = rng.uniform(-0.05, 0.05, (3, count))
    r1, r2, offset, b1 = (rng.uniform(*ends, count) for ends in ((0.3, 3), (5, 50), (-100, 100), (0.8, 1.2)))
    return CudaSpins(position=position, offset=offset, b1=b1, r1=r1, r2=r2, weight=np.ones((coils, count), complex))


def differences():
    """Largest difference from the CPU, over the largest signal, for pulses and every kind of readout."""
    classes, position, volume = own_spins(2048)
    spins = CudaSpins.of(classes, position, volume)
    found = {}
    for form in ("constant", "smooth", "any"):
        timeline = scan(2, 3, form)
        cpu = direct_signal(timeline, classes, position, volume, dtype=np.float64, threads=1)
        for precision, (dtype, allowed) in PRECISIONS.items():
            gpu = cuda_signal(timeline, spins, dtype=dtype)[:, 0]
            again = cuda_signal(timeline, spins, dtype=dtype)[:, 0]
            error = float(np.abs(gpu - cpu).max() / np.abs(cpu).max())
            good = error < allowed and np.array_equal(gpu, again)
            found[f"{form} {precision}"] = {"error": error, "allowed": allowed, "good": bool(good)}
    return found


def rates(count):
    jobs = {"rf": (100 * STEPS, scan(100, 1, samples=1))}
    jobs |= {f"readout {form}": (1000 * SAMPLES, scan(1, 1000, form, steps=10)) for form in ("constant", "any")}
    jobs |= {f"{name}, 8 coils": job for name, job in jobs.items() if "readout" in name}
    found = {}
    for name, (each, timeline) in jobs.items():
        coils = 8 if "coils" in name else 1
        spins = many_spins(count, coils)
        for precision, (dtype, _) in PRECISIONS.items():
            cuda_signal(timeline, many_spins(256, coils), dtype=dtype)  # compiles
            best = np.inf
            for _ in range(3):
                start = time.perf_counter()
                cuda_signal(timeline, spins, dtype=dtype)
                best = min(best, time.perf_counter() - start)
            found[f"{name} {precision}"] = count * each / best
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--spins", type=int, default=1 << 20)
    arguments = parser.parse_args()
    if reason := why_no_cuda():
        sys.exit(reason)
    checks = differences()
    found = rates(arguments.spins) if all(check["good"] for check in checks.values()) else {}
    if arguments.json:
        print(json.dumps({"device": device_name(), "checks": checks, "per_second": found, "aims": AIMS}))
    else:
        print(device_name())
        for name, check in checks.items():
            print(f"{name:26s} differs from the CPU by {check['error']:.1e}, allowed {check['allowed']:.0e}")
        for name, rate in found.items():
            print(f"{name:26s} {rate:9.3g} /s" + (f"   aim {AIMS[name]:.0e}" if name in AIMS else ""))
    sys.exit(0 if found else 1)


if __name__ == "__main__":
    main()
