"""Diffusion fits against published noise tables, dipy, closed forms and bad input."""

from __future__ import annotations

import numpy as np
import pytest

from mrsim.core.errors import InputError
from mrsim.core.grid import Grid
from mrsim.core.images import Images
from mrsim.core.tensors import FOURTH, SECOND, fractional_anisotropy, kurtosis, matrix_of, mixed, monomials, prolate
from mrsim.fit.crlb import crlb
from mrsim.fit.fit import fit
from mrsim.sequence.directions import repelled


def table(shells, directions):
    """One image without weighting for b = 0, one per direction for every other value, s/mm^2."""
    rows = [(b, n) for b in shells for n in (directions if b else np.zeros((1, 3)))]
    n = np.array([row[1] for row in rows])
    columns = {f"direction_{axis}": n[:, i] for i, axis in enumerate("xyz")}
    return {"b": np.array([row[0] * 1e6 for row in rows]), **columns}


def signal_of(contrast, tensor):
    n = np.stack([contrast[f"direction_{axis}"] for axis in "xyz"], axis=1)
    return np.exp(-contrast["b"] * np.einsum("ni,ij,nj->n", n, tensor, n))


def images(contrast, data, sigma=1e-9):
    """Images of (n, voxel) data."""
    whole = np.asarray(data, dtype=np.complex128)[:, None, None, :]
    grid = Grid(shape=(1, 1, whole.shape[-1]), spacing=(1e-3, 1e-3, 1e-3))
    return Images(data=whole, grid=grid, contrast=contrast, sigma=np.full((1, 1, 1, 1), sigma), noisy=sigma > 1e-8)


def noisy(signal, snr, voxels, seed=1):
    rng = np.random.default_rng(seed)
    shape = (len(signal), voxels)
    return np.abs(signal[:, None] + (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / snr)


def fibonacci(count):
    """Points of a golden spiral over half the sphere."""
    i = np.arange(count) + 0.5
    z, turn = 1 - i / count, np.pi * (1 + np.sqrt(5)) * i
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), z], axis=1)


OBLIQUE = np.array([0.48, 0.6, 0.64])
DTI = table((0, 600), repelled(12))


@pytest.mark.parametrize("name", ["dti-ols", "dti-wls", "dti-irls", "dti-nlls", "dti-positive"])
def test_tensor_without_noise_is_recovered(name):
    maps = fit(images(DTI, 0.8 * signal_of(DTI, prolate(1.54e-9, 0.28, OBLIQUE))[:, None]), name)
    assert maps.values["md"].item() == pytest.approx(1.54e-9, rel=1e-8)
    assert maps.values["fa"].item() == pytest.approx(0.28, abs=1e-8)
    first = np.array([maps.values[f"v1_{axis}"].item() for axis in "xyz"])
    assert abs(first @ OBLIQUE) == pytest.approx(1.0, abs=1e-10)
    assert maps.values["colour_x"].item() == pytest.approx(0.28 * OBLIQUE[0], abs=1e-7)
    d = 0.28 / np.sqrt(3 - 2 * 0.28**2)
    assert maps.values["ad"].item() == pytest.approx(1.54e-9 * (1 + 2 * d), rel=1e-8)
    assert maps.values["rd"].item() == pytest.approx(1.54e-9 * (1 - d), rel=1e-8)


SNRS = (10, 15, 20, 30, 50, 100)
LIFTED = {
    (1.5, 0.0, 6): (0.469, 0.323, 0.251, 0.172, 0.101, 0.052),
    (1.5, 0.0, 30): (0.203, 0.139, 0.103, 0.070, 0.041, 0.020),
    (1.54, 0.28, 6): (0.517, 0.418, 0.362, 0.318, 0.293, 0.285),
    (1.29, 0.28, 6): (0.522, 0.412, 0.366, 0.322, 0.298, 0.284),
    (1.29, 0.28, 30): (0.335, 0.304, 0.294, 0.288, 0.282, 0.280),
    (1.29, 0.37, 30): (0.411, 0.389, 0.380, 0.373, 0.372, 0.371),
}
"""Mean FA that Rician noise shows at b 600 s/mm^2 with one image at b = 0: MD, FA and directions -> per SNR."""


@pytest.mark.parametrize(("md", "fa", "count"), LIFTED)
def test_noise_lifts_fractional_anisotropy_as_published(md, fa, count):
    # the table's six directions are those of a golden spiral over half the sphere
    contrast = table((0, 600), fibonacci(6) if count == 6 else repelled(count))
    clean = signal_of(contrast, prolate(md * 1e-9, fa, np.array([0.0, 0.0, 1.0])))
    found = []
    for snr in SNRS:
        maps = fit(images(contrast, noisy(clean, snr, 6000), 1 / snr), "dti-wls")
        found.append(maps.values["fa"].mean())
        assert maps.values["md"].mean() == pytest.approx(md * 1e-9, rel=0.015)
    np.testing.assert_allclose(found, LIFTED[md, fa, count], atol=0.01)
    if fa == 0:  # the law c / SNR, where FA is far below 1
        np.testing.assert_allclose(np.array(found[2:]) * SNRS[2:], found[-1] * 100, rtol=0.06)


