"""Speed of pools that exchange in the Bloch engine, per core, in processor time.

``python tests/benchmarks/bench_exchange.py``.
Water with a labile and a semisolid pool, all spins of one class: RF steps under a gradient, intervals without RF, and
samples of a window; each with spins times steps (intervals, samples) per second, through the call that a run makes.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dataclasses import replace

from mrsim.phantom.exchange import ExchangePool
from mrsim.sequence.timeline import FREE, READOUT
from mrsim.simulate.classes import TissueClass
from mrsim.simulate.exchange_walk import exchange_signal
from mrsim.study.bench.scans import SAMPLES, STEPS, scan

SPINS = 4096
LABILE = ExchangePool(name="labile", fraction=2.7e-3, rate=1000.0, t1=1.0, t2=15e-3, shift=1e-6)
BOUND = ExchangePool(name="bound", fraction=0.1, rate=30.0, t1=1.0, t2=11e-6, line="super-lorentzian")


def seconds(timeline, kind, position):
    """The shortest processor time of three calls."""
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        exchange_signal(timeline, [kind], position, np.ones(SPINS), threads=1)
        best = min(best, time.process_time() - start)
    return best


def main():
    position = np.random.default_rng(0).uniform(-0.05, 0.05, (SPINS, 3))
    kind = TissueClass(
        name="water", tissue="bench", pd=1.0, r1=1.0, r2=12.0, offset=10.0, b1=0.9, members=np.arange(SPINS),
        exchange=(LABILE, BOUND),
    )  # fmt: skip
    few, many = scan(1, 1, samples=1, steps=STEPS), scan(5, 1, samples=1, steps=STEPS)
    rf = (seconds(many, kind, position) - seconds(few, kind, position)) / (4 * STEPS * SPINS)
    print(f"RF under gradients  {1 / rf:9.3g} spin steps/s")
    windows = [scan(1, n, "any", steps=10) for n in (1, 65)]
    read = (seconds(windows[1], kind, position) - seconds(windows[0], kind, position)) / (64 * SAMPLES * SPINS)
    print(f"samples, any k      {1 / read:9.3g} spin samples/s")
    closed = [replace(w, kind=np.where(w.kind == READOUT, FREE, w.kind).astype(np.int8)) for w in windows]
    free = (seconds(closed[1], kind, position) - seconds(closed[0], kind, position)) / (64 * SPINS)
    print(f"intervals           {1 / free:9.3g} spin intervals/s")


if __name__ == "__main__":
    main()
