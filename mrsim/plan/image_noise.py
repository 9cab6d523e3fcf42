"""The noise of an image before there is one: what coils and reconstruction make of the samples' noise.

The ideal is a reconstruction that uses every sample once with its full weight: one channel, no g-factor, sigma =
sqrt(density / ADC time) / voxel volume. The reconstruction of the readouts at hand says what it makes of them; where
one coil cannot be reconstructed (undersampled, or in need of a correction that a probe does not allow), the ideal
stands and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.acquisition import Acquisition
from ..core.coils import Coils
from ..core.errors import InputError
from ..phantom.phantom import voxel_centres
from ..recon import reconstruct
from ..recon.methods import Combine, Sense
from .probe import middle_slice

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageNoise:
    """What divides the ideal noise."""

    coils: Array
    """(z, y, x) SNR of the array over that of one channel, with all samples: sqrt(s^H Psi^-1 s)."""
    reconstruction: Array
    """(contrast, z, y, x) SNR that the reconstruction leaves of it; 1/g and the density compensation are in it."""
    notes: tuple[str, ...] = ()

    @property
    def uniform(self) -> bool:
        """Whether all voxels of an image have the same noise."""
        return bool(np.ptp(self.coils) == 0 and np.all(np.ptp(self.reconstruction, axis=(1, 2, 3)) == 0))

    def factors(self, inside: NDArray[np.bool_]) -> tuple[float, Array]:
        """Return the mean coil factor and the (contrast,) reconstruction factors of a region; of all if it is empty."""
        where = inside if inside.any() else np.ones_like(inside)
        coils = self.coils[where]
        both = (self.coils * self.reconstruction)[:, where].mean(axis=1)
        return float(coils.mean()), np.asarray(both / coils.mean())


def adc_time(raw: Acquisition) -> Array:
    """Return the (contrast,) time that the imaging readouts of one image sample, s."""
    group = raw.imaging
    contrasts = len(next(iter(raw.encoding.contrast.values())))
    which = group.labels.get("contrast", np.zeros(len(group.data), dtype=np.int64))
    dwell = raw.encoding.dwell if group.dwell is None else group.dwell
    count = np.bincount(which[middle_slice(raw)], minlength=contrasts)
    return np.asarray(count * group.data.shape[2] * dwell, dtype=np.float64)


def image_noise(raw: Acquisition, coils: Coils | None = None) -> ImageNoise:
    """Return the noise factors of a scan.

    Parameters
    ----------
    raw : Acquisition
        Noise-free raw data of one coil, of anything.
    coils : Coils, optional
        The array that is to receive the scan.
    """
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
            images = reconstruct(once)
            sigma = np.broadcast_to(images.sigma, (contrasts, *grid.shape)) / _gain(once)
        except InputError as error:
            note = f"reconstruction taken as ideal (g = 1): {error.problem}"
            return ImageNoise(coils=flat, reconstruction=np.ones((contrasts, *grid.shape)), notes=(note,))
        return ImageNoise(coils=flat, reconstruction=ideal[:, None, None, None] / sigma)
    maps = coils.heard(voxel_centres(grid))
    relative = np.eye(len(maps)) if coils.covariance is None else coils.covariance
    weighed = np.tensordot(np.linalg.inv(relative), maps, axes=1)
    gain = np.sqrt(np.maximum(np.real(np.sum(maps.conj() * weighed, axis=0)), 0.0))
    heard = replace(
        once,
        groups={name: replace(g, data=np.repeat(g.data, len(maps), axis=1)) for name, g in once.groups.items()},
        noise_density=coils.noise_density(float(np.real(raw.noise_density[0, 0]))),
    )
    chosen = Sense(maps=maps) if _has_holes(heard) else Combine(maps=maps)
    sigma = np.broadcast_to(reconstruct(heard, chosen).sigma, (contrasts, *grid.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(gain > 0, ideal[:, None, None, None] / sigma / gain, 0.0)
    known = "coil maps are taken as known: those that calibration lines give are noisy and cost SNR where it is low"
    return ImageNoise(coils=gain, reconstruction=left, notes=(known,) if isinstance(chosen, Sense) else ())


def _gain(raw: Acquisition) -> float:
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
    image = np.abs(reconstruct(replace(raw, groups={"imaging": group})).data[0])
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
