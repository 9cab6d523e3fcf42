"""What is left of slow motion when waves are filtered before their inversion."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.fit.fit import fit

from .waves import plane_wave


@pytest.mark.parametrize("name", ["mre-direct", "mre-mdev"])
def test_a_high_pass_takes_a_slow_motion_out_of_the_waves(name):
    # a rigid motion three times the wave: its force has no second differences, so that the modulus reads too stiff
    waves = plane_wave(10e3, (200.0,), shape=(1, 48, 48), components=("z",), polarisation=(1.0,))
    moved = replace(waves, displacement=waves.displacement + 3 * np.abs(waves.displacement).max())

    def read(source, **options):
        size = fit(source, name, window=2, low_pass=0.0, probes=0, **options).values["shear_modulus_magnitude"]
        return np.median(size[0, 8:-8, 8:-8])

    still = read(waves)
    assert abs(read(moved) / still - 1) > 1
    assert read(moved, high_pass=20.0) == pytest.approx(still, rel=0.2)
