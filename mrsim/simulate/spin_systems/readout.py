"""From a density matrix to the time signal: every transition is a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .operators import Levels, Matrix

WEAKEST = 1e-13
"""Lines below this part of the sum of all are left out."""
FINE = 64
"""Points that one row of the fine table of phasors spans."""


def lines(levels: Levels, rho: Matrix) -> tuple[NDArray[np.float64], Matrix]:
    """Return frequencies, rad/s, and amplitudes of the signal Tr(rho(t) F_+) = sum a exp(-i w t)."""
    amplitude = rho * levels.raising.T
    size = np.abs(amplitude)
    a, b = np.nonzero(size > WEAKEST * size.sum())
    return levels.energy[a] - levels.energy[b], amplitude[a, b]


def signal(frequency: NDArray[np.float64], amplitude: Matrix, dwell: float, samples: int) -> NDArray[np.complex128]:
    """Return (sample,) sum of amplitude * exp(-i frequency t), t = 0, dwell, 2 dwell, ..."""
    blocks = -(-samples // FINE)
    fine = np.exp(-1j * np.outer(frequency, np.arange(FINE) * dwell))
    coarse = amplitude[:, None] * np.exp(-1j * np.outer(frequency, np.arange(blocks) * (FINE * dwell)))
    return np.asarray((coarse.T @ fine).ravel()[:samples])
