"""The inversions of waves, and their registry."""

from __future__ import annotations

from ..inversion import Inversion
from . import direct, model_based, principal_frequency, wavelength

INVERSIONS: tuple[Inversion, ...] = (
    direct.DIRECT,
    direct.MDEV,
    wavelength.K_MDEV,
    wavelength.LFE,
    wavelength.PHASE_GRADIENT,
    principal_frequency.PRINCIPAL_FREQUENCY,
    model_based.MODEL_BASED,
)
"""Every inversion that `mrsim.fit` knows by name."""
