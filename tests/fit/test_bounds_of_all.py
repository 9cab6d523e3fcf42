"""Every registered model: its bound against the curvature of its likelihood; what no bound holds for is seen."""

import numpy as np
import pytest

from mrsim.core import magnitude
from mrsim.core.errors import InputError
from mrsim.fit.crlb import fisher
from mrsim.fit.scatter import scatter
from mrsim.fit.signal import signal

from .examples import RELAXOMETRY, WITH_SIGNAL, example, sheet_of

MAGNITUDES = [m for m in WITH_SIGNAL if m.data in ("magnitude", "polarity-restored") and m in RELAXOMETRY]
SNR = 100.0


def _curvature(expected, point):
    """Return the Hessian of a function of (parameter, point) arrays by central differences of the second order."""
    steps = 2e-4 * np.abs(point)
    count = len(point)
    pairs = [(a, b, s, t) for a in range(count) for b in range(count) for s in (1, -1) for t in (1, -1)]
    moved = np.repeat(point[:, None], len(pairs), axis=1)
    for k, (a, b, s, t) in enumerate(pairs):
        moved[a, k] += s * steps[a]
        moved[b, k] += t * steps[b]
    values = expected(moved)
    hessian = np.zeros((count, count))
    for (a, b, s, t), value in zip(pairs, values, strict=True):
        hessian[a, b] += s * t * value / (4 * steps[a] * steps[b])
    return hessian


def _same(found, hessian):
    """Compare in units of the diagonal: truncation is of the order of the squared relative step, 1e-6."""
    unit = np.sqrt(np.outer(np.diag(hessian), np.diag(hessian)))
    assert found / unit == pytest.approx(hessian / unit, abs=2e-5)


@pytest.mark.parametrize("model", WITH_SIGNAL, ids=lambda m: m.name)
def test_bound_is_the_curvature_of_the_gaussian_likelihood(model):
    parameters, contrast = example(model)
    names, sheet = list(parameters), sheet_of(model)
    clean, sigma = signal(model, parameters, contrast, sheet=sheet), 0.01

    def expected(points):  # mean of -log L over the noise, up to a constant
        values = signal(model, dict(zip(names, points, strict=True)), contrast, sheet=sheet)
        return np.sum(np.abs(values - clean[:, None]) ** 2, axis=0) / (2 * sigma**2)

    _same(
        fisher(model, parameters, contrast, sigma, sheet=sheet), _curvature(expected, np.array([*parameters.values()]))
    )


@pytest.mark.parametrize("model", MAGNITUDES, ids=lambda m: m.name)
def test_bound_is_the_curvature_of_the_rician_likelihood(model):
    """Relative entropy of magnitudes by Gauss-Legendre quadrature, at an SNR of 5 where Rice's law matters."""
    parameters, contrast = example(model)
    names, sheet = list(parameters), sheet_of(model)
    clean = np.abs(signal(model, parameters, contrast, sheet=sheet))
    sigma = clean.max() / 5
    nodes, weights = np.polynomial.legendre.leggauss(120)
    low, high = np.maximum(clean - 9 * sigma, 0.0), clean + 9 * sigma
    y = low[:, None] + (high - low)[:, None] * (nodes + 1) / 2
    density = np.exp(magnitude.log_likelihood(y, clean[:, None], sigma)) * weights * (high - low)[:, None] / 2

    def expected(points):
        values = np.abs(signal(model, dict(zip(names, points, strict=True)), contrast, sheet=sheet))
        gain = magnitude.log_likelihood(y[:, :, None], values[:, None], sigma)
        return -np.einsum("nq,nqv->v", density, gain)

    found = fisher(model, parameters, contrast, sigma, sheet=sheet, likelihood="rician")
    _same(found, _curvature(expected, np.array([*parameters.values()])))


def test_scatter_far_above_the_bound_is_seen():
    """The negative control: magnitudes of a recovery whose signs noise can exchange, and a line fitted to noise."""
    for name in ("mdme-magnitude", "t2star-loglin"):
        model = next(m for m in WITH_SIGNAL if m.name == name)
        parameters, contrast = example(model)
        found = scatter(model, parameters, contrast, 0.8 / SNR, threads=1)
        assert all(s.judged for s in found.values())
        assert not all(s.reached for s in found.values())


def test_scatter_asks_for_enough_replicates():
    model = next(m for m in WITH_SIGNAL if m.name == "t2-mono")
    parameters, contrast = example(model)
    with pytest.raises(InputError, match="at least 100"):
        scatter(model, parameters, contrast, 0.01, replicates=10)
    with pytest.raises(InputError, match="gave a value"):
        scatter(model, parameters, contrast, 100.0)