@pytest.mark.parametrize(
    ("snr", "d", "k"), [(15, 1.432, 0.556), (20, 1.407, 0.513), (30, 1.400, 0.499), (50, 1.401, 0.501)]
)
def test_noise_lifts_kurtosis_as_published(snr, d, k):
    """D 1.4 um^2/ms, K 0.5 by a line through the logarithm; K of the means, which a ratio's noise does not bias."""
    b = {"b": np.array([0.0, 700, 1400, 2000]) * 1e6}
    x = b["b"] * 1.4e-9
    maps = fit(images(b, noisy(np.exp(-x + x**2 * 0.5 / 6), snr, 60_000), 1 / snr), "kurtosis-loglin")
    mean = maps.values["d"].mean()
    assert mean == pytest.approx(d * 1e-9, rel=0.01)
    found = maps.values["v"].mean() / mean**2
    assert found == pytest.approx(k, rel=0.1)
    assert abs((found - 0.5) - (k - 0.5)) < 0.01


def test_standard_errors_of_a_tensor_are_its_scatter_and_the_bound():
    data = noisy(signal_of(DTI, prolate(1.5e-9, 0.4, OBLIQUE)), 60, 8000)
    truth = {"m0": 1.0} | {f"d_{'xyz'[i]}{'xyz'[j]}": prolate(1.5e-9, 0.4, OBLIQUE)[i, j] for i, j in SECOND}
    bound = crlb("dti-nlls", truth, DTI, 1 / 60)
    for name in ("dti-ols", "dti-wls", "dti-nlls"):
        maps = fit(images(DTI, data, 1 / 60), name)
        for scalar in ("md", "fa", "ad", "rd", "d_xx"):
            scatter = maps.values[scalar].std()
            # 8,000 voxels know a standard deviation to 0.8 %; the errors are of first order in the noise
            assert np.median(maps.errors[scalar]) == pytest.approx(scatter, rel=0.05)
    assert maps.values["d_xx"].std() == pytest.approx(bound["d_xx"], rel=0.04)


@pytest.mark.parametrize("compiled", [True, False])
def test_kernel_of_scalars_is_the_textbook(compiled):
    """Scalars and errors of tensors that repeat, vanish or are no numbers, against numpy and finite differences."""
    from mrsim.fit._kernels import tensor as kernels

    count = 70 if compiled else 6
    rng = np.random.default_rng(4)
    elements = rng.standard_normal((6, count)) + np.array([3, 3, 3, 0, 0, 0])[:, None]
    elements[:, :4] = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 2, 2, 0, 0, 0], [np.nan] * 6]).T
    spread = rng.standard_normal((count, 7, 7))
    spread = spread @ np.swapaxes(spread, 1, 2)
    packed = np.ascontiguousarray(spread[:, *np.tril_indices(7)].T)
    out, error, vectors = np.empty((10, count)), np.empty((4, count)), np.empty((3, 3, count))
    kernel = kernels.tensor_scalars if compiled else kernels.tensor_scalars.py_func
    with np.errstate(all="ignore"):
        kernel(elements, packed, out, error, vectors)
    finite = np.arange(count) != 3
    assert np.isnan(out[:4, 3]).all()
    matrices = matrix_of(elements.T[finite])
    values = np.linalg.eigvalsh(matrices)
    turned = np.einsum("rcs,srk,kds->scd", vectors[..., finite], matrices, vectors[..., finite])
    np.testing.assert_allclose(turned, values[:, :, None] * np.eye(3), atol=1e-13)
    gram = np.einsum("rcs,rds->scd", vectors, vectors)
    np.testing.assert_allclose(gram[finite], np.broadcast_to(np.eye(3), turned.shape), atol=1e-13)
    scalars = _scalars_of(elements)
    np.testing.assert_allclose(out[:4, finite], scalars[:, finite], atol=1e-13)
    usual = slice(4, None)
    slopes = [
        (_scalars_of(elements + 1e-6 * step) - _scalars_of(elements - 1e-6 * step))[:, usual] / 2e-6
        for step in np.eye(6)[:, :, None]
    ]
    expected = np.sqrt(np.einsum("isv,vij,jsv->sv", slopes, spread[usual, 1:, 1:], slopes))
    np.testing.assert_allclose(error[:, usual], expected, rtol=1e-6)


def _scalars_of(elements):
    """MD, FA, AD, RD of (6, voxel) tensors."""
    values = np.linalg.eigvalsh(np.nan_to_num(matrix_of(elements.T)))
    fa = fractional_anisotropy(values)
    return np.stack([values.mean(axis=1), fa, values[:, 2], values[:, :2].mean(axis=1)])


