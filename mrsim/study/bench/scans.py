"""What the benchmark plays: spins that each have their own T1, T2, offset and B1, pulses and windows on three axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.acquisition import Encoding
from ...core.grid import Grid
from ...core.nuclei import PROTON
from ...sequence.timeline import READOUT, RF, Pulse, ReadoutTable, Timeline
from ...simulate.classes import TissueClass

SAMPLES = 512
"""Per window."""
STEPS = 2000
"""RF steps per pulse."""
DWELL = 5e-6
STEP = 2e-6
"""s."""


def own_spins(count: int) -> tuple[list[TissueClass], NDArray[np.float64], NDArray[np.float64]]:
    """Return a class for every spin, the (n, 3) places, m, and the (n,) volumes, m^3."""
    rng = np.random.default_rng(0)
    position = rng.uniform(-0.05, 0.05, (count, 3))
    columns = zip(
        *(rng.uniform(*bounds, count) for bounds in ((0.3, 3.0), (5.0, 50.0), (-100.0, 100.0), (0.8, 1.2))),
        strict=True,
    )
    classes = [
        TissueClass(
            name="water", tissue="bench", pd=1.0, r1=r1, r2=r2, offset=offset, b1=b1, members=np.array([i])
        )
        for i, (r1, r2, offset, b1) in enumerate(columns)
    ]  # fmt: skip
    return classes, position, np.ones(count)


def bench_pulse(steps: int = STEPS) -> Pulse:
    """Return a sinc with a phase, under gradients on three axes that change from step to step."""
    t = (np.arange(steps) + 0.5) / steps - 0.5
    gradient = np.stack([1e-3 * np.cos(9 * t), 1e-3 * np.sin(9 * t), 3e-3 + 1e-3 * t], axis=1)
    b1 = 5e-6 * np.sinc(4 * t) * np.exp(1j * t)
    return Pulse(
        dt=np.full(steps, STEP), b1=b1, gradient=gradient, flip=np.pi / 2, centre=steps * STEP / 2, use="excitation"
    )


def moments(form: str) -> NDArray[np.float64]:
    """Return (SAMPLES, 3) moments, 1/m, under a ``"constant"``, ``"smooth"`` (spiral) or ``"any"`` gradient."""
    s = np.arange(SAMPLES) + 0.5
    if form == "constant":
        return np.outer(s, [4.0, -2.0, 1.0])
    if form == "smooth":
        angle = 8 * s / SAMPLES
        turn = np.stack([np.cos(angle), np.sin(angle), 0.1 * angle], axis=1)
        return np.asarray(20 * angle[:, None] * turn)
    return 40 * np.random.default_rng(1).standard_normal((SAMPLES, 3))


def scan(pulses: int, windows: int, form: str = "constant", samples: int = SAMPLES, steps: int = STEPS) -> Timeline:
    """Return so many pulses of so many steps and then so many windows of so many samples."""
    pulse = bench_pulse(steps)
    moment = np.broadcast_to(moments(form)[:samples], (windows, samples, 3))
    lengths = np.array([round(steps * STEP * 1e9)] * pulses + [round(samples * DWELL * 1e9)] * windows, dtype=np.int64)
    pulse_moment = PROTON.gamma_bar * (pulse.dt @ pulse.gradient)
    table = ReadoutTable(
        samples=np.full(windows, samples),
        purpose=("imaging",) * windows,
        dwell=np.full(windows, DWELL),
        phase=np.zeros(windows),
        frequency=np.zeros(windows),
        moment=moment,
        k=np.zeros((windows, samples, 3)),
        t=np.zeros((windows, samples)),
        labels={},
    )
    return Timeline(
        kind=np.array([RF] * pulses + [READOUT] * windows, dtype=np.int8),
        start=np.concatenate([[0], np.cumsum(lengths)[:-1]]),
        duration=lengths,
        moment=np.array([pulse_moment] * pulses + [moment[0, -1]] * windows),
        event=np.array([0] * pulses + [*range(windows)], dtype=np.int32),
        phase=np.zeros(pulses + windows),
        pulses=(pulse,),
        readouts=table,
        tr_start=np.zeros(1, dtype=np.int64),
        encoding=Encoding(
            grid=Grid(shape=(1, 1, 1), spacing=(1e-3, 1e-3, 1e-3)),
            frequency=3 * PROTON.gamma_bar,
            dwell=DWELL,
            contrast={"te": np.zeros(1)},
        ),
        noise_density=0.0,
        b0=3.0,
        gamma_bar=PROTON.gamma_bar,
    )
