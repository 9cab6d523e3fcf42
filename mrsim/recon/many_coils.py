"""Raw data of many coils made ready: sorted, whitened, with coil maps, block by block.

A block is what is reconstructed at once: a slice in two dimensions, the volume in three.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.errors import InputError
from ..core.images import Images
from .coil_maps import estimate_maps
from .combine import mix, whitening
from .kspace import (
    Raster,
    calibration_lines,
    check_finite,
    nominal,
    sort_lines,
    stated,
    unknown_noise,
)
from .partial_fourier import complete, completed_noise, covered, out_of_phase

Array = NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ready:
    """An acquisition, sorted and whitened."""

    raw: Acquisition
    """Its imaging and calibration readouts whitened."""
    raster: Raster
    """Of the imaging readouts, whitened."""
    whitener: Array
    """(coil, coil)."""
    sigma: float
    """Noise of a whitened sample after averaging, m^3; 0 where it is unknown."""
    warnings: tuple[str, ...]
    """Stated in the images' history."""
    partial: str = "pocs"
    """What fills the end of k-space that a partial Fourier acquisition leaves out; see `partial_fourier`."""

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
        return _alike(list(self.raster.count[:, block] > 0), block)

    def pattern(self, block: slice) -> NDArray[np.bool_]:
        """Return the (z, y) lines of a block as if the ends that were left out had been scanned like the rest."""
        each = enumerate(self.raster.count[:, block] > 0)
        return _alike([extended(there, *self.stretches(c)) for c, there in each], block)

    def check_slices(self) -> None:
        """Refuse a scan that lacks a slice or a contrast altogether."""
        if self.volume:
            return
        lines = self.raster.count.sum(axis=2)
        if not lines.all():
            c, z = (int(i[0]) for i in np.nonzero(lines == 0))
            raise InputError(
                f"of {lines.size} slices and contrasts {np.count_nonzero(lines == 0)} hold no line, the first is "
                f"contrast {c}, slice {z}; acquire them, or take them out of the encoding"
            )

    def stretches(self, contrast: int) -> tuple[slice, slice]:
        """Return what was covered along z and y: all, but for an end that partial Fourier leaves out."""
        there = self.raster.count[contrast] > 0
        y = covered(there.any(axis=0))
        return covered(there.any(axis=1)) if self.volume else slice(0, len(there)), y

    def covered(self) -> NDArray[np.bool_]:
        """Return the (contrast, z, y) lines within what was covered."""
        result = np.zeros(self.raster.count.shape, dtype=bool)
        for contrast in range(len(result)):
            result[(contrast, *self.stretches(contrast))] = True
        return result

    def calibration(self) -> tuple[Array, tuple[slice, slice]]:
        """Return the whitened (coil, z, y, x) calibration lines and their place along z and y."""
        return calibration_lines(self.raw, self.raster)

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
        """Return the Images of (contrast, z, y, x) orthonormal data, m^3, partial Fourier completed.

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
        warnings = (*self.warnings, *facts.pop("warnings", ()))
        notes = {"reconstruction": method, "averages": self.raster.averages, "kind": self.raw.encoding.kind, **facts}
        if facts.pop("fills_ends", False):
            notes.pop("fills_ends")
        else:
            data, noise, filled = self.completed(data, noise)
            if filled:
                notes |= {"partial_fourier_method": self.partial, "noise_out_of_phase": self.out_of_phase()}
        noise = noise * self.raw.encoding.sheet.get("read_noise", 1.0)
        return Images(
            data=np.divide(data, self.scale, out=data),
            grid=self.raw.encoding.grid,
            contrast=self.raw.encoding.contrast,
            sigma=np.asarray(noise * (self.sigma / self.scale)),
            noisy=self.raw.noisy,
            encoding={**nominal(self.raw), **notes},
            history=stated(self.raw, warnings),
        )

    def out_of_phase(self) -> float:
        """Return the noise out of phase over that in phase, which ends that are filled make smaller."""
        shape = self.raster.count.shape[1:]
        ends = zip(shape, self.stretches(0), strict=True)
        return math.prod(out_of_phase(n, s, self.partial) for n, s in ends if s.stop - s.start < n)

    def completed(self, data: Array, noise: NDArray[np.float64]) -> tuple[Array, NDArray[np.float64], bool]:
        """Fill the ends of k-space that were left out, contrast by contrast.

        Parameters
        ----------
        data : (contrast, ..., z, y, x) array
            Images whose k-space is zero there.
        noise : (contrast or 1, z, y, x) array
            Of their voxels, or one number for all of an axis.

        Returns
        -------
        data, noise, filled
            Images, their noise, and whether an end was left out at all.
        """
        result, noises = data, []
        for contrast in range(len(data)):
            ends = zip((-3, -2), self.stretches(contrast), strict=True)
            missing = [(a, s) for a, s in ends if s.stop - s.start < data.shape[a]]
            if len(missing) == 2 and self.partial == "homodyne":
                raise InputError("homodyne fills one axis, two were left out; use pocs", key="partial_fourier")
            one = data[contrast]
            counts = np.isfinite(noise[contrast % len(noise)]) & np.any(one.reshape(-1, *one.shape[-3:]) != 0, axis=0)
            noises.append(noise[contrast % len(noise)])
            for axis, stretch in missing:
                result = data.copy() if result is data else result
                result[contrast] = complete(result[contrast], axis, stretch, self.partial)
                noises[-1] = completed_noise(noises[-1], axis, stretch, self.partial, counts)
        filled = result is not data
        return result, np.array(noises) if filled else noise, filled


def _alike(masks: list[NDArray[np.bool_]], block: slice) -> NDArray[np.bool_]:
    """Return the one mask of all contrasts."""
    other = next((c for c, mask in enumerate(masks) if (mask != masks[0]).any()), None)
    if other is not None:
        z, y = (int(i[0]) for i in np.nonzero(masks[other] != masks[0]))
        raise InputError(
            f"the contrasts acquire different lines, first contrasts 0 and {other} at z {z + block.start}, line {y}; "
            "use Subspace, or acquire the same lines in all"
        )
    return masks[0]


def extended(mask: NDArray[np.bool_], z: slice, y: slice) -> NDArray[np.bool_]:
    """Return a (z, y) mask that goes on outside the stretches as it does inside."""
    result = mask.copy()
    for row in result[z]:
        there = np.flatnonzero(row)
        if len(there) > 1 and y.stop - y.start < len(row):
            outside = np.ones(len(row), dtype=bool)
            outside[y] = False
            row |= outside & ((np.arange(len(row)) - there[0]) % int(np.diff(there).max()) == 0)
    inside = result[z]
    if len(inside) < len(result):
        period = next((p for p in range(1, len(inside)) if (inside[p:] == inside[:-p]).all()), len(inside))
        for index in (*range(z.start), *range(z.stop, len(result))):
            result[index] = inside[(index - z.start) % period]
    return result


def make_ready(raw: Acquisition, partial: str = "pocs") -> Ready:
    """Sort and whiten; unknown noise (a covariance of zeros) leaves the coils as they are, with a warning."""
    check_finite(raw)
    coils = raw.imaging.data.shape[1]
    if raw.noise_density.shape != (coils, coils):
        raise InputError(
            f"there are {coils} coils, but the noise covariance is {raw.noise_density.shape}; measure the noise with "
            "the same coils"
        )
    whitener, density = whitening(raw.noise_density)
    groups = dict(raw.groups)
    for name in {"imaging", "calibration"} & set(groups):  # before they are sorted: a raster has more lines
        if groups[name].data.shape[1] == coils:
            groups[name] = replace(groups[name], data=mix(whitener, groups[name].data, axis=1))
    raw = replace(raw, groups=groups)
    white = sort_lines(raw)
    warnings = unknown_noise(density)
    sigma = float(np.sqrt(density / raw.encoding.dwell / white.averages))
    return Ready(raw=raw, raster=white, whitener=whitener, sigma=sigma, warnings=warnings, partial=partial)