IVIM = {"b": np.array([0.0, 10, 20, 50, 80, 150, 250, 400, 600, 800, 1000]) * 1e6}


@pytest.mark.parametrize(("snr", "trusted"), [(50, False), (200, True)])
def test_errors_of_perfusion_cover_the_truth_or_are_said_not_to(snr, trusted):
    clean = 0.9 * np.exp(-IVIM["b"] * 1.3e-9) + 0.1 * np.exp(-IVIM["b"] * 1.5e-8)
    maps = fit(images(IVIM, noisy(clean, snr, 3000), 1 / snr), "ivim")
    warned = " ".join(maps.history.get("warnings", ()))
    assert ("error of f exceeds" in warned) != trusted
    covered = {
        name: np.mean(np.abs(maps.values[name] - truth) < 1.96 * maps.errors[name])
        for name, truth in (("f", 0.1), ("d", 1.3e-9), ("d_star", 1.5e-8))
    }
    if trusted:  # 3,000 voxels know 0.95 to 0.004; D* is still skewed
        assert all(0.935 < share < 0.97 for share in covered.values())
    else:
        assert covered["d_star"] < 0.93


def test_errors_of_the_robust_fit_cover_the_truth():
    truth = prolate(1.5e-9, 0.4, OBLIQUE)
    maps = fit(images(DTI, noisy(signal_of(DTI, truth), 60, 6000), 1 / 60), "dti-irls")
    for name, true in (("d_xx", truth[0, 0]), ("md", 1.5e-9), ("fa", 0.4)):
        inside = np.abs(maps.values[name] - true) < 1.96 * maps.errors[name]
        assert np.mean(inside) == pytest.approx(0.95, abs=0.012)
        assert np.sqrt(np.mean(maps.errors[name] ** 2)) == pytest.approx(maps.values[name].std(), rel=0.04)


def test_powder_average_is_the_mean_over_the_sphere_whatever_the_axis():
    from scipy.special import erf

    from mrsim.fit.powder import powder_average

    contrast = table((0, 1000, 2000), repelled(60)) | {"te": np.full(121, 0.08)}
    for axis in (OBLIQUE, np.array([0.0, 0.0, 1.0])):
        tensor = prolate(1.5e-9, 0.6, axis)
        mean = powder_average(images(contrast, signal_of(contrast, tensor)[:, None], 0.1))
        low, _, high = np.linalg.eigvalsh(tensor)
        b = np.array([1e9, 2e9])
        x = np.sqrt(b * (high - low))
        exact = np.exp(-b * low) * np.sqrt(np.pi) * erf(x) / (2 * x)
        np.testing.assert_allclose(mean.data[:, 0, 0, 0].real, [1, *exact], atol=5e-5)
        np.testing.assert_allclose(mean.contrast["b"], [0, *b])
        np.testing.assert_allclose(mean.sigma.ravel(), 0.1 / np.sqrt([1, 60, 60]))
        assert mean.contrast["te"].tolist() == [0.08] * 3
        assert "warnings" not in mean.history
    # kurtosis of fibres that lie anyhow, as b goes to zero: 3 var D(n) / MD^2
    small = table((0, 50, 100), repelled(60))
    found = fit(powder_average(images(small, signal_of(small, tensor)[:, None])), "kurtosis-loglin")
    spread = 4 / 45 * (high - low) ** 2  # of D(n) over the sphere
    assert found.values["k"].item() == pytest.approx(3 * spread / 1.5e-9**2, rel=0.02)
    lopsided = table((0, 1000), repelled(60)[:6])
    said = powder_average(images(lopsided, signal_of(lopsided, tensor)[:, None])).history["warnings"]
    assert "not spread evenly" in said[0]


def test_robust_fit_survives_a_spoilt_image():
    data = noisy(signal_of(DTI, prolate(1.5e-9, 0.3, OBLIQUE)), 100, 400)
    data[5] *= 0.4
    plain, robust = (fit(images(DTI, data, 0.01), name).values["fa"].mean() for name in ("dti-wls", "dti-irls"))
    assert abs(plain - 0.3) > 0.1
    assert robust == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("name", ["dti-irls", "dki-irls"])
