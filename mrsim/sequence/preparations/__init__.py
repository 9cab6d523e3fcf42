"""Preparation modules: one file each, listed here; any family plays them before its excitations."""

from __future__ import annotations

from .arterial_labels import PseudoContinuousLabel, PulsedLabel
from .fat_saturation import FatSaturation
from .inversion import Inversion
from .preparation import Preparation
from .saturation import Saturation
from .saturation_train import ChemicalExchangeSaturation, MagnetisationTransfer
from .spin_lock import SpinLock
from .t2_preparation import T2Preparation

PREPARATIONS: tuple[type[Preparation], ...] = (
    Inversion,
    Saturation,
    FatSaturation,
    T2Preparation,
    SpinLock,
    MagnetisationTransfer,
    ChemicalExchangeSaturation,
    PulsedLabel,
    PseudoContinuousLabel,
)
"""Every module that a protocol file can name."""
