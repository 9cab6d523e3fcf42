"""Residual water that is taken out before the fit: amounts without it, bounds that stay honest, and refusals."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.fit.spectral.given import quantify
from tests.spectral_fit.examples import basis, spectra

AMOUNTS = {"Lac": 9.0, "Ala": 2.5, "PG": 6.0, "Cho": 4.0}
GIVEN = {"baseline": 0.0, "water_band": 0.35e-6}


def wet(noise: float, seed: int = 0):
    """Spectra with three lines of water, some hundred times the metabolites', one narrow and one off centre."""
    dry = spectra(AMOUNTS, noise=noise, noisy=noise > 0, seed=seed)
    place, decay, size = (0.0, 2.0, -9.0), (5.0, 12.0, 25.0), (600.0, -250.0 + 90j, 80j)
    lines = zip(place, decay, size, strict=True)
    water = sum(a * np.exp(-2j * np.pi * f * dry.time - d * dry.time) for f, d, a in lines)
    return dry, replace(dry, data=dry.data + water)


def test_wings_of_water_are_no_metabolites():
    """Without a baseline the wings go into the amounts; with the band taken out nothing is left of them."""
    dry, dirty = wet(0.0)
    made = basis(tuple(AMOUNTS))
    truth = quantify(dry, made, {"baseline": 0.0}).amplitudes
    there = quantify(dirty, made, {"baseline": 0.0}).amplitudes
    found = quantify(dirty, made, GIVEN).amplitudes
    assert np.abs(there / truth - 1).max() > 0.05
    assert np.abs(found / truth - 1).max() < 1e-3


@pytest.mark.slow
def test_bounds_hold_once_water_is_taken_out():
    """Of 150 noisy spectra: scatter over the bound is 1 within four of its standard errors, and there is no bias."""
    made, count = basis(tuple(AMOUNTS)), 150
    found = [quantify(wet(3.0, seed)[1], made, GIVEN) for seed in range(count)]
    truth = quantify(wet(0.0)[0], made, {"baseline": 0.0}).amplitudes[0]
    amounts = np.array([fit.amplitudes[0] for fit in found])
    bounds = np.sqrt(np.mean([np.diag(fit.covariance[0]) for fit in found], axis=0))
    assert np.all(np.abs(amounts.std(axis=0, ddof=1) / bounds - 1) < 4 / np.sqrt(2 * count))
    assert np.all(np.abs(amounts.mean(axis=0) - truth) < 4 * bounds / np.sqrt(count))
    assert np.all(bounds < 0.5 * truth)


def test_a_band_that_reaches_into_the_window_is_refused():
    with pytest.raises(InputError, match=r"water_band: is 0.6 ppm around water .* at most 0.45 ppm"):
        quantify(wet(0.0)[1], basis(tuple(AMOUNTS)), {"water_band": 0.6e-6})
