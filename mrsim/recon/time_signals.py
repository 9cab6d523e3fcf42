"""Time signals of spectroscopy made ready to look at: apodised, filled with zeros, phased."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.spectra import Spectra

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def apodised(spectra: Spectra, lorentz: float = 0.0, gauss: float = 0.0) -> Spectra:
    """Return the spectra broadened by a Lorentzian and a Gaussian of these full widths at half maximum, Hz."""
    if lorentz < 0 or gauss < 0:
        raise InputError(f"are {lorentz:g} and {gauss:g} Hz; widths must not be negative", key="apodisation")
    time = spectra.time
    fall = np.exp(-np.pi * lorentz * time - (np.pi * gauss * time) ** 2 / (4 * np.log(2)))
    return replace(
        spectra, data=spectra.data * fall, water=None if spectra.water is None else spectra.water * fall,
        encoding={**spectra.encoding, "apodisation": (lorentz, gauss)},
    )  # fmt: skip


def zero_filled(spectra: Spectra, points: int) -> Spectra:
    """Return the spectra with zeros behind their signals, `points` in all."""
    more = points - spectra.data.shape[-1]
    if more < 0:
        raise InputError(f"is {points}, fewer than the {spectra.data.shape[-1]} that there are", key="points")
    edge = ((0, 0), (0, 0), (0, more))
    water = None if spectra.water is None else np.pad(spectra.water, edge)
    return replace(spectra, data=np.pad(spectra.data, edge), water=water)


def phased(spectra: Spectra, zero: float | None = None, delay: float = 0.0) -> Spectra:
    """Return the spectra turned by exp(-i zero) and shifted by a delay of the first point.

    Parameters
    ----------
    spectra : Spectra
    zero : float, optional
        rad; by default the phase of each signal's first point.
    delay : float
        Time of the first point after the echo, s: a first-order phase of 2 pi f delay.
    """
    data = spectra.data
    if delay:
        points = data.shape[-1]
        frequency = np.fft.fftfreq(points, spectra.dwell)
        data = np.fft.fft(np.fft.ifft(data, axis=-1) * np.exp(2j * np.pi * frequency * delay), axis=-1)
    turn = np.angle(data[..., :1]) if zero is None else np.asarray(zero)
    return replace(spectra, data=np.asarray(data * np.exp(-1j * turn)))
