"""Seconds and memory of waves in a nearly incompressible box in space of 1.6e5 unknowns; about a minute.

Run with ``python tests/benchmarks/bench_waves.py``. A cube of three shear wavelengths, 12 nodes to each, at a loss
tangent of 0.3 and with the bulk modulus of water, is moved on one side. Ends with 1 where it took 60 s, held 4 GiB or
did not converge.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from skfem import MeshHex

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.core.rheology import Tabulated
from mrsim.simulate.elastic.body import Body
from mrsim.simulate.elastic.drive import Drive
from mrsim.simulate.elastic.solve import move

FREQUENCY, DENSITY, MODULUS = 80.0, 1000.0, 3000 * (1 + 0.3j)
SECONDS, GIB, LEAST = 60.0, 4.0, 150_000


def peak_gib():
    """Return the largest resident memory of this process so far, GiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def main():
    length = 2 * np.pi / abs(2 * np.pi * FREQUENCY * np.sqrt(DENSITY / np.complex128(MODULUS)))
    edge = np.linspace(0, 3 * length, 19)
    law = Tabulated(frequencies=(FREQUENCY,), moduli=(MODULUS,))
    body = Body.uniform(MeshHex.init_tensor(edge, edge, edge), law, DENSITY)
    side = Drive(where=lambda place: place[:, 0] < 1e-9, amplitude=(0.0, 0.0, 1e-5))
    load, start = os.getloadavg()[0], time.perf_counter()
    motion = move(body, FREQUENCY, (side,))
    seconds, gib, unknowns = time.perf_counter() - start, peak_gib(), motion.displacement.size + motion.pressure.size
    print(f"{unknowns} unknowns: {seconds:.1f} s (limit {SECONDS:g}), {gib:.2f} GiB (limit {GIB:g}); load {load:.1f}")
    print(", ".join(f"{name} {value}" for name, value in motion.history.items()))
    return int(unknowns < LEAST or seconds >= SECONDS or gib >= GIB)


if __name__ == "__main__":
    sys.exit(main())