def test_rejected_images_are_mapped_told_and_left_out_of_the_goodness_of_fit(name):
    contrast = DTI if name.startswith("dti") else DKI
    data = noisy(signal_of(contrast, prolate(1.5e-9, 0.3, OBLIQUE)), 400, 800)
    clean = fit(images(contrast, data, 1 / 400), name)
    data[5, :400], data[7, 0] = 0.4 * data[5, :400], 0.0
    maps = fit(images(contrast, data, 1 / 400), name)
    outliers, chi2 = (x.ravel() for x in (maps.values["outliers"], maps.chi2))
    assert outliers[0] >= 2
    # beyond three standard deviations lie 0.27 % of Gaussian residuals; those that lose weight draw the fit less
    assert 0.001 * len(data) < clean.values["outliers"].mean() < 0.005 * len(data)
    assert clean.chi2.mean() == pytest.approx(1, abs=0.05)
    assert np.mean(outliers[:400]) == pytest.approx(1 + np.mean(outliers[400:]), abs=0.1)
    assert chi2[1:400].mean() == pytest.approx(chi2[400:].mean(), abs=0.12)
    said = [text for text in maps.history["warnings"] if "rejected" in text]
    assert said[0].startswith(f"images rejected in many voxels: 5 (b {1e-6 * contrast['b'][5]:g} s/mm^2, 50 %)")
    assert "warnings" not in clean.history


@pytest.mark.parametrize("name", ["adc-2point", "adc-loglin", "kurtosis-loglin", "dti-wls"])
def test_images_that_a_fit_does_not_count_leave_no_degree_of_freedom(name):
    contrast = table((0, 500, 1000), repelled(12))
    data = noisy(signal_of(contrast, 1e-9 * np.eye(3)), 100, 3000)
    data[[3, 20]] = 0.0
    maps = fit(images(contrast, data, 0.01), name)
    assert maps.chi2.mean() == pytest.approx(1, abs=0.03)


def test_positive_tensor_has_no_negative_eigenvalue_and_the_least_misfit():
    from scipy.optimize import minimize

    data = noisy(signal_of(DTI, prolate(0.7e-9, 0.95, OBLIQUE)), 8, 60)
    free, kept = (fit(images(DTI, data, 1 / 8), name) for name in ("dti-nlls", "dti-positive"))
    least = [np.linalg.eigvalsh(_matrices(maps))[:, 0] for maps in (free, kept)]
    assert (least[0] < 0).sum() > 5
    assert least[1].min() > -1e-15
    voxel = int(np.argmin(least[0]))
    n = np.stack([DTI[f"direction_{axis}"] for axis in "xyz"], axis=1)

    def misfit(point):
        low = np.zeros((3, 3))
        low[np.tril_indices(3)] = point[1:]
        exponent = DTI["b"] * 1e-9 * np.einsum("ni,ij,nj->n", n, low @ low.T, n)
        return np.sum((data[:, voxel] - np.exp(point[0] - exponent)) ** 2)

    starts = [np.array([0.0, a, 0.0, a, 0.0, 0.0, a]) for a in (0.5, 0.8, 1.1)]
    best = min(minimize(misfit, start, method="BFGS", options={"gtol": 1e-9}).fun for start in starts)
    found = kept.chi2.ravel()[voxel] * (len(data) - 7) / 64
    assert found == pytest.approx(best, rel=1e-5)


def _matrices(maps):
    full = np.zeros((maps.values["md"].size, 3, 3))
    for i, j in SECOND:
        full[:, i, j] = full[:, j, i] = maps.values[f"d_{'xyz'[i]}{'xyz'[j]}"].ravel()
    return full


DKI = table((0, 700, 1400, 2000), repelled(20))


def _kurtotic(md=1.4e-9, fa=0.4, k=0.6, axis=OBLIQUE):
    """Fractions and tensors of two compartments of the same shape."""
    s, tensor = np.sqrt(k / 3), prolate(md, fa, axis)
    return np.array([0.5, 0.5]), np.stack([tensor * (1 + s), tensor * (1 - s)])


def test_kurtosis_agrees_with_dipy():
    dki = pytest.importorskip("dipy.reconst.dki")
    from dipy.core.gradients import gradient_table

    fractions, tensors = _kurtotic()
    data = noisy(sum(f * signal_of(DKI, t) for f, t in zip(fractions, tensors, strict=True)), 80, 40)
    n = np.stack([DKI[f"direction_{axis}"] for axis in "xyz"], axis=1)
    gradients = gradient_table(DKI["b"] * 1e-6, bvecs=n)
    for ours, theirs in (("dki-ols", "OLS"), ("dki-wls", "WLS")):
        maps, peer = fit(images(DKI, data), ours), dki.DiffusionKurtosisModel(gradients, fit_method=theirs).fit(data.T)
        wide = {"min_kurtosis": -10, "max_kurtosis": 10}
        # The same normal equations: equal to round-off.
        np.testing.assert_allclose(maps.values["md"].ravel(), peer.md * 1e-6, rtol=1e-9)
        np.testing.assert_allclose(maps.values["fa"].ravel(), peer.fa, atol=1e-9)
        np.testing.assert_allclose(maps.values["ak"].ravel(), peer.ak(**wide), atol=1e-9)
        np.testing.assert_allclose(maps.values["mkt"].ravel(), peer.mkt(**wide), atol=1e-9)
        # dipy's closed forms switch to approximations near equal eigenvalues.
        np.testing.assert_allclose(maps.values["mk"].ravel(), peer.mk(**wide), atol=0.02)
        np.testing.assert_allclose(maps.values["rk"].ravel(), peer.rk(**wide), atol=0.01)


