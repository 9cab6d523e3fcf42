"""The noise floor of magnitudes, taken off before a fit that does not know it.

The magnitude y of a signal A in noise has the mean square A^2 + 2 sigma^2 and, well above the noise, the mean
A + sigma^2 / (2 A): sqrt(|y^2 - sigma^2|) is A on average there (Gudbjartsson 1995). Below two standard deviations a
part of the floor stays, which only the Rician likelihood does without. The root of a sum of squares of L channels has
(2 L - 1) sigma^2 in place of sigma^2.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.images import Images
from .method import Likelihood
from .model import Description

NoiseFloor = Literal["keep", "subtract"]
MAGNITUDES = ("magnitude", "polarity-restored")
"""Kinds of data that are magnitudes."""


def without_floor(
    values: NDArray[Any],
    model: Description,
    noise_floor: NoiseFloor,
    likelihood: Likelihood,
    sigma: NDArray[np.float64],
    channels: int = 1,
) -> NDArray[Any]:
    """Return magnitudes without the power of the noise, or any data as they are.

    Parameters
    ----------
    values : (n, voxel) array
    model : Model or Method
        Must fit magnitudes where their floor is to go.
    noise_floor : str
        ``"keep"`` or ``"subtract"``.
    likelihood : str
        Not the Rician one where the floor is to go.
    sigma : (n, voxel) array
        Standard deviation of one quadrature channel.
    channels : int
        Whose squares the magnitudes are the root of.
    """
    if noise_floor == "keep":
        return values
    if noise_floor != "subtract":
        raise InputError(f"'{noise_floor}' is neither 'keep' nor 'subtract'", key="noise_floor")
    if model.data not in MAGNITUDES:
        raise InputError(f"model '{model.name}' fits no magnitudes: its data have no noise floor", key="noise_floor")
    if likelihood == "rician":
        raise InputError("the Rician likelihood knows the noise floor; take one or the other", key="noise_floor")
    if not np.isfinite(sigma).all():
        raise InputError("needs the noise: images with sigma, or sigma", key="noise_floor")
    return np.sqrt(np.abs(values**2 - (2 * channels - 1) * sigma**2))


def channels_of(model: Description, images: Images) -> int:
    """Return how many channels' squares the images are the root of; refuse a model that needs their phase."""
    if images.channels > 1 and model.data not in MAGNITUDES:
        problem = f"model '{model.name}' needs the phase of images, which a sum of squares has not"
        raise InputError(f"{problem}; combine the coils with maps or adaptively", key="model")
    return images.channels
