"""Stacks of slices section by section: against spin by spin, against one slice alone, and what a section leaves out."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box, pool

from mrsim.sequence.discretize import discretize
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.scanner import Scanner
from mrsim.simulate import Bloch, simulate
from mrsim.simulate.slab import slab_thickness

STACK = SpinEcho(
    matrix=(8, 2), fov=(16e-3, 4e-3), slices=3, slice_gap=1e-3, te=(0.03,), tr=0.6, dummies=1, time_bandwidth=2.7
)
BOX = Box(size=(7e-3, 3e-3), pools=(pool(0.6, 0.04),))


def timeline(**changes):
    return discretize(replace(STACK, **changes).build(Scanner.preset("3T")))


def test_sections_of_a_stack_equal_spin_by_spin_within_the_stated_errors():
    scan = timeline()
    engine = Bloch(subsamples=1, slab=3.0)
    parts = simulate(scan, BOX, engine)
    whole = simulate(scan, BOX, replace(engine, reuse=False, sub_slices=2400))
    stated = sum(parts.history[key] for key in ("discretisation_error", "rf_step_error", "far_error"))
    m0 = 7e-3 * 3e-3 * STACK.slice_thickness
    assert np.abs(parts.imaging.data - whole.imaging.data).max() < (stated + 1e-3) * m0
    assert np.abs(whole.imaging.data).max() > 0.2 * m0
    assert stated < 2e-2


def test_ideal_slices_of_a_stack_are_alike_and_are_that_of_one_slice():
    engine = Bloch(subsamples=1, ideal_slice=True)
    stack = simulate(timeline(), BOX, engine).imaging
    one = simulate(timeline(slices=1), BOX, engine).imaging
    for index in range(3):
        mine = stack.data[stack.labels["slice"] == index]
        # crushers wind the phase within the slice by what depends on nothing else; 1e-6 is left of aliases
        np.testing.assert_allclose(np.abs(mine), np.abs(one.data), atol=1e-6 * np.abs(one.data).max())


def test_signal_of_a_stack_does_not_depend_on_threads():
    scan, engine = timeline(), Bloch(subsamples=2, slab=3.0)
    box = Box(size=(7e-3, 3e-3), pools=(pool(0.6, 0.04, 0.6, t2_prime=0.05), pool(0.3, 0.06, 0.4, shift=-3.4e-6)))
    one, two = (simulate(scan, box, engine, threads=n).imaging.data for n in (1, 2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize(("slices", "gap"), [(1, 0.0), (3, 1e-3), (18, 1e-3)])
def test_slab_holds_every_slice_and_no_gap_beside(slices, gap):
    thickness = slab_thickness(timeline(slices=slices, slice_gap=gap, tr=3.0), (-np.inf, np.inf), Bloch())
    reach = 2 * (slices // 2) * (STACK.slice_thickness + gap)
    assert reach + STACK.slice_thickness < thickness < reach + 6 * STACK.slice_thickness