def test_tensors_agree_with_dipy():
    dti = pytest.importorskip("dipy.reconst.dti")
    from dipy.core.gradients import gradient_table

    data = noisy(signal_of(DTI, prolate(1.5e-9, 0.4, OBLIQUE)), 40, 40)
    n = np.stack([DTI[f"direction_{axis}"] for axis in "xyz"], axis=1)
    gradients = gradient_table(DTI["b"] * 1e-6, bvecs=n)
    for ours, theirs, tolerance in (("dti-ols", "OLS", 1e-9), ("dti-wls", "WLS", 1e-9), ("dti-nlls", "NLLS", 2e-5)):
        maps, peer = fit(images(DTI, data), ours), dti.TensorModel(gradients, fit_method=theirs).fit(data.T)
        np.testing.assert_allclose(maps.values["md"].ravel(), peer.md * 1e-6, rtol=tolerance)
        np.testing.assert_allclose(maps.values["fa"].ravel(), peer.fa, atol=tolerance)


def test_kurtosis_of_gaussian_compartments_is_exact_at_small_b():
    fractions, tensors = (
        np.array([0.3, 0.7]),
        np.stack([prolate(2.2e-9, 0.2, OBLIQUE), prolate(0.9e-9, 0.5, np.eye(3)[0])]),
    )
    mean, fourth = mixed(fractions, tensors)
    n = fibonacci(12)
    diffusion, kurtic = monomials(n, SECOND) @ [mean[i, j] for i, j in SECOND], monomials(n, FOURTH) @ fourth

    def slope(b):  # of -ln S over b, whose change with b is -V / 6
        s = fractions @ np.exp(-b * np.einsum("ni,pij,nj->pn", n, tensors, n))
        return -np.log(s) / b

    # Richardson's rule: what is left of V is of second order in b
    found = [-6 * (slope(b) - diffusion) / b for b in (2e6, 1e6)]
    np.testing.assert_allclose(2 * found[1] - found[0], kurtic, rtol=0.005)


def test_kurtosis_of_the_fit_is_the_mean_over_many_directions():
    fractions, tensors = _kurtotic(fa=0.6)
    mean, fourth = mixed(fractions, tensors)
    elements = np.array([mean[i, j] for i, j in SECOND])
    exact = kurtosis(elements[None], fourth[None])
    n = fibonacci(20_000)
    along = monomials(n, FOURTH) @ fourth / (monomials(n, SECOND) @ elements) ** 2
    assert exact["mk"].item() == pytest.approx(along.mean(), abs=1e-3)
    assert exact["mk"].item() == pytest.approx(0.6, abs=1e-12)  # K is the same in all directions here
    pure = np.exp(
        -DKI["b"] * (monomials(_directions(DKI), SECOND) @ elements)
        + DKI["b"] ** 2 / 6 * (monomials(_directions(DKI), FOURTH) @ fourth)
    )
    maps = fit(images(DKI, pure[:, None]), "dki-wls")
    for name in ("mk", "ak", "rk", "mkt"):
        assert maps.values[name].item() == pytest.approx(exact[name].item(), rel=1e-7)


def _directions(contrast):
    return np.stack([contrast[f"direction_{axis}"] for axis in "xyz"], axis=1)


