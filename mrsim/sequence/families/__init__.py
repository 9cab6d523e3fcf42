"""Sequence families: one file each, listed here."""

from __future__ import annotations

from .actual_flip import ActualFlip
from .balanced_ssfp import BalancedSSFP
from .bloch_siegert import BlochSiegert
from .diffusion_epi import DiffusionEpi
from .fingerprinting import Fingerprinting
from .free_precession import FreePrecession
from .gradient_echo_epi import GradientEchoEpi
from .inversion_recovery_spin_echo import InversionRecoverySpinEcho
from .look_locker import LookLocker
from .mp_rage import MPRage
from .mre_epi import MreEpi
from .mre_gradient_echo import MreGradientEcho
from .multi_dynamic_multi_echo import MultiDynamicMultiEcho
from .multi_echo_gradient_echo import MultiEchoGradientEcho
from .multi_echo_spin_echo import MultiEchoSpinEcho
from .press import Press
from .protocol import Protocol
from .pulse_acquire import PulseAcquire
from .radial_gradient_echo import RadialGradientEcho
from .semi_laser import SemiLaser
from .spin_echo import SpinEcho
from .spin_echo_epi import SpinEchoEpi
from .spiral_gradient_echo import SpiralGradientEcho
from .spoiled_gradient_echo import SpoiledGradientEcho
from .spoiled_gradient_echo_3d import SpoiledGradientEcho3D
from .steam import Steam
from .turbo_spin_echo import TurboSpinEcho
from .ute_radial import UteRadial

FAMILIES: tuple[type[Protocol], ...] = (
    SpinEcho,
    InversionRecoverySpinEcho,
    SpoiledGradientEcho,
    MultiEchoGradientEcho,
    MultiEchoSpinEcho,
    GradientEchoEpi,
    SpinEchoEpi,
    DiffusionEpi,
    MreEpi,
    MreGradientEcho,
    MultiDynamicMultiEcho,
    PulseAcquire,
    Press,
    Steam,
    SemiLaser,
    TurboSpinEcho,
    SpoiledGradientEcho3D,
    ActualFlip,
    BlochSiegert,
    BalancedSSFP,
    FreePrecession,
    MPRage,
    LookLocker,
    Fingerprinting,
    RadialGradientEcho,
    SpiralGradientEcho,
    UteRadial,
)
"""Every family that a protocol file can name."""
