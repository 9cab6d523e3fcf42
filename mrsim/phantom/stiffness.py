"""The law of a tissue's complex shear modulus, from what its file knows.

A file knows G' and G'', or |G*| and the angle, or the shear stiffness rho c^2 and the angle; loss that it does not know
is none. A frequency in the condition of that entry is where the law passes through it.
"""

from __future__ import annotations

import cmath
import re

from ..core.errors import InputError, did_you_mean
from ..core.rheology import CONTINUED, LAWS, Rheology, from_stiffness
from .tissue import Tissue

MODULI = ("storage_modulus", "shear_modulus_magnitude", "shear_stiffness", "shear_modulus")
"""Facts of a tissue that state its modulus."""
WATER = 1000.0
"""Density of tissues that do not know theirs, kg/m^3."""


def density_of(tissue: Tissue, field: float) -> float:
    """Return the density of a tissue, kg/m^3."""
    return tissue.property("density", field).value if "density" in tissue.facts else WATER


def modulus_of(tissue: Tissue, field: float) -> tuple[complex, float | None]:
    """Return G*, Pa, of a tissue and the frequency, Hz, at which it was measured, if its file says."""
    facts = tissue.facts

    def value(name: str) -> float:
        return tissue.property(name, field).value

    angle = value("loss_angle") if "loss_angle" in facts else 0.0
    if "storage_modulus" in facts:
        loss = value("loss_modulus") if "loss_modulus" in facts else 0.0
        found, name = complex(value("storage_modulus"), loss), "storage_modulus"
    elif "shear_modulus_magnitude" in facts:
        found, name = cmath.rect(value("shear_modulus_magnitude"), angle), "shear_modulus_magnitude"
    elif "shear_stiffness" in facts:
        found, name = from_stiffness(value("shear_stiffness"), angle), "shear_stiffness"
    elif "shear_modulus" in facts:
        found, name = complex(value("shear_modulus"), 0.0), "shear_modulus"
    else:
        raise InputError(f"{tissue.name} has no shear modulus; give a property 'shear_stiffness' in its file")
    return found, _measured(tissue, name, field)


def law_of(tissue: Tissue, field: float, law: str = "springpot") -> Rheology:
    """Return the law of a tissue's shear modulus, one of `core.rheology.CONTINUED`."""
    through = LAWS[law].through if law in LAWS else None
    if through is None:
        raise InputError(f"unknown law '{law}'{did_you_mean(law, CONTINUED)}", key="law")
    modulus, frequency = modulus_of(tissue, field)
    if frequency is None or modulus.imag == 0:
        return LAWS["constant"].made(abs(modulus), cmath.phase(modulus))
    return through(modulus, frequency)


def _measured(tissue: Tissue, name: str, field: float) -> float | None:
    """Return the frequency that stands in a property's condition, Hz; of a range its middle."""
    text = tissue.property(name, field).condition
    found = re.search(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))? Hz", text)
    if found is None:
        return None
    low = float(found[1])
    return (low + float(found[2])) / 2 if found[2] else low
