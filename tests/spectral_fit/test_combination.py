"""Linear-combination fits: exact without noise, honest with it, and aware of a basis that does not match."""

from dataclasses import replace

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.nuclei import WATER_MOLECULES
from mrsim.fit.spectral import Combination, Expected, WaterScale, fit_spectra
from mrsim.fit.spectral.problem import Problem

from .examples import DWELL, LINES, POINTS, basis, spectra

AMOUNTS = dict(zip(LINES, (9, 2.5, 1.0, 1.5, 4, 3, 2, 0.8, 3, 1, 0.7, 2, 1.5, 6, 3), strict=True))
CHANGES = {"phase": 0.6, "delay": 1.5e-4, "shift": 2.0, "gauss": 60.0}


def test_noise_free_amounts_are_exact() -> None:
    found = fit_spectra(spectra(AMOUNTS, noisy=False, **CHANGES), basis())
    for name, amount in AMOUNTS.items():
        assert found.amount(name)[0][0] == pytest.approx(amount, rel=1e-6), name
    assert found.maps.values["shift"].item() == pytest.approx(2.0, abs=1e-5)
    assert found.maps.values["width metabolite"].item() == pytest.approx(4.0, rel=1e-5)
    assert found.maps.values["width macromolecule"].item() == pytest.approx(14.0, rel=1e-5)
    assert not found.notes


def test_spectra_that_state_no_noise_are_exact_too() -> None:
    measured = spectra(AMOUNTS, noisy=False, **CHANGES)
    found = fit_spectra(replace(measured, sigma=np.zeros((1, 1, 1))), basis())
    np.testing.assert_allclose(found.amplitudes[0], list(AMOUNTS.values()), rtol=1e-6)
    assert not found.errors.any()
    with pytest.raises(InputError, match="nothing to fit"):
        fit_spectra(replace(measured, data=0 * measured.data, sigma=np.zeros((1, 1, 1))), basis())


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_what_is_absent_from_noise_free_spectra_keeps_a_width(sigma: float) -> None:
    present = {name: AMOUNTS[name] for name in ("Lac", "Ala", "Cho", "Cr")}
    measured = replace(spectra(present, noisy=False, **CHANGES), sigma=np.full((1, 1, 1), sigma))
    found = fit_spectra(measured, basis(("Lac", "Ala", "Cho", "Cr", "PG", "Col")))
    np.testing.assert_allclose(found.amplitudes[0], [*present.values(), 0, 0], rtol=1e-6, atol=1e-5)
    assert 0 < found.maps.values["width macromolecule"].item() < 60
    assert found.maps.status.item() == 0


def test_noise_free_spectra_that_the_basis_misses_stay_near_what_noisy_ones_say() -> None:
    """A line that no member has draws the macromolecule's width, but not to its bound."""
    amounts = {**AMOUNTS, "Glc": 0.0}
    measured = spectra(amounts, noisy=False, smooth=3.0, **CHANGES)
    names = tuple(name for name in LINES if name not in ("Glc", "Thr"))
    quiet = fit_spectra(measured, basis(names), Combination(baseline=0.0))
    noisy = fit_spectra(spectra(amounts, smooth=3.0, seed=3, **CHANGES), basis(names), Combination(baseline=0.0))
    off = (quiet.amplitudes[0] - noisy.amplitudes[0]) / noisy.errors[0]
    assert np.abs(off).max() < 5
    assert quiet.maps.values["width macromolecule"].item() < 100


def test_a_smooth_baseline_is_told_apart_from_the_amounts() -> None:
    measured = spectra(AMOUNTS, noisy=False, smooth=60.0, **CHANGES)
    with_spline = fit_spectra(measured, basis(), Combination(baseline=4.0))
    without = fit_spectra(measured, basis(), Combination(baseline=0.0))
    off = [abs(found.amplitudes[0] / np.array(list(AMOUNTS.values())) - 1) for found in (with_spline, without)]
    assert np.median(off[0]) < 0.02 < np.median(off[1])


@pytest.mark.parametrize("phase", [-3.0, -1.5, 0.0, 1.5, 3.1])
@pytest.mark.parametrize("shift", [-11.0, 11.0])
def test_the_start_finds_any_phase_and_shift(phase: float, shift: float) -> None:
    found = fit_spectra(spectra(AMOUNTS, noise=2.0, phase=phase, shift=shift), basis())
    assert found.maps.values["shift"].item() == pytest.approx(shift, abs=0.5)
    assert np.exp(1j * found.maps.values["phase"].item()) == pytest.approx(np.exp(1j * phase), abs=0.1)


