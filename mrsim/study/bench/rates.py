"""Speeds of the engines, the dictionaries and the fit, each through the call that a run uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...core.echo_trains import echo_train, unbalanced_train
from ...core.nuclei import PROTON
from ...core.phasors import RealType
from ...fit.models import t2_offset
from ...fit.signal import signal
from ...fit.solve import solve
from ...sequence.timeline import Timeline
from ...simulate.direct import direct_signal
from .clock import shortest
from .scans import DWELL, SAMPLES, STEP, STEPS, bench_pulse, moments, own_spins, scan

PRECISIONS: dict[str, RealType] = {"double": np.float64, "single": np.float32}
SPINS = 8192
"""Two chunks, so that two threads have work."""
GOALS = {
    "rf": (8e8, 2e9), "readout constant": (3e9, 7e9), "readout smooth": (1.2e9, 3.5e9), "readout any": (1.2e9, 3.5e9),
    "cpmg": (1e6, 1.5e6), "fisp": (None, 1e5), "fisp any phase": (None, 5e4),
}  # fmt: skip
"""What one core aims at, in double and in single precision."""
OPERATIONS = {
    # place in the field 3, B1 1, squared angle 2, series 6 (4), axis 2, turn of the axes 3, reflections 8, relaxation 3
    "rf": (28, 26),
    # complex multiplication 4, signal sum 2
    "readout constant": (6, 6),
    # in three samples: phase 9, its square 3 (1), series 24 (6), three complex multiplications 12, turns by shears 9,
    # signal sum 6
    "readout smooth": (21, 14.3),
    # phase 4, rounding 2, square 1, series 15 (8), doubled angle 2, weighted signal sum 6, decay 2
    "readout any": (32, 25),
}
"""Arithmetic instructions of a spin step or a spin sample in double and in single precision: a multiply-add, a
multiplication, an addition or a rounding each. What happens once per block, window or pulse is left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """One measured speed."""

    name: str
    unit: str
    precision: str
    per_second: float
    """Of processor time, one thread."""
    two_threads: float
    """Wall time of one thread over that of two."""
    goal: float | None
    """What one core aims at."""
    operations: float | None
    """Arithmetic instructions of one unit of work."""
    limit: float | None
    """What one core would do if it did only those, each as fast as a multiply-add. Processors that add beside their
    multiply-adds may pass it."""
    baseline: float | None = None
    """The scalar loop's speed at the same work, in double precision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Work that can be done with a number of threads."""

    name: str
    unit: str
    amount: int
    run: Callable[[int, RealType], object]
    precisions: tuple[str, ...] = ("double", "single")


def tasks(quick: bool) -> list[Task]:
    """Return what is timed."""
    return [*_bloch_tasks(24 if quick else 80, 256 if quick else 512), *_dictionary_tasks(quick), _fit_task(quick)]


def _bloch_tasks(pulses: int, windows: int) -> Iterator[Task]:
    classes, position, volume = own_spins(SPINS)

    def run(timeline: Timeline, threads: int, dtype: RealType) -> object:
        return direct_signal(timeline, classes, position, volume, dtype=dtype, threads=threads)

    yield Task(
        name="rf", unit="spin steps", amount=pulses * STEPS * SPINS, run=partial(run, scan(pulses, 1, samples=1))
    )
    for form in ("constant", "smooth", "any"):
        timeline = scan(1, windows, form, steps=10)
        amount = windows * SAMPLES * SPINS
        yield Task(name=f"readout {form}", unit="spin samples", amount=amount, run=partial(run, timeline))


def _dictionary_tasks(quick: bool) -> Iterator[Task]:
    rng = np.random.default_rng(2)
    atoms = 50_000 if quick else 200_000
    t1, t2, b1 = (rng.uniform(*bounds, atoms) for bounds in ((0.3, 3.0), (0.02, 0.2), (0.8, 1.2)))
    yield Task(
        name="cpmg", unit="atoms", amount=atoms,
        run=lambda threads, dtype: echo_train(
            t1, t2, b1, refocusing=np.full(32, math.pi), spacing=0.01, precision=_name(dtype), threads=threads
        ),
    )  # fmt: skip
    few = 4096 if quick else 16_384
    n = np.arange(1000)
    flips = np.deg2rad(10 + 50 * np.abs(np.sin(n / 80)))
    for name, phases in (("fisp", 0.0 * n), ("fisp any phase", np.deg2rad(58.5) * n * (n + 1))):
        yield Task(
            name=name, unit="atoms", amount=few,
            run=partial(_fisp, (t1[:few], t2[:few], b1[:few]), flips, phases), precisions=("single",),
        )  # fmt: skip


