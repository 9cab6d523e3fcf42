"""Run in a process of its own under numba's CUDA simulator: prints the largest differences from the CPU engine."""

import json
from dataclasses import replace

import numpy as np
from objects import GAMMA_BAR, Script, hard_pulse

from mrsim.sequence.timeline import Pulse
from mrsim.simulate import cuda
from mrsim.simulate.classes import TissueClass
from mrsim.simulate.direct import direct_signal

SPINS = 10
"""More than a block of the simulator's layout, and no multiple of it."""


def spins(rng):
    """Spins that each have their own T1, T2, offset and B1."""
    position = rng.uniform(-4e-3, 4e-3, (SPINS, 3))
    volume = rng.uniform(0.5, 1.5, SPINS)
    classes = [
        TissueClass(
            name="water", tissue="box", pd=float(rng.uniform(0.5, 1)), r1=float(rng.uniform(0.5, 8)),
            r2=float(rng.uniform(5, 60)), offset=float(rng.uniform(-80, 80)), b1=float(rng.uniform(0.8, 1.2)),
            members=np.array([i]),
        )
        for i in range(SPINS)
    ]  # fmt: skip
    return classes, position, volume


def selective(flip, steps=12, duration=1.2e-3):
    """A sinc of complex amplitude under gradients on all axes that change from step to step."""
    t = (np.arange(steps) + 0.5) / steps - 0.5
    shape = np.sinc(3 * t) * np.exp(2j * t)
    scale = flip / (2 * np.pi * GAMMA_BAR * abs(shape.sum()) * duration / steps)
    gradient = np.stack([2e-3 + 1e-3 * t, -1e-3 * t, 8e-3 + 0 * t], axis=1)
    return Pulse(dt=np.full(steps, duration / steps), b1=scale * shape, gradient=gradient, flip=flip,
                 centre=duration / 2, use="excitation")  # fmt: skip


def bent(timeline, rng):
    """The same timeline with a readout gradient that changes from sample to sample."""
    moment = 60 * rng.standard_normal(timeline.readouts.moment.shape)
    return replace(timeline, readouts=replace(timeline.readouts, moment=moment))


def timelines(rng):
    """Every kind of segment on its own, then a small spin echo train with phase encoding and RF phases."""
    rf = Script(samples=1, dwell=4e-6).tr().rf(selective(2.0), phase=0.7).read().timeline()
    constant = Script(samples=21, dwell=2e-5).tr().rf(hard_pulse(1.2)).free(2e-3, (30.0, -20.0, 10.0))
    constant = constant.read((4.0, -3.0, 1.0)).timeline()
    train = Script(samples=9, dwell=3e-5)
    for step in range(2):
        train.tr().rf(selective(1.4), phase=0.5 * step)
        for _ in range(1):
            train.free(1e-3, (-18.0, 40.0 * step, 90.0)).rf(hard_pulse(2.6, 4e-4, "refocusing", 4), phase=1.1)
            train.free(1e-3, (-18.0, 0.0, 90.0)).read((4.0, 0.0, 0.0)).free(5e-4, (0.0, -40.0 * step, 0.0))
        train.free(0.02)
    whole = train.timeline()
    backwards = whole.event.copy()
    windows = whole.kind == 2
    backwards[windows] = backwards[windows][::-1]
    slope = np.array([[3e-4, -2e-4, 9e-4]])
    ramped = Script(samples=1, dwell=4e-6).tr().rf(replace(selective(2.0), change=np.repeat(slope, 12, axis=0)), 0.7)
    return {
        "rf": rf, "rf on a ramp": ramped.read().timeline(), "constant": constant, "any": bent(constant, rng),
        "train": whole, "windows out of order": replace(whole, event=backwards),
    }  # fmt: skip


