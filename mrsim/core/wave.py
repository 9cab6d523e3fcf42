"""Waves: the complex amplitudes of a time-harmonic motion, as a solver makes them or a scan measures them.

The motion of component c at frequency f is u(t) = Re(U exp(i 2 pi f t)), and stress is G* times strain with
G* = G' + i G'': a wave that goes along x is exp(i (2 pi f t - k x)) with k = 2 pi f sqrt(rho / G*), Im k < 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .grid import Grid
from .shown import Shown, listing, span


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Waves(Shown):
    """Displacement phasors on a grid, at one or several frequencies."""

    grid: Grid
    frequencies: NDArray[np.float64]
    """(frequency,) Hz."""
    displacement: NDArray[np.complex128]
    """(frequency, component, z, y, x) amplitudes U, m."""
    components: tuple[str, ...] = ("x", "y", "z")
    """Which direction of the grid each component has."""
    density: float = 1000.0
    """Mass density, kg/m^3."""
    mask: NDArray[np.bool_] | None = None
    """(z, y, x) voxels that hold a wave; None: all."""
    sigma: NDArray[np.float64] = field(default_factory=lambda: np.array(np.nan))
    """Standard deviation of the real and of the imaginary part, broadcastable to `displacement`, m; NaN: unknown."""
    noisy: bool = True
    """False only where no noise was added; then `sigma` says what it would have been."""
    modulus: NDArray[np.complex128] | None = None
    """(frequency, z, y, x) true G*, Pa, where it is known; NaN in mixed voxels."""
    encoding: dict[str, Any] = field(default_factory=dict)
    """How the waves were measured and processed."""
    history: dict[str, Any] = field(default_factory=dict)
    """Provenance."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit one another."""
        expected = (len(self.frequencies), len(self.components), *self.grid.shape)
        if self.displacement.shape != expected:
            raise InputError(
                f"has shape {self.displacement.shape}; frequencies, components and grid ask for {expected}",
                key="displacement",
            )
        if not np.all(np.asarray(self.frequencies) > 0):
            raise InputError(f"must be above 0 Hz, got {np.asarray(self.frequencies).tolist()}", key="frequencies")
        if not np.all(np.asarray(self.density) > 0):
            raise InputError(f"{self.density} kg/m^3 must be above zero", key="density")
        if self.mask is not None and self.mask.shape != self.grid.shape:
            raise InputError(f"has shape {self.mask.shape}; the grid has {self.grid.shape}", key="mask")

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(z, y, x) voxels that hold a wave."""
        return np.ones(self.grid.shape, bool) if self.mask is None else self.mask

    def to_xarray(self) -> Any:
        """Return the displacement as an `xarray.DataArray` (frequency, component, z, y, x), m."""
        from .labelled import SPACE, array, places

        coordinates = places(self.grid) | {
            "frequency": ("frequency", self.frequencies, {"units": "Hz"}),
            "component": ("component", list(self.components)),
        }
        return array(self.displacement, ("frequency", "component", *SPACE), coordinates, "m", "displacement")

    def _facts(self) -> dict[str, str]:
        return {
            "": listing(f"{one:g} Hz" for one in self.frequencies), "components": listing(self.components),
            "amplitude": span(1e6 * np.abs(self.displacement)) + " µm", "grid": self.grid.in_words(),
        }  # fmt: skip


def wavenumber(modulus: Any, frequency: Any, density: Any = 1000.0) -> Any:
    """Return the complex wavenumber k = omega sqrt(rho / G*) of a plane shear wave, rad/m; Im k <= 0.

    Parameters
    ----------
    modulus : array
        G*, Pa.
    frequency : array
        Hz.
    density : array
        kg/m^3.
    """
    return 2 * np.pi * np.asarray(frequency) * np.sqrt(np.asarray(density) / np.asarray(modulus, np.complex128))


def modulus_of(wavenumber: Any, frequency: Any, density: Any = 1000.0) -> Any:
    """Return G* = rho omega^2 / k^2, Pa, of a complex wavenumber, rad/m."""
    return np.asarray(density) * (2 * np.pi * np.asarray(frequency) / np.asarray(wavenumber, np.complex128)) ** 2


def shear_stiffness(modulus: Any) -> Any:
    """Return rho c^2 = 2 |G*| / (1 + cos phi) = |G*| / cos^2(phi / 2), Pa, the elastic modulus of equal wave speed.

    A negative G' alone, with which no wave travels, gives a stiffness beyond all bounds.
    """
    return np.abs(modulus) / np.cos(np.angle(modulus) / 2) ** 2
