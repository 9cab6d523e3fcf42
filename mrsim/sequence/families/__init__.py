"""Sequence families: one file each, listed here."""

from __future__ import annotations

from .diffusion_epi import DiffusionEpi
from .gradient_echo_epi import GradientEchoEpi
from .inversion_recovery_spin_echo import InversionRecoverySpinEcho
from .multi_echo_gradient_echo import MultiEchoGradientEcho
from .multi_echo_spin_echo import MultiEchoSpinEcho
from .protocol import Protocol
from .spin_echo import SpinEcho
from .spin_echo_epi import SpinEchoEpi
from .spoiled_gradient_echo import SpoiledGradientEcho
from .turbo_spin_echo import TurboSpinEcho

FAMILIES: tuple[type[Protocol], ...] = (
    SpinEcho,
    InversionRecoverySpinEcho,
    SpoiledGradientEcho,
    MultiEchoGradientEcho,
    MultiEchoSpinEcho,
    GradientEchoEpi,
    SpinEchoEpi,
    DiffusionEpi,
    TurboSpinEcho,
)
"""Every family that a protocol file can name."""
