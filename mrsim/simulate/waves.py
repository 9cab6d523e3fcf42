"""The sum along the readout direction at the samples of a readout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_LENGTH = 65536
"""Longest FFT along a readout."""
DRIFT = 1e-11
"""Phase, turns, by which samples and places may fall off the lattice of an FFT, and courses that count as one differ
at 1 m."""
SHORT = 4096
"""Products of places and samples up to which a matrix of phasors is as quick as an FFT."""


class Wave:
    """The sum over x at every sample of a readout: by FFT where samples and places lie on lattices that match."""

    def __init__(
        self, x: NDArray[np.float64], k: NDArray[np.float64], course: NDArray[np.complex128], dtype: np.dtype[Any]
    ) -> None:
        self.dtype = dtype
        step = (k[-1] - k[0]) / max(len(k) - 1, 1)
        cycles = abs(step) * (x[-1] - x[0]) / max(len(x) - 1, 1)
        self.length = round(1 / cycles) if len(x) > 1 and cycles * MAX_LENGTH > 1 else 0
        drift = abs(cycles * self.length - 1) * len(x) * len(k) / max(self.length, 1)
        drift += float(np.abs(np.arange(len(k)) * step + k[0] - k).max() * np.abs(x - x[0]).max())
        if self.length and drift < DRIFT and len(x) * len(k) > SHORT:
            # exp(-i 2 pi k_s x_i) = exp(-i 2 pi k_s x_0) exp(-i 2 pi k_0 (x_i - x_0)) exp(-+i 2 pi s i / length)
            self.before = np.exp(-2j * np.pi * k[0] * (x - x[0])).astype(dtype)
            self.after = (np.exp(-2j * np.pi * k * x[0]) * course).astype(dtype)
            self.index = (np.sign(step) * np.arange(len(k))).astype(np.int64) % self.length
        else:
            self.length = 0
            self.phasors = (np.exp(-2j * np.pi * np.outer(x, k)) * course).astype(dtype)

    def sampled(self, weight: NDArray[np.complex128]) -> NDArray[Any]:
        """Return the (readout, coil, sample) sums of (readout, coil, x) weights."""
        from scipy.fft import fft

        if not self.length:
            return np.asarray(weight.astype(self.dtype) @ self.phasors)
        turned = weight.astype(self.dtype) * self.before
        if turned.shape[-1] > self.length:  # what lies a whole period away adds up
            room = np.zeros((*turned.shape[:-1], -(-turned.shape[-1] // self.length) * self.length), self.dtype)
            room[..., : turned.shape[-1]] = turned
            turned = room.reshape(*turned.shape[:-1], -1, self.length).sum(axis=-2)
        return np.asarray(fft(turned, n=self.length, axis=-1, overwrite_x=True)[..., self.index] * self.after)
