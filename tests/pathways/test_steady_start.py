"""The periodic state against a long transient from equilibrium."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.phantom.exchange import ExchangePool
from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways

VOXEL = 1e-3 * 1e-3 * 4e-3
ENGINE = Pathways(subsamples=1, profile="ideal", accuracy=1e-6)
WATER = pool(0.12, 0.05)
BOUND = ExchangePool(name="bound", fraction=0.14, rate=30.0, t1=0.2, t2=12e-6, line="super-lorentzian")
SLOW = ExchangePool(name="slow", fraction=0.25, rate=8.0, t1=0.1, t2=0.02, shift=0.07e-6)


def train(count, winding=1000.0, alternate=False, flip=40.0, tr=8e-3):
    """Pulses with two readouts in each repetition; winding 0 is balanced."""
    pulse, script = hard_pulse(np.deg2rad(flip), 1e-6), Script(dwell=1e-9)
    for n in range(count):
        angle = np.pi * (n % 2) if alternate else 0.0
        script.tr().rf(pulse, angle).free(tr / 4).read(phase=angle, contrast=0)
        script.free(tr / 2, (0, 0, winding)).read(phase=angle, contrast=1).free(tr / 4)
    return script.timeline()


def echoes(count=24, tr=60e-3):
    """A spin echo, read at its echo, whose repetitions overlap where T2 is long."""
    script = Script(dwell=1e-9)
    excite, refocus = hard_pulse(np.pi / 3, 1e-6), hard_pulse(2.6, 1e-6, use="refocusing")
    for _ in range(count):
        script.tr().rf(excite).free(5e-3, (0, 0, 1000.0)).rf(refocus).free(5e-3, (0, 0, 1000.0)).read()
        script.free(tr - 10e-3, (0, 0, 2750.0))
    return script.timeline()


CASES = {
    "double echo": (train(200), WATER, {}),
    "double echo, diffusing": (train(110, 20e3), pool(0.12, 0.1), {"diffusion": {"*": 2e-9}}),
    "balanced": (train(200, 0.0), WATER, {}),
    "spin echo": (echoes(), pool(0.12, 0.1), {}),
    "bound pool": (train(200), replace(WATER, exchange=(BOUND,)), {}),
    "two pools": (train(200), replace(WATER, exchange=(SLOW,)), {}),
}


def readouts(timeline, water, engine):
    box = Box(pools=(water,), offset=19.0, b1=0.9)
    run = run_pathways(timeline, box, engine, threads=1)
    return run.imaging.data[:, 0, 0] / VOXEL, run.history


@pytest.mark.parametrize("case", CASES)
def test_steady_start_equals_a_long_transient(case):
    timeline, water, settings = CASES[case]
    engine = replace(ENGINE, **settings)
    steady, history = readouts(timeline, water, replace(engine, start="steady"))
    transient, _ = readouts(timeline, water, replace(engine, accuracy=1e-8))
    each = 1 if case == "spin echo" else 2
    # 110 repetitions of the double echo leave 5e-6 of the start, 200 the square of that
    assert np.abs(steady[-each:] - transient[-each:]).max() <= 1.1 * engine.accuracy
    assert np.array_equal(steady[:each], steady[-each:])
    assert np.abs(steady[:each] - transient[:each]).max() > 1e-2  # equilibrium is elsewhere
    assert history["pruning_bound"] <= engine.accuracy
