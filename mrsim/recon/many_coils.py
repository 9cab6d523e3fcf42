"""Raw data of many coils made ready: sorted, whitened, with coil maps, block by block.

A block is what is reconstructed at once: a slice in two dimensions, the volume in three.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.images import Images
from .coil_maps import estimate_maps
from .combine import mix, whitening
from .kspace import Raster, calibration_lines, check_finite, nominal, sort_lines

Array = NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ready:
    """An acquisition, sorted and whitened."""

    raw: Acquisition
    raster: Raster
    """Of the imaging readouts, whitened."""
    whitener: Array
    """(coil, coil)."""
    sigma: float
    """Noise of a whitened sample after averaging, m^3; 0 where it is unknown."""
    warnings: tuple[str, ...]
    """Stated in the images' history."""

    @property
    def volume(self) -> bool:
        """Whether z is encoded."""
        return self.raw.encoding.kind == "3d"

    def blocks(self) -> list[slice]:
        """Return the ranges of z that are reconstructed at once."""
        nz = self.raw.encoding.grid.shape[0]
        return [slice(0, nz)] if self.volume else [slice(z, z + 1) for z in range(nz)]

    @property
    def scale(self) -> float:
        """What divides an orthonormal transform, m^3."""
        grid = self.raw.encoding.grid
        nz, ny, nx = grid.shape
        return float(np.sqrt((nz if self.volume else 1) * ny * nx) * grid.voxel_volume)

    def mask(self, block: slice, contrast: int = 0) -> NDArray[np.bool_]:
        """Return the (z, y) lines acquired of a block."""
        return np.asarray(self.raster.count[contrast, block] > 0)

    def same_mask(self, block: slice) -> NDArray[np.bool_]:
        """Return the (z, y) lines acquired of a block, which must be the same in all contrasts."""
        there = self.raster.count[:, block] > 0
        if (there != there[0]).any():
            raise InputError("the contrasts acquire different lines; use Subspace, or acquire the same lines in all")
        return np.asarray(there[0])

    def calibration(self) -> tuple[Array, tuple[slice, slice]]:
        """Return the whitened (coil, z, y, x) calibration lines and their place along z and y."""
        source = self.raster
        lines, place = calibration_lines(self.raw, source)
        return (mix(self.whitener, lines) if "calibration" in self.raw.groups else lines), place

    def maps(self, given: Array | None, estimate: str) -> Iterator[Array]:
        """Yield the whitened (coil, z, y, x) maps of each block, as given or estimated."""
        if given is not None:
            wanted = (self.raster.data.shape[1], *self.raw.encoding.grid.shape)
            if given.shape != wanted:
                raise InputError(f"have the shape {given.shape} (coil, z, y, x), the scan needs {wanted}", key="maps")
            if not np.all(np.isfinite(given)):
                raise InputError("hold values that are not finite", key="maps")
            white = mix(self.whitener, given)
            yield from (white[:, block] for block in self.blocks())
            return
        lines, (z, y) = self.calibration()
        for block in self.blocks():
            own = (z, y) if self.volume else (slice(0, 1), y)
            yield estimate_maps(lines[:, block], own, estimate)

    def images(self, data: Array, noise: NDArray[np.float64], method: str, **facts: Any) -> Images:
        """Return the Images of (contrast, z, y, x) orthonormal data, m^3.

        Parameters
        ----------
        data : (contrast, z, y, x) array
            m^3, before the scale is divided out.
        noise : array
            Broadcastable to data: image noise over that of a whitened, averaged sample.
        method : str
            Its name.
        **facts
            What else to note; `warnings` go to the history.
        """
        warnings = (*self.raw.history.get("warnings", ()), *self.warnings, *facts.pop("warnings", ()))
        notes = {"reconstruction": method, "averages": self.raster.averages, **facts}
        return Images(
            data=data / self.scale,
            grid=self.raw.encoding.grid,
            contrast=self.raw.encoding.contrast,
            sigma=np.asarray(noise * (self.sigma / self.scale)),
            noisy=self.raw.noisy,
            encoding={**nominal(self.raw), **notes},
            history={**self.raw.history, "warnings": warnings} if warnings else self.raw.history,
        )


def make_ready(raw: Acquisition) -> Ready:
    """Sort and whiten; unknown noise (a covariance of zeros) leaves the coils as they are, with a warning."""
    check_finite(raw)
    coils = raw.imaging.data.shape[1]
    if raw.noise_density.shape != (coils, coils):
        raise InputError(
            f"there are {coils} coils, but the noise covariance is {raw.noise_density.shape}; measure the noise with "
            "the same coils"
        )
    whitener, density = whitening(raw.noise_density)
    raster = sort_lines(raw)
    white = Raster(data=mix(whitener, raster.data, axis=1), count=raster.count)
    warnings = () if density > 0 else ("the noise of the coils is unknown: they are weighted equally, sigma is zero",)
    sigma = float(np.sqrt(density / raw.encoding.dwell / white.averages))
    return Ready(raw=raw, raster=white, whitener=whitener, sigma=sigma, warnings=warnings)
