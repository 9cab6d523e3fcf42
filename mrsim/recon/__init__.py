"""From raw data to images."""

from __future__ import annotations

from ..core.unwrap import unwrap, unwrap_echoes
from .dispatch import coil_maps, reconstruct
from .methods import Combine, CompressedSensing, Grappa, Method, NonUniform, Sense, SliceGrappa, Smash, Steps, Subspace
from .spectroscopy import Spectroscopy
from .windows import Window

__all__ = [
    "Combine",
    "CompressedSensing",
    "Grappa",
    "Method",
    "NonUniform",
    "Sense",
    "SliceGrappa",
    "Smash",
    "Spectroscopy",
    "Steps",
    "Subspace",
    "Window",
    "coil_maps",
    "reconstruct",
    "unwrap",
    "unwrap_echoes",
]
