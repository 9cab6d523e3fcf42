"""What may be known of a tissue besides its relaxation, and how a tissue file says it.

A fact is one number with unit, spread, source and provenance, at any field strength or at those it lists. Where the
literature disagrees, a material set of the file holds the other opinion, and whoever loads the tissue chooses it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator

from ..core.errors import InputError, did_you_mean
from ..core.units import UNITS, Quantity, parse_quantity, si_unit
from .field_laws import EXTRAPOLATED, INTERPOLATED, STRICT, between

Fields = Annotated[tuple[float, ...], Quantity("magnetic field")]
Provenance = Literal[
    "printed in a source document",
    "read in a public text",
    "recalled from the cited paper, not verified",
    "compiled default",
    "chosen by definition",
]
RELAXATION = {
    "t1": "time", "t2": "time", "t2_star": "time", "pd": "fraction",
    "fat_t1": "time", "fat_t2": "time", "fat_t2_star": "time", "fat_fraction": "fraction",
}  # fmt: skip
"""What a material set may replace besides facts; name -> dimension."""
FACTS: dict[str, tuple[str, str]] = {
    "md": ("diffusivity", "mean diffusivity"),
    "fa": ("fraction", "fractional anisotropy"),
    "axial_diffusivity": ("diffusivity", "diffusivity along the fibres"),
    "radial_diffusivity": ("diffusivity", "diffusivity across the fibres"),
    "lamella_axial_diffusivity": ("diffusivity", "diffusivity along the fibres of a single lamella"),
    "lamella_radial_diffusivity": ("diffusivity", "diffusivity across the fibres of a single lamella"),
    "fibre_angle": ("angle", "angle of the fibres to the transverse plane"),
    "mk": ("fraction", "mean kurtosis"),
    "ak": ("fraction", "kurtosis along the main axis"),
    "rk": ("fraction", "kurtosis across the main axis"),
    "ivim_f": ("fraction", "perfusion fraction of intravoxel incoherent motion"),
    "ivim_f_true": ("fraction", "perfusion fraction that anatomy allows"),
    "ivim_d": ("diffusivity", "tissue diffusivity of intravoxel incoherent motion"),
    "ivim_d_star": ("diffusivity", "pseudo-diffusivity of intravoxel incoherent motion"),
    "restricted_fraction": ("fraction", "share of the water that diffuses between walls"),
    "restricted_diffusivity": ("diffusivity", "diffusivity between the walls"),
    "plane_distance": ("length", "distance of parallel planes that restrict"),
    "cylinder_diameter": ("length", "inner diameter of cylinders that restrict"),
    "sphere_diameter": ("length", "inner diameter of spheres that restrict"),
    "wall_permeability": ("permeability", "permeability to water of the walls that restrict"),
    "wall_spacing": ("length", "distance of the cylinders or spheres that water leaves, centre to centre"),
    "shear_stiffness": ("pressure", "density times squared wave speed"),
    "shear_modulus": ("pressure", "static shear modulus"),
    "shear_modulus_magnitude": ("pressure", "magnitude of the complex shear modulus"),
    "storage_modulus": ("pressure", "real part of the complex shear modulus"),
    "loss_modulus": ("pressure", "imaginary part of the complex shear modulus"),
    "loss_angle": ("angle", "phase of the complex shear modulus"),
    "dispersion_exponent": ("fraction", "power of the frequency with which stiffness rises"),
    "density": ("density", "mass density"),
    "susceptibility": ("susceptibility", "magnetic susceptibility relative to water"),
    "ktrans": ("rate", "transfer rate of contrast agent"),
    "kep": ("rate", "return rate of contrast agent"),
    "patlak_ki": ("rate", "leakage rate of contrast agent"),
    "ve": ("fraction", "extravascular extracellular volume"),
    "vp": ("fraction", "plasma volume"),
    "blood_flow": ("perfusion", "blood flow"),
    "haematocrit": ("fraction", "haematocrit"),
    "late_enhancement": ("fraction", "enhancement 4 h after injection"),
    "contrast_diffusivity": ("diffusivity", "diffusivity of contrast agent"),
    "donnan_partition": ("fraction", "partition of charged contrast agent"),
    "t1rho": ("time", "relaxation time in a spin lock of 500 Hz"),
    "mt_fraction": ("fraction", "bound protons over free ones"),
    "mt_rate": ("rate", "exchange rate of bound protons"),
    "mt_t1": ("time", "T1 of bound protons"),
    "mt_t2": ("time", "T2 of bound protons"),
    "mtr": ("fraction", "magnetisation transfer ratio"),
    "water_content": ("fraction", "water over wet weight"),
    "fixed_charge_density": ("charge density", "fixed negative charge per wet weight"),
    "hydroxyl_concentration": ("concentration", "exchanging hydroxyl protons of glycosaminoglycan"),
    "hydroxyl_fraction": ("fraction", "exchanging hydroxyl protons over water protons"),
    "gag_cest": ("fraction", "asymmetry of the Z-spectrum at 1 ppm"),
    "ph": ("fraction", "pH"),
    "water_line_width": ("frequency", "full width of the water line in a voxel"),
    "lactate": ("concentration", "lactate"),
    "alanine": ("concentration", "alanine"),
    "propionate": ("concentration", "propionate"),
    "n_acetyl": ("concentration", "N-acetyl groups of proteoglycan"),
    "choline": ("concentration", "choline"),
    "r2_prime": ("rate", "1/T2* - 1/T2"),
    "r1": ("relaxivity", "longitudinal relaxivity"),
    "r2": ("relaxivity", "transverse relaxivity"),
    "mr_visibility": ("fraction", "share of the molecules that give a narrow line"),
    "shift": ("chemical shift", "chemical shift from water"),
    "spectral_position": ("chemical shift", "position in the spectrum"),
    "spectral_position_2": ("chemical shift", "position of the second group in the spectrum"),
    "protons": ("fraction", "protons of a molecule"),
    "protons_2": ("fraction", "protons of the second group"),
    "j_coupling": ("frequency", "coupling constant"),
    "j_coupling_2": ("frequency", "coupling constant of the second group"),
    "shift_per_kelvin": ("chemical shift", "change of the chemical shift with temperature"),
    "susceptibility_absolute": ("susceptibility", "magnetic susceptibility relative to the vacuum"),
    "susceptibility_of_fat": ("susceptibility", "magnetic susceptibility of its fat"),
    "susceptibility_paramagnetic": ("susceptibility", "paramagnetic part of the susceptibility"),
    "susceptibility_diamagnetic": ("susceptibility", "diamagnetic part of the susceptibility"),
    "susceptibility_deoxygenation": ("susceptibility", "susceptibility that deoxygenation adds"),
    "activation_r2_star": ("rate", "fall of R2* by activation"),
    "r2_anisotropy": ("rate", "part of R2 that follows the fibres' angle to B0"),
    "peak_enhancement": ("fraction", "peak enhancement after contrast agent"),
    "gag_content": ("fraction", "glycosaminoglycan"),
    "ion_diffusivity": ("diffusivity", "diffusivity of ions"),
    "exchange_rate": ("rate", "exchange rate with water"),
    "pool_fraction": ("fraction", "protons over water protons"),
}
"""Name -> (dimension, meaning) of every fact that a tissue file can state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """One number of a tissue at one field strength, with where it comes from."""

    value: float
    """SI."""
    unit: str
    """SI unit; ``""`` for a pure number."""
    sd: float
    """Spread between subjects (one standard deviation), the same unit."""
    source: str
    """Citation."""
    provenance: str
    """How the number was obtained, in plain words, e.g. ``"compiled default"``."""
    condition: str = ""
    """What the number holds for, e.g. a frequency or an age."""