def _fisp(atoms: tuple[Any, ...], flips: Any, phases: Any, threads: int, dtype: RealType) -> object:
    return unbalanced_train(
        *atoms, flips=flips, phases=phases, tr=0.012, te=0.005, start=-1.0, precision=_name(dtype), threads=threads
    )


def _name(dtype: RealType) -> str:
    return "double" if dtype is np.float64 else "single"


def _fit_task(quick: bool) -> Task:
    rng, voxels, te = np.random.default_rng(3), 50_000 if quick else 300_000, np.arange(1, 17) * 0.01
    model = t2_offset.MODEL
    truth = {
        "m0": rng.uniform(0.5, 1.0, voxels), "t2": rng.uniform(0.03, 0.12, voxels),
        "offset": rng.uniform(0.02, 0.1, voxels),
    }  # fmt: skip
    clean = signal(model, truth, {"te": te})
    data = clean + rng.normal(0, 0.005, clean.shape)
    return Task(
        name="t2 fit", unit="voxels", amount=voxels, precisions=("double",),
        run=lambda threads, dtype: solve(model, {"te": te}, data, threads=threads),
    )  # fmt: skip


def multiply_adds(precision: str, repeats: int) -> float:
    """Return how many multiply-adds of vectors' elements one core does in a second of processor time."""
    from .._kernels.multiply_add import CHAIN, multiply_adds

    real, rounds = PRECISIONS[precision], 2000
    x = np.ones(1024, real)
    seconds = shortest(lambda: multiply_adds(x, real(0.999), real(0.001), rounds), repeats)
    return len(x) * CHAIN * rounds / seconds.cpu


def measure(task: Task, precision: str, peak: float, baseline: float | None, repeats: int) -> Rate:
    """Time one task in one precision, with one thread and with two; `peak` multiply-adds a second are the limit."""
    dtype = PRECISIONS[precision]
    one = shortest(lambda: task.run(1, dtype), repeats)
    two = shortest(lambda: task.run(2, dtype), repeats)
    goal = GOALS.get(task.name, (None, None))[precision == "single"]
    operations = OPERATIONS.get(task.name, (None, None))[precision == "single"]
    return Rate(
        name=task.name, unit=task.unit, precision=precision, per_second=task.amount / one.cpu,
        two_threads=one.wall / two.wall, goal=goal, operations=operations,
        limit=peak / operations if operations else None, baseline=baseline,
    )  # fmt: skip


def scalar_loops(repeats: int) -> dict[str, float]:
    """Return the per-step loop's spin steps and spin samples per second: one spin after the other, double precision."""
    from .._kernels import scalar_loop as kernels

    classes, position, _ = own_spins(256)
    place = np.ascontiguousarray(position.T)
    offset, b1, r1, r2 = (np.array([getattr(c, k) for c in classes]) for k in ("offset", "b1", "r1", "r2"))
    pulse = bench_pulse()
    m = np.zeros((3, 256))
    m[2] = 1
    field = PROTON.gamma_bar * np.stack([pulse.b1.real, pulse.b1.imag])
    gradient = np.ascontiguousarray(PROTON.gamma_bar * pulse.gradient.T)
    e1, e2, factor = np.exp(-r1 * STEP), np.exp(-r2 * STEP), -2 * math.pi * STEP
    rf = shortest(lambda: kernels.scalar_rf(m, place, offset, b1, e1, e2, field, gradient, factor), repeats)
    weight, out = np.ones((2, 256)), np.zeros((2, SAMPLES))
    time, decay = (np.arange(SAMPLES) + 0.5) * DWELL, np.exp(-r2 * DWELL)
    moment = moments("any")
    read = shortest(lambda: kernels.scalar_readout(weight, place, offset, decay, moment, time, out), repeats)
    return {"rf": 256 * STEPS / rf.cpu, "readout": 256 * SAMPLES / read.cpu}
