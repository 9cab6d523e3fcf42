"""Speed of reconstruction, with sigpy doing the same SENSE and ESPIRiT in the same run.

``python tests/benchmarks/bench_recon.py [--json] [--quick]``: processor seconds of one process (all its threads) and
wall seconds, each the shortest of two runs. Coil maps are given for SENSE and compressed sensing; estimating them is
timed by itself. ``--quick`` takes 64 x 64 voxels.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.core.undersampling import variable_density
from mrsim.recon import CompressedSensing, Grappa, Sense, reconstruct
from mrsim.recon.coil_maps import estimate_maps
from tests.recon.scans import acquisition, covariance, disc, kspace, loop_fields

LIMITS = {
    "SENSE R 2, 16 coils, 16 slices": 5.0,
    "MESE, 32 echoes, 16 slices": 2.0,
    "CS wavelet R 4, 8 coils": 20.0,
    "CS total variation R 4, 8 coils": 20.0,
}
"""Seconds allowed on two idle cores."""


def one_slice(n, coils):
    """(coil, y, x) samples and maps of a disc; the object on the image's own raster, which costs nothing here."""
    y, x = np.meshgrid(*[(np.arange(n) - n // 2) * 0.2 / n] * 2, indexing="ij")
    maps = loop_fields(coils, y, x)
    return kspace(maps * disc(n), n), maps


def every(n, step):
    mask = np.zeros((1, n), bool)
    mask[0, ::step] = True
    return mask


def cases(n):
    """Name of a case and a function that does it."""
    data, maps = one_slice(n, 16)
    stack = np.broadcast_to(data[None, :, None], (1, 16, 16, n, n))
    all_maps = np.ascontiguousarray(np.broadcast_to(maps[:, None], (16, 16, n, n)))
    two = acquisition(stack, every(n, 2), middle=24, psi=1e-4 * covariance(16))
    echoes = acquisition(np.broadcast_to(data[None, :1, None], (32, 1, 16, n, n)))
    yield "SENSE R 2, 16 coils, 16 slices", lambda: reconstruct(two, Sense(maps=all_maps))
    yield "the same with maps by espirit", lambda: reconstruct(two)
    yield "MESE, 32 echoes, 16 slices", lambda: reconstruct(echoes)
    single = acquisition(data[None, :, None], every(n, 2), middle=24)
    yield "GRAPPA R 2, 16 coils, 1 slice", lambda: reconstruct(single, Grappa(maps=maps[:, None]))
    box = (slice(0, 1), slice(n // 2 - 12, n // 2 + 12))
    for kind in ("espirit", "lowres"):
        yield f"maps by {kind}, 16 coils, 1 slice", lambda kind=kind: estimate_maps(data[:, None], box, kind)
    eight, maps8 = one_slice(n, 8)
    sparse = acquisition(eight[None, :, None], variable_density((1, n), 4, 16, rng=1))
    for name, kind in (("wavelet", "wavelet"), ("total variation", "tv")):
        method = CompressedSensing(sparse=kind, maps=maps8[:, None])
        yield f"CS {name} R 4, 8 coils", lambda method=method: reconstruct(sparse, method)
    yield "sigpy SENSE R 2, 16 coils, 1 slice", lambda: sigpy_sense(data * every(n, 2)[0][:, None], maps)


def sigpy_sense(samples, maps):
    from sigpy.mri.app import SenseRecon

    return SenseRecon(samples, maps, max_iter=20, show_pbar=False).run()


def timed(work):
    best = [np.inf, np.inf]
    for _ in range(2):
        start = time.process_time(), time.perf_counter()
        work()
        best = [
            min(b, now - s) for b, now, s in zip(best, (time.process_time(), time.perf_counter()), start, strict=True)
        ]
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for name, work in cases(64 if arguments.quick else 256):
        cpu, wall = timed(work)
        rows.append({"case": name, "cpu_s": cpu, "wall_s": wall, "limit_s": LIMITS.get(name)})
        if not arguments.json:
            limit = f"  (limit {LIMITS[name]:g})" if name in LIMITS else ""
            print(f"{name:<40} {cpu:8.2f} s processor {wall:8.2f} s wall{limit}", flush=True)
    if arguments.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
