"""The noise of an image before there is one: what coils and reconstruction make of the samples' noise.

The ideal is a reconstruction that uses every sample once with its full weight: one channel, no g-factor, sigma =
sqrt(density / ADC time) / voxel volume. The reconstruction of the readouts at hand says what it makes of them; where
one coil cannot be reconstructed (undersampled, or in need of a correction that a probe does not allow), the ideal
stands and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition, Readouts
from ..core.coils import Coils
from ..core.errors import InputError
from ..phantom.phantom import voxel_centres
from ..recon import reconstruct
from ..recon.epi import is_parallel
from ..recon.kspace import to_kspace
from ..recon.methods import Combine, CompressedSensing, Grappa, Method, NonUniform, Sense, SliceGrappa, Steps
from .probe import middle_slice

Array = NDArray[np.float64]
CALIBRATION = 24
"""Lines of which methods learn that fill or separate lines."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageNoise:
    """What divides the ideal noise."""

    coils: Array
    """(z, y, x) SNR of the array over that of one channel, with all samples: sqrt(s^H Psi^-1 s)."""
    reconstruction: Array
    """(contrast, z, y, x) SNR that the reconstruction leaves of it; 1/g and the density compensation are in it."""
    out_of_phase: float = 1.0
    """Noise of the part out of phase with the signal over that in phase: below 1 after partial Fourier."""
    notes: tuple[str, ...] = ()

    @property
    def uniform(self) -> bool:
        """Whether all voxels of an image have the same noise."""
        return bool(np.ptp(self.coils) == 0 and np.all(np.ptp(self.reconstruction, axis=(1, 2, 3)) == 0))

    def factors(self, inside: NDArray[np.bool_]) -> tuple[float, Array, Array]:
        """Return the mean coil factor, the (contrast,) reconstruction factors of a region, of all if it is empty, and
        the (contrast,) root mean square noise over that of a voxel of mean SNR: 1 where all voxels are alike.
        """
        where = inside if inside.any() else np.ones_like(inside)
        coils = self.coils[where]
        each = (self.coils * self.reconstruction)[:, where]
        both = each.mean(axis=1)
        heard = np.where(each > 0, each, np.nan)
        uneven = both * np.sqrt(np.nanmean(heard**-2, axis=1)) if np.all(both > 0) else np.ones_like(both)
        return float(coils.mean()), np.asarray(both / coils.mean()), np.asarray(uneven)


def adc_time(raw: Acquisition) -> Array:
    """Return the (contrast,) time that the imaging readouts of one image sample, s."""
    group = raw.imaging
    contrasts = len(next(iter(raw.encoding.contrast.values())))
    which = group.labels.get("contrast", np.zeros(len(group.data), dtype=np.int64))
    dwell = raw.encoding.dwell if group.dwell is None else group.dwell
    count = np.bincount(which[middle_slice(raw)], minlength=contrasts)
    return np.asarray(count * group.data.shape[2] * dwell, dtype=np.float64)


