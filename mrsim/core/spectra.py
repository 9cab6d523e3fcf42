"""Spectra: free induction decays or echoes of voxels, ready for a fit, and how they look along the ppm axis.

A signal at frequency f above the reference goes as exp(-i 2 pi f t), and the spectrum is its transform with
exp(+i 2 pi f t): a higher chemical shift shows at a positive frequency without a conjugate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .grid import Grid
from .nuclei import WATER_PPM
from .shown import Shown, columns, counted


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spectra(Shown):
    """Time signals of one or more voxels."""

    data: NDArray[np.complex128]
    """(contrast, voxel, point) signals in time, proton-density-weighted volume, m^3."""
    dwell: float
    """Time between points, s; the first lies at the echo or at the excitation."""
    frequency: float
    """Larmor frequency, Hz."""
    grid: Grid
    """Where the voxels lie; the voxel axis is its (z, y, x), flat."""
    contrast: dict[str, NDArray[np.float64]]
    """Per spectrum, each (contrast,): ``te``, ``tr`` in s, ..."""
    sigma: NDArray[np.float64]
    """(contrast, 1, 1) noise of one quadrature channel of one point, m^3; calibrated even where `noisy` is False."""
    reference_ppm: float = WATER_PPM
    """Chemical shift at frequency zero, ppm."""
    nucleus: str = "1H"
    noisy: bool = True
    water: NDArray[np.complex128] | None = None
    """(contrast, voxel, point) water reference, processed alike; None where none was measured."""
    encoding: dict[str, Any] = field(default_factory=dict)
    """Nominal facts from the protocol sheet and the processing's own parameters."""
    history: dict[str, Any] = field(default_factory=dict)
    """Provenance."""

    @property
    def time(self) -> NDArray[np.float64]:
        """(point,) s."""
        return np.asarray(np.arange(self.data.shape[-1]) * self.dwell, dtype=np.float64)

    def ppm(self, points: int | None = None) -> NDArray[np.float64]:
        """Return the (point,) chemical shifts of a spectrum, ascending; `points` after zero filling."""
        count = points or self.data.shape[-1]
        offset = (np.arange(count) - count // 2) / (count * self.dwell)
        return np.asarray(self.reference_ppm + 1e6 * offset / self.frequency)

    def spectrum(self, points: int | None = None) -> NDArray[np.complex128]:
        """Return the (contrast, voxel, point) spectra, m^3 s, over `ppm`; the first point counts half."""
        return to_spectrum(self.data, self.dwell, points)

    def to_xarray(self) -> Any:
        """Return the time signals as an `xarray.DataArray` (contrast, voxel, time); needs the extra ``xarray``."""
        from .labelled import along, array

        coordinates = along("contrast", self.contrast) | {"time": ("time", self.time, {"units": "s"})}
        facts = {"frequency": self.frequency, "reference_ppm": self.reference_ppm, "nucleus": self.nucleus}
        return array(self.data, ("contrast", "voxel", "time"), coordinates, "m^3", "signal", **facts)

    def _facts(self) -> dict[str, str]:
        contrasts, voxels, points = self.data.shape
        width = f"{1 / self.dwell:.4g} Hz at {self.frequency / 1e6:.4g} MHz"
        return {
            "": f"{contrasts} × {counted(voxels, 'voxel')} × {counted(points, 'point')}", "nucleus": self.nucleus,
            "width": width, "contrast": columns(self.contrast), "water": "with reference" if self.water is not None
            else "", "noise": "" if self.noisy else "not added",
        }  # fmt: skip


def edited_difference(spectra: Spectra) -> Spectra:
    """Return the first spectrum of an edited pair minus the second, with the mean of their water references."""
    if len(spectra.data) != 2 or "editing" not in spectra.contrast:
        raise InputError(f"has {len(spectra.data)} spectra; a difference needs a pair with editing pulses", key="data")
    noise = np.sqrt(np.sum(np.broadcast_to(spectra.sigma, (2, 1, 1)) ** 2, axis=0, keepdims=True))
    return replace(
        spectra,
        data=spectra.data[:1] - spectra.data[1:],
        sigma=noise,
        contrast={name: column[:1] for name, column in spectra.contrast.items()},
        water=None if spectra.water is None else spectra.water.mean(axis=0, keepdims=True),
    )


def to_spectrum(signal: NDArray[np.complex128], dwell: float, points: int | None = None) -> NDArray[np.complex128]:
    """Return the transform of (..., point) signals with exp(+i 2 pi f t), zero frequency at index n // 2.

    The integral over time begins at t = 0 with half a step: without that a spectrum stands on a pedestal.
    """
    count = points or signal.shape[-1]
    first = np.ones(signal.shape[-1])
    first[0] = 0.5
    spectrum = np.fft.ifft(signal * first, count, axis=-1) * count * dwell
    return np.asarray(np.fft.fftshift(spectrum, axes=-1))
