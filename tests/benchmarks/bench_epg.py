"""Speed of the batched phase graphs, with a numpy reference doing the same trains in the same run.

``python tests/benchmarks/bench_epg.py [--json] [--threads 2]``: atoms per second, each with its own T1, T2 and B1.
Echo train: 32 crushed echoes. Fingerprint: 1,000 repetitions with one gradient order each, flips, TR and so decay
changing from pulse to pulse, RF phases 0 or pi ("real") or any; error by cutting off orders at most 1e-4, measured.
The reference carries all atoms at once through vectorised numpy, in double precision and with as many orders.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mrsim.core.echo_trains import echo_train, unbalanced_train

FLOORS = {
    "echo train single": 3e6,
    "echo train double": 2e6,
    "fingerprint real single": 2e5,
    "fingerprint any single": 1e5,
}
"""Atoms per second wanted of two cores of an idle machine."""
PULSES = np.arange(1000)
FLIPS = np.deg2rad(10 + 50 * np.abs(np.sin(PULSES / 1000 * 4 * np.pi)))
TR = 12e-3 + 2e-3 * np.sin(PULSES)
TE = 3e-3


def atoms(count):
    rng = np.random.default_rng(0)
    t1 = rng.uniform(0.3, 2.0, count)
    return t1, np.minimum(rng.uniform(0.02, 0.2, count), t1), rng.uniform(0.7, 1.2, count)


def numpy_graph(t1, t2, b1, flips, phases, tr, te, orders, refocused):
    """All atoms at once: states (3, order, atom); with `refocused`, pulses at half spacings and echoes between."""
    f, m, z = (np.zeros((orders, len(t1)), complex) for _ in range(3))
    if refocused:
        f[1] = np.sin(math.pi / 2 * b1) * np.exp(-tr[0] / 2 / t2)
    else:
        z[0] = 1
    out = np.zeros((len(flips), len(t1)), complex)
    for n in range(len(flips)):
        a, axis = flips[n] * b1, np.exp(-1j * phases[n])
        c, s, sine, cosine = np.cos(a / 2) ** 2, np.sin(a / 2) ** 2, np.sin(a), np.cos(a)
        f, m, z = (
            c * f + axis**2 * s * m + 1j * axis * sine * z,
            np.conj(axis) ** 2 * s * f + c * m - 1j * np.conj(axis) * sine * z,
            0.5j * np.conj(axis) * sine * f - 0.5j * axis * sine * m + cosine * z,
        )
        out[n] = (m[1] if refocused else f[0]) * np.exp(-(tr[n] / 2 if refocused else te) / t2)
        e1, e2 = np.exp(-tr[n] / t1), np.exp(-tr[n] / t2)
        f, m, z = f * e2, m * e2, z * e1
        if not refocused:
            z[0] += 1 - e1
        f[1:], m[:-1] = f[:-1].copy(), m[1:].copy()
        m[-1] = 0
        if refocused:
            f[1] = np.conj(m[0])
        else:
            f[0] = np.conj(m[0])
    return out


def best_seconds(work, repeats, threads=1):
    """Processor time over threads: what an idle machine takes, whatever else this one does."""
    work()
    best = math.inf
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, (time.process_time() - start) / threads)
    return best


def measure(threads):
    rates, errors = {}, {}
    some = atoms(256)
    esp = np.full(32, 10e-3)
    work = best_seconds(lambda: numpy_graph(*some, np.full(32, np.pi), np.zeros(32), esp, 0, 34, True), 3)
    rates["echo train numpy"] = 256 / work
    train = dict.fromkeys(("flips",), FLIPS) | {"tr": TR, "te": TE}
    phases = {"real": 0.0 * PULSES, "any": np.deg2rad(117) * PULSES**2 / 2}
    for name, phase in phases.items():
        orders = int(unbalanced_train(*some, **train, phases=phase).orders.max())
        work = best_seconds(lambda p=phase, o=orders: numpy_graph(*some, FLIPS, p, TR, TE, o, False), 1)
        rates[f"fingerprint {name} numpy"] = 256 / work
    many, fewer = atoms(2**17), atoms(2**15)
    for precision in ("single", "double"):
        settings = {"precision": precision, "threads": threads}
        work = best_seconds(
            lambda s=settings: echo_train(*many, refocusing=np.full(32, np.pi), spacing=10e-3, **s), 7, threads
        )
        rates[f"echo train {precision}"] = 2**17 / work
        for name, phase in phases.items():
            found = unbalanced_train(*fewer, **train, phases=phase, **settings)
            errors[f"fingerprint {name} {precision}"] = float(found.error.max())
            work = best_seconds(
                lambda p=phase, s=settings: unbalanced_train(*fewer, **train, phases=p, **s), 3, threads
            )
            rates[f"fingerprint {name} {precision}"] = 2**15 / work
    return rates, errors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rates, errors = measure(options.threads)
    if options.json:
        print(json.dumps({"atoms_per_second": rates, "cut_off_error": errors, "threads": options.threads}))
        return
    for name, rate in rates.items():
        reference = rates[name.rsplit(" ", 1)[0] + " numpy"]
        floor = (
            f"   wanted {FLOORS[name]:.1e}: {'reached' if rate >= FLOORS[name] else 'MISSED'}" if name in FLOORS else ""
        )
        error = f"   cut-off error {errors[name]:.1e}" if name in errors else ""
        print(f"{name:26s} {rate:9.3g} atoms/s   {rate / reference:6.0f} x numpy{error}{floor}")


if __name__ == "__main__":
    main()
