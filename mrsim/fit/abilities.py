"""What every fitter can do, read from the registry: noise that it fits, noise floor, goodness of fit, bounds."""

from __future__ import annotations

from typing import NamedTuple

from .method import Method
from .model import Description
from .models import MODELS
from .noise_floor import MAGNITUDES


class Abilities(NamedTuple):
    """One row: what a model or method does with noise, and between which values it looks."""

    name: str
    data: str
    """What is fitted: magnitudes, or one of the signed and complex kinds."""
    likelihoods: str
    """Noise that can be fitted, and why not Rice's where it is not: signed and complex images have Gaussian noise."""
    noise_floor: str
    """Whether the noise's power can be taken off before the fit."""
    goodness: str
    """How many numbers a voxel must have more than, and the fewest images."""
    bounds: str
    """Of every fitted parameter, SI."""


def abilities(model: Description) -> Abilities:
    """Return what one model or method can do."""
    magnitudes = model.data in MAGNITUDES
    known = model.likelihoods if isinstance(model, Method) else ("gaussian", "rician")
    why = (model.instead if isinstance(model, Method) else "") if magnitudes else "no magnitudes"
    lone = f"Gaussian ({why})" if why else "Gaussian"
    least = model.images if isinstance(model, Method) and model.images is not None else len(model.parameters)
    return Abilities(
        name=model.name,
        data=model.data,
        likelihoods="Gaussian, Rician" if magnitudes and "rician" in known else lone,
        noise_floor="can be taken off" if magnitudes else "none",
        goodness=f"above {len(model.parameters)} numbers; {least} images or more",
        bounds=", ".join(f"{p.name} {p.lower:g} to {p.upper:g} {p.unit}".rstrip() for p in model.parameters),
    )


def abilities_table() -> str:
    """Return all of them as a Markdown table."""
    head = "| fitter | data | likelihood | noise floor | goodness of fit | bounds |\n|---|---|---|---|---|---|"
    rows = (abilities(model) for model in MODELS)
    return "\n".join([head, *(f"| `{row.name}` | " + " | ".join(row[1:]) + " |" for row in rows)])
