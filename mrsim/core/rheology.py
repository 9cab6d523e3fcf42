"""Laws of the complex shear modulus by frequency: G*(f) = G' + i G'' for motion that goes with exp(i 2 pi f t).

A wave has k = omega sqrt(rho / G*), the speed c = sqrt(2 |G*| / (rho (1 + cos phi))) and falls to 1/e over the
penetration depth 1 / (omega sqrt(rho (1 - cos phi) / (2 |G*|))), phi = arg G*. Of the four moduli that papers print,
|G*|, G', G'' and the shear stiffness rho c^2 = 2 |G*| / (1 + cos phi), no two are the same where there is loss.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .errors import InputError


def _above(name: str, value: float, unit: str, least: float = 0.0, reach: bool = False) -> None:
    if not (math.isfinite(value) and (value > least or (reach and value == least))):
        limit = f"{'at least' if reach else 'above'} {least:g}{unit}"
        raise InputError(f"{value:g}{unit} must be {limit}", key=name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Voigt:
    """Spring and dashpot side by side: mu + i omega eta; without a dashpot an elastic solid."""

    mu: float
    """Pa."""
    eta: float = 0.0
    """Pa s."""

    def __post_init__(self) -> None:
        """Refuse what no passive solid is."""
        _above("mu", self.mu, " Pa")
        _above("eta", self.eta, " Pa s", reach=True)

    @classmethod
    def through(cls, modulus: complex, frequency: float) -> Voigt:
        """Return the solid that has a modulus, Pa, at a frequency, Hz."""
        return cls(mu=modulus.real, eta=modulus.imag / (2 * math.pi * frequency))

    def at(self, frequency: float) -> complex:
        """Return G*, Pa, at a frequency, Hz."""
        return complex(self.mu, 2 * math.pi * frequency * self.eta)


@dataclass(frozen=True, kw_only=True, slots=True)
class Springpot:
    """mu^(1 - alpha) (i omega eta)^alpha: the angle alpha pi / 2 at every frequency, and |G*| ~ f^alpha."""

    mu: float
    """Pa."""
    alpha: float
    """0 for a spring, 1 for a dashpot."""
    eta: float = 1.0
    """Pa s."""

    def __post_init__(self) -> None:
        """Refuse what is neither spring nor dashpot nor between."""
        _above("mu", self.mu, " Pa")
        _above("eta", self.eta, " Pa s")
        if not 0 <= self.alpha <= 1:
            raise InputError(f"{self.alpha:g} is not between 0 (spring) and 1 (dashpot)", key="alpha")

    @classmethod
    def through(cls, modulus: complex, frequency: float) -> Springpot:
        """Return the springpot of eta = 1 Pa s that has a modulus, Pa, at a frequency, Hz."""
        alpha = 2 * math.atan2(modulus.imag, modulus.real) / math.pi
        if not 0 <= alpha < 1:
            raise InputError(f"{modulus:.4g} Pa is not the modulus of a springpot: its angle must be 0 to pi/2")
        mu = (abs(modulus) / (2 * math.pi * frequency) ** alpha) ** (1 / (1 - alpha))
        return cls(mu=mu, alpha=alpha)

    def at(self, frequency: float) -> complex:
        """Return G*, Pa, at a frequency, Hz."""
        turn = complex(math.cos(self.alpha * math.pi / 2), math.sin(self.alpha * math.pi / 2))
        size: float = self.mu ** (1 - self.alpha) * (2 * math.pi * frequency * self.eta) ** self.alpha
        return size * turn


@dataclass(frozen=True, kw_only=True, slots=True)
class Zener:
    """A spring beside a spring and dashpot in series: mu + mu_1 i omega eta / (mu_1 + i omega eta)."""

    mu: float
    """Static modulus, Pa."""
    mu_1: float
    """What the dashpot's spring adds at high frequency, Pa."""
    eta: float
    """Pa s."""

    def __post_init__(self) -> None:
        """Refuse what no passive solid is."""
        _above("mu", self.mu, " Pa")
        _above("mu_1", self.mu_1, " Pa")
        _above("eta", self.eta, " Pa s", reach=True)

    def at(self, frequency: float) -> complex:
        """Return G*, Pa, at a frequency, Hz."""
        flow = 2j * math.pi * frequency * self.eta
        return self.mu + self.mu_1 * flow / (self.mu_1 + flow)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tabulated:
    """Measured moduli; log |G*| and the angle are straight lines in log frequency between the entries."""

    frequencies: tuple[float, ...]
    """Hz, ascending; one alone holds the modulus at every frequency."""
    moduli: tuple[complex, ...]
    """Pa."""

    def __post_init__(self) -> None:
        """Refuse tables that are no function of frequency, or no passive solid."""
        f = self.frequencies
        if not f or len(f) != len(self.moduli):
            raise InputError(f"has {len(f)} frequencies for {len(self.moduli)} moduli; give as many", key="moduli")
        if any(b <= a for a, b in zip(f[:-1], f[1:], strict=True)) or f[0] <= 0:
            raise InputError(f"{f} Hz must ascend from above 0 Hz", key="frequencies")
        for modulus in self.moduli:
            if not (math.isfinite(abs(modulus)) and abs(modulus) > 0 and modulus.real >= 0 and modulus.imag >= 0):
                raise InputError(f"{modulus:.4g} Pa has a negative part; G' and G'' of a solid do not", key="moduli")

    def at(self, frequency: float) -> complex:
        """Return G*, Pa, at a frequency, Hz, refusing those beyond the table."""
        f = self.frequencies
        if len(f) == 1:
            return complex(self.moduli[0])
        if not f[0] <= frequency <= f[-1]:
            raise InputError(f"the table holds {f[0]:g} to {f[-1]:g} Hz, not {frequency:g} Hz", key="frequency")
        x, size = np.log(f), np.log(np.abs(self.moduli))
        where = math.log(frequency)
        return complex(np.exp(np.interp(where, x, size) + 1j * np.interp(where, x, np.angle(self.moduli))))


