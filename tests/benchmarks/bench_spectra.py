"""Linear-combination fits per second: 15 metabolites, 2,048 points, baseline, two groups, on one thread and on two.

``python tests/benchmarks/bench_spectra.py [VOXELS]``, half a minute. The goal is 200 spectra a second on two cores.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.fit.spectral import fit_spectra
from tests.spectral_fit.examples import LINES, basis, spectra


def main(voxels: int = 200) -> None:
    """Time the fit on one thread and on two."""
    amounts = dict(zip(LINES, (9, 2.5, 1.0, 1.5, 4, 3, 2, 0.8, 3, 1, 0.7, 2, 1.5, 6, 3), strict=True))
    changes = {"phase": 0.6, "delay": 1.5e-4, "shift": 2.0, "gauss": 60.0}
    for noise, threads in ((0.5, 1), (2.0, 1), (0.5, 2), (2.0, 2)):
        measured = spectra(amounts, noise=noise, voxels=voxels, **changes)
        fit_spectra(spectra(amounts, noise=noise, voxels=8, **changes), basis(), threads=threads)
        begin, wall = time.process_time(), time.perf_counter()
        fit_spectra(measured, basis(), threads=threads)
        used, passed = time.process_time() - begin, time.perf_counter() - wall
        print(
            f"noise {noise:g}, {threads} threads: {voxels / used:6.1f} spectra per second of processor time, "
            f"{voxels / passed:6.1f} by the clock"
        )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