def test_constrained_kurtosis_solves_its_quadratic_programme():
    from scipy.optimize import minimize

    from mrsim.fit.constrained_kurtosis import constraints
    from mrsim.fit.tensor_design import UNIT, design

    fractions, tensors = _kurtotic(k=0.1)
    data = noisy(sum(f * signal_of(DKI, t) for f, t in zip(fractions, tensors, strict=True)), 25, 30)
    free, kept = (fit(images(DKI, data, 0.04), name) for name in ("dki-wls", "dki-constrained"))
    changed = np.flatnonzero(kept.status.ravel() == 3)
    assert len(changed) > 5
    names = [name for name in kept.values if name[:2] in ("d_", "v_")]
    scale = np.array([1e9 if name[0] == "d" else 1e18 for name in names])
    rows = constraints(DKI["b"].max() / UNIT)
    voxel = int(changed[0])

    def beta(maps):
        point = [maps.values[name].ravel()[voxel] for name in names] * scale
        return np.concatenate([[np.log(maps.values["m0"].ravel()[voxel])], point])

    columns = design(DKI, kurtosis=True)
    start = beta(free)
    ordinary = np.linalg.lstsq(columns, np.log(data[:, voxel]), rcond=None)[0]
    root = np.exp(columns @ ordinary)[:, None] * columns

    def misfit(point):
        return np.sum((root @ (point - start)) ** 2)

    assert (rows @ beta(kept)).max() < 1e-6
    best = minimize(
        misfit, beta(kept), jac=lambda point: 2 * root.T @ (root @ (point - start)), method="SLSQP",
        constraints={"type": "ineq", "fun": lambda point: -rows @ point, "jac": lambda point: -rows},
        options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    assert misfit(beta(kept)) == pytest.approx(best.fun, rel=1e-4)


B9 = {"b": np.array([0.0, 20, 50, 80, 150, 250, 400, 600, 800]) * 1e6}


def test_perfusion_has_the_published_decay():
    from mrsim.fit.signal import signal

    found = signal("ivim", {"m0": 1.0, "f": 0.06, "d": 1.5e-9, "d_star": 1.5e-8}, {"b": [2e7, 5e7, 1e8, 2e8, 4e8, 8e8]})
    # physics.md B-11, five digits
    assert found == pytest.approx([0.95667, 0.90042, 0.82245, 0.69936, 0.51603, 0.28312], abs=5e-6)


@pytest.mark.parametrize(
    ("snr", "scatter", "clipped"), [(20, 0.148, 0.052), (50, 0.059, 0.022), (100, 0.029, 0.012), (200, 0.015, 0.006)]
)
def test_segmented_fit_of_no_perfusion_scatters_as_published(snr, scatter, clipped):
    data = noisy(np.exp(-B9["b"] * 1.5e-9), snr, 8000)
    f = fit(images(B9, data, 1 / snr), "ivim-segmented").values["f"]
    assert f.std() == pytest.approx(scatter, rel=0.1)
    assert np.clip(f, 0, 1).mean() == pytest.approx(clipped, rel=0.1)
    assert abs(f.mean()) < 0.012


def test_null_aware_fit_calls_noise_perfusion_as_often_as_it_says():
    data = noisy(np.exp(-B9["b"] * 1.5e-9), 60, 3000)
    maps = fit(images(B9, data, 1 / 60), "ivim-null")
    called = (maps.values["f"] > 0).mean()
    # f on its bound and D* that means nothing without it make two degrees of freedom an upper bound.
    assert 0.001 < called < 0.05
    found = fit(
        images(B9, noisy(0.7 * np.exp(-B9["b"] * 1.2e-9) + 0.3 * np.exp(-B9["b"] * 2e-8), 60, 300), 1 / 60), "ivim-null"
    )
    assert (found.values["f"] > 0).mean() > 0.99
    assert np.median(found.values["f"]) == pytest.approx(0.3, abs=0.02)


def test_prior_pulls_only_where_the_data_are_weak():
    truth = 0.7 * np.exp(-B9["b"] * 1.2e-9) + 0.3 * np.exp(-B9["b"] * 2e-8)
    strong = fit(images(B9, noisy(truth, 5000, 200), 1 / 5000), "ivim-map")
    assert np.median(strong.values["f"]) == pytest.approx(0.3, abs=2e-3)
    weak = fit(images(B9, noisy(truth, 20, 400), 1 / 20), "ivim-map", f_centre=0.05, f_spread=0.2)
    assert 0.05 < np.nanmedian(weak.values["f"]) < 0.15
    with pytest.raises(InputError, match="needs the noise"):
        fit(images(B9, truth[:, None]), "ivim-map", sigma="residuals")


def test_two_points_take_the_ends_alone():
    b = np.array([0.0, 400e6, 800e6])
    data = np.array([1.0, 0.1, 0.4])[:, None]
    found = fit(images({"b": b}, data), "adc-2point").values["adc"].item()
    assert found == pytest.approx(np.log(1 / 0.4) / 800e6, rel=1e-12)


def test_rician_likelihood_takes_the_floor_out_of_the_coefficient():
    b = {"b": np.linspace(0, 3e9, 13)}
    data = noisy(np.exp(-b["b"] * 1.5e-9), 20, 600)
    plain, rician = (
        np.median(fit(images(b, data, 0.05), "adc", likelihood=kind).values["adc"]) for kind in ("gaussian", "rician")
    )
    assert plain < 1.47e-9
    assert rician == pytest.approx(1.5e-9, rel=0.01)  # 600 voxels know it to 0.3 %


def test_rician_tensor_is_the_most_likely_one():
    from scipy.optimize import minimize

    from mrsim.core.magnitude import log_likelihood
    from mrsim.fit.tensor_design import design

    contrast = table((0, 1000), repelled(12))
    data = noisy(signal_of(contrast, prolate(1.5e-9, 0.3, OBLIQUE)), 15, 4)
    maps = fit(images(contrast, data, 1 / 15), "dti-nlls", likelihood="rician")
    columns = design(contrast, kurtosis=False)
    for voxel in range(4):
        names = [f"d_{'xyz'[i]}{'xyz'[j]}" for i, j in SECOND]
        found = np.array(
            [np.log(maps.values["m0"].ravel()[voxel]), *(1e9 * maps.values[n].ravel()[voxel] for n in names)]
        )

        def unlikely(beta, measured=data[:, voxel]):
            return -np.sum(log_likelihood(measured, np.exp(columns @ beta), 1 / 15))

        best = minimize(
            unlikely, found + 0.05, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-9, "maxiter": 6000}
        )
        assert unlikely(found) <= best.fun + 1e-6


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"b": DTI["b"] * 1e-6}, "looks like s/mm"),
        ({"direction_x": 2 * DTI["direction_x"]}, "normalise"),
        ({f"direction_{axis}": DTI[f"direction_{axis}"] * (np.arange(13) != 5) for axis in "xyz"}, "no direction"),
    ],
)
def test_wrong_tables_are_refused(change, problem):
    data = signal_of(DTI, prolate(1.5e-9, 0.3, OBLIQUE))[:, None]
    with pytest.raises(InputError, match=problem):
        fit(images(DTI | change, data), "dti-wls")


