"""Memory of a large run: 10^6 spins, each by itself, through 10^5 samples. Needs about a minute.

Run with ``python tests/benchmarks/bench_memory.py``; it ends with 1 unless the whole process took less than 1 GiB.
"""

import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "simulate"))

from objects import Box, Script, hard_pulse, pool

from mrsim.simulate import Bloch, simulate


def main():
    """Time the run and print its peak memory."""
    script = Script(matrix=(1, 100, 100), samples=100, dwell=4e-6)
    for _ in range(1000):
        script.tr().rf(hard_pulse(0.3)).free(1e-3, (-50.0, 0, 0)).read((1.0, 0, 0)).free(1e-3, (-50.0, 0, 800.0))
    engine = Bloch(slab=1.0, subsamples=1, sub_slices=100, reuse=False, rf_step=1e-6)
    began = time.perf_counter()
    raw = simulate(script.timeline(), Box(size=(0.1, 0.1), pools=(pool(),)), engine)
    seconds = time.perf_counter() - began
    spins, samples = raw.history["spins"], raw.imaging.data.size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{spins:.2g} spins, {samples:.2g} samples: {seconds:.0f} s, {spins * samples / seconds:.2g} spin samples/s")
    print(f"peak memory of the process {peak:.2f} GiB (goal: below 1)")
    sys.exit(0 if peak < 1 else 1)


if __name__ == "__main__":
    main()
