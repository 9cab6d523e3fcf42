"""Residual water taken out of time signals by HSVD (Barkhuijsen 1987, doi:10.1016/0022-2364(87)90023-0).

The signal is a sum of decaying exponentials, whose poles are the eigenvalues of the shift between rows of its Hankel
matrix; those within a band around zero frequency are subtracted with amplitudes from least squares.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .spectra import Spectra

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
ROWS = 384
"""Largest side of the Hankel matrix."""


def hankel_lines(signal: Complex, dwell: float, count: int) -> tuple[Array, Array, Complex]:
    """Return frequencies (Hz), decay rates (1/s) and amplitudes of the (point,) signal's exponentials.

    sum_k a_k exp(-i 2 pi f_k t - d_k t). Lines that grow are left out.
    """
    from scipy.linalg import hankel, lstsq, svd

    points = len(signal)
    side = min(ROWS, points // 2)
    used = signal[: 2 * side]
    matrix = hankel(used[:side], used[side - 1 : 2 * side - 1])
    left = svd(matrix, full_matrices=False, check_finite=False, lapack_driver="gesdd")[0][:, :count]
    poles = np.linalg.eigvals(lstsq(left[:-1], left[1:], check_finite=False)[0])
    poles = poles[(np.abs(poles) < 1.0 + 1e-9) & (np.abs(poles) > 0)]
    powers = poles[None, :] ** np.arange(points)[:, None]
    amplitude = lstsq(powers, signal, check_finite=False)[0]
    return -np.angle(poles) / (2 * np.pi * dwell), -np.log(np.abs(poles)) / dwell, np.asarray(amplitude)


def without_water(spectra: Spectra, width: float = 0.35, count: int = 24) -> Spectra:
    """Return the spectra without the lines within `width` ppm of frequency zero.

    Parameters
    ----------
    spectra : Spectra
    width : float
        Half width of the band that counts as water, ppm.
    count : int
        Exponentials of the whole signal; water that eddy currents or shims have bent needs several.
    """
    if not 0 < count < min(ROWS, spectra.data.shape[-1] // 2):
        raise InputError(f"is {count}; it must lie between 1 and half of the points", key="count")
    data, time = spectra.data.copy(), spectra.time
    limit = 1e-6 * width * spectra.frequency
    for place in np.ndindex(data.shape[:2]):
        if not np.any(data[place]):
            continue
        frequency, decay, amplitude = hankel_lines(data[place], spectra.dwell, count)
        water = np.abs(frequency) < limit
        turns = np.exp(-np.outer(2j * np.pi * frequency[water] + decay[water], time))
        data[place] -= amplitude[water] @ turns
    return replace(spectra, data=data, encoding={**spectra.encoding, "water_removed": width})
