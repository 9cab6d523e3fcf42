"""The open acidity score: its error is what replicates scatter by, and it refuses amounts lost in noise."""

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.fit.spectral import ScoreWeights, fit_spectra, region_integrals, score

from .examples import basis, line, spectra

AMOUNTS = {"Lac": 9.0, "Ala": 2.5, "Prop": 1.0, "PG": 6.0, "Col": 3.0, "Cho": 4.0}


def test_score_of_noise_free_amounts() -> None:
    found = fit_spectra(spectra(AMOUNTS, noisy=False), basis(tuple(AMOUNTS)))
    made = score(found)
    assert made.value[0] == pytest.approx(np.log10(12.5 / 9.0), abs=1e-6)
    weighted = score(found, ScoreWeights(acids={"Lac": 2.0}, structure={"PG": 0.5}))
    assert weighted.value[0] == pytest.approx(np.log10(18.0 / 3.0), abs=1e-6)


def test_error_is_what_replicates_scatter_by() -> None:
    made = score(fit_spectra(spectra(AMOUNTS, noise=1.0, voxels=400, seed=3), basis(tuple(AMOUNTS))))
    assert made.defined.all()
    assert made.value.std(ddof=1) / made.error.mean() == pytest.approx(1.0, abs=4 / np.sqrt(2 * 400))


def test_amounts_lost_in_noise_give_no_score() -> None:
    lost = dict.fromkeys(AMOUNTS, 0.0) | {"Cho": 4.0}
    made = score(fit_spectra(spectra(lost, noise=2.0, voxels=20), basis(tuple(AMOUNTS))))
    assert not made.defined.any()
    assert np.isnan(made.value).all()


def test_lipid_contamination_is_flagged() -> None:
    found = fit_spectra(spectra(AMOUNTS, noise=0.5), basis(tuple(AMOUNTS)))
    assert score(found, ScoreWeights(acids={"Ala": 1.0}, lipids=("Cho",))).contaminated[0]
    assert not score(found, ScoreWeights(acids={"Lac": 1.0}, lipids=("Prop",))).contaminated[0]


def test_region_integrals_are_protons_and_their_error_is_the_scatter() -> None:
    one = spectra({"Cho": 2.0}, noisy=False, widths=(1.0, 1.0))
    value, error = region_integrals(one, {"Cho": (2.58, 3.79)})["Cho"]
    inside = (
        2 / np.pi * np.arctan(0.605e-6 * 127.7e6 / 0.5)
    )  # of a Lorentzian 1 Hz wide; a truncated one rings a little
    assert value[0] == pytest.approx(18.0 * inside, rel=4e-3)
    noise = spectra({}, noise=1.0, voxels=2000)
    values, error = region_integrals(noise, {"any": (1.0, 2.0)})["any"]
    assert values.std() == pytest.approx(error, rel=0.06)


def test_unknown_names_and_empty_regions_are_refused() -> None:
    found = fit_spectra(spectra(AMOUNTS), basis(tuple(AMOUNTS)))
    with pytest.raises(InputError, match="holds no 'Lak'"):
        score(found, ScoreWeights(acids={"Lak": 1.0}))
    with pytest.raises(InputError, match="no point"):
        region_integrals(spectra(AMOUNTS), {"x": (3.0, 3.0001)})


def test_line_is_what_the_spectra_hold() -> None:
    np.testing.assert_allclose(
        spectra({"Cho": 1.0}, noisy=False, widths=(0, 0)).data[0, 0], line(3.185, 9, 0), atol=1e-9
    )
