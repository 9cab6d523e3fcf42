"""Elastography on the road: wave images between reconstruction and fit, and the true moduli to compare with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.grid import Grid
from ..core.images import Images
from ..core.maps import Maps
from ..core.wave import Waves
from ..fit.inversion import MODULI, Inversion, moduli
from ..fit.model import Description
from ..fit.models import find_model
from ..phantom.phantom import Phantom
from ..phantom.stiffness import law_of
from ..phantom.tissue import Tissue
from ..recon.wave_images import WAYS, wave_images
from ..sequence.sequence import Sequence
from .request import Progress, RunRequest
from .run_table import RunTable

Source = Images | Waves
STIFFNESSES = {"shear_stiffness", "shear_modulus_magnitude"}
"""Facts of a tissue whose waves were measured; either is enough."""


def source_of(
    images: Source, model: str | Description | None, progress: Progress | None = None, unwrapping: str = WAYS[0]
) -> Source:
    """Return what a model is fitted to: the images themselves, or the wave images in them for an inversion.

    unwrapping : of the phases, a way of `recon.wave_images.WAYS`.
    """
    found = find_model(model) if isinstance(model, str) else model
    if not isinstance(found, Inversion) or isinstance(images, Waves):
        return images
    report = None if progress is None else lambda done, total: progress("wave images", done, total)
    return wave_images(images, progress=report, unwrapping=unwrapping)


def model_of_waves(request: RunRequest, sequence: Sequence, defaults: RunTable) -> str | None:
    """Return the model of a run that names none: its protocol's, an inversion if it shakes; of one at rest none."""
    if defaults.fit is not None and not defaults.drive:
        return defaults.fit
    shaken = bool(request.drives or request.vibration) and "vibration_frequency" in sequence.encoding.sheet
    return (defaults.fit or "mre-direct") if shaken else None


def tissue_modulus(tissue: Tissue, field: float, frequency: float) -> complex:
    """Return G* of a tissue, Pa, by the law with which the solver moves it; NaN where its stiffness is not known."""
    if not STIFFNESSES & set(tissue.known(field)):
        return complex(np.nan, np.nan)
    return law_of(tissue, field).at(frequency)


def truth_of(phantom: Phantom, sequence: Sequence, grid: Grid | None = None) -> Maps:
    """Return the true maps on a grid, by default a sequence's; of elastography with the moduli at its frequency."""
    truth = phantom.truth(grid or sequence.encoding.grid)
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
