"""Steady states of built sequences by the Bloch engine, against closed forms and against isochromats in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mrsim as mr
from mrsim.sequence.families import BalancedSSFP, LookLocker

STRONG = mr.Scanner(name="strong", b0=3.0, max_gradient=0.06, max_slew=200.0, max_b1=1e-3)
ENGINE = mr.Bloch(subsamples=1, accuracy=1e-2)


def central_signal(protocol):
    """Return (repetition,) |signal| of the central line's echo over proton density x volume, and T1, T2."""
    phantom = mr.load_phantom("single-voxel", field=3.0)
    timeline = mr.discretize(protocol.build(STRONG))
    raw = mr.simulate(timeline, phantom, ENGINE).imaging
    pool = phantom.sample(timeline.encoding.grid).pools[0][0]
    central = raw.labels["line"] == protocol.matrix[1] // 2
    volume = 10e-3 * 10e-3 * protocol.slice_thickness
    return np.abs(raw.data[central, 0, protocol.matrix[0] // 2]) / (volume * pool.pd), pool.t1, pool.t2


@pytest.mark.parametrize("degrees", [30.0, 70.0])
def test_balanced_ssfp_in_the_engine_is_freeman_and_hill(degrees):
    tr, flip = 6e-3, math.radians(degrees)
    protocol = BalancedSSFP(matrix=(16, 8), fov=(0.16, 0.16), slice_thickness=10e-3, flip=flip, tr=tr, pulse="hard",
                            excitation_duration=20e-6, dummies=1500)  # fmt: skip
    signal, t1, t2 = central_signal(protocol)
    e1, e2 = math.exp(-tr / t1), math.exp(-tr / t2)
    expected = math.sin(flip) * (1 - e1) / (1 - (e1 - e2) * math.cos(flip) - e1 * e2) * math.exp(-tr / 2 / t2)
    # 20 us of pulse in 6 ms, and what 9 s leave of the approach.
    assert signal[0] == pytest.approx(expected, rel=5e-3)


def test_look_locker_in_the_engine_recovers_with_the_apparent_t1():
    flip, spacing, echoes = math.radians(8), 60e-3, 40
    protocol = LookLocker(matrix=(16, 2), fov=(0.16, 0.16), slice_thickness=10e-3, flip=flip, echoes=echoes, tr=12.0,
                          echo_spacing=spacing, pulse="hard", excitation_duration=20e-6)  # fmt: skip
    signal, t1, _ = central_signal(protocol)
    along = np.where(np.arange(echoes) < np.argmin(signal), -signal, signal)
    from scipy.optimize import curve_fit

    times = np.arange(echoes) * spacing
    start = (along[-1], along[-1] - along[0], 1.0 / t1)
    fitted, _ = curve_fit(lambda t, a, b, r: a - b * np.exp(-t * r), times, along, p0=start)
    # Pathways that RF spoiling leaves over 60 ms: below one per cent.
    assert fitted[2] == pytest.approx(1 / t1 - math.log(math.cos(flip)) / spacing, rel=0.01)
