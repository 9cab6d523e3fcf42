"""ESPIRiT's maps against sigpy's, which are made kernel by kernel."""

import numpy as np
import pytest
from sigpy.mri.app import EspiritCalib

from mrsim.recon.espirit import espirit
from tests.recon.scans import scan


def of_sigpy(calibration, raster, kernel):
    small = np.zeros((len(calibration), *raster), complex)
    places = [slice(n // 2 - w // 2, n // 2 - w // 2 + w) for n, w in zip(raster, calibration.shape[1:], strict=True)]
    small[(slice(None), *places)] = calibration
    settings = {"calib_width": min(calibration.shape[1:]), "kernel_width": kernel, "crop": 0, "max_iter": 40}
    maps, value = EspiritCalib(small, **settings, output_eigenvalue=True, show_pbar=False).run()
    return maps, value.reshape(raster)


@pytest.mark.parametrize("raster", [[24, 24], [21, 30]])
def test_maps_and_eigenvalues_are_those_of_sigpy(raster):
    data, _ = scan(32, 5)
    middle = data[:, 8:24, 8:24]
    ours, theirs = espirit(middle, raster), of_sigpy(middle, raster, 6)
    assert np.abs(ours[1] - theirs[1]).max() < 1e-9
    there = theirs[1] > 0.8
    assert 0.2 < there.mean() < 1
    overlap = np.abs(np.sum(ours[0].conj() * theirs[0], axis=0))[there]
    assert np.abs(overlap - 1).max() < 1e-9


def test_maps_of_a_thin_volume_are_those_of_sigpy():
    """Eight partitions: the series of a block of four has seven terms on eight places; of six it would wrap."""
    rng = np.random.default_rng(1)
    middle = rng.normal(size=(3, 8, 8, 8)) + 1j * rng.normal(size=(3, 8, 8, 8))
    ours, theirs = espirit(middle, [8, 9, 12]), of_sigpy(middle, [8, 9, 12], 4)
    assert np.abs(ours[1] - theirs[1]).max() < 1e-9


def test_a_series_longer_than_the_raster_is_periodic():
    data, _ = scan(32, 4)
    middle = data[:, 10:22, 10:22]
    assert np.abs(espirit(middle, [8, 16])[1] - espirit(middle, [16, 16])[1][::2]).max() < 1e-9