def image_noise(
    raw: Acquisition, coils: Coils | None = None, method: Method | None = None, steps: Steps | None = None
) -> ImageNoise:
    """Return the noise factors of a scan.

    Parameters
    ----------
    raw : Acquisition
        Noise-free raw data of one coil, of anything.
    coils : Coils, optional
        The array that is to receive the scan.
    method : Method, optional
        That is to reconstruct it; what suits the sampling by default.
    steps : Steps, optional
        Before and after it. A finer raster leaves a voxel's noise as it is.
    """
    steps = None if steps is None else replace(steps, size=None)
    grid = raw.encoding.grid
    flat, contrasts = np.ones(grid.shape), len(adc_time(raw))
    if raw.encoding.kind == "spectrum":
        return ImageNoise(coils=flat, reconstruction=np.ones((contrasts, *grid.shape)))
    ideal = np.sqrt(np.real(raw.noise_density[0, 0]) / adc_time(raw)) / grid.voxel_volume
    once = _first_repetition(raw)
    if coils is None:
        if _has_holes(once):
            note = "one coil cannot unfold undersampled k-space: SNR as with g = 1; name an array (--receive)"
            return ImageNoise(coils=flat, reconstruction=np.ones((contrasts, *grid.shape)), notes=(note,))
        try:
            images = reconstruct(once, _quick(method), steps=steps)
            across = images.encoding.get("noise_out_of_phase", 1.0)
            sigma = np.broadcast_to(images.sigma, (contrasts, *grid.shape)) / _gain(once, method)
        except InputError as error:
            note = f"reconstruction taken as ideal (g = 1): {error.problem}"
            return ImageNoise(coils=flat, reconstruction=np.ones((contrasts, *grid.shape)), notes=(note,))
        return ImageNoise(coils=flat, reconstruction=ideal[:, None, None, None] / sigma, out_of_phase=across)
    maps = coils.heard(voxel_centres(grid))
    relative = np.eye(len(maps)) if coils.covariance is None else coils.covariance
    weighed = np.tensordot(np.linalg.inv(relative), maps, axes=1)
    gain = np.sqrt(np.maximum(np.real(np.sum(maps.conj() * weighed, axis=0)), 0.0))
    heard = replace(
        once,
        groups={name: replace(g, data=np.repeat(g.data, len(maps), axis=1)) for name, g in once.groups.items()},
        noise_density=coils.noise_density(float(np.real(raw.noise_density[0, 0]))),
    )
    chosen = _knowing(method, heard, maps)
    if isinstance(chosen, Grappa | SliceGrappa):
        heard = _calibrated(heard, maps)
    images = reconstruct(heard, chosen, steps=steps)
    sigma = np.broadcast_to(images.sigma, (contrasts, *grid.shape))
    if isinstance(chosen, NonUniform) and chosen.kind == "adjoint":
        sigma = sigma / _gain(once, chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(gain > 0, ideal[:, None, None, None] / sigma / gain, 0.0)
    across = images.encoding.get("noise_out_of_phase", 1.0)
    return ImageNoise(coils=gain, reconstruction=left, out_of_phase=across, notes=_said(chosen))


def _knowing(method: Method | None, raw: Acquisition, maps: NDArray[np.complex128]) -> Method:
    """Return the method with known coil maps; sums of squares and adaptive maps have the SNR of the matched ones."""
    if isinstance(method, Combine):
        return Combine(maps=maps)
    if method is not None:
        return replace(cast(Any, _quick(method)), maps=maps)  # type: ignore[no-any-return]
    if raw.encoding.k_from == "trajectory" and not is_parallel(raw):
        return NonUniform(maps=maps)
    return Sense(maps=maps) if _has_holes(raw) else Combine(maps=maps)


def _quick(method: Method | None) -> Method | None:
    """Return a method whose noise is the same and sooner known: sparse images state that of their samples."""
    return replace(method, iterations=1) if isinstance(method, CompressedSensing) else method


def _said(method: Method) -> tuple[str, ...]:
    """Return what a reader must know of a method's noise factor."""
    if isinstance(method, Combine):
        return ()
    if isinstance(method, CompressedSensing):
        return ("sparse images: SNR is that of their samples, without g and without what denoising adds",)
    return ("coil maps are taken as known: those that calibration lines give are noisy and cost SNR where it is low",)


def _calibrated(raw: Acquisition, maps: NDArray[np.complex128]) -> Acquisition:
    """Return raw data with the lines that a uniform object would give as calibration, for methods that learn of them.

    Coils are told apart by what they hear of different places, of which a probe has one.
    """
    nz, ny, nx = raw.encoding.grid.shape
    volume = raw.encoding.kind == "3d"
    full = to_kspace(maps, (-3, -2, -1) if volume else (-2, -1)) * raw.encoding.grid.voxel_volume
    middle = slice(max(0, ny // 2 - CALIBRATION // 2), min(ny, ny // 2 + CALIBRATION // 2))
    z, y = (part.ravel() for part in np.mgrid[:nz, middle])
    k = np.zeros((len(y), nx, 3))
    k[..., 0] = (np.arange(nx) - nx // 2) / (nx * raw.encoding.grid.spacing[0])
    k[..., 1] = ((y - ny // 2) / (ny * raw.encoding.grid.spacing[1]))[:, None]
    k[..., 2] = ((z - nz // 2) / (nz * raw.encoding.grid.spacing[2]))[:, None] if volume else 0
    group = Readouts(
        data=np.moveaxis(full[:, z, y], 0, 1), k=k, t=np.zeros((len(y), nx)),
        labels={"line": y, "partition" if volume else "slice": z},
    )  # fmt: skip
    return replace(raw, groups={**raw.groups, "calibration": group})


def _gain(raw: Acquisition, method: Method | None = None) -> float:
    """Return what the reconstruction makes of a uniform region of proton density 1: 1 but for weights off the raster.

    A block over half of the field of view, whose k-space is known, is reconstructed from the same samples.
    """
    if raw.encoding.k_from != "trajectory":
        return 1.0
    grid, axes = raw.encoding.grid, 3 if raw.encoding.kind == "3d" else 2
    size = 0.5 * np.array(grid.shape[::-1][:axes]) * np.array(grid.spacing[:axes])
    block = np.prod(size * np.sinc(raw.imaging.k[..., :axes] * size), axis=-1)
    block = block * (1.0 if axes == 3 else grid.thickness)
    group = replace(raw.imaging, data=block[:, None].astype(np.complex128))
    alone = replace(method, maps=None, field=None) if isinstance(method, NonUniform) else None
    image = np.abs(reconstruct(replace(raw, groups={"imaging": group}), alone).data[0])
    middle = tuple(slice(n // 2 - n // 8, n // 2 + n // 8 + 1) for n in grid.shape)
    return float(np.mean(image[middle]))


def _has_holes(raw: Acquisition) -> bool:
    """Return whether lines are left out between acquired ones."""
    line = raw.imaging.labels.get("line")
    return line is not None and bool(np.any(np.diff(np.unique(line)) > 1))


def _first_repetition(raw: Acquisition) -> Acquisition:
    """Return the readouts of the first repetition, for a series is one image after the other."""
    if "repetition" not in raw.imaging.labels:
        return raw
    keep = raw.imaging.labels["repetition"] == 0
    group = raw.imaging
    part = replace(
        group,
        data=group.data[keep],
        k=group.k[keep],
        t=group.t[keep],
        labels={name: values[keep] for name, values in group.labels.items()},
        start=None if group.start is None else group.start[keep],
    )
    return replace(raw, groups=raw.groups | {"imaging": part})
