"""Phantoms at full size: a spine cut into voxels, a cohort that streams, the field of a sphere. About half a minute.

Run with ``python tests/benchmarks/bench_phantom.py``; it fails where a goal is missed. Times are those of the
processor, so that a busy machine does not spoil them; kernels are compiled before.
"""

import resource
import sys
import time
import tracemalloc

import numpy as np

from mrsim.core.grid import Grid
from mrsim.phantom import load_phantom
from mrsim.phantom.cohort import load_cohort

SECONDS, MEMORY = 10.0, 2.0
"""For a spine of 256 x 256 x 16 voxels with 27 sub-samples: processor time, s, and peak memory of the process, GiB."""
STREAM = 2**18
"""Peak of the memory that 10^4 subjects take while they stream, bytes."""


def spine():
    """Return the processor time, s, that the cells of a spine take, and how far the fractions are from a sum of 1."""
    phantom = load_phantom("lumbar-spine", 3.0, (1, 2, 3, 4, 5))
    step = (1e-3, 1e-3, 4e-3)
    phantom.contents(Grid(shape=(2, 8, 8), spacing=step))  # compiles
    grid = Grid(shape=(16, 256, 256), spacing=step)
    began = time.process_time()
    cell, _, fraction = phantom.contents(grid, subsamples=3)
    seconds = time.process_time() - began
    total = np.bincount(cell, fraction, minlength=int(np.prod(grid.shape)))
    middle = total.reshape(grid.shape)[:, 118:138, 118:138]  # within the trunk
    return seconds, float(np.abs(middle - 1.0).max()), float(total.max())


def stream(count=10_000):
    """Return the seconds and the peak of traced memory, bytes, of a cohort that nobody keeps."""
    subjects = load_cohort("lumbar-surgical").subjects(count)
    next(subjects)
    tracemalloc.start()
    began = time.process_time()
    total = sum(subject.grades["L4/5"] for subject in subjects)
    seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak, total / count


def main():
    """Print what was measured; return 1 where a goal is missed."""
    seconds, error, most = spine()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"lumbar spine, 256 x 256 x 16 voxels, 27 sub-samples: {seconds:.1f} s (goal {SECONDS:g})")
    print(f"  peak memory {peak:.2f} GiB (goal {MEMORY:g}); fractions add up to 1 within {max(error, most - 1):.1e}")
    drawn, held, mean = stream()
    print(f"10^4 subjects: {drawn:.1f} s while traced, {held / 1024:.0f} KiB (goal {STREAM / 1024:g}); L4/5 {mean:.2f}")
    return int(not (seconds < SECONDS and peak < MEMORY and max(error, most - 1) < 1e-12 and held < STREAM))


if __name__ == "__main__":
    sys.exit(main())