def through_the_engine():
    """A box of one cell, four sub-slices and two readouts by `simulate`, and what it refuses."""
    from objects import Box, pool

    from mrsim.core.coils import Coils
    from mrsim.core.errors import InputError
    from mrsim.core.field_map import FieldMap
    from mrsim.core.grid import Grid
    from mrsim.phantom.exchange import ExchangePool
    from mrsim.simulate import Bloch, simulate

    scan = Script(samples=8, dwell=2e-5).tr().rf(selective(1.2))
    scan = scan.free(1e-3, (-60.0, 0.0, -20.0)).read((15.0, 0.0, 0.0)).free(1e-3).read((-15.0, 0.0, 0.0)).timeline()
    options = {"subsamples": 1, "sub_slices": 4, "rf_step": 1e-4, "slab": 1.0, "t2_prime": False}
    raw = [simulate(scan, Box(), Bloch(device=device, reuse=False, **options)) for device in ("cuda", "auto", "cpu")]
    signal = [one.imaging.data for one in raw]
    worst = max(float(np.abs(one - signal[2]).max() / np.abs(signal[2]).max()) for one in signal)
    found = {"engine": worst, "device": [one.history["device"] for one in raw], "exchange": None}
    grid = Grid(shape=(1, 2, 2), spacing=(1.0, 1.0, 1.0))
    coils = Coils(maps=tuple(FieldMap(values=np.full(grid.shape, v, dtype=complex), grid=grid) for v in (1, 2 - 3j)))
    heard = simulate(scan, Box(), Bloch(device="cuda", reuse=False, **options), coils=coils).imaging.data
    weighed = signal[2] * np.array([1, 2 - 3j])[:, None]
    found["engine coils"] = float(np.abs(heard - weighed).max() / np.abs(weighed).max())
    mixed = replace(pool(), exchange=(ExchangePool(name="bound", fraction=0.1, rate=30.0, t1=1.0, t2=0.01),))
    try:
        simulate(scan, Box(pools=(mixed,)), Bloch(device="cuda", **options))
    except InputError as problem:
        found["exchange"] = str(problem)
    return found


def main():
    rng = np.random.default_rng(4)
    classes, position, volume = spins(rng)
    carried = cuda.CudaSpins.of(classes, position, volume)
    found = {"available": cuda.why_no_cuda(), "error": {}}
    scans = timelines(rng)
    for name, timeline in scans.items():
        cpu = direct_signal(timeline, classes, position, volume, dtype=np.float64, threads=1)
        for precision, dtype in (("double", np.float64), ("single", np.float32)):
            gpu = cuda.cuda_signal(timeline, carried, dtype=dtype)[:, 0]
            found["error"][f"{name} {precision}"] = float(np.abs(gpu - cpu).max() / np.abs(cpu).max())
    timeline = scans["train"]
    once = cuda.cuda_signal(timeline, carried, dtype=np.float32)
    found["same twice"] = bool(np.array_equal(once, cuda.cuda_signal(timeline, carried, dtype=np.float32)))
    # three coils: one more than share sines and cosines in the simulator's layout
    waves = np.array([[0.0, 200.0, -90.0], [10.0, 0.0, 300.0], [-40.0, 70.0, 0.0]])
    sensitivity = np.exp(1j * position @ waves.T).T
    heard, found["coils"] = cuda.CudaSpins.of(classes, position, volume, sensitivity), {}
    for name in ("constant", "any"):
        options = {"dtype": np.float64, "threads": 1, "sensitivity": sensitivity}
        exact = direct_signal(scans[name], classes, position, volume, **options)
        coils = cuda.cuda_signal(scans[name], heard, dtype=np.float64)
        found["coils"][name] = float(np.abs(coils - exact).max() / np.abs(exact).max())
    cuda.BATCH = 8
    from mrsim.simulate import cuda_scan

    cuda_scan.LAUNCH_SECONDS = 0.0
    steps = []
    split = cuda.cuda_signal(timeline, carried, dtype=np.float32, progress=lambda done, total: steps.append(done))
    found["same in pieces"] = bool(np.array_equal(once, split))
    found["progress"] = steps
    found |= through_the_engine()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
