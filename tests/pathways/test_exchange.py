"""Exchanging pools against numerical integration of the Bloch-McConnell equations."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.phantom.exchange import ExchangePool
from mrsim.simulate.absorption import absorption
from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways
from mrsim.simulate.pulse_maps import rotation

VOXEL = 1e-3 * 1e-3 * 4e-3
GAMMA_BAR = 42.577478518e6
T1, T2, FLIP, TR, TE = 1.0, 0.08, np.deg2rad(15), 8e-3, 2e-3
PULSE = hard_pulse(FLIP, 100e-6)
SLOW = ExchangePool(name="slow", fraction=0.25, rate=8.0, t1=0.5, t2=0.02, shift=0.07e-6)
BOUND = ExchangePool(name="bound", fraction=0.14, rate=30.0, t1=1.0, t2=12e-6, line="super-lorentzian")


def signals(exchange, increment, count=40):
    script, phase = Script(dwell=1e-9), np.deg2rad(increment)
    for n in range(count):
        angle = phase * n * (n + 1) / 2
        script.tr().rf(PULSE, angle).free(TE - 50e-6).read(phase=angle)
        script.free(TR - TE - 50e-6 - 1e-9, (0, 0, 1000.0))
    box = Box(pools=(replace(pool(T1, T2), exchange=exchange),))
    engine = Pathways(subsamples=1, profile="ideal", accuracy=1e-7)
    return run_pathways(script.timeline(), box, engine, threads=1).imaging.data[:, 0, 0] / VOXEL


def integrated(other, increment, count=40, spins=400):
    """Spins of two pools, each with its winding per TR, through scipy's exponential of the full equations."""
    from scipy.linalg import expm

    m0 = np.array([1.0, other.fraction])
    there, back = other.rate * other.fraction, other.rate
    free = other.line == "liquid"
    generator = np.zeros((7, 7))
    offset = 2 * np.pi * other.shift * GAMMA_BAR * 3.0
    for at, (r1, r2, w) in enumerate(((1 / T1, 1 / T2, 0.0), (1 / other.t1, 1 / other.t2 if free else 0.0, offset))):
        i = 3 * at
        generator[i, i] = generator[i + 1, i + 1] = -r2
        generator[i, i + 1], generator[i + 1, i] = w, -w  # exp(-i w t)
        generator[i + 2, i + 2], generator[i + 2, 6] = -r1, r1 * m0[at]
    for axis in (0, 1, 2) if free else (2,):
        generator[axis, axis] -= there
        generator[axis + 3, axis] += there
        generator[axis, axis + 3] += back
        generator[axis + 3, axis + 3] -= back
    before, after = expm(generator * TE), expm(generator * (TR - TE))
    winding = 2 * np.pi * (np.arange(spins) + 0.5) / spins
    state = np.zeros((7, spins))
    state[[2, 5]], state[6] = m0[:, None], 1
    result = []
    for n in range(count):
        phase = np.deg2rad(increment) * n * (n + 1) / 2
        turn = np.eye(7)
        turn[:3, :3] = rotation(FLIP, -phase)[:, :3]
        if free:
            turn[3:6, 3:6] = turn[:3, :3]
        else:
            turn[5, 5] = np.exp(-np.pi * (FLIP / 100e-6) ** 2 * 100e-6 * absorption(other.line, other.t2, 0.0))
        state = before @ turn @ state
        plus = (state[0] + 1j * state[1] + state[3] + 1j * state[4]).mean()
        result.append(plus * np.exp(1j * phase))
        state = after @ state
        for i in (0, 3):
            moved = (state[i] + 1j * state[i + 1]) * np.exp(-1j * winding)
            state[i], state[i + 1] = moved.real, moved.imag
    return np.array(result)


@pytest.mark.parametrize("increment", [0, 117])
@pytest.mark.parametrize("other", [SLOW, BOUND], ids=["exchange", "bound"])
def test_spoiled_echoes_of_two_pools_equal_integrated_spins(other, increment):
    # 400 spins resolve the 40 windings of the train exactly; the pulse is taken at its centre by both
    found, expected = signals((other,), increment), integrated(other, increment)
    assert np.abs(found - expected).max() < 1e-6
    assert np.abs(found - signals((), increment)).max() > 1e-3  # the other pool matters


def test_split_pools_without_difference_are_one():
    twin = ExchangePool(name="twin", fraction=0.3, rate=11.0, t1=T1, t2=T2)
    # what 100 us of relaxation differ when they are split around the pulse's centre
    np.testing.assert_allclose(signals((twin, twin), 117), 1.6 * signals((), 117), atol=1e-5)
