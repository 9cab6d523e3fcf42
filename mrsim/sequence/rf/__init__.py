"""RF pulses, one kind per file.

A pulse is a row of samples held constant for one dwell. Signals of pulses without modulation are real and positive
in the main lobe, so that the phase of a pulse is the phase of its B1. `peak` and `energy` of a pulse tell what it
asks of the amplifier, `spinors` what it does to spins.
"""

from __future__ import annotations

from .binomial import binomial
from .bir4 import bir4
from .fermi import fermi
from .goia import goia
from .gradient_pulse import GradientPulse
from .hyperbolic_secant import hyperbolic_secant
from .multiband import band_phases, multiband
from .ramped import ramped
from .rectangular import hard
from .response import Spinors, spinors
from .samples import MOST_SAMPLES, sample_dwell
from .shinnar_le_roux import SLR_FILTERS, SLR_TYPES, slr
from .verse import verse
from .windowed_sinc import WINDOWS, sinc

__all__ = [
    "MOST_SAMPLES",
    "SLR_FILTERS",
    "SLR_TYPES",
    "WINDOWS",
    "GradientPulse",
    "Spinors",
    "band_phases",
    "binomial",
    "bir4",
    "fermi",
    "goia",
    "hard",
    "hyperbolic_secant",
    "multiband",
    "ramped",
    "sample_dwell",
    "sinc",
    "slr",
    "spinors",
    "verse",
]
