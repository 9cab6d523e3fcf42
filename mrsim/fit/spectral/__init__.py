"""Quantification of spectra by linear combination of a basis."""

from .combination import fit_spectra
from .result import SpectralFit
from .score import Score, ScoreWeights, region_integrals, score
from .settings import Combination, Expected, WaterScale

__all__ = [
    "Combination",
    "Expected",
    "Score",
    "ScoreWeights",
    "SpectralFit",
    "WaterScale",
    "fit_spectra",
    "region_integrals",
    "score",
]