def _text(value: object) -> object:
    """Pure numbers may stand bare in a file."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]


@dataclass(frozen=True, kw_only=True, slots=True)
class FactEntry:
    """One fact of a tissue file."""

    __pydantic_config__ = STRICT
    value: Text
    """Number with unit; one for each entry of `field`, or one for all field strengths."""
    spread: Text = ""
    """One standard deviation between subjects, the same unit; empty where nobody knows it."""
    source: str
    provenance: Provenance
    field: Fields = ()
    """Field strengths of the values, T; empty where the fact does not depend on it."""
    condition: str = ""
    """What the number holds for: frequency, age, method, ..."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaterialSet:
    """Another opinion: entries that replace those of the file."""

    __pydantic_config__ = STRICT
    description: str
    property: dict[str, FactEntry] = dataclasses.field(default_factory=dict)
    """For all grades."""
    grade: dict[Literal["I", "II", "III", "IV", "V"], dict[str, FactEntry]] = dataclasses.field(default_factory=dict)
    """By grade."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One fact in SI."""

    values: tuple[float, ...]
    spreads: tuple[float, ...]
    unit: str
    entry: FactEntry


def dimension_of(name: str, replaceable: bool = False) -> str:
    """Return the dimension of a fact; relaxation counts where it may be replaced."""
    if replaceable and name in RELAXATION:
        return RELAXATION[name]
    if name not in FACTS:
        raise ValueError(
            f"unknown property '{name}'{did_you_mean(name, [*FACTS, *(RELAXATION if replaceable else ())])}"
        )
    return FACTS[name][0]


