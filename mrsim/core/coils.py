"""Receive coils: what each of them hears of a place, and how their noise is correlated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .field_map import FieldMap
from .shown import Shown, counted


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Coils(Shown):
    """An array of receive coils."""

    maps: tuple[FieldMap, ...]
    """Complex sensitivity of each coil, a pure number; 1 is that of the scanner's noise calibration."""
    covariance: NDArray[np.complex128] | None = None
    """(coil, coil) noise covariance over that of one channel of the scanner; None: independent and equal."""

    def __post_init__(self) -> None:
        if not self.maps:
            raise InputError("needs at least one coil", key="maps")
        if self.covariance is None:
            return
        count, noise = len(self.maps), self.covariance
        if noise.shape != (count, count):
            raise InputError(f"has the shape {noise.shape}; {count} coils need {count} x {count}", key="covariance")
        if not np.allclose(noise, noise.conj().T, rtol=1e-9, atol=0) or np.linalg.eigvalsh(noise).min() <= 0:
            raise InputError("is not Hermitian and positive definite", key="covariance")

    def sensitivity(self, world: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the (coil, ...) sensitivity at (..., 3) world positions, m."""
        return np.array([one.at(world, f"coil {index}") for index, one in enumerate(self.maps)], dtype=np.complex128)

    def heard(self, world: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the (coil, ...) sensitivity at (..., 3) world positions, m; 0 where a coil's map does not reach."""
        known = np.all([one.reaches(world) for one in self.maps], axis=0)
        found = np.zeros((len(self.maps), *known.shape), dtype=np.complex128)
        found[:, known] = self.sensitivity(world[known])
        return found

    def noise_density(self, channel: float) -> NDArray[np.complex128]:
        """Return the (coil, coil) noise density, m^6 s, from that of one channel."""
        relative = np.eye(len(self.maps)) if self.covariance is None else self.covariance
        return np.asarray(channel * relative, dtype=np.complex128)

    def _facts(self) -> dict[str, str]:
        return {"": counted(len(self.maps), "coil"), "noise": "correlated" if self.covariance is not None else ""}
