"""The benchmark: its plain loop does the engine's work, and its tables say what was measured."""

import numpy as np

from mrsim.cli.bench import facts, peer_table, rate_table
from mrsim.core.nuclei import PROTON
from mrsim.simulate.direct import direct_signal
from mrsim.study._kernels.scalar_loop import scalar_readout, scalar_rf
from mrsim.study.bench.scans import DWELL, SAMPLES, STEP, bench_pulse, moments, own_spins, scan

FOUND = {
    "machine": {"processor": "a processor", "cores": 2, "load": 0.1, "load_after": 3.0, "python": "3", "numpy": "2",
                "numba": "0", "mrsim": "1", "date": "2026-01-01"},
    "rates": [{"name": "rf", "unit": "spin steps", "precision": "double", "per_second": 1e9, "two_threads": 1.9,
               "goal": 8e8, "operations": 33, "limit": 2e9, "baseline": 1e8}],
    "multiply_adds_per_second": {"double": 6.6e10, "single": 1.32e11},
    "peers": [{"name": "sigpy", "work": "abrm", "unit": "spin steps", "per_second": None}],
    "start": {"import_seconds": 0.1, "compile_seconds": 20.0, "first_call_seconds": 0.3}, "peak_memory_bytes": 2e8,
}  # fmt: skip


def test_bench_plain_loop_does_the_work_of_the_engine():
    """A pulse on three axes and a window, with the T1, T2, offset and B1 of each spin."""
    classes, position, volume = own_spins(6)
    steps = 40
    timeline = scan(1, 1, "any", steps=steps)
    engine = direct_signal(timeline, classes, position, volume, dtype=np.float64, threads=1)
    place = np.ascontiguousarray(position.T)
    offset, b1, r1, r2 = (np.array([getattr(c, k) for c in classes]) for k in ("offset", "b1", "r1", "r2"))
    pulse = bench_pulse(steps)
    m = np.zeros((3, 6))
    m[2] = 1
    field = PROTON.gamma_bar * np.stack([pulse.b1.real, pulse.b1.imag])
    gradient = np.ascontiguousarray(PROTON.gamma_bar * pulse.gradient.T)
    scalar_rf(m, place, offset, b1, np.exp(-r1 * STEP), np.exp(-r2 * STEP), field, gradient, -2 * np.pi * STEP)
    out, time = np.zeros((2, SAMPLES)), (np.arange(SAMPLES) + 0.5) * DWELL
    decay = np.exp(-r2 * DWELL)
    scalar_readout(m[:2] * np.sqrt(decay), place, offset, decay, moments("any"), time, out)
    # the loop relaxes after each step, the engine half before and half after: r2 dt / 2 = 5e-5 of the signal
    np.testing.assert_allclose(out[0] + 1j * out[1], engine[0], atol=1e-4 * np.abs(engine).max())


def test_bench_table_states_ratio_goal_and_missing_programs():
    assert rate_table(FOUND).rows == (("rf", "double", "1e+09", "spin steps/s", "8e+08", "33", "50", "10.0", "1.90"),)
    assert peer_table(FOUND).rows[0][1] == "not installed"


def test_bench_says_when_the_machine_was_busy():
    lines = facts(FOUND)
    assert any("other programs were running" in line for line in lines)
    idle = {**FOUND, "machine": {**FOUND["machine"], "load_after": 0.5}}
    assert len(facts(idle)) == len(lines) - 1
