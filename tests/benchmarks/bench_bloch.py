"""Speed of the Bloch kernels, with a scalar per-step loop doing the same work in the same run.

``python tests/benchmarks/bench_bloch.py [--json]``, one core: RF on (spin steps per second; every spin with its own
T1, T2, offset and B1, gradients on three axes) and readouts (spin samples per second, signal sum included) under a
constant gradient, a ramp-sampled trapezoid, a spiral and random gradients, in double and single precision. The
reference loop carries one spin after the other through the same steps, as simulators with a per-step loop do: sine,
cosine and square root at every step.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.simulate._kernels import bloch as kernels
from mrsim.simulate.sampling import SampleForms
from mrsim.simulate.steps import rotation_series, turn_series

FLOORS = {
    "rf double": 8e8,
    "rf single": 2e9,
    "readout constant double": 3e9,
    "readout constant single": 7e9,
    **{f"readout {name} {kind}": rate for name in ("ramp", "spiral", "any") for kind, rate in
       (("double", 1.2e9), ("single", 3.5e9))},
}  # fmt: skip
"""What the kernels must reach per core on an idle machine."""


def compiled(function):
    """Compile with numba, which is loaded after the kernels have chosen the vectors."""
    from numba import njit

    return njit(nogil=True)(function)


@compiled
def scalar_rf(m, position, offset, b1, e1, e2, recovery, pulse_b1, pulse_gradient):
    """One spin after the other, one step after the other, with library sine and cosine."""
    for i in range(m.shape[1]):
        x, y, z = m[0, i], m[1, i], m[2, i]
        for k in range(pulse_b1.shape[1]):
            wx, wy = 2 * pulse_b1[0, k] * b1[i], 2 * pulse_b1[1, k] * b1[i]
            wz = 2 * (
                offset[i]
                + pulse_gradient[0, k] * position[0, i]
                + pulse_gradient[1, k] * position[1, i]
                + pulse_gradient[2, k] * position[2, i]
            )
            angle = math.sqrt(wx * wx + wy * wy + wz * wz)
            if angle > 0:
                nx, ny, nz = wx / angle, wy / angle, wz / angle
                c, s = math.cos(angle), math.sin(angle)
                d = (nx * x + ny * y + nz * z) * (1 - c)
                x, y, z = (
                    x * c + (ny * z - nz * y) * s + nx * d,
                    y * c + (nz * x - nx * z) * s + ny * d,
                    z * c + (nx * y - ny * x) * s + nz * d,
                )
            x, y, z = x * e2[i], y * e2[i], recovery[i] + z * e1[i]
        m[0, i], m[1, i], m[2, i] = x, y, z


@compiled
def scalar_readout(wr, wi, turns, step, decay, out):
    """One spin after the other, one sample after the other, with library sine and cosine."""
    for i in range(wr.size):
        a = 1.0
        for s in range(out.shape[1]):
            p = -2 * math.pi * (turns[i] + s * step[i])
            c, d = math.cos(p) * a, math.sin(p) * a
            out[0, s] += wr[i] * c - wi[i] * d
            out[1, s] += wr[i] * d + wi[i] * c
            a *= decay[i]


def best_seconds(work, repeats=25):
    """Processor time of the fastest of several runs: what the core does when nobody disturbs it."""
    work()
    best = math.inf
    for _ in range(repeats):
        start = time.thread_time()
        work()
        best = min(best, time.thread_time() - start)
    return best


def rates(dtype, name):
    rng = np.random.default_rng(0)
    n, steps, samples = kernels.BLOCK * 8 // np.dtype(dtype).itemsize, 2000, 512

    def small(*shape):
        return (0.05 * rng.standard_normal(shape)).astype(dtype)

    m, place, offset, b1 = small(3, n), small(3, n), small(n), (1 + small(n)).astype(dtype)
    e1, e2 = (np.exp(-rng.uniform(1e-6, 2e-5, n)).astype(dtype) for _ in range(2))
    pulse, gradient = small(2, steps) / 5, small(3, steps) / 5  # half angles within those of the short series
    series, turns_series = rotation_series(dtype), turn_series(dtype)
    wr, wi, turns, step = small(n), small(n), small(n), small(n)
    work = np.empty((8, n), dtype)
    out = np.zeros((2, samples), dtype)
    times = (np.arange(samples) * 4e-6).astype(dtype)
    angle = np.linspace(0, 8, samples)
    spiral = 160 * angle[:, None] * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) / angle[-1]
    played = np.minimum(1, np.minimum(np.arange(samples), samples - np.arange(samples)) / 120)  # trapezoid
    ramp = 5.0 * np.cumsum(played)
    forms = {
        "constant": SampleForms.of(np.outer(np.arange(samples), [4.0, 0, 0])[None], np.full(3, 0.1), dtype),
        "ramp": SampleForms.of(np.outer(ramp, [1.0, 0.3, 0])[None], np.full(3, 0.1), dtype),
        "spiral": SampleForms.of(spiral[None], np.full(3, 0.1), dtype),
        "any": SampleForms.of(40 * rng.standard_normal((1, samples, 3)), np.full(3, 0.1), dtype),
    }

    def sampled(form):
        return lambda: kernels.sample_block(
            form.form[0],
            wr.copy(),
            wi.copy(),
            place,
            offset,
            e2,
            form.moment[0],
            form.stride[0],
            form.bends[0],
            times,
            work,
            turns_series,
            out,
        )

    jobs = {
        "rf": (
            n * steps,
            lambda: kernels.rf_steps(
                m, place, offset, b1, b1 * b1, e1, e2, 1 - e1, pulse, gradient, 0, steps, True, series
            ),
        ),
        **{f"readout {name}": (n * samples, sampled(form)) for name, form in forms.items()},
    }
    found = {f"{kind} {name}": count / best_seconds(job) for kind, (count, job) in jobs.items()}
    if dtype is np.float64:
        found["rf scalar loop"] = (
            n * steps / best_seconds(lambda: scalar_rf(m, place, offset, b1, e1, e2, 1 - e1, pulse, gradient), 3)
        )
        found["readout scalar loop"] = (
            n * samples / best_seconds(lambda: scalar_readout(wr, wi, turns, step, e2, out), 3)
        )
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    found = rates(np.float64, "double") | rates(np.float32, "single")
    if arguments.json:
        print(json.dumps({"per_second": found, "floors": FLOORS}))
        return
    for name, rate in found.items():
        reference = found["rf scalar loop" if name.startswith("rf") else "readout scalar loop"]
        floor = (
            f"   floor {FLOORS[name]:.1e}: {'reached' if rate >= FLOORS[name] else 'MISSED'}" if name in FLOORS else ""
        )
        print(f"{name:26s} {rate:9.3g} /s   {rate / reference:6.1f} x scalar loop{floor}")


if __name__ == "__main__":
    main()
