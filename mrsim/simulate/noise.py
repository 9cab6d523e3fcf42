"""Receiver noise: complex, white in k-space, correlated between coils as the scanner's calibration says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..core.acquisition import Acquisition
from ..core.errors import InputError


def add_noise(raw: Acquisition, *, rng: int | np.random.Generator) -> Acquisition:
    """Return `raw` with calibrated noise added to every readout.

    Each sample's real and imaginary part get the variance noise_density / dwell, with the coils correlated.

    Parameters
    ----------
    raw : Acquisition
        Noise-free raw data.
    rng : int or numpy.random.Generator
        Seed or generator; the same seed gives the same noise.
    """
    if raw.noisy:
        raise InputError("the raw data already hold noise; add it once, to noise-free data")
    generator = np.random.default_rng(rng)
    try:
        colour = np.linalg.cholesky(raw.noise_density)
    except np.linalg.LinAlgError:
        raise InputError("the coil noise covariance is not positive definite") from None
    groups = {}
    for name, group in raw.groups.items():
        shape = group.data.shape
        white = generator.standard_normal((2, *shape))
        dwell = raw.encoding.dwell if group.dwell is None else group.dwell
        noise = np.einsum("cd,rds->rcs", colour / np.sqrt(dwell), white[0] + 1j * white[1])
        groups[name] = replace(group, data=group.data + noise)
    return replace(raw, groups=groups, noisy=True)
