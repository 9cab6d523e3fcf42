"""Sub-slices: what lies between the points dephases exactly."""

import numpy as np
import pytest

from mrsim.simulate._kernels import states as kernels
from mrsim.simulate.sub_slices import SubSlices
from mrsim.simulate.walker import Slab


def test_spherical_bessel_functions_are_those_of_scipy():
    from scipy.special import spherical_jn

    for x in (0.0, 1e-9, 1e-3, 0.5, 3.14159, 4.4934, 7.999, 8.0, 31.0, 700.0, -2.7):
        found = np.zeros(8)
        kernels.spherical_bessel(x, found)
        np.testing.assert_allclose(found, spherical_jn(np.arange(8), x), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("k", [0.0, 130.0, 900.0, -4321.0])
@pytest.mark.parametrize("per_layer", [1, 5, 24])
def test_dephased_mean_of_a_polynomial_is_exact(per_layer, k):
    """Two layers of 3 mm, whatever the winding: 13 cycles per layer at most, far more than there are points."""
    places = SubSlices(Slab(thickness=6e-3, layers=2), per_layer)
    degree = min(places.each, 8) - 1
    shape = np.polynomial.Polynomial(np.linspace(1, 2, degree + 1), domain=[-3e-3, 3e-3])
    values = np.zeros((1, 1, 6, len(places.z)))
    values[0, 0, 0], values[0, 0, 1] = shape(places.z), 0.5 * shape(-places.z)
    out = np.zeros((1, 2, 1, 1, 4))
    row, same = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    kernels.through(values, row, same, np.array([[k]]), places.width, places.polynomials, 2, out)
    u, w = np.polynomial.legendre.leggauss(120)
    for layer, centre in enumerate(places.centres):
        z = centre + u * 1.5e-3
        exact = np.sum(w / 2 * (shape(z) + 0.5j * shape(-z)) * np.exp(-2j * np.pi * k * (z - centre)))
        assert complex(*out[0, layer, 0, 0, :2]) == pytest.approx(exact, abs=1e-12)
    assert places.share.sum() == pytest.approx(2)
