"""Isochromats approach the configuration states with the square of their number where edges are dephased."""

import numpy as np
import pytest
from objects import Box, Script, hard_pulse, pool

from mrsim.simulate import Bloch, simulate
from mrsim.simulate.pathways import run_pathways
from mrsim.simulate.pathways_options import Pathways

CYCLES = 325.0
"""Spoiling or crushing, 1/m: 1.3 cycles over the voxel of 4 mm, no whole number, so that the spins' sum is a midpoint
rule."""


def spoiled():
    pulse, script = hard_pulse(0.6, 2e-9), Script(dwell=1e-9)
    for n in range(8):
        angle = np.deg2rad(117) * n * (n + 1) / 2
        script.tr().rf(pulse, angle).free(3e-3).read(phase=angle).free(5e-3, (0, 0, CYCLES))
    return script.timeline()


def train():
    """A turbo spin echo of 120 degrees."""
    refocus, script = hard_pulse(np.deg2rad(120), 2e-9, use="refocusing"), Script(dwell=1e-9)
    script.tr().rf(hard_pulse(np.pi / 2, 2e-9), np.pi / 2).free(4e-3, (0, 0, CYCLES))
    for _ in range(6):
        script.rf(refocus).free(4e-3 - 1e-9, (0, 0, CYCLES)).read().free(4e-3, (0, 0, CYCLES))
    return script.timeline()


@pytest.mark.parametrize("scan", [spoiled, train])
def test_error_of_isochromats_falls_with_the_square_of_their_number(scan):
    timeline, box = scan(), Box(pools=(pool(0.9, 0.06),))
    exact = run_pathways(timeline, box, Pathways(subsamples=1, profile="ideal", accuracy=1e-12)).imaging.data
    counts, errors = np.array([64, 128, 256]), []
    for count in counts.tolist():
        bloch = Bloch(accuracy=1e-6, ideal_slice=True, subsamples=1, sub_slices=count)
        few = simulate(timeline, box, bloch).imaging.data
        errors.append(np.abs(few - exact).max() / np.abs(exact).max())
    assert all(a > b for a, b in zip(errors[:-1], errors[1:], strict=True))
    # 9 cycles at most over 64 spins: the next order of the midpoint rule changes the slope by a few hundredths
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.1)
    assert errors[-1] < 1e-3