def test_designs_that_determine_too_little_say_what_is_missing():
    flat = np.stack([np.cos(np.arange(8)), np.sin(np.arange(8)), np.zeros(8)], axis=1)
    for name, contrast, problem in (
        ("dti-wls", table((0, 600), flat), "determine 4 of 7"),
        ("dki-wls", table((0, 1000), repelled(30)), "two b-values above 0"),
    ):
        with pytest.raises(InputError, match=problem):
            fit(images(contrast, signal_of(contrast, prolate(1.5e-9, 0.3, OBLIQUE))[:, None]), name)


def test_images_of_zeros_count_for_nothing_and_too_few_are_singular():
    data = np.repeat(signal_of(DTI, prolate(1.5e-9, 0.3, OBLIQUE))[:, None], 3, axis=1)
    data[4, 0] = 0.0
    data[2:, 1] = 0.0
    maps = fit(images(DTI, data), "dti-wls")
    assert maps.values["fa"].ravel()[0] == pytest.approx(0.3, abs=1e-8)
    assert maps.status.ravel().tolist() == [0, 5, 0]
    assert np.isnan(maps.values["fa"].ravel()[1])


def test_b_beyond_the_expansion_is_warned_of():
    contrast = table((0, 700, 1400, 5000), repelled(20))
    fractions, tensors = _kurtotic(k=0.8)
    data = sum(f * signal_of(contrast, t) for f, t in zip(fractions, tensors, strict=True))[:, None]
    warnings = fit(images(contrast, data), "dki-wls").history["warnings"]
    assert any("3 / (D K)" in text for text in warnings)


@pytest.mark.parametrize(
    "name", ["adc-2point", "adc-loglin", "kurtosis-loglin", "dti-ols", "dti-nlls", "dki-wls", "ivim-segmented"]
)
def test_voxels_without_signal_or_numbers_are_passed_over_in_silence(name):
    contrast = DKI if name.startswith(("dti", "dki")) else B9
    good = np.exp(-contrast["b"] * 1e-9)
    data = np.stack([good, 0 * good, np.full_like(good, np.nan), good], axis=1)
    maps = fit(images(contrast, data), name)
    first = "md" if "md" in maps.values else "adc" if "adc" in maps.values else "d"
    assert maps.values[first].ravel()[[0, 3]] == pytest.approx(np.full(2, 1e-9), rel=1e-6)
    assert maps.status.ravel().tolist()[1:3] == [1, 4]


def test_tensors_of_signal_that_hardly_falls_are_told_to_be_noise():
    """A third of the voxels are fat: D 0.01 um^2/ms, FA of noise near 1."""
    water, fat = (noisy(signal_of(DTI, d * np.eye(3)), 60, n) for d, n in ((1.5e-9, 400), (1e-11, 200)))
    maps = fit(images(DTI, np.concatenate([water, fat], axis=1), 1 / 60), "dti-wls")
    matrices = np.linalg.eigvalsh(_matrices(maps))
    negative = int((matrices[:, 0] < 0).sum())
    assert negative > 150
    assert np.median(maps.values["fa"].ravel()[400:]) > 0.7
    said = [text for text in maps.history["warnings"] if "negative eigenvalue" in text]
    assert said[0].startswith(f"{negative} of 600 tensors")
    for name, data in (("dti-positive", fat[:, :10]), ("dti-wls", water)):
        clean = fit(images(DTI, data, 1 / 60), name)
        assert not any("negative eigenvalue" in text for text in clean.history.get("warnings", ()))


