"""Pathways against the Bloch-McConnell engine, which shares nothing with it but the absorption line."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.phantom.exchange import ExchangePool
from mrsim.simulate import Bloch, simulate
from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways

VOXEL = 1e-3 * 1e-3 * 4e-3
SLOW = ExchangePool(name="slow", fraction=0.25, rate=8.0, t1=0.5, t2=0.02, shift=0.07e-6)
BOUND = ExchangePool(name="bound", fraction=0.14, rate=30.0, t1=1.0, t2=12e-6, line="super-lorentzian")
COUNT, TR, TE, FLIP = 40, 8e-3, 2e-3, np.deg2rad(15)


def spoiled(pulse_length, increment):
    """RF-spoiled echoes; every repetition winds a whole number of cycles over the voxel of 4 mm."""
    pulse, script = hard_pulse(FLIP, pulse_length), Script(dwell=1e-9)
    for n in range(COUNT):
        angle = np.deg2rad(increment) * n * (n + 1) / 2
        script.tr().rf(pulse, angle).free(TE - pulse_length / 2).read(phase=angle)
        script.free(TR - TE - pulse_length / 2 - 1e-9, (0, 0, 1000.0))
    return script.timeline()


def difference(other, pulse_length, spins=192, increment=117):
    """The largest difference between the engines, over M0 of water.

    The bound pool is saturated alike whatever the length: its rate times the length is kept.
    """
    timeline = spoiled(pulse_length, increment)
    box = Box(pools=(replace(pool(1.0, 0.08), exchange=(other,)),))
    bloch = Bloch(reuse=False, sub_slices=spins, subsamples=1, slab=1.0, accuracy=1e-6)
    exact = simulate(timeline, box, bloch, threads=1).imaging.data
    paths = run_pathways(timeline, box, Pathways(subsamples=1, profile="ideal", accuracy=1e-6), threads=1).imaging.data
    return np.abs(paths - exact).max() / VOXEL


@pytest.mark.parametrize("other", [SLOW, BOUND], ids=["exchange", "transfer"])
def test_spoiled_echoes_with_pools_equal_bloch_mcconnell(other):
    assert difference(other, 20e-6) < 1e-4


def test_difference_vanishes_with_the_length_of_the_pulse():
    errors = [difference(SLOW, length) for length in (160e-6, 80e-6, 40e-6)]
    slope = np.polyfit(np.log([160, 80, 40]), np.log(errors), 1)[0]
    assert slope > 0.9  # first order: pulses act at their centres
    assert errors[0] > errors[1] > errors[2]


def test_spins_too_few_for_the_windings_of_the_train_alias():
    few, many = (difference(SLOW, 20e-6, spins) for spins in (12, 192))
    # the 12th winding comes back in phase on 12 spins
    assert few > 20 * many
