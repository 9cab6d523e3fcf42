"""Elastography on the road: wave images between reconstruction and fit, and the true moduli to compare with."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.images import Images
from ..core.maps import Maps
from ..core.wave import Waves
from ..fit.inversion import MODULI, Inversion, moduli, with_loss_angle
from ..fit.model import Description
from ..fit.models import find_model
from ..phantom.phantom import Phantom
from ..phantom.tissue import Tissue
from ..recon.wave_images import wave_images
from ..sequence.sequence import Sequence
from .request import Progress, RunRequest

Source = Images | Waves
HERTZ = re.compile(r"([\d.]+)\s*Hz")
"""In the condition of a tissue's stiffness: the frequency at which it holds."""


def source_of(images: Source, model: str | Description | None, progress: Progress | None = None) -> Source:
    """Return what a model is fitted to: the images themselves, or the wave images in them for an inversion."""
    found = find_model(model) if isinstance(model, str) else model
    if not isinstance(found, Inversion) or isinstance(images, Waves):
        return images
    report = None if progress is None else lambda done, total: progress("wave images", done, total)
    return wave_images(images, progress=report)


def model_of_waves(request: RunRequest, sequence: Sequence) -> str | None:
    """Return the inversion of a run that shakes the phantom and names none; None if nothing moves."""
    shaken = bool(request.drives or request.vibration) and "vibration_frequency" in sequence.encoding.sheet
    return "mre-direct" if shaken else None


def tissue_modulus(tissue: Tissue, field: float, frequency: float) -> complex:
    """Return G* of a tissue, Pa, NaN where its stiffness is not known.

    From the shear stiffness rho c^2 and the loss angle (0 where unknown), at the frequency that the stiffness was
    measured at; the dispersion exponent, where it is known, takes it to another.
    """
    known = tissue.known(field)
    if "shear_stiffness" not in known:
        return complex(np.nan, np.nan)
    fact = known["shear_stiffness"]
    angle = known["loss_angle"].value if "loss_angle" in known else 0.0
    power = known["dispersion_exponent"].value if "dispersion_exponent" in known else 0.0
    at = HERTZ.search(fact.condition or "")
    factor = (frequency / float(at.group(1))) ** power if at else 1.0
    return complex(with_loss_angle(np.asarray(fact.value * factor), angle))


def truth_of(phantom: Phantom, sequence: Sequence) -> Maps:
    """Return the true maps on a sequence's grid; of an elastography sequence with the moduli at its frequency."""
    truth = phantom.truth(sequence.encoding.grid)
    frequency = sequence.encoding.sheet.get("vibration_frequency")
    return truth if frequency is None else with_moduli(truth, phantom, float(frequency))


def with_moduli(truth: Maps, phantom: Phantom, frequency: float) -> Maps:
    """Return the truth with the maps of `fit.inversion.MODULI` at a frequency, Hz."""
    modulus: NDArray[np.complex128] = np.full(truth.grid.shape, np.nan + 0j)
    for tissue in phantom.tissues:
        modulus[truth.fractions[tissue.name] >= 0.99] = tissue_modulus(tissue, phantom.field, frequency)
    names = [parameter.name for parameter in MODULI]
    return replace(
        truth,
        values={**truth.values, **dict(zip(names, moduli(modulus), strict=True))},
        errors={**truth.errors, **{name: np.zeros(modulus.shape) for name in names}},
        units={**truth.units, **{parameter.name: parameter.unit for parameter in MODULI}},
    )
