"""Saturated slabs around a voxel: what they take of a line, against the spin engine's own rotations."""

from dataclasses import replace

import numpy as np
import pytest

import mrsim as mr
from mrsim.sequence.families.press import Press
from mrsim.simulate.spin_systems.profiles import BAND_T1, reach, selected, unsaturated
from mrsim.simulate.spin_systems.pulses import propagators
from mrsim.simulate.spin_systems.shot import shot
from mrsim.simulate.spin_systems.subspaces import Subspace

SPIN = Subspace(spins=(0.5,), offsets=(-430.0,), couplings=())
VOXEL = (16e-3, 5e-3, 15e-3)


def played(gap, **changes):
    protocol = Press(voxel=VOXEL, samples=16, suppression="none", outer_band=25e-3, outer_gap=gap, shift=-2.3e-6,
                     refocusing_duration=7e-3, **changes)  # fmt: skip
    return shot(mr.discretize(protocol.build(mr.Scanner.preset("3T"))))


@pytest.mark.slow
def test_a_line_keeps_what_rotations_leave_behind_the_slabs():
    with_bands = played(2e-3)
    assert len(with_bands.bands) == 6
    y = np.linspace(-4e-3, 4e-3, 9)
    places = (np.zeros(1), y, np.zeros(1))
    bare = selected(replace(with_bands, bands=()), SPIN.offsets[0], places)[1]
    found = selected(with_bands, SPIN.offsets[0], places)[1]
    mz, before = np.ones_like(y), None
    for band in with_bands.bands:
        if not np.any(band.play.pulse.gradient[:, 1]):
            continue
        if before is not None:
            mz = 1 - (1 - mz) * np.exp(-(before - band.ahead) / BAND_T1)
        position = np.stack([0 * y, y, 0 * y], axis=-1)
        turned = propagators(SPIN, band.play, with_bands.gamma_bar, position)[:, 0, 1]
        mz, before = mz * (1 - 2 * np.abs(turned) ** 2), band.ahead
    mz = 1 - (1 - mz) * np.exp(-before / BAND_T1)
    np.testing.assert_allclose(found, bare * mz, atol=1e-8)
    assert mz.min() < 0.5


def test_slabs_at_a_distance_leave_lactate_and_water_alike():
    far = played(4e-3)
    for offset in (-430.0, 0.0):
        assert unsaturated(far, offset, reach(far, [offset])) > 0.95
    assert unsaturated(replace(far, bands=()), 0.0, reach(far, [0.0])) == 1.0
