"""Reconstructed images: a contrast series on a grid, with the facts that a fitter may know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .grid import Grid
from .shown import Shown, columns, counted, span


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Images(Shown):
    """A series of complex images.

    The Fourier transform is orthonormal and its result is divided by sqrt(voxels) * voxel volume, so
    that a fully relaxed voxel of proton density 1 with no signal loss reads 1.
    """

    data: NDArray[np.complex128]
    """(contrast, z, y, x); proton density units."""
    grid: Grid
    contrast: dict[str, NDArray[np.float64]]
    """Per image, each (contrast,): ``te``, ``tr``, ``ti`` in s, ``flip`` in rad, ``b`` in s/m^2, ..."""
    sigma: NDArray[np.float64]
    """Noise standard deviation of one quadrature channel, broadcastable to `data`; proton density units.
    The calibrated value even if the images are noise-free (then `noisy` is False)."""
    noisy: bool = True
    """False only for simulated images without noise; then `sigma` says what the noise would have been."""
    encoding: dict[str, Any] = field(default_factory=dict)
    """Nominal facts from the protocol sheet and the reconstruction's own parameters."""
    history: dict[str, Any] = field(default_factory=dict)
    """Provenance."""

    def __post_init__(self) -> None:
        """Refuse data that are no plain numbers, or not on the grid."""
        data: Any = self.data  # what a caller gives, whatever is declared
        if not isinstance(data, np.ndarray) or data.dtype.kind not in "biufc":
            raise InputError(f"is no array of numbers but {type(data).__name__}", key="data")
        if isinstance(data, np.ma.MaskedArray):
            raise InputError("is a masked array; give the plain values, and the mask to the fit", key="data")
        if data.ndim != 4 or data.shape[1:] != tuple(self.grid.shape):
            wanted = f"(contrast, {', '.join(map(str, self.grid.shape))})"
            raise InputError(f"has the shape {data.shape}; the grid's is {wanted}", key="data")

    @property
    def channels(self) -> int:
        """How many channels' squares the images are the root of: 1 for a complex image, whose magnitude is Rician.

        With more the images are magnitudes already, of a noncentral chi distribution (`core.magnitude`).
        """
        return int(self.encoding.get("channels", 1))

    @property
    def independent(self) -> float:
        """Which share of the voxels counts as independent when a large region is averaged.

        Windows and zeros around k-space correlate neighbours: the mean of n voxels then has the standard deviation
        sigma / sqrt(n independent).
        """
        return float(self.encoding.get("independent_voxels", 1.0))

    def to_xarray(self) -> Any:
        """Return the images as an `xarray.DataArray` (contrast, z, y, x); needs the extra ``xarray``."""
        from .labelled import SPACE, along, array, places

        coordinates = places(self.grid) | along("contrast", self.contrast)
        return array(self.data, ("contrast", *SPACE), coordinates, "", "images", long_name="proton density units")

    def _facts(self) -> dict[str, str]:
        return {
            "": counted(len(self.data), "image"), "contrast": columns(self.contrast), "grid": self.grid.in_words(),
            "noise": f"{span(self.sigma)}{'' if self.noisy else ' (not added)'}",
        }  # fmt: skip
