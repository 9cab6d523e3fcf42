"""Fisher information and Cramér-Rao bounds: the least standard deviation that any unbiased fit can reach.

For Gaussian noise of standard deviation sigma, F = J^T J / sigma^2 with J the derivatives of the signal, and
the bound of parameter k is sqrt((F^-1)_kk). Magnitude images above three standard deviations of the noise
are close to Gaussian; below, the Rician information is smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import magnitude
from ..core.errors import InputError
from .method import Likelihood
from .model import Description
from .models import find_model
from .signal import Contrast, jacobian, signal

SEPARABLE = 1e-12
"""Parameters whose scaled information matrix has a smaller reciprocal condition number cannot be told apart."""


def fisher(
    model: Description | str,
    parameters: Mapping[str, float],
    contrast: Contrast,
    sigma: ArrayLike,
    *,
    sheet: Mapping[str, Any] | None = None,
    likelihood: Likelihood = "gaussian",
    channels: int = 1,
    **options: float,
) -> NDArray[np.float64]:
    """Return the (parameter, parameter) Fisher information; arguments as in `crlb`."""
    noise = np.asarray(sigma, np.float64)
    if not (np.isfinite(noise) & (noise > 0)).all():
        raise InputError(f"is {noise}; it must be finite and greater than zero", key="sigma")
    slope = jacobian(model, parameters, contrast, sheet=sheet, **options)
    if likelihood == "rician":
        clean = np.abs(signal(model, parameters, contrast, sheet=sheet, **options))
        scaled = slope * np.sqrt(magnitude.information(clean, np.broadcast_to(noise, clean.shape), channels))
    else:
        scaled = slope / noise
    return np.asarray(np.real(scaled @ scaled.conj().T))


def crlb(
    model: Description | str,
    parameters: Mapping[str, float],
    contrast: Contrast,
    sigma: ArrayLike,
    *,
    sheet: Mapping[str, Any] | None = None,
    likelihood: Likelihood = "gaussian",
    channels: int = 1,
    **options: float,
) -> dict[str, float]:
    """Return the least standard deviation of each parameter.

    Parameters
    ----------
    model : Model, Method or str
    parameters : mapping of str to float
        True values, SI units.
    contrast : mapping of str to (n,) array
        The images, SI units.
    sigma : float or (n,) array
        Standard deviation of the noise in each image, one quadrature channel, in units of the signal.
    sheet : mapping, optional
        `Images.encoding`, for methods that read the protocol sheet.
    likelihood : str
        ``"gaussian"``, or ``"rician"`` for magnitudes.
    channels : int
        Whose squares the magnitudes are the root of; 1 is Rice's distribution.
    **options : float
        The model's options.

    Returns
    -------
    dict of str to float
        Per parameter, its unit; infinite for all where these images cannot tell the parameters apart.
    """
    found = find_model(model) if isinstance(model, str) else model
    settings: dict[str, Any] = {"sheet": sheet, "likelihood": likelihood, "channels": channels, **options}
    information = fisher(found, parameters, contrast, sigma, **settings)
    names = [p.name for p in found.parameters]
    scale = np.sqrt(np.diag(information))
    if not (scale > 0).all():
        return dict.fromkeys(names, float("inf"))
    correlation = information / np.outer(scale, scale)
    if np.linalg.eigvalsh(correlation)[0] < SEPARABLE:
        return dict.fromkeys(names, float("inf"))
    bound = np.sqrt(np.diag(np.linalg.inv(correlation))) / scale
    return dict(zip(names, bound.tolist(), strict=True))