def read_fact(name: str, entry: FactEntry, replaceable: bool = False) -> Fact:
    """Return an entry in SI, or raise a ValueError that says what is wrong with it."""
    dimension = dimension_of(name, replaceable)
    values = parse_quantity(entry.value, dimension)
    spreads = parse_quantity(entry.spread, dimension) if entry.spread else ()
    wanted = len(entry.field) or 1
    if len(values) != wanted:
        raise ValueError(f"has {len(values)} values for {wanted} field strengths; give as many of each")
    if spreads and len(spreads) != wanted:
        raise ValueError(f"spread has {len(spreads)} values; give {wanted}")
    if any(spread < 0 for spread in spreads):
        raise ValueError("spread is negative; give a standard deviation of 0 or more")
    if any(not b > 0 for b in entry.field):
        raise ValueError("field strengths must be positive")
    if not entry.source.strip():
        raise ValueError("source is empty; say where the value comes from")
    if dimension not in ("susceptibility", "chemical shift") and min(values) < 0:
        raise ValueError(f"{min(values):g} {si_unit(dimension)} is negative")
    return Fact(values=values, spreads=spreads or (0.0,) * wanted, unit=next(iter(UNITS[dimension])), entry=entry)


def known_at(facts: dict[str, Fact], field: float, extrapolate: bool = False) -> list[str]:
    """Return the names of the facts that are known at a field strength, T."""
    return [name for name, fact in facts.items() if _known(fact, field, extrapolate)]


def _known(fact: Fact, field: float, extrapolate: bool) -> bool:
    """Return True where a fact is listed, lies between two listed fields, or may be carried on beyond them."""
    listed = fact.entry.field
    if _place(fact, field) is not None:
        return True
    return len(listed) > 1 and (extrapolate or min(listed) < field < max(listed))


def _place(fact: Fact, field: float) -> int | None:
    """Return which of its values a fact has at a field strength, T; None where it has none."""
    if not fact.entry.field:
        return 0
    return next((i for i, b in enumerate(fact.entry.field) if math.isclose(b, field, rel_tol=1e-9)), None)


def at_field(owner: str, name: str, fact: Fact, field: float, extrapolate: bool = False) -> Property:
    """Return a fact of a tissue or substance at a field strength, T, refusing fields of which it says nothing."""
    entry, index = fact.entry, _place(fact, field)
    if not _known(fact, field, extrapolate):
        known = ", ".join(f"{b:g}" for b in entry.field)
        raise InputError(f"{owner}: {name} is known at {known} T only, not at {field:g} T")
    value, sd, provenance = 0.0, 0.0, str(entry.provenance)
    if index is None:
        inside = min(entry.field) < field < max(entry.field)
        value, sd = (between(entry.field, several, field) for several in (fact.values, fact.spreads))
        provenance = INTERPOLATED if inside else EXTRAPOLATED
    else:
        value, sd = fact.values[index], fact.spreads[index]
    return Property(
        value=value, unit=fact.unit, sd=sd, source=entry.source, provenance=provenance, condition=entry.condition
    )
