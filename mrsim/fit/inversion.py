"""An inversion: what turns measured waves into the moduli of the medium that carries them.

Inversions are described like models (name, options, what becomes maps) but see `Waves` instead of a series of images.
All return the same five quantities, which differ and whose names say which is which:

    |G*|, G', G'', phi = arg G*, and the shear stiffness rho c^2 = 2 |G*| / (1 + cos phi),

c the speed of the wave. Papers that estimate a wavelength (LFE, principal frequency, k-MDEV) report rho c^2; direct
inversions report |G*| or G'. For phi = 1.19 rad rho c^2 is 1.46 |G*|.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.wave import shear_stiffness
from .model import Description, Option, Parameter

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Mask = NDArray[np.bool_]
INFINITE = float("inf")


def _pressure(name: str, symbol: str, description: str) -> Parameter:
    return Parameter(name=name, unit="Pa", symbol=symbol, description=description, lower=0.0, upper=INFINITE)


def _number(name: str, unit: str, symbol: str, description: str) -> Parameter:
    return Parameter(name=name, unit=unit, symbol=symbol, description=description, lower=0.0, upper=INFINITE)


MODULI = (
    _pressure("shear_modulus_magnitude", "|G^*|", "magnitude of the complex shear modulus"),
    _pressure("storage_modulus", "G'", "real part of the complex shear modulus"),
    _pressure("loss_modulus", "G''", "imaginary part of the complex shear modulus"),
    _number("loss_angle", "rad", r"\varphi", "phase of the complex shear modulus"),
    _pressure("shear_stiffness", r"\rho c^2", "density times squared wave speed, neither |G*| nor G'"),
)
"""What every inversion returns."""
VALIDITY = (
    _number("validity", "", "v", "sum of the reasons for which the wave does not tell the modulus; 0: none"),
    _number("voxels_per_wavelength", "", r"\lambda/h", "wavelength over the coarsest voxel side that was used"),
    _number("penetration_depth", "m", r"\delta", "way in which the wave falls to 1/e"),
    _number("strain_snr", "", "OSS", "octahedral shear strain over that of the noise"),
    _number("derivative_snr", "", "s", "derivative of the order that the inversion uses over that of the noise"),
    _number("boundary_distance", "m", "d", "distance to the nearest voxel without a wave"),
    _number("neglected_gradient", "", "q", "share of the force that a locally constant modulus leaves out"),
)
"""What judges them; see `validity`."""
PROBES = Option(
    name="probes", default=24.0, unit="", symbol="n", lower=0.0, upper=1e4,
    description="noise fields sent through the inversion for its standard errors, which are good to 1 in sqrt(2 n)",
)  # fmt: skip
WINDOW = Option(
    name="window", default=1.0, unit="", symbol="w", description="voxels that a local estimate reaches to each side",
    lower=0.0, upper=50.0,
)  # fmt: skip
SMOOTHING = Option(
    name="smoothing", default=0.0, unit="", symbol="s", lower=0.0, upper=20.0,
    description="standard deviation of the Gaussian that smooths the waves first, voxels",
)  # fmt: skip
IN_PLANE = Option(
    name="in_plane", default=0.0, unit="", symbol="p", lower=0.0, upper=1.0,
    description="1: derivatives in the plane of the image alone",
)  # fmt: skip
CORRECT = Option(
    name="correct", default=0.0, unit="", symbol="q", lower=0.0, upper=1.0,
    description="1: take out the factor by which differences over whole voxels overrate the modulus",
)  # fmt: skip
CURL = Option(
    name="curl", default=0.0, unit="", symbol="c", lower=0.0, upper=1.0,
    description="1: invert the curl of the motion, in which no pressure is left; needs x, y, z in three slices or more",
)  # fmt: skip
LOSS_ANGLE = Option(
    name="loss_angle", default=0.0, unit="rad", symbol=r"\varphi", varies=True, lower=0.0, upper=1.57,
    description="assumed phase of the modulus: a wavelength tells rho c^2 alone",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Field:
    """What an inversion sees."""

    u: Complex
    """(frequency, component, z, y, x) displacement, m; zero outside the mask."""
    omega: Array
    """(frequency,) rad/s."""
    density: float
    """kg/m^3."""
    spacing: tuple[float, float, float]
    """Between voxels along z, y, x, m."""
    mask: Mask
    """(z, y, x)"""
    components: tuple[str, ...] = ("x", "y", "z")
    """Axis of the grid along which each component moves."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Numbers, or (z, y, x) arrays of those that vary."""

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes of (z, y, x) along which the field is differentiated: those with three voxels or more."""
        flat = float(self.options.get("in_plane", 0.0)) > 0
        return tuple(a for a in range(3) if self.mask.shape[a] > 2 and not (a == 0 and flat))

    def with_displacement(self, u: Complex) -> Field:
        """Return the same field with another displacement."""
        return replace(self, u=u)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Inversion(Description):
    """A way from waves to moduli."""

    formula: str
    """LaTeX of what is computed."""
    solve: Callable[[Field], Complex]
    """Returns the (z, y, x) modulus G*, Pa; NaN where there is none."""
    order: int
    """Highest order of the derivatives that are taken of the waves: whose SNR counts."""
    support: Callable[[Mapping[str, Any]], float]
    """Returns how far, in voxels, an estimate with some options looks: nearer to a boundary it mixes both sides."""
    least_voxels: float = 6.0
    """Voxels per wavelength below which the estimate is off by more than 10 % or aliased."""
    least_penetration: float = 0.0
    """Penetration depth over wavelength below which a wavelength cannot be told."""
    extent: Callable[[Field], Array] | None = None
    """Returns the (z, y, x) length, m, over which a spectrum is taken, none of whose peaks tells a longer wave."""
    dispersion: Callable[[Complex, tuple[float, ...], Mapping[str, Any]], complex] | None = None
    """(wave vector k along z, y, x, rad/m; spacing, m; options) -> the factor by which the modulus of a plane wave is
    misread because of the voxels; None where it is 1."""


def local_support(options: Mapping[str, Any]) -> float:
    """Return how far, in voxels, a local estimate of smoothed waves looks."""
    return 1 + round(float(options["window"])) + 2 * float(options["smoothing"])


def moduli(modulus: Complex) -> Array:
    """Return (5, ...) the values of `MODULI` for G*."""
    return np.stack([np.abs(modulus), modulus.real, modulus.imag, np.angle(modulus), shear_stiffness(modulus)])


def with_loss_angle(stiffness: Array, angle: Any) -> Complex:
    """Return G* of a shear stiffness rho c^2, Pa, and an assumed loss angle, rad."""
    return np.asarray(stiffness * (1 + np.cos(angle)) / 2 * np.exp(1j * np.asarray(angle)))
