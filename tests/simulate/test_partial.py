"""Scans in parts: the parts are the whole, bit for bit, and a state goes on in its own scan only."""

from dataclasses import replace

import numpy as np
import pytest
from objects import Box
from test_bloch_sequences import BRICK, selective_cpmg

import mrsim as mr
from mrsim.core.errors import InputError
from mrsim.phantom.motion import Flow
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.simulate import Bloch, simulate, simulate_part

ENGINE = Bloch(slab=2.0, subsamples=2, sub_slices=60, accuracy=1e-2, reuse=False)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_scan_in_parts_equals_the_undivided_scan_exactly(precision, tmp_path):
    timeline, engine = selective_cpmg(repetitions=2, echoes=2), replace(ENGINE, precision=precision)
    whole = simulate(timeline, BRICK, engine, threads=2).imaging.data
    state, total = None, 0
    for stop in (3, 11, None):
        raw, state = simulate_part(timeline, BRICK, engine, start=state, stop=stop, threads=1)
        mr.save(tmp_path / "state.h5", state=state)
        state = mr.load(tmp_path / "state.h5", "state")
        total = total + raw.imaging.data
    assert np.array_equal(total, whole)
    assert np.abs(whole).max() > 0


def test_scan_of_a_moving_object_in_parts_equals_the_undivided_scan_exactly():
    scanner = mr.Scanner.preset("3T")
    timeline = mr.discretize(SpinEcho(matrix=(8, 4), fov=(8e-3, 4e-3), te=(0.02,), tr=0.1, dummies=0).build(scanner))
    phantom = replace(mr.load_phantom("single-voxel", field=3.0), motion=(Flow(velocity=(0.02, -0.01, 0.03)),))
    engine = Bloch(slab=1.5, subsamples=1, sub_slices=40, accuracy=1e-2, reuse=False)
    whole = simulate(timeline, phantom, engine).imaging.data
    state, total = None, 0
    for stop in (2, 5, None):
        raw, state = simulate_part(timeline, phantom, engine, start=state, stop=stop)
        total = total + raw.imaging.data
    assert np.array_equal(total, whole)
    still = simulate(timeline, replace(phantom, motion=()), engine).imaging.data
    assert np.abs(whole - still).max() > 0.1 * np.abs(still).max()
    with pytest.raises(InputError, match="start: the state is of another scan"):
        simulate_part(timeline, replace(phantom, motion=(Flow(velocity=(0.02, 0.0, 0.03)),)), engine, start=state)


def test_state_of_another_scan_is_refused():
    timeline = selective_cpmg(repetitions=1, echoes=2)
    _, state = simulate_part(timeline, BRICK, ENGINE, stop=4)
    for other in (replace(BRICK, offset=18.0), Box()):
        with pytest.raises(InputError, match="start: the state is of another scan"):
            simulate_part(timeline, other, ENGINE, start=state)
    with pytest.raises(InputError, match="stop: segment 2 is not from 4 to"):
        simulate_part(timeline, BRICK, ENGINE, start=state, stop=2)
