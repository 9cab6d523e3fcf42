"""What the true values of tissues rest on: which of them nobody has measured, verified, or known at this field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .field_laws import COMPUTED, EXTRAPOLATED, INTERPOLATED
from .tissue import Tissue

ASSUMED, UNVERIFIED, BEYOND = "truth assumed", "truth from memory of a paper", "truth extrapolated in field strength"
DOUBTS = {
    EXTRAPOLATED: BEYOND,
    "compiled default": ASSUMED,
    "recalled from the cited paper, not verified": UNVERIFIED,
}
"""Provenance -> what is said beside a number that is held against such a value; the gravest first."""
_TENSOR = ("md", "fa", "axial_diffusivity", "radial_diffusivity", "lamella_axial_diffusivity",
           "lamella_radial_diffusivity", "ivim_d")  # fmt: skip
_STIFF = ("shear_stiffness", "shear_modulus", "shear_modulus_magnitude", "storage_modulus")
RESTS_ON = {
    "t1_rho": ("t2",), "pdff": ("fat_fraction",), **dict.fromkeys(("md", "adc", "d", "ad", "rd", "fa"), _TENSOR),
    **dict.fromkeys(("mk", "ak", "rk"), ("mk", "ak", "rk")), "f": ("ivim_f",), "d_star": ("ivim_d_star",),
    **dict.fromkeys((*_STIFF[2:], "shear_stiffness"), _STIFF), "loss_modulus": (*_STIFF, "loss_angle"),
    "loss_angle": ("loss_angle",),
}  # fmt: skip
"""Parameter of a map -> the properties of a tissue that its truth is made of; all others have their own name."""


def truth_history(tissues: Sequence[Tissue], field: float) -> dict[str, Any]:
    """Return the history of a truth: field strength, T, what is extrapolated to it, and what is to be said of values.

    ``doubts`` is tissue -> property -> text; `RESTS_ON` says what a parameter rests on.
    """
    beyond = {tissue.name: list(tissue.extrapolated(field)) for tissue in tissues}
    doubts = {tissue.name: _doubts(tissue, field) for tissue in tissues}
    return {
        "field": field,
        "extrapolated": {name: what for name, what in beyond.items() if what},
        "doubts": {name: found for name, found in doubts.items() if found},
    }


def _doubts(tissue: Tissue, field: float) -> dict[str, str]:
    """Return what is to be said of a tissue's parameters, by parameter."""
    origins = {name: _origin(tissue, name, entry.provenance) for name, entry in tissue.known(field).items()}
    found = {}
    for name in {*origins, *RESTS_ON}:
        roots = {origins[root] for root in RESTS_ON.get(name, (name,)) if root in origins}
        text = next((text for provenance, text in DOUBTS.items() if provenance in roots), None)
        if text is not None:
            found[name] = text
    return dict(sorted(found.items()))


def _origin(tissue: Tissue, name: str, provenance: str) -> str:
    """Return where a value comes from; of one that follows from other field strengths, the weakest of those."""
    if provenance not in (COMPUTED, INTERPOLATED):
        return provenance
    fact = tissue.replaced.get(name) or tissue.facts.get(name)
    if fact is not None:
        return str(fact.entry.provenance)
    table = tissue.fat if name.startswith("fat_") else tissue.water
    roots = getattr(table, name.removeprefix("fat_")).provenance
    return next((text for text in DOUBTS if text in roots), provenance)
