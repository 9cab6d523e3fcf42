"""Two groups of one truth, each with the noise of its own: what `noise_difference` holds a measured difference against.

The signal of a model's parameters is scaled to each group's signal-to-noise ratio, complex noise is added voxel by
voxel, the magnitudes are fitted as the measured ones were, and a region's mean is taken. What differs between the
groups is then the work of noise and nothing else: of its floor, of a ratio's or an eigenvalue's bias, of a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError, did_you_mean
from ..core.grid import Grid
from ..core.images import Images
from ..fit.fit import fit
from ..fit.signal import Contrast, signal
from .noise_difference import NoiseVerdict, noise_difference

Array = NDArray[np.float64]
MOST = 2_000_000
"""Voxels that are fitted at once at most."""


def noise_groups(
    model: str, truth: Mapping[str, float], contrast: Contrast, snr: Sequence[float], parameter: str, *,
    regions: int = 200, voxels: int = 1, rng: int | np.random.Generator, sheet: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[Array, Array]:  # fmt: skip
    """Return a parameter's region means in two groups of one truth, each (regions,).

    Parameters
    ----------
    model : str
        That the measured data were fitted with; it must have a signal equation.
    truth : mapping of str to float
        The model's parameters in both groups, SI units.
    contrast : mapping of str to (n,) array
        The images, SI units.
    snr : pair of float
        Of each group: the largest signal of the images over the noise of one quadrature channel.
    parameter : str
        A fitted or derived map of the model, such as ``"fa"``.
    regions : int
        Of each group.
    voxels : int
        Of a region.
    rng : int or numpy.random.Generator
    sheet : mapping, optional
        `Images.encoding`, for methods that read the protocol sheet.
    **options
        Of the fit.
    """
    ratios = np.asarray(snr, np.float64)
    if ratios.shape != (2,) or not (np.isfinite(ratios) & (ratios > 0)).all():
        raise InputError(f"is {snr}; give two positive ratios, one for each group", key="snr")
    if regions < 2 or voxels < 1 or regions * voxels > MOST:
        raise InputError(f"{regions} regions of {voxels} voxels; give 2 or more, of 1 or more, up to {MOST} in all",
                         key="regions")  # fmt: skip
    clean = np.asarray(signal(model, dict(truth), contrast, sheet=sheet, **options))
    clean, generator = clean / np.abs(clean).max(), np.random.default_rng(rng)
    table = {name: np.asarray(column, np.float64) for name, column in contrast.items()}
    grid, groups = Grid(shape=(1, regions, voxels), spacing=(1e-3, 1e-3, 1e-3)), []
    for ratio in ratios:
        shape = (len(clean), *grid.shape)
        noise = generator.standard_normal(shape) + 1j * generator.standard_normal(shape)
        data = clean[:, None, None, None] + noise / ratio
        sigma = np.full((1, 1, 1, 1), 1 / ratio)
        images = Images(data=data, grid=grid, contrast=table, sigma=sigma, encoding=dict(sheet or {}))
        values = fit(images, model, **options).values
        if parameter not in values:
            raise InputError(f"'{parameter}' is no map of {model}{did_you_mean(parameter, [*values])}", key="parameter")
        groups.append(np.nanmean(values[parameter][0], axis=1))
    return groups[0], groups[1]


def could_be_noise(
    first: ArrayLike, second: ArrayLike, model: str, truth: Mapping[str, float], contrast: Contrast,
    snr: Sequence[float], parameter: str, **more: Any,
) -> NoiseVerdict:  # fmt: skip
    """Judge whether noise alone explains the difference of a parameter between two measured groups.

    Parameters
    ----------
    first, second : (n,) array
        Measured, one value per subject or region.
    model, truth, contrast, snr, parameter
        As in `noise_groups`; the truth is best that of the group with more signal.
    **more
        As in `noise_groups`.
    """
    return noise_difference(first, second, *noise_groups(model, truth, contrast, snr, parameter, **more))
