"""From raw data to images."""

from __future__ import annotations

from ..core.unwrap import unwrap, unwrap_echoes
from .dispatch import reconstruct
from .methods import Combine, CompressedSensing, Grappa, Method, Sense, SliceGrappa, Smash, Subspace

__all__ = [
    "Combine",
    "CompressedSensing",
    "Grappa",
    "Method",
    "Sense",
    "SliceGrappa",
    "Smash",
    "Subspace",
    "reconstruct",
    "unwrap",
    "unwrap_echoes",
]
