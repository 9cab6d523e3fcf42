"""When FA is noise: what a tensor fit reads of a tissue without any direction, by the SNR of its unweighted image.

Noisy magnitudes of an isotropic tissue go through the weighted fit `dti-wls`; the mean FA that results is noise alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.grid import Grid
from ..core.images import Images
from ..fit.fit import fit

SNRS = (3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
VOXELS = 1500
B, DIFFUSIVITY = 800e6, 1.6e-9
"""s/m^2 and m^2/s, of a disc."""
DIRECTIONS = 12


def directions(count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return unit vectors spread evenly over a half sphere (a golden spiral)."""
    k = np.arange(count) + 0.5
    z, turn = k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


def tensor_table(seed: int = 3) -> dict[str, Any]:
    """Return the SNRs and the mean and standard deviation of FA at each; the true FA is 0."""
    vectors = np.concatenate([np.zeros((2, 3)), directions(DIRECTIONS)])
    b = np.array([0.0] * 2 + [B] * DIRECTIONS)
    clean = np.exp(-b * DIFFUSIVITY)[:, None, None, None]
    rng = np.random.default_rng(seed)
    mean, sd = [], []
    for snr in SNRS:
        noise = rng.standard_normal((2, len(b), 1, 1, VOXELS)) / snr
        images = Images(
            data=clean + noise[0] + 1j * noise[1], grid=Grid(shape=(1, 1, VOXELS), spacing=(1e-3, 1e-3, 1e-3)),
            contrast={"b": b, **{f"direction_{axis}": vectors[:, i] for i, axis in enumerate("xyz")}},
            sigma=np.full((len(b), 1, 1, 1), 1 / snr), encoding={},
        )  # fmt: skip
        values = fit(images, "dti-wls").values["fa"]
        good = values[np.isfinite(values)]
        mean.append(round(float(good.mean()), 4))
        sd.append(round(float(good.std()), 4))
    return {"snr": list(SNRS), "mean": mean, "sd": sd, "b": B * 1e-6, "directions": DIRECTIONS}
