"""The transmit field of a body coil in a conducting cylinder.

A quadrature birdcage drives a uniform circular field; in a long cylinder of tissue along B0 its wave is

    B1+(r) = J0(k r),   k^2 = omega^2 mu0 (eps0 eps_r - i sigma/omega)

relative to the centre (Hoult and Phil 2000, doi:10.1002/1522-2586(200007)12:1<46::AID-JMRI6>3.0.CO;2-D). The real
part of k gives the wavelength, its imaginary part the loss. Without loss the field vanishes at 2.405/k, 0.383
wavelengths from the centre. The phase of the wave is left out: engines take the magnitude. What the torso's outline
and the coil's ends do is not in the model; a measured or computed map can stand in its place.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.field_map import FieldMap
from ..core.grid import Grid
from ..core.nuclei import nucleus

VACUUM_PERMEABILITY = 1.25663706212e-6
"""CODATA 2018, H/m."""
VACUUM_PERMITTIVITY = 8.8541878128e-12
"""CODATA 2018, F/m."""
TORSO = ((1.5, 70.0, 0.60), (3.0, 63.0, 0.72), (7.0, 58.0, 0.78))
"""Field, T; relative permittivity; conductivity, S/m: mean of the torso, compiled from Gabriel 1996
(doi:10.1088/0031-9155/41/11/003) and expert defaults."""


MUSCLE = ((50.0, 7.234e-12, 0.1), (7000.0, 353.678e-9, 0.1), (1.2e6, 318.31e-6, 0.1), (2.5e7, 2.274e-3, 0.0))
"""Dispersions of muscle: strength, relaxation time, s, and spread, with 4.0 at infinite frequency and 0.2 S/m at zero
(Gabriel 1996, doi:10.1088/0031-9155/41/11/003)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dielectric:
    """A conducting dielectric at one frequency."""

    permittivity: float
    """Relative to the vacuum."""
    conductivity: float
    """S/m."""
    frequency: float
    """Hz."""

    @property
    def wave_number(self) -> complex:
        """Return k, 1/m; its imaginary part is negative: the wave decays inwards."""
        omega = 2 * math.pi * self.frequency
        electric = VACUUM_PERMITTIVITY * self.permittivity - 1j * self.conductivity / omega
        return cmath.sqrt(omega**2 * VACUUM_PERMEABILITY * electric)

    @property
    def wavelength(self) -> float:
        """Return 2 pi / Re k, m."""
        return 2 * math.pi / self.wave_number.real


def torso_dielectric(b0: float, species: str = "1H", extrapolate: bool = False) -> Dielectric:
    """Return the torso's mean dielectric at a field, T: linear in log B0 between 1.5, 3 and 7 T, refused beyond.

    With `extrapolate` the torso goes on beyond them as muscle does, times what it differs from muscle at the end.
    """
    fields, permittivity, conductivity = zip(*TORSO, strict=True)
    frequency = abs(nucleus(species).gamma_bar) * b0
    if not known_torso(b0):
        if not extrapolate:
            raise InputError(
                f"the torso's dielectric is known from {fields[0]:g} to {fields[-1]:g} T, not at {b0:g} T; give a map, "
                "or allow extrapolation (--extrapolate)", key="transmit",
            )  # fmt: skip
        end = 0 if b0 < fields[0] else -1
        here, there = muscle(frequency), muscle(frequency / b0 * fields[end])
        return Dielectric(
            permittivity=permittivity[end] * here.permittivity / there.permittivity,
            conductivity=conductivity[end] * here.conductivity / there.conductivity,
            frequency=frequency,
        )
    at = math.log(b0)
    known = np.log(fields)
    return Dielectric(
        permittivity=float(np.interp(at, known, permittivity)),
        conductivity=float(np.interp(at, known, conductivity)),
        frequency=frequency,
    )


def known_torso(b0: float) -> bool:
    """Return True where the torso's dielectric is known, at a field in T."""
    return TORSO[0][0] <= b0 <= TORSO[-1][0]


def muscle(frequency: float) -> Dielectric:
    """Return muscle as four Cole-Cole dispersions, eps = 4 + sum d / (1 + (i w t)^(1-a)) + 0.2 S/m / (i w eps0)."""
    omega = 2 * math.pi * frequency
    spectrum = 4.0 + sum(d / (1 + (1j * omega * t) ** (1 - a)) for d, t, a in MUSCLE)
    spectrum += 0.2 / (1j * omega * VACUUM_PERMITTIVITY)
    conductivity = -spectrum.imag * omega * VACUUM_PERMITTIVITY
    return Dielectric(permittivity=spectrum.real, conductivity=conductivity, frequency=frequency)


def cylinder_b1(radius: NDArray[np.float64], dielectric: Dielectric) -> NDArray[np.float64]:
    """Return the magnitude of B1+ at distances from the cylinder's axis, m, relative to the axis."""
    from scipy.special import jv

    return np.asarray(np.abs(jv(0, dielectric.wave_number * radius)))


def body_coil(
    grid: Grid, dielectric: Dielectric, axis: tuple[float, float], reference: tuple[float, float]
) -> FieldMap:
    """Return B1+ of a body coil relative to the nominal one.

    Parameters
    ----------
    grid : Grid
        Where; its axes are those of the world. Nothing changes along z.
    dielectric : Dielectric
        Of the cylinder.
    axis : (float, float)
        World x and y of the cylinder's axis, m.
    reference : (float, float)
        World x and y of the place for which the scanner has set its power, m: there the field is the nominal one.
    """
    if not np.allclose(grid.axes, np.eye(3), atol=1e-12):
        raise InputError("the transmit field needs a grid along the world's axes", key="grid")
    at_reference = float(cylinder_b1(np.array(math.dist(axis, reference)), dielectric))
    if at_reference < 0.05:
        raise InputError(
            f"the transmit field at the reference is {at_reference:.3f} of the centre's: no scanner could set its "
            "power there; move the reference", key="reference",
        )  # fmt: skip
    plane = Grid(shape=(1, *grid.shape[1:]), spacing=grid.spacing, centre=grid.centre)
    x = plane.centre[0] + plane.coordinates(0) - axis[0]
    y = plane.centre[1] + plane.coordinates(1) - axis[1]
    values = cylinder_b1(np.hypot(x[None, :], y[:, None]), dielectric) / at_reference
    return FieldMap(values=values[None], grid=plane)
