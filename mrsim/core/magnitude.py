"""Statistics of magnitude images: Rice's distribution and the noncentral chi of several coils.

A channel's complex value carries independent normal noise of standard deviation sigma in its real and its imaginary
part. The magnitude of one channel then follows Rice's distribution (Gudbjartsson 1995), the root of the sum of squares
over L channels with equal noise a noncentral chi distribution with 2L degrees of freedom (Constantinides 1997), about
the true signal A, the root of the sum of squares without noise. Without signal the mean is sigma sqrt(pi/2) for one
channel and not zero; far above the noise it is A + (2L - 1) sigma^2 / (2 A) with the standard deviation sigma.

A sum of squares follows this law only where its channels' noise is independent and equal: whiten first. Matched and
adaptive combinations are one channel again, L = 1. Functions broadcast, hold for any ratio of A to sigma, and take
everything in the unit of the image. Their compiled kernels, `core/_kernels/magnitude.py`, serve fitters as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

NODES, REACH = 128, 10.0
"""Gauss-Legendre nodes, and the width of the density on either side of its mean in standard deviations of the noise."""
ROUNDS = 60
"""Of the inversions; they end when nothing changes any more."""

Array = NDArray[np.float64]


def log_likelihood(magnitude: ArrayLike, signal: ArrayLike, sigma: ArrayLike, channels: int = 1) -> Array:
    """Return the log density of magnitudes, 1/unit.

    Parameters
    ----------
    magnitude : array
        Measured, > 0; a magnitude of zero has the log density minus infinity.
    signal : array
        True signal A >= 0, the same unit.
    sigma : array
        Standard deviation of one quadrature channel, > 0, the same unit.
    channels : int
        L, the complex channels whose squares were summed; 1 is Rice's distribution.
    """
    m, a, s = _scaled(magnitude, signal, sigma, channels)
    with np.errstate(divide="ignore"):
        return np.where(m > 0, _densities(np.maximum(m, 1e-300), a, channels)[0] - np.log(s), -np.inf)


def score(magnitude: ArrayLike, signal: ArrayLike, sigma: ArrayLike, channels: int = 1) -> Array:
    """Return the derivative of `log_likelihood` by the true signal, 1/unit; arguments as there."""
    m, a, s = _scaled(magnitude, signal, sigma, channels)
    return np.asarray(_densities(np.maximum(m, 1e-300), a, channels)[1] / s)


def mean(signal: ArrayLike, sigma: ArrayLike, channels: int = 1) -> Array:
    """Return the expected magnitude of a true signal; arguments as in `log_likelihood`."""
    _, a, s = _scaled(0.0, signal, sigma, channels)
    return np.asarray(_expectations(a, channels)[0] * s)


def standard_deviation(signal: ArrayLike, sigma: ArrayLike, channels: int = 1) -> Array:
    """Return the standard deviation of the magnitude of a true signal; arguments as in `log_likelihood`."""
    _, a, s = _scaled(0.0, signal, sigma, channels)
    return _spread(a, channels) * s


def information(signal: ArrayLike, sigma: ArrayLike, channels: int = 1) -> Array:
    """Return the Fisher information that one magnitude has of its true signal, 1/unit^2.

    E[(d log p / dA)^2]: 1/sigma^2 far above the noise, as of Gaussian data, and zero without signal. Arguments as in
    `log_likelihood`.
    """
    _, a, s = _scaled(0.0, signal, sigma, channels)
    return _average(a, channels, lambda m, terms, centre: terms[1] ** 2) / s**2


def signal_of_mean(magnitude: ArrayLike, sigma: ArrayLike, channels: int = 1) -> Array:
    """Return the true signal whose expected magnitude is the given mean; zero at and below the mean of noise alone.

    Parameters
    ----------
    magnitude : array
        Mean magnitude, e.g. over a uniform region.
    sigma : array
        Known standard deviation of one quadrature channel, the same unit.
    channels : int
        As in `log_likelihood`.
    """
    m, _, s = _scaled(magnitude, 0.0, sigma, channels)
    floor = _expectations(np.zeros(1), channels)[0]
    low, high = np.zeros_like(m), m.copy()  # the mean is never below the signal
    a = np.sqrt(np.maximum(m**2 - floor**2, 0.0))
    for _ in range(ROUNDS):
        value, slope = _expectations(a, channels)
        low, high = np.where(value <= m, a, low), np.where(value >= m, a, high)
        newton = a + (m - value) / np.maximum(slope, 1e-12)
        following = np.where((newton > low) & (newton < high), newton, 0.5 * (low + high))
        done = np.abs(following - a) <= 4e-16 * np.maximum(a, 1.0)
        a = following
        if done.all():
            break
    return np.where(m > floor, a, 0.0) * s


def signal_of_moments(magnitude: ArrayLike, spread: ArrayLike, channels: int = 1) -> tuple[Array, Array]:
    """Return true signal and sigma from the mean and the standard deviation of magnitudes.

    The ratio of mean and standard deviation grows with A/sigma; where it is not above that of noise alone the signal is
    zero and sigma follows from the standard deviation (Koay and Basser 2006, doi:10.1016/j.jmr.2006.01.016).

    Parameters
    ----------
    magnitude, spread : array
        Mean and standard deviation over repetitions or a uniform region, the same unit; the latter > 0.
    channels : int
        As in `log_likelihood`.
    """
    m, _, s = _scaled(magnitude, 0.0, spread, channels)
    low, high = np.zeros_like(m), m + 1.0
    for _ in range(ROUNDS):
        middle = 0.5 * (low + high)
        above = _expectations(middle, channels)[0] > m * _spread(middle, channels)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    floor = _expectations(np.zeros(1), channels)[0] / _spread(np.zeros(1), channels)
    ratio = np.where(m > floor, 0.5 * (low + high), 0.0)
    sigma = s / _spread(ratio, channels)
    return ratio * sigma, sigma


def _scaled(magnitude: ArrayLike, signal: ArrayLike, sigma: ArrayLike, channels: int) -> tuple[Array, Array, Array]:
    """Return magnitude and signal over sigma, and sigma, checked and broadcast."""
    if isinstance(channels, bool) or int(channels) != channels or channels < 1:
        raise InputError(f"is {channels}; a magnitude is made of one or more whole channels", key="channels")
    values = {"magnitude": magnitude, "signal": signal, "sigma": sigma}
    arrays = [np.asarray(value, dtype=np.float64) for value in values.values()]
    for name, value in zip(values, arrays, strict=True):
        least = "greater than zero" if name == "sigma" else "zero or greater"
        if not (np.isfinite(value) & ((value > 0) if name == "sigma" else (value >= 0))).all():
            raise InputError(f"holds {float(np.ravel(value)[0]):g} or other values that are not {least}", key=name)
    m, a, s = np.broadcast_arrays(*arrays)
    return m / s, a / s, s


def _densities(m: Array, a: Array, channels: int) -> Array:
    """Return (3, ...) log density and its first and second derivative, sigma = 1."""
    from ._kernels.magnitude import log_densities

    m, a = np.broadcast_arrays(m, a)
    out = np.empty((3, m.size))
    log_densities(np.ascontiguousarray(m).ravel(), np.ascontiguousarray(a).ravel(), channels, out)
    return out.reshape(3, *m.shape)


def _expectations(a: Array, channels: int) -> Array:
    """Return (2, ...) mean and its derivative, sigma = 1."""
    from ._kernels.magnitude import expectations

    out = np.empty((2, a.size))
    expectations(np.ascontiguousarray(a).ravel(), channels, out)
    return out.reshape(2, *a.shape)


def _spread(a: Array, channels: int) -> Array:
    """Return the standard deviation of the magnitude, sigma = 1."""
    return np.sqrt(_average(a, channels, lambda m, terms, centre: (m - centre) ** 2))


@lru_cache(maxsize=1)
def _rule() -> tuple[Array, Array]:
    """Return nodes and weights in [-1, 1]: the roots of a high polynomial cost more than the averages they serve."""
    return np.polynomial.legendre.leggauss(NODES)


def _average(a: Array, channels: int, what: Any) -> Array:
    """Return the mean of `what(m, log density terms, mean)` over the density of the magnitude, sigma = 1."""
    node, weight = _rule()
    flat = np.ravel(a)
    result = np.empty(flat.size)
    for start in range(0, flat.size, 4096):
        part = slice(start, start + 4096)
        centre = _expectations(flat[part], channels)[0][:, None]
        low = np.maximum(centre - REACH, 0.0)
        half = 0.5 * (centre + REACH - low)
        m = low + half * (1.0 + node)
        terms = _densities(m, flat[part][:, None], channels)
        result[part] = np.sum(half * weight * np.exp(terms[0]) * what(m, terms, centre), axis=1)
    return result.reshape(np.shape(a))
