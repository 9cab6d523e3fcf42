"""Which images and voxels of a series a fit takes, and the noise that comes with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError
from ..core.images import Images

Array = NDArray[np.float64]
MOST_SIGMA = 1e100
"""And least, inverted: squares of noise, and of data over it, are numbers."""
Sigma = ArrayLike | Literal["residuals"] | None


def selected(
    images: Images, sigma: Sigma, select: Sequence[int] | slice | None
) -> tuple[NDArray[np.complex128], dict[str, Array], Array | None]:
    """Return data, contrast table and noise of the chosen images."""
    count = images.data.shape[0]
    try:
        chosen = np.atleast_1d(np.arange(count)[slice(None) if select is None else select])
    except IndexError:
        raise InputError(f"selects images beyond the last of the series, {count - 1}", key="select") from None
    if chosen.size == 0:
        raise InputError("selects no image", key="select")
    contrast = {name: _column(name, column, count)[chosen] for name, column in images.contrast.items()}
    data = images.data if select is None else images.data[chosen]
    if isinstance(sigma, str):
        if sigma != "residuals":
            raise InputError(f"'{sigma}' is neither a number nor 'residuals'", key="sigma")
        return data, contrast, None
    noise = np.asarray(images.sigma if sigma is None else sigma, np.float64)
    try:
        np.broadcast_to(noise, images.data.shape)
    except ValueError:
        raise InputError(
            f"has shape {noise.shape}, which does not match the images {images.data.shape}", key="sigma"
        ) from None
    each = noise[chosen] if noise.ndim == data.ndim and len(noise) == count else noise
    if sigma is not None and not ((each >= 1 / MOST_SIGMA) & (each <= MOST_SIGMA)).all():
        raise InputError(f"must be greater than zero everywhere, {1 / MOST_SIGMA:g} to {MOST_SIGMA:g}", key="sigma")
    return data, contrast, np.broadcast_to(each, data.shape)


def _column(name: str, column: ArrayLike, count: int) -> Array:
    """Return a column of the contrast table, which has a value for every image."""
    values = np.asarray(column)
    if values.shape != (count,):
        raise InputError(
            f"the contrast table has {values.size} values of shape {values.shape} for {count} images; it takes one for "
            "each, in their order", key=name,
        )  # fmt: skip
    return values


def columns(series: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the (n, voxel) series inside a mask; a view where that is everywhere."""
    return series.reshape(len(series), -1) if inside.all() else series[:, inside]


def inside_of(mask: NDArray[np.bool_] | None, images: Images) -> NDArray[np.bool_]:
    """Return the (z, y, x) voxels to fit: a mask's, or all."""
    shape = images.data.shape[1:]
    if mask is None:
        return np.ones(shape, dtype=bool)
    inside = np.asarray(mask)
    if inside.dtype != np.bool_ and not np.isin(inside, (0, 1)).all():
        raise InputError(
            f"holds {inside.dtype} values other than 0 and 1; give True and False, e.g. mask > 0", key="mask"
        )
    inside = inside.astype(bool)
    if inside.shape != shape:
        raise InputError(f"has shape {inside.shape}; the images have {shape}", key="mask")
    return inside