def test_errors_of_kurtosis_scalars_follow_from_the_covariance():
    """Against finite differences of the closed forms, axes turning with the tensor."""
    from mrsim.fit import tensor_maps
    from mrsim.fit._kernels.tensor import tensor_scalars

    rng = np.random.default_rng(6)
    fractions, tensors = np.array([0.3, 0.7]), np.stack([prolate(2.2, 0.6, OBLIQUE), np.diag([0.5, 0.9, 1.4])])
    mean, fourth = mixed(fractions, tensors)
    point = np.concatenate([[mean[i, j] for i, j in SECOND], fourth])
    root = rng.standard_normal((22, 22)) * 0.01
    spread = root @ root.T
    packed = np.ascontiguousarray(spread[np.tril_indices(22)][:, None])

    def scalars(p):
        found = kurtosis(p[None, :6], p[None, 6:])
        return np.array([found[name].item() for name in ("mk", "ak", "rk", "mkt")])

    slopes = np.array([(scalars(point + step) - scalars(point - step)) / 2e-5 for step in 1e-5 * np.eye(21)])
    expected = np.sqrt(np.einsum("is,ij,js->s", slopes, spread[1:, 1:], slopes))
    vectors = np.empty((3, 3, 1))
    tensor_scalars(point[:6, None], packed, np.empty((10, 1)), np.empty((4, 1)), vectors)
    values, errors = tensor_maps._kurtoses(point[:6, None], point[6:, None], vectors, packed)
    np.testing.assert_allclose(values[:, 0], scalars(point), rtol=1e-9)
    np.testing.assert_allclose(errors[:, 0], expected, rtol=2e-3)  # of a coarser sphere than the values'
    np.testing.assert_allclose(errors[[1, 3], 0], expected[[1, 3]], rtol=1e-6)
    # equal eigenvalues leave the axes, and with them AK and RK, without an error of first order; nothing fails
    alike = np.array([1.0, 1, 1, 0, 0, 0])[:, None]
    tensor_scalars(alike, packed, np.empty((10, 1)), np.empty((4, 1)), vectors)
    errors = tensor_maps._kurtoses(alike, point[6:, None], vectors, packed)[1][:, 0]
    assert np.isfinite(errors[[0, 3]]).all()
    assert not np.isfinite(errors[1])


def test_errors_of_kurtosis_are_its_scatter():
    fractions, tensors = _kurtotic()
    clean = sum(f * signal_of(DKI, t) for f, t in zip(fractions, tensors, strict=True))
    maps = fit(images(DKI, noisy(clean, 100, 2000), 1 / 100), "dki-wls")
    for name in ("mk", "ak", "rk", "mkt"):
        # 2,000 voxels know a standard deviation to 1.6 %; the errors are of first order in the noise
        assert np.median(maps.errors[name]) == pytest.approx(maps.values[name].std(), rel=0.06)


@pytest.mark.parametrize("name", ["kurtosis", "kurtosis-loglin"])
def test_parabola_beyond_its_turn_is_warned_of_and_noise_alone_is_not(name):
    """Two compartments of 2.3 and 0.7 um^2/ms: K 0.85 and a turn at 2,340 s/mm^2."""

    def said(largest, k, snr):
        b = np.array([0.0, 500, 1000, 1500, largest]) * 1e6
        s = np.sqrt(k / 3)
        clean = 0.5 * np.exp(-b * 1.5e-9 * (1 + s)) + 0.5 * np.exp(-b * 1.5e-9 * (1 - s))
        maps = fit(images({"b": b}, noisy(clean, snr, 300), 1 / snr), name)
        return [text for text in maps.history.get("warnings", ()) if "3 / (D K)" in text]

    assert "b of 4000 s/mm^2" in said(4000, 0.853, 1000)[0]
    assert not said(2000, 0.853, 1000)
    assert not said(2500, 0.1, 20)


def test_signals_that_magnitudes_cannot_have_are_told():
    clean = np.repeat(signal_of(DTI, prolate(1.5e-9, 0.3, OBLIQUE))[:, None], 3, axis=1)
    clean[4, 1] *= -0.1
    said = fit(images(DTI, clean), "dti-wls").history["warnings"]
    assert said[0].startswith("1 of 3 voxels have negative signals")
    whole_turn = fit(images(DTI, -clean[:, [0]]), "dti-wls").history
    assert "warnings" not in whole_turn


@pytest.mark.parametrize(("name", "factor"), [("dti-wls", 1e-2), ("adc", 1e-2), ("dti-wls", 160), ("adc-loglin", 160)])
def test_coefficients_of_no_tissue_are_told(name, factor):
    clean = signal_of(DTI, np.eye(3) * (1.5e-9 if factor < 1 else 1e-10))[:, None]
    said = fit(images(DTI | {"b": DTI["b"] * factor}, clean), name).history["warnings"]
    assert any("that of no tissue" in text for text in said)


def test_matrices_in_another_unit_than_b_are_refused():
    n = _directions(DTI)
    matrix = {f"b_{'xyz'[i]}{'xyz'[j]}": 1e-6 * DTI["b"] * n[:, i] * n[:, j] for i, j in SECOND}
    with pytest.raises(InputError, match="one of them is in another unit"):
        fit(images(DTI | matrix, signal_of(DTI, np.eye(3) * 1e-9)[:, None]), "dti-wls")