Rheology = Voigt | Springpot | Zener | Tabulated


@dataclass(frozen=True, kw_only=True, slots=True)
class Law:
    """A law by name: what numbers state it, and how it goes on from one measured modulus."""

    numbers: tuple[str, ...] = ()
    """Their dimensions; empty for a table."""
    made: Callable[..., Rheology]
    """Of those numbers, SI, or of a table's frequencies and moduli."""
    through: Callable[[complex, float], Rheology] | None = None
    """(G*, Pa, frequency, Hz) -> the law through it; None where one modulus does not tell it."""


def _table(frequencies: tuple[float, ...], moduli: tuple[complex, ...]) -> Tabulated:
    return Tabulated(frequencies=frequencies, moduli=moduli)


LAWS = {
    "springpot": Law(
        numbers=("pressure", "fraction"),
        made=lambda mu, alpha: Springpot(mu=mu, alpha=alpha),
        through=Springpot.through,
    ),
    "voigt": Law(numbers=("pressure", "viscosity"), made=lambda mu, eta: Voigt(mu=mu, eta=eta), through=Voigt.through),
    "constant": Law(
        numbers=("pressure", "angle"),
        made=lambda size, angle: _table((1.0,), (cmath.rect(size, angle),)),
        through=lambda modulus, frequency: _table((frequency,), (modulus,)),
    ),
    "zener": Law(
        numbers=("pressure", "pressure", "viscosity"),
        made=lambda mu, mu_1, eta: Zener(mu=mu, mu_1=mu_1, eta=eta),
    ),
    "table": Law(made=_table),
}
"""All laws by the names that users write."""
CONTINUED = tuple(name for name, law in LAWS.items() if law.through is not None)
"""Those that go on from one measured modulus: with its own angle as |G*| ~ f^(2 angle / pi), with G' as it is and
G'' ~ f, or not at all."""


def from_stiffness(stiffness: float, angle: float) -> complex:
    """Return G*, Pa, of a shear stiffness rho c^2, Pa, and an angle, rad: |G*| = rho c^2 (1 + cos phi) / 2."""
    return complex(stiffness * (1 + math.cos(angle)) / 2 * np.exp(1j * angle))


def wave_number(modulus: complex, density: float, frequency: float) -> complex:
    """Return k = omega sqrt(rho / G*), rad/m, whose imaginary part is negative where there is loss."""
    return complex(2 * math.pi * frequency * np.sqrt(density / np.complex128(modulus)))
