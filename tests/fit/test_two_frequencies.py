"""Inversions that take two frequencies at once, on a plane wave of each: they equal the factors of their own sums."""

import numpy as np
import pytest

from mrsim.core.wave import wavenumber
from mrsim.fit.fit import fit

from .waves import plane_wave

MODULUS = 6e3 * np.exp(0.5j)
HERTZ = np.array([100.0, 160.0])
WAY = np.array([0.0, 0.6, 0.8])


@pytest.mark.parametrize("name", ["mre-direct", "mre-mdev"])
def test_two_frequencies_of_one_modulus_read_the_factor_of_their_sums(name):
    waves = plane_wave(MODULUS, tuple(HERTZ), tuple(WAY), shape=(1, 24, 24))
    maps = fit(waves, name, probes=0, smoothing=0.0, low_pass=0.0, window=0)
    _, y, x = np.meshgrid([0.0], 1e-3 * np.arange(24), 1e-3 * np.arange(24), indexing="ij")
    k = wavenumber(MODULUS, HERTZ)
    # second differences multiply exp(-i k . r) by -kappa: what is left are sums of two decaying exponentials
    kappa = sum((2 - 2 * np.cos(k * n * 1e-3)) / 1e-6 for n in WAY)[:, None, None, None]
    size = np.exp(k.imag[:, None, None, None] * (WAY[1] * y + WAY[2] * x))
    force = 1000.0 * (2 * np.pi * HERTZ[:, None, None, None]) ** 2
    if name == "mre-direct":
        true = (force * np.conj(kappa) * size**2).sum(0) / (np.abs(kappa) ** 2 * size**2).sum(0)
    else:
        modulus = (force * size).sum(0) / (np.abs(kappa) * size).sum(0)
        cosine = (kappa.real * size**2).sum(0) / (np.abs(kappa) * size**2).sum(0)
        true = modulus * np.exp(1j * np.arccos(cosine))
    inside = (slice(None), slice(3, -3), slice(3, -3))
    assert maps.values["storage_modulus"][inside] == pytest.approx(true.real[inside], rel=1e-6)
    assert maps.values["loss_modulus"][inside] == pytest.approx(true.imag[inside], rel=1e-6)
    assert np.abs(true / MODULUS - 1).max() < 0.02


def test_k_mdev_reads_two_frequencies_of_one_modulus_without_a_factor():
    # undamped, whole periods in the grid, 20 and 10 voxels each: directional filters pass both as they are
    modulus = 1000.0 * (20e-3 * 100.0) ** 2
    waves = plane_wave(modulus, (100.0, 200.0), shape=(1, 40, 80))
    found = fit(waves, "mre-k-mdev", probes=0, smoothing=0.0).values["shear_stiffness"]
    assert found[:, 8:-8, 8:-8] == pytest.approx(modulus, rel=1e-6)
