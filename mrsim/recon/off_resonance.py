"""Off-resonance during long readouts, in segments of time.

    exp(-i 2 pi f t) = sum_l b_l(t) exp(-i 2 pi f t_l)

With the t_l spread evenly over the readout and b_l(t) of the least squared error over the range of f, as many segments
are taken as the wanted error needs (Noll 1991; Sutton 2003, doi:10.1109/TMI.2002.808360). Time counts from the echo
time on, so that the image keeps the phase it has there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.complex128]
ERROR = 1e-4
"""Largest error of the factor above."""
FREQUENCIES = 101
"""Between the smallest and the largest off-resonance, over which the error is made small."""
MOST = 60
"""Segments."""


def segments(t: NDArray[np.float64], field: NDArray[np.float64]) -> tuple[Array, Array]:
    """Return b (segment, sample) and c (segment, ...), whose products sum to exp(-i 2 pi field t).

    Parameters
    ----------
    t : (sample,) array
        Time since the echo, s.
    field : (...) array
        Off-resonance of each voxel, Hz.
    """
    if not field.any():
        return np.ones((1, len(t)), dtype=np.complex128), np.ones((1, *field.shape), dtype=np.complex128)
    f = np.linspace(field.min(), field.max(), FREQUENCIES)
    times, back = np.unique(np.round(t, 9), return_inverse=True)
    wanted = np.exp(-2j * np.pi * np.outer(f, times))
    turns = float(np.ptp(field) * np.ptp(times))
    for count in range(max(2, int(np.ceil(turns)) + 2), MOST + 1):
        nodes = np.linspace(times[0], times[-1], count)
        basis = np.exp(-2j * np.pi * np.outer(f, nodes))
        weights = np.linalg.lstsq(basis, wanted, rcond=1e-12)[0]
        if np.abs(basis @ weights - wanted).max() <= ERROR:
            break
    turn = np.exp(-2j * np.pi * nodes.reshape(-1, *[1] * field.ndim) * field)
    return np.asarray(weights[:, back.ravel()]), np.asarray(turn)
