"""Scalar kernels of the magnitude of noisy complex data: Bessel ratios, log density, expectation.

Everything is for a noise of standard deviation 1 per quadrature channel: `m` is the measured magnitude, `a` the true
signal (root of the sum of squares over the channels), `channels` the number L of complex channels; L = 1 is Rice's
distribution. The density of the noncentral chi distribution with 2L degrees of freedom is

    p(m) = m^(2L-1) exp(-(m - a)^2 / 2) I_nu(z) exp(-z) z^-nu,   nu = L - 1, z = m a,

in which no factor overflows or cancels. Fitters may call these from their own kernels.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import math

from numba import njit

HALF_LOG_TWO_PI = 0.9189385332046727
LARGE = 36.0
"""Above LARGE + order^2 / 2 the asymptotic series of the Bessel functions is exact to rounding."""


@njit(cache=True, error_model="numpy")
def _asymptotic(order, z):
    """Return I_order(z) exp(-z) sqrt(2 pi z) = sum_k (-1)^k prod_j (4 order^2 - (2j - 1)^2) / (8 j z)."""
    total, term, square = 1.0, 1.0, 4.0 * order * order
    for k in range(1, 100):
        odd = 2.0 * k - 1.0
        following = -term * (square - odd * odd) / (8.0 * k * z)
        if abs(following) >= abs(term) and k > order:  # the series begins to diverge
            break
        term = following
        total += term
        if abs(term) < 1e-17:
            break
    return total


@njit(cache=True, error_model="numpy")
def bessel(order, z):
    """Return log(I_order(z) exp(-z) z^-order), r = I_(order+1)(z) / I_order(z) and dr/dz; whole orders, z >= 0.

    With r_k = I_(k+1) / I_k = 1 / (2(k+1)/z + r_(k+1)), downwards from an order at which any start is forgotten, and
    exp(z) / I_0 = 1 + 2 r_0 (1 + r_1 (1 + r_2 (...))): no subtraction, no overflow (Miller's algorithm).
    """
    if z > LARGE + 0.5 * order * order:
        first, second = _asymptotic(order, z), _asymptotic(order + 1, z)
        value = math.log(first) - HALF_LOG_TWO_PI - (order + 0.5) * math.log(z)
        wanted = second / first
        if z > 1e4 * (order + 1.0) ** 2:  # where 1 - r^2 cancels with (2 order + 1) r / z
            return value, wanted, ((2.0 * order + 1.0) - (2.0 * order * order - 0.5) / z) / (2.0 * z * z)
        return value, wanted, 1.0 - wanted * wanted - (2.0 * order + 1.0) * wanted / z
    top = int(math.sqrt(order * order + 60.0 * z)) + 5
    ratio = z / (top + 0.5 + math.sqrt(z * z + (top + 1.5) ** 2))  # Amos 1974, doi:10.2307/2005830
    chain, product, wanted, logarithm = ratio, 1.0, ratio, 0.0
    for k in range(top - 1, -1, -1):
        over = 1.0 / (2.0 * (k + 1) + z * ratio)  # ratio over z
        ratio = z * over
        chain = ratio * (1.0 + chain)
        if k == order:
            wanted = ratio
        if k < order:
            product *= over
            if product < 1e-200:
                logarithm += math.log(product)
                product = 1.0
    slope = 1.0 - wanted * wanted - (2.0 * order + 1.0) * wanted / z if z > 0.0 else 0.5 / (order + 1.0)
    return logarithm + math.log(product) - math.log(1.0 + 2.0 * chain), wanted, slope


@njit(cache=True, error_model="numpy")
def log_density(m, a, channels):
    """Return log p(m) and its derivatives by the true signal, once and twice; m > 0, a >= 0.

    With r = I_L(z) / I_(L-1)(z): d/da = m r - a and d2/da2 = m^2 dr/dz - 1.
    """
    scaled, ratio, slope = bessel(channels - 1, m * a)
    value = (2.0 * channels - 1.0) * math.log(m) - 0.5 * (m - a) ** 2 + scaled
    return value, m * ratio - a, m * m * slope - 1.0


@njit(cache=True, error_model="numpy")
def expectation(a, channels):
    """Return the mean magnitude of the true signal `a`, and its derivative by `a`.

    m^2 is a chi-squared variable with 2(L + k) degrees of freedom, k from a Poisson distribution of mean y = a^2 / 2:

        mean = sum_k exp(-y) y^k / k! c_k,   c_k = sqrt(2) Gamma(L + k + 1/2) / Gamma(L + k),

    and for large y its asymptotic series mean = a sum_s (-1/2)_s (1/2 - L)_s / (s! y^s).
    """
    y = 0.5 * a * a
    if y > 40.0 + 10.0 * channels:
        total, slope, term = 1.0, 1.0, 1.0
        for s in range(100):
            term *= (s - 0.5) * (s + 0.5 - channels) / ((s + 1.0) * y)
            total += term
            slope -= (2.0 * s + 1.0) * term  # d/da of a y^-(s+1)
            if abs(term) < 1e-17:
                break
        return a * total, slope
    level = math.sqrt(2.0) * math.exp(math.lgamma(channels + 0.5) - math.lgamma(channels))
    weight, mean, slope = math.exp(-y), 0.0, 0.0
    for k in range(int(y + 14.0 * math.sqrt(y)) + 30):
        mean += weight * level
        slope += weight * level * 0.5 / (channels + k)
        level *= (channels + k + 0.5) / (channels + k)
        weight *= y / (k + 1.0)
    return mean, a * slope


@njit(cache=True, nogil=True, error_model="numpy")
def log_densities(m, a, channels, out):
    """Write value, first and second derivative for every magnitude into `out` (3, n)."""
    for i in range(m.size):
        out[0, i], out[1, i], out[2, i] = log_density(m[i], a[i], channels)


@njit(cache=True, nogil=True, error_model="numpy")
def expectations(a, channels, out):
    """Write mean and derivative for every signal into `out` (2, n)."""
    for i in range(a.size):
        out[0, i], out[1, i] = expectation(a[i], channels)
