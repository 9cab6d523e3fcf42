"""Contrast of spin-echo trains and of inversion recovery, from simulated raw data."""

import math
from dataclasses import replace

import numpy as np
import pytest
from objects import Box, pool

import mrsim as mr
from mrsim.core.echo_trains import echo_train
from mrsim.sequence.families.inversion_recovery_spin_echo import InversionRecoverySpinEcho
from mrsim.sequence.families.spin_echo import SpinEcho
from mrsim.sequence.families.turbo_spin_echo import TurboSpinEcho
from mrsim.sequence.scanner import Scanner

SCANNER = Scanner.preset("3T")
SMALL = {"fov": (0.016, 0.016), "pixel_bandwidth": 500.0}


def centre_of_kspace(protocol, t1, t2):
    timeline = mr.discretize(protocol.build(SCANNER))
    raw = mr.simulate(timeline, Box(size=(4e-3, 4e-3), pools=(pool(t1, t2),)), mr.Bloch(ideal_slice=True, subsamples=2))
    table, data = timeline.readouts, raw.imaging.data[:, 0]
    row = np.flatnonzero(table.labels["line"] == protocol.matrix[1] // 2)
    return data[row, protocol.matrix[0] // 2]


@pytest.mark.parametrize("degrees", [180.0, 120.0])
def test_turbo_spin_echo_weights_by_the_echo_of_the_central_line(degrees):
    t1, t2, spacing = 1.0, 0.1, 20e-3
    flip = math.radians(degrees)
    signal = []
    for echo in range(1, 5):
        protocol = TurboSpinEcho(
            matrix=(16, 4), echo_train=4, te=echo * spacing, echo_spacing=spacing, tr=20.0,
            refocusing_flip=flip, excitation_duration=1e-3, refocusing_duration=4e-3, time_bandwidth=2.0, **SMALL,
        )  # fmt: skip
        signal.append(abs(centre_of_kspace(protocol, t1, t2)[0]))
    expected = echo_train(t1, t2, refocusing=np.full(4, flip), spacing=spacing)[0]
    # Relaxation during pulses of 1 and 4 ms, which the phase graph takes to be instant: up to 1 % of the later echoes.
    np.testing.assert_allclose(np.array(signal) / signal[0], expected / expected[0], rtol=0.015)
    if degrees == 180.0:
        np.testing.assert_allclose(np.array(signal) / signal[0], np.exp(-spacing * np.arange(4) / t2), rtol=0.015)


def test_fluid_is_nulled_at_the_inversion_time_of_a_finite_repetition():
    t1, tr = 4.3, 9.0
    times = (2.4, 2.6)
    protocol = InversionRecoverySpinEcho(matrix=(16, 2), ti=times, te=15e-3, tr=tr, dummies=2, **SMALL)
    signal = centre_of_kspace(protocol, t1, 2.0)
    early, late = np.real(signal / signal[1])
    assert early < 0 < late
    # The chord of the recovery crosses zero (0.2 s)^2 / (8 t1) = 1.2 ms away from the curve at most.
    null = times[0] + (times[1] - times[0]) * early / (early - late)
    # T1 ln[2 / (1 + exp(-TR / T1))] takes the echo as instant: te moves it by another te exp(-(TR - TI) / T1) / 4.
    assert null == pytest.approx(2.4805, abs=2.1e-3)


def test_every_slice_of_a_stack_is_the_image_of_one():
    """An object that is the same through the stack: slices differ by what their neighbours' edges saturate."""
    one = SpinEcho(matrix=(16, 16), fov=(0.064, 0.064), te=(0.02,), tr=1.0)
    stack = replace(one, slices=3, slice_gap=2e-3)
    ellipse = mr.load_phantom("ellipse", field=3.0)
    single, several = (
        mr.reconstruct(mr.simulate(mr.discretize(p.build(SCANNER)), ellipse, mr.Bloch())).data[0] for p in (one, stack)
    )
    assert several.shape[0] == 3
    for image in several:
        # Two slice thicknesses of sinc profile overlap in 1 % of the magnetisation; order and sign would show as 100 %.
        assert np.linalg.norm(image - single[0]) < 0.015 * np.linalg.norm(single[0])