def test_a_spectrum_is_not_read_upside_down_where_the_start_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a turn of phase and negative amounts fit as well: what stands out decides."""
    from mrsim.fit.spectral import job

    def turned(*args: object) -> np.ndarray:
        theta = job_starts(*args)
        theta[:, 0] += np.pi
        return theta

    job_starts = job.starts
    data = spectra({"PG": 8.0, "Cr": 2.0}, noise=1.0, voxels=3)
    right = fit_spectra(data, basis(("Lac", "Cr", "PG")))
    monkeypatch.setattr(job, "starts", turned)
    other = fit_spectra(data, basis(("Lac", "Cr", "PG")))
    assert (right.amount("PG")[0] > 0).all()
    np.testing.assert_allclose(other.amplitudes, right.amplitudes, atol=0.05 * right.errors.max())
    assert np.abs(other.maps.values["phase"]).max() < 1


def test_jacobian_is_that_of_finite_differences() -> None:
    made = basis(("Lac", "Cho", "PG"))
    problem = Problem(
        basis=made.fids,
        groups=np.array([0, 0, 1]),
        dwell=DWELL,
        window=np.arange(POINTS) < 300,
        baseline=np.zeros((600, 0)),
    )
    theta = np.array([[0.3, 1e-4, 50.0, 3.0, 12.0, 40.0, 1.0]])
    amounts = np.array([[2.0, 1.0, 3.0]])

    def fit(at: np.ndarray) -> np.ndarray:
        lines, phase = problem.lines(at)
        whole = ((problem.transformed(lines) * phase) * amounts[..., None]).sum(axis=1)[0]
        return np.concatenate([whole.real, whole.imag])

    signals, phase = problem.lines(theta)
    whole = amounts[:, None] @ (problem.transformed(signals) * phase)
    derivative = problem.derivatives(signals, phase, amounts, whole)[0]
    for k, step in enumerate((1e-5, 1e-8, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4)):
        move = np.zeros_like(theta)
        move[0, k] = step
        expected = (fit(theta + move) - fit(theta - move)) / (2 * step)
        np.testing.assert_allclose(derivative[k], expected, rtol=1e-6, atol=1e-6 * abs(expected).max())


@pytest.mark.slow
def test_scatter_is_the_bound_and_the_bound_covers_the_truth() -> None:
    replicates = 2000
    names = ("Lac", "Ala", "Cho", "Gly", "Cr", "PG")
    amounts = {name: AMOUNTS[name] for name in names}
    measured = spectra(amounts, noise=1.0, voxels=replicates, seed=5, **CHANGES)
    found = fit_spectra(measured, basis(names))
    truth = np.array(list(amounts.values()))
    ratio = found.amplitudes.std(axis=0, ddof=1) / found.errors.mean(axis=0)
    assert np.all((ratio > 0.95) & (ratio < 1.1)), ratio
    bias = (found.amplitudes.mean(axis=0) - truth) / found.amplitudes.std(axis=0)
    assert np.all(abs(bias) < 0.1), bias
    covered = (abs(found.amplitudes - truth) < 2 * found.errors).mean(axis=0)
    three = 3 * np.sqrt(0.9545 * 0.0455 / replicates)
    assert np.all(abs(covered - 0.9545) < three), covered
    assert found.misfit.mean() == pytest.approx(1.0, abs=0.01)
    assert found.broader.std() == pytest.approx(1.0, abs=0.1)


def test_a_basis_narrower_than_the_data_is_flagged() -> None:
    measured = spectra(AMOUNTS, noise=0.7, **CHANGES)
    together = Combination(groups={"all": tuple(LINES)})
    found = fit_spectra(measured, basis(), together)
    assert any(note.startswith("PG: the data ask for a broader line") for note in found.notes)
    assert found.amount("PG")[0][0] < 0.9 * AMOUNTS["PG"]
    own = fit_spectra(measured, basis(), Combination(groups={"pg": ("PG",), "collagen": ("Col",)}))
    assert not any(note.startswith("PG") for note in own.notes)
    amount, error = own.amount("PG")
    assert abs(amount[0] - AMOUNTS["PG"]) < 4 * error[0]


def test_a_missing_metabolite_is_not_detected_and_keeps_a_limit() -> None:
    amounts = {name: amount for name, amount in AMOUNTS.items() if name != "Prop"}
    found = fit_spectra(spectra(amounts, noise=3.0, voxels=100, **CHANGES), basis())
    k = found.names.index("Prop")
    assert found.detected[:, k].mean() < 0.08  # one-sided, two standard errors: 2.3 %
    assert np.all(found.limit[:, k] > 0)
    assert found.detected[:, found.names.index("Lac")].all()


def test_knowledge_beforehand_narrows_the_error_and_pulls_the_estimate() -> None:
    measured = spectra(AMOUNTS, noise=4.0, **CHANGES)
    free = fit_spectra(measured, basis())
    known = fit_spectra(measured, basis(), Combination(expected={"Thr": Expected(mean=1.0, sd=0.01)}))
    assert known.amount("Thr")[0][0] == pytest.approx(1.0, abs=0.05)
    assert known.amount("Thr")[1][0] < 0.02 < free.amount("Thr")[1][0]
    ratio = fit_spectra(measured, basis(), Combination(expected={"Thr": Expected(mean=0.1, sd=1e-3, ratio_to="Lac")}))
    assert ratio.amount("Thr")[0][0] / ratio.amount("Lac")[0][0] == pytest.approx(0.1, abs=0.01)


def test_a_ratio_to_what_is_absent_is_known_no_better_than_that_itself() -> None:
    """Noise once said how much of it there was: the bound of noise-free spectra was infinite, the scatter was not."""
    names, amounts = ("Lac", "Ala", "Cho", "PG"), {"Cho": 4.0, "PG": 6.0}
    known = Combination(expected={"Ala": Expected(mean=0.3, sd=0.06, ratio_to="Lac")})
    clean = fit_spectra(replace(spectra(amounts, noisy=False), noisy=True), basis(names), known)
    alone = fit_spectra(replace(spectra(amounts, noisy=False), noisy=True), basis(names))
    found = fit_spectra(spectra(amounts, voxels=400, seed=7), basis(names), known)
    scatter = found.amplitudes.std(axis=0, ddof=1)
    np.testing.assert_allclose(scatter / np.sqrt(np.mean(found.errors**2, axis=0)), 1.0, atol=0.12)  # 3 / sqrt(800)
    assert np.isfinite(clean.errors).all()
    assert clean.amount("Ala")[1][0] < 0.4 * alone.amount("Ala")[1][0]  # 0.3 of lactate's, and little of its own
    assert np.sqrt(np.mean(found.amount("Ala")[1] ** 2)) < 1.5 * clean.amount("Ala")[1][0]


def test_water_reference_gives_concentrations_in_mM() -> None:
    content, t1, t2 = 0.8, 1.3, 0.1
    one = 2.5e-3  # signal of one proton of 1 mM
    water = 2 * WATER_MOLECULES * content * one * np.exp(-0.03 / t2) * (1 - np.exp(-2 / t1))
    relaxed = np.exp(-0.03 / 0.2) * (1 - np.exp(-2 / 1.2))
    amounts = {name: amount * one * (relaxed if name == "Lac" else 1.0) for name, amount in AMOUNTS.items()}
    measured = spectra(amounts, noise=1e-4, noisy=False, water=water, **CHANGES)
    scale = WaterScale(content=content, t1=t1, t2=t2, relaxation={"Lac": (1.2, 0.2)})
    found = fit_spectra(measured, basis(), water=scale)
    assert found.unit == "mM"
    for name, amount in AMOUNTS.items():
        assert found.amount(name)[0][0] == pytest.approx(amount, rel=1e-5), name


def test_threads_and_batches_do_not_change_the_result() -> None:
    measured = spectra(AMOUNTS, noise=2.0, voxels=9, **CHANGES)
    one, two = (fit_spectra(measured, basis(), threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.amplitudes, two.amplitudes)


def test_voxels_that_are_not_finite_are_marked() -> None:
    measured = spectra(AMOUNTS, noise=2.0, voxels=3, **CHANGES)
    measured.data[0, 1, 5] = np.nan
    found = fit_spectra(measured, basis())
    assert found.maps.status.ravel().tolist() == [0, 4, 0]
    assert np.isnan(found.amplitudes[1]).all()
    assert np.isfinite(found.amplitudes[[0, 2]]).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"groups": {"pg": ("PGG",)}}, "did you mean"),
        ({"groups": {"a": ("PG",), "b": ("PG",)}}, "two groups"),
        ({"window": (1.0, 1.02)}, "unknowns need more"),
        ({"baseline": 400.0}, "degrees of freedom"),
        ({"expected": {"nothing": Expected(mean=1, sd=1)}}, "holds no 'nothing'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_spectra(spectra(AMOUNTS), basis(), Combination(**settings))


def test_a_scale_without_water_is_refused() -> None:
    with pytest.raises(InputError, match="no water reference"):
        fit_spectra(spectra(AMOUNTS), basis(), water=WaterScale())
